"""Who wrote the files of kernels, as the index keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from crawler.history import FileHistory
from index.store import Store
from tests.index.samples import REPO, SECOND_COMMIT, crawled, kernel, rows, save

AUTHORS = "SELECT name, authors FROM kernels ORDER BY name"
EAST = timezone(timedelta(hours=8))


def history(path: str = "ops/add.py", *authors: str, blob: str = "1" * 40) -> FileHistory:
    return FileHistory(path=path, blob=blob, authors=authors)


def test_a_history_is_kept_and_told_of_each_kernel_of_its_file(db: Path) -> None:
    known = replace(
        history("ops/add.py", "Ada", "Bob"),
        first_commit_at=datetime(2026, 1, 2, 3, tzinfo=EAST),
        last_commit_at=datetime(1, 1, 2, tzinfo=UTC),
    )
    kernels = (kernel("a"), kernel("b"), kernel("c", path="c.py"))
    save(db, replace(crawled(*kernels), histories=(known,)))
    assert rows(db, AUTHORS) == [("a", ["Ada", "Bob"]), ("b", ["Ada", "Bob"]), ("c", [])]
    assert rows(db, "SELECT * FROM file_history") == [
        (REPO, "ops/add.py", "1" * 40, ["Ada", "Bob"], datetime(2026, 1, 1, 19), datetime(1, 1, 2))
    ]
    with Store.open_for_writing(db) as store:
        assert store.histories(REPO.upper()) == {"ops/add.py": "1" * 40}
        assert store.histories("octo/none") == {}


def test_what_is_not_told_anew_stays_known(db: Path) -> None:
    save(db, replace(crawled(kernel("a")), histories=(history("ops/add.py", "Ada"),)))
    save(db, crawled(kernel("a", commit=SECOND_COMMIT), commit=SECOND_COMMIT))
    assert rows(db, AUTHORS) == [("a", ["Ada"])]
    newer = history("ops/add.py", "Bob", "Ada", blob="2" * 40)
    save(db, replace(crawled(kernel("a")), histories=(newer,)))
    assert rows(db, AUTHORS) == [("a", ["Bob", "Ada"])]
    assert rows(db, "SELECT blob FROM file_history") == [("2" * 40,)]


def test_a_kernel_that_vanished_keeps_its_authors_and_its_file_no_history(db: Path) -> None:
    gone = kernel("a", path="a.py")
    told = (history("a.py", "Ada"), history("ops/add.py", "Bob"))
    save(db, replace(crawled(gone, kernel("b")), histories=told))
    save(db, crawled(kernel("b")))
    assert rows(db, AUTHORS) == [("a", ["Ada"]), ("b", ["Bob"])]
    assert rows(db, "SELECT path FROM file_history") == [("ops/add.py",)]


def test_a_name_that_utf_8_cannot_carry_is_kept(db: Path) -> None:
    told = history("ops/add.py", "Ada \udc80")
    save(db, replace(crawled(kernel("a")), histories=(told,)))
    assert rows(db, AUTHORS) == [("a", ["Ada \\udc80"])]


def test_a_history_that_failed_is_due(db: Path) -> None:
    save(db, replace(crawled(kernel("a")), is_history_due=True))
    with Store.open_for_writing(db) as store:
        known = store.repo(REPO)
        assert known is not None
        assert known.is_history_due
    save(db, crawled(kernel("a")))
    with Store.open_for_writing(db) as store:
        known = store.repo(REPO)
        assert known is not None
        assert not known.is_history_due
