"""A changed rule is another version, with whatever it imports; a comment is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler import stages
from crawler.enrich.kernels import enrichment_version
from crawler.scan import scan_version
from crawler.stages import stage_version
from index.tables.search_tables import search_version
from wishlist.reading import reading_version


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "crawler/__init__.py": "",
        "crawler/rules/__init__.py": "from crawler.rules import words\n",
        "crawler/rules/names.py": "def f():\n    from crawler.deep import g\n",
        "crawler/rules/words.py": "WORDS = 1\n",
        "crawler/deep.py": "# why\ng = 1\n",
        "crawler/other.py": "x = 1\n",
        "crawler/data/ops.toml": "a = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(stages, "_ROOT", tmp_path)
    return tmp_path


def version() -> str:
    stage_version.cache_clear()
    return stage_version("crawler.rules", data=("crawler/data/ops.toml",))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("crawler/rules/words.py", "WORDS = 2\n"),
        ("crawler/rules/names.py", "def f():\n    return 1\n"),
        ("crawler/deep.py", "g = 2\n"),
        ("crawler/data/ops.toml", "a = 2\n"),
        ("crawler/rules/new.py", "y = 1\n"),
    ],
)
def test_is_another_version(tree: Path, name: str, text: str) -> None:
    before = version()
    (tree / name).write_text(text)
    assert version() != before


@pytest.mark.parametrize(
    ("name", "text"),
    [("crawler/other.py", "x = 2\n"), ("crawler/deep.py", "# why not\n\ng = 1\n")],
)
def test_is_the_same_version(tree: Path, name: str, text: str) -> None:
    before = version()
    (tree / name).write_text(text)
    assert version() == before


def test_every_stage_has_a_version_of_its_own() -> None:
    stage_version.cache_clear()
    versions = {scan_version(), enrichment_version(), search_version(), reading_version()}
    assert len(versions) == 4
