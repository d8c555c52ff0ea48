"""Who wrote the files that hold kernels, and when: kept by file, and told of each kernel."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import duckdb

from crawler.history import FileHistory
from crawler.models import CrawledRepo
from index.tables.staging import Staging, clean_text

_COLUMNS = {
    "path": "VARCHAR",
    "blob": "VARCHAR",
    "authors": "VARCHAR[]",
    "first_commit_at": "TIMESTAMP",
    "last_commit_at": "TIMESTAMP",
}


def save_histories(con: duckdb.DuckDBPyConnection, staging: Staging, crawled: CrawledRepo) -> None:
    """Store the histories that a crawl brought; its kernels must be stored before.

    A file that holds no kernel any more loses its history, a kernel that vanished keeps its
    authors. Needs a transaction around it.
    """
    staging.load("staged_histories", map(_row, crawled.histories), _COLUMNS)
    for statement in _STATEMENTS:
        con.execute(statement, {"repo": clean_text(crawled.name)})


def _row(history: FileHistory) -> dict[str, object]:
    return asdict(history) | {
        "first_commit_at": _moment(history.first_commit_at),
        "last_commit_at": _moment(history.last_commit_at),
    }


def _moment(moment: datetime | None) -> str | None:
    """Return an aware moment as the index keeps it: UTC, unmarked."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")


_STATEMENTS = (
    """
    DELETE FROM file_history WHERE repo = $repo AND (
        path IN (SELECT path FROM staged_histories) OR path NOT IN (
            SELECT path FROM kernel_rows WHERE repo = $repo AND removed_at IS NULL
        )
    )
    """,
    "INSERT INTO file_history BY NAME SELECT $repo AS repo, * FROM staged_histories",
    """
    UPDATE kernel_rows AS k SET authors = h.authors FROM file_history AS h
    WHERE k.repo = $repo AND h.repo = $repo AND k.path = h.path AND k.removed_at IS NULL
        AND k.authors IS DISTINCT FROM h.authors
    """,
)
