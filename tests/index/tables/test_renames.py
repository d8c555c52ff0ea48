"""A renamed repository keeps what was known of it, under either name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from crawler.models import RepoStatus
from crawler.states import GithubState, RepoMetadata
from index.database import open_index
from index.queries.search import search
from index.store import Store
from tests.index.samples import column, crawled, kernel, rows, save

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
        kernels = kernel("a", repo=NEW), kernel("b", repo=NEW)
        report = store.save(crawled(*kernels, renamed_from=OLD), run)
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
        store.save(crawled(kernel("a", repo=NEW), github=STATE, metadata=METADATA), run)
        known = store.repo(NEW)
    assert known is not None
    assert known.github == STATE
    assert column(db, "SELECT stars FROM kernels") == [12]
    assert column(db, "SELECT license FROM kernels") == ["MIT"]


def test_a_kernel_known_under_both_names_keeps_the_earlier_date(db: Path) -> None:
    first = save(db, crawled(kernel("a", repo=OLD)))
    save(db, crawled(kernel("a", repo=NEW)))
    save(db, crawled(kernel("a", repo=NEW), renamed_from=OLD))
    assert column(db, "SELECT first_seen FROM kernels") == [first.started_at.replace(tzinfo=None)]


def test_case_tells_no_repositories_apart(db: Path) -> None:
    first = save(db, crawled(kernel("a", repo="acme/kernels"), github=STATE))
    with Store.open_for_writing(db) as store:
        assert store.repo("ACME/Kernels") == store.repo("acme/kernels") is not None
        failed = crawled(name="Acme/kernels", status=RepoStatus.FAILED, error="no network")
        assert store.save(failed, store.begin_run()).repo == "acme/kernels"
    (report,) = save(db, crawled(kernel("a", repo="Acme/Kernels"))).repos
    assert (report.repo, report.added, report.removed) == ("Acme/Kernels", 0, 0)
    assert rows(db, "SELECT id, first_seen FROM kernels") == [
        ("Acme/Kernels:ops/add.py::a", first.started_at.replace(tzinfo=None))
    ]
    assert column(db, "SELECT name FROM repos") == ["Acme/Kernels"]


def test_a_failure_under_a_former_name_is_that_of_the_repository(db: Path) -> None:
    save(db, crawled(kernel("a", repo=NEW), renamed_from=OLD))
    for status, kernels in (
        (RepoStatus.FAILED, 1),
        (RepoStatus.UNCHANGED, 1),
        (RepoStatus.GONE, 0),
    ):
        (report,) = save(db, crawled(name=OLD, status=status, commit=None)).repos
        assert (report.repo, report.kernels) == (NEW, kernels)
        assert rows(db, "SELECT name, status FROM repos") == [(NEW, status.value)]


def test_former_names_stay_known_through_the_next_rename(db: Path) -> None:
    save(db, crawled(kernel("a", repo=OLD)))
    save(db, crawled(kernel("a", repo=NEW), renamed_from=OLD))
    save(db, crawled(kernel("a", repo="newest/name"), renamed_from=NEW))
    with Store.open_for_writing(db) as store:
        known = [store.repo(name) for name in (OLD, NEW, "newest/name")]
    assert known[0] is not None
    assert known == [known[0]] * 3


def test_content_from_elsewhere_ends_what_github_said(db: Path) -> None:
    save(db, crawled(kernel("a", repo=NEW), github=STATE, metadata=METADATA))
    save(db, crawled(name=NEW, status=RepoStatus.UNCHANGED))
    assert column(db, "SELECT github IS NULL FROM repos") == [False]
    save(db, crawled(kernel("a", repo=NEW)))
    assert rows(db, "SELECT github, stars FROM repos") == [(None, 12)]


def test_an_empty_repository_is_known(db: Path) -> None:
    empty = replace(STATE, head=None)
    save(db, crawled(name=NEW, status=RepoStatus.EMPTY, commit=None, github=empty))
    with Store.open_for_writing(db) as store:
        known = store.repo(NEW)
    assert known is not None
    assert (known.commit, known.github) == ("", empty)


def test_a_failure_does_not_count_as_seen(db: Path) -> None:
    first = save(db, crawled(kernel("a", repo=NEW)))
    save(db, crawled(name=NEW, status=RepoStatus.FAILED))
    with Store.open_for_writing(db) as store:
        known = store.repo(NEW)
    assert known is not None
    assert known.crawled_at == first.started_at


def test_names_that_other_kernels_refer_to_follow(db: Path) -> None:
    save(db, crawled(kernel("fwd", repo=OLD)), crawled(kernel("bwd", repo="other/bwd")))
    with duckdb.connect(db) as con:
        con.execute(
            "UPDATE kernel_rows SET forward = 'old/name:ops/add.py::fwd' WHERE name = 'bwd'"
        )
    save(db, crawled(name=NEW, status=RepoStatus.UNCHANGED, renamed_from=OLD))
    assert column(db, "SELECT forward FROM kernels WHERE name = 'bwd'") == [
        "new/name:ops/add.py::fwd"
    ]
    with open_index(db) as con:
        assert search(con, "fwd").ids == ("new/name:ops/add.py::fwd",)


def match_wish_with(db: Path, id: str) -> None:
    with duckdb.connect(db) as con:
        con.execute(
            "INSERT INTO wish_matches VALUES ('wish/list', 1, [{'id': ?, 'score': 0.9, "
            "'reason': 'softmax'}, {'id': 'else/where:a.py::a', 'score': 0.5, 'reason': 'name'}], "
            "now()::TIMESTAMP, NULL)",
            [id],
        )


def matched(db: Path) -> list[str]:
    return column(db, "SELECT unnest(matches).id FROM wish_matches")


def test_matches_of_wishes_follow_a_renamed_repository(db: Path) -> None:
    save(db, crawled(kernel("fwd", repo=OLD)))
    match_wish_with(db, "old/name:ops/add.py::fwd")
    save(db, crawled(name=NEW, status=RepoStatus.UNCHANGED, renamed_from=OLD))
    assert matched(db) == ["new/name:ops/add.py::fwd", "else/where:a.py::a"]


def test_matches_of_wishes_follow_a_kernel_that_moves(db: Path) -> None:
    save(db, crawled(kernel("fwd", path="ops/a.py")))
    before = column(db, "SELECT id FROM kernels")[0]
    match_wish_with(db, before)
    save(db, crawled(kernel("fwd", path="ops/b.py")))
    (now,) = column(db, "SELECT id FROM kernels WHERE removed_at IS NULL")
    assert now != before
    assert matched(db) == [now, "else/where:a.py::a"]
