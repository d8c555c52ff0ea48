"""zizmor and actionlint find nothing, and would find something."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.files import ROOT

BIN = Path(sys.executable).parent
MAKE = [
    line.strip().replace("$(BIN)", str(BIN))
    for line in (ROOT / "Makefile").read_text().splitlines()
    if "$(BIN)/zizmor" in line or "$(BIN)/actionlint" in line
]

pytestmark = pytest.mark.skipif(
    not all(Path(line.split()[0]).exists() for line in MAKE),
    reason="the checkers are in the environment of make lint",
)


def check(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line.split(), cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_make_lint_runs_both() -> None:
    assert sorted(Path(line.split()[0]).name for line in MAKE) == ["actionlint", "zizmor"]
    assert any("--persona auditor" in line for line in MAKE)


@pytest.mark.parametrize("line", MAKE, ids=lambda line: Path(line.split()[0]).name)
def test_they_find_nothing(line: str, copied: Path) -> None:
    done = check(line, copied)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("line", MAKE, ids=lambda line: Path(line.split()[0]).name)
def test_they_find_a_title_that_is_expanded_in_a_shell(line: str, copied: Path) -> None:
    path = copied / ".github" / "workflows" / "wishes.yml"
    text = path.read_text()
    spoiled = text.replace('sync "$GITHUB_REPOSITORY"', 'sync "${{ github.event.issue.title }}"')
    assert spoiled != text
    path.write_text(spoiled)
    assert check(line, copied).returncode != 0
