"""A renamed repository keeps what was known of it, under either name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from crawler.github.states import GithubState, RepoMetadata
from crawler.models import RepoStatus
from index.store import Store
from tests.index.samples import column, crawled, kernel

OLD, NEW = "old/name", "new/name"
STATE = GithubState(
    id=7,
    name=NEW,
    default_branch="main",
    ref="main",
    head="c" * 40,
    head_etag='"e"',
    metadata_etag=None,
    pushed_at=datetime(2026, 1, 1, tzinfo=UTC),
    described_at=datetime(2026, 1, 2, tzinfo=UTC),
)
METADATA = RepoMetadata(
    id=7,
    name=NEW,
    description="kernels",
    stars=12,
    forks=3,
    license="MIT",
    topics=("triton",),
    archived=False,
    private=False,
    default_branch="main",
    pushed_at=datetime(2026, 1, 1, tzinfo=UTC),
    clone_url="https://github.com/new/name.git",
    etag=None,
    fetched_at=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_kernels_keep_their_first_seen_under_the_new_name(db: Path) -> None:
    with Store.open_for_writing(db) as store:
        first = store.begin_run()
        store.save(crawled(kernel("a", repo=OLD), kernel("b", repo=OLD), name=OLD), first)
    with Store.open_for_writing(db) as store:
        run = store.begin_run()
        renamed = replace(crawled(kernel("a", repo=NEW), kernel("b", repo=NEW), name=NEW), renamed_from=OLD)
        report = store.save(renamed, run)
        assert (report.status, report.renamed_from) == (RepoStatus.RENAMED, OLD)
        assert (report.added, report.changed, report.removed) == (0, 0, 0)
        assert store.repo(OLD) == store.repo(NEW) != None  # noqa: E711 - both, and something
    assert set(column(db, "SELECT repo FROM kernels")) == {NEW}
    assert set(column(db, "SELECT first_seen FROM kernels")) == {
        first.started_at.replace(tzinfo=None)
    }
    assert column(db, "SELECT name FROM repos") == [NEW]


def test_a_rename_alone_moves_the_rows_too(db: Path) -> None:
    with Store.open_for_writing(db) as store:
        run = store.begin_run()
        store.save(crawled(kernel("a", repo=OLD), name=OLD), run)
        moved = replace(
            crawled(name=NEW), status=RepoStatus.UNCHANGED, renamed_from=OLD, blobs=(), scans=()
        )
        report = store.save(moved, run)
    assert (report.status, report.kernels) == (RepoStatus.RENAMED, 1)
    assert column(db, "SELECT permalink LIKE '%/new/name/blob/%' FROM kernels") == [True]
    assert [name.partition(":")[0] for name in column(db, "SELECT id FROM kernels")] == [NEW]


def test_where_both_names_were_known_the_new_ones_rows_win(db: Path) -> None:
    with Store.open_for_writing(db) as store:
        run = store.begin_run()
        store.save(crawled(kernel("a", repo=OLD), kernel("only_old", repo=OLD), name=OLD), run)
        store.save(crawled(kernel("a", repo=NEW), name=NEW), run)
        store.save(replace(crawled(kernel("a", repo=NEW), name=NEW), renamed_from=OLD), run)
    assert column(db, "SELECT name FROM repos") == [NEW]
    assert len(column(db, "SELECT id FROM kernels WHERE removed_at IS NULL")) == 1
    assert len(column(db, "SELECT id FROM kernels")) == 2


def test_what_github_said_is_stored_and_given_back(db: Path) -> None:
    with Store.open_for_writing(db) as store:
        run = store.begin_run()
        store.save(replace(crawled(kernel("a", repo=NEW), name=NEW), github=STATE, metadata=METADATA), run)
        known = store.repo(NEW)
    assert known is not None
    assert known.github == STATE
    assert column(db, "SELECT stars FROM kernels") == [12]
    assert column(db, "SELECT license FROM kernels") == ["MIT"]
