from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from crawler.errors import SnapshotError
from crawler.snapshot.git_command import hardened_environment, run_git
from tests.crawler.snapshot.conftest import MakeRepo, git


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a file behind when it is run."""
    path = tmp_path / "trap"
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    path.chmod(0o755)
    return path


def is_sprung(trap: Path) -> bool:
    return (trap.parent / "sprung").exists()


def test_no_protocol_is_allowed(tmp_path: Path, trap: Path) -> None:
    """`ext::` runs any program; allowed, it would."""
    words = ["git", "ls-remote", f"ext::{trap}"]
    refused = subprocess.run(words, env=hardened_environment(), capture_output=True)
    assert b"transport 'ext' not allowed" in refused.stderr
    assert not is_sprung(trap)
    subprocess.run(words, env=hardened_environment("ext"), capture_output=True)
    assert is_sprung(trap)


def test_missing_objects_are_not_fetched(make_repo: MakeRepo, trap: Path) -> None:
    repo = make_repo({"a.py": "a"})
    git(repo, "config", "remote.origin.url", f"ext::{trap}")
    git(repo, "config", "remote.origin.promisor", "true")
    name = "1" * 40
    words = ["git", "-C", str(repo), "cat-file", "-p", name]
    environment = hardened_environment("ext")
    subprocess.run(words, env=environment, capture_output=True)
    assert not is_sprung(trap)
    del environment["GIT_NO_LAZY_FETCH"]
    subprocess.run(words, env=environment, capture_output=True)
    assert is_sprung(trap)


def test_replaced_objects_do_not_stand_in(make_repo: MakeRepo) -> None:
    repo = make_repo({"a.py": "true"})
    name = git(repo, "rev-parse", "HEAD:a.py")
    git(repo, "replace", name, git(repo, "hash-object", "-w", "--stdin", stdin=b"false"))
    assert run_git(repo / ".git", "cat-file", "blob", name) == b"true"


def test_the_callers_git_variables_take_no_part(
    make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git itself sets them for a program it starts, such as a hook or an alias."""
    repo = make_repo({"a.py": "a"})
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=neither'")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert len(run_git(repo / ".git", "rev-parse", "HEAD").strip()) == 40


def test_what_git_complains_of_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"^not a git repository: '/.*'$"):
        run_git(tmp_path / "gone", "rev-parse", "HEAD")
