"""The kernels that an exercise holds up, found in the index at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A kernel to study; all but the id is None where this index has it not."""

    id: str
    permalink: str | None = None
    license: str | None = None
    n_copies: int | None = None
    summary: str | None = None


def find_examples(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> tuple[Example, ...]:
    """Return the kernels of those ids, in that order."""
    rows = con.execute(
        "SELECT id, permalink, license, n_copies, summary FROM kernels "
        "WHERE removed_at IS NULL AND list_contains($ids, id)",
        {"ids": list(ids)},
    ).fetchall()
    found = {
        row[0]: Example(
            id=row[0], permalink=row[1], license=row[2], n_copies=row[3], summary=row[4]
        )
        for row in rows
    }
    return tuple(found.get(one, Example(id=one)) for one in ids)
