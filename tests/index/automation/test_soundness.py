"""What keeps a new index from being published, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from crawler.models import CrawledRepo, RepoStatus, SourceKind, SourceRepo
from index.automation.news import has_news
from index.automation.soundness import find_doubts
from index.database import open_index
from tests.index.samples import SECOND_COMMIT, crawled, kernel, save

REPOS = ("acme/a", "acme/b")
LISTED = tuple(SourceRepo(name=name, kind=SourceKind.GITHUB) for name in REPOS)
EACH = 10

Change = Callable[[Path], object]


def source(name: str, count: int = EACH, **facts: object) -> CrawledRepo:
    """Return a source with so many kernels."""
    commit = facts.get("commit", "1" * 40)
    kernels = (kernel(f"k{n}", repo=name, path=f"f{n}.py", commit=commit) for n in range(count))
    return crawled(*kernels, name=name, **facts)


@pytest.fixture
def doubts(tmp_path: Path) -> Iterator[Callable[..., tuple[str, ...]]]:
    """Return the doubts about an index that grew from another by some changes."""

    def find(*changes: Change, listed: tuple[SourceRepo, ...] = LISTED) -> tuple[str, ...]:
        old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
        save(old, *map(source, REPOS))
        new.write_bytes(old.read_bytes())
        for change in changes:
            change(new)
        with ExitStack() as stack:
            before, after = (stack.enter_context(open_index(path)) for path in (old, new))
            return find_doubts(after, before, listed)

    yield find


def by_crawl(*sources: CrawledRepo) -> Change:
    return lambda path: save(path, *sources)


def by_hand(*statements: str) -> Change:
    def change(path: Path) -> None:
        with duckdb.connect(path) as con:
            for statement in statements:
                con.execute(statement)

    return change


OTHER = {"commit": SECOND_COMMIT}
UNCHANGED = crawled(name="acme/b", status=RepoStatus.UNCHANGED)
FAILED = crawled(name="acme/b", status=RepoStatus.FAILED, error="acme/b: no route")
LEFT = crawled(
    name="acme/b", status=RepoStatus.FAILED, error="acme/b: left for the next run: spent"
)
GONE = crawled(name="acme/b", status=RepoStatus.GONE, error="acme/b: 404")

SOUND = {
    "nothing changed": by_crawl(source("acme/a"), UNCHANGED),
    "a repository dropped kernels in a commit": by_crawl(source("acme/a", 7, **OTHER), UNCHANGED),
    "one was left for the next run": by_crawl(source("acme/a"), LEFT),
    "a repository has another name": by_crawl(
        source("acme/a"), source("acme/new", renamed_from="acme/b")
    ),
    "a file was moved": by_crawl(
        crawled(
            *(kernel(f"k{n}", repo="acme/a", path=f"moved/f{n}.py", **OTHER) for n in range(EACH)),
            **OTHER,
        ),
        UNCHANGED,
    ),
}

UNSOUND = {
    "kernels are gone at the same commit": (
        by_crawl(source("acme/a", 7), UNCHANGED),
        "3 of 20 kernels are gone although their sources did not change: acme/a (3)",
    ),
    "kernels are gone by another scanner": (
        by_crawl(source("acme/a", 7, scanner_version="2", **OTHER), UNCHANGED),
        "3 of 20 kernels are gone although their sources did not change",
    ),
    "very many are gone at once, for whatever reason": (
        by_crawl(source("acme/a", 1, **OTHER), UNCHANGED),
        "9 of 20 kernels are gone in one crawl",
    ),
    "half of the kernels are gone with their repository": (
        by_crawl(source("acme/a"), GONE),
        "10 of 20 kernels are gone in one crawl",
    ),
    "rows vanished": (
        by_hand("DELETE FROM kernel_rows WHERE id = 'acme/a:f3.py::k3'"),
        "1 kernels are gone without a trace, where they should be dated: acme/a:f3.py::k3",
    ),
    "a source is forgotten": (
        by_crawl(source("acme/a")),
        "the crawl tells nothing of 1 listed sources: acme/b",
    ),
    "too many failed": (
        by_crawl(source("acme/a"), FAILED),
        "1 of 2 sources failed: acme/b (acme/b: no route)",
    ),
    "the search does not know a kernel": (
        by_hand("DELETE FROM search_documents WHERE id = 'acme/a:f3.py::k3'"),
        "1 live kernels cannot be searched for: acme/a:f3.py::k3",
    ),
    "an id stands twice": (
        by_hand("INSERT INTO kernel_rows SELECT * FROM kernel_rows WHERE id = 'acme/a:f3.py::k3'"),
        "1 kernels share an id: acme/a:f3.py::k3",
    ),
    "a source's row is lost": (
        by_hand("DELETE FROM repos WHERE name = 'acme/a'"),
        "10 live kernels are of no known source: acme/a:f0.py::k0",
    ),
    "no kernel is left": (
        by_hand("UPDATE kernel_rows SET removed_at = now()"),
        "the index holds no kernel",
    ),
    "a column is missing": (
        by_hand("ALTER TABLE skips DROP COLUMN reason"),
        "the schema is not what the migrations make: table skips is defined otherwise",
    ),
}


@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND)
def test_sound(doubts, change: Change) -> None:
    assert doubts(change) == ()


@pytest.mark.parametrize(("change", "doubt"), UNSOUND.values(), ids=UNSOUND)
def test_unsound(doubts, change: Change, doubt: str) -> None:
    found = doubts(change)
    assert any(line.startswith(doubt) for line in found), found
    assert all("\n" not in line for line in found)


def test_a_listed_name_that_was_given_up_is_accounted_for(doubts) -> None:
    renamed = by_crawl(source("acme/a"), source("acme/new", renamed_from="acme/b"))
    later = by_crawl(
        crawled(name="acme/a", status=RepoStatus.UNCHANGED),
        crawled(name="acme/new", status=RepoStatus.UNCHANGED),
    )
    assert doubts(renamed, later) == ()


@pytest.mark.parametrize(
    ("change", "is_news"),
    [
        (by_crawl(crawled(name="acme/a", status=RepoStatus.UNCHANGED), UNCHANGED), False),
        (by_crawl(source("acme/a")), False),
        (by_crawl(source("acme/a", 11, **OTHER)), True),
        (by_crawl(GONE), True),
        (by_crawl(FAILED), False),
        (by_hand("UPDATE repos SET stars = 5 WHERE name = 'acme/a'"), True),
    ],
    ids=["unchanged", "read again", "a kernel more", "gone", "failed", "stars"],
)
def test_news(tmp_path: Path, change: Change, is_news: bool) -> None:
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    save(old, *map(source, REPOS))
    new.write_bytes(old.read_bytes())
    change(new)
    with open_index(old) as before, open_index(new) as after:
        assert has_news(before, after) is is_news
