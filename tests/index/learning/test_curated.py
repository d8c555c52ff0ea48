"""Kernels that people pointed out: each resolves, and what moved or left is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.cli import main
from index.database import open_index
from index.learning.curated import CuratedEntry, Whereabouts, find_curated, load_curated
from tests.index.samples import crawled, kernel, save


def test_the_fifteen_that_the_index_began_with_are_there() -> None:
    assert len(load_curated()) >= 15
    assert all(one.ids and one.link.startswith("https://") for one in load_curated())


def test_each_is_in_the_index_that_comes_with_the_package(bundled: Path) -> None:
    with open_index(bundled) as con:
        found = find_curated(con, load_curated())
    lost = [one.meant for one in found if one.permalink is None]
    assert lost == []


@pytest.fixture
def library(db: Path) -> Path:
    save(db, crawled(kernel("add_kernel", path="new/place.py")))
    return db


def entry(id: str) -> CuratedEntry:
    return CuratedEntry(name="x", note="y", link="https://example.org", ids=(id,))


def test_one_that_moved_within_its_repository_is_followed(library: Path) -> None:
    with open_index(library) as con:
        ((here,),) = con.execute("SELECT id FROM kernels").fetchall()
        meant = here.replace("new/place.py", "old.py")
        (one,) = find_curated(con, (entry(meant),))
    assert (one.where, one.id) == (Whereabouts.MOVED, here)
    assert one.permalink


def test_one_that_was_never_there_is_absent(library: Path) -> None:
    with open_index(library) as con:
        (one,) = find_curated(con, (entry("octo/other:a.py::b"),))
    assert (one.where, one.permalink) == (Whereabouts.ABSENT, None)


def test_the_command_lists_them(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--db", str(library), "learn", "curated", "--format", "jsonl"]) == 0
    assert capsys.readouterr().out.count("\n") >= 15
