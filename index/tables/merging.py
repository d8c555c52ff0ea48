# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""What a crawl found, laid over what the index holds of that repository."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import duckdb

from index.tables.moves import Sighting, match_moves
from index.tables.staging import RECORD_FIELDS, Staging

# A kernel has changed when one of these differs. Where it stands and who launches or calls it
# is brought up to date without a word.
CONTENT_FIELDS = (
    "dialect",
    "form",
    "role",
    "docstring",
    "params",
    "autotune",
    "heuristics",
    "decorators",
    "tl_calls",
    "source",
)


class Change(StrEnum):
    """What happened to a kernel between two crawls."""

    ADDED = "added"
    CHANGED = "changed"
    MOVED = "moved"
    REMOVED = "removed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """How many kernels came, changed and went; `rows` counts all that were written."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    rows: int = 0


def merge_kernels(
    con: duckdb.DuckDBPyConnection,
    staging: Staging,
    repo: str,
    *,
    run_id: str,
    at: datetime,
    is_same_scanner: bool,
    kept: Iterable[str] = (),
) -> Merge:
    """Make the kernels in `staged_kernels` the live ones of `repo`; return what that changed.

    A kernel that is no longer there stays, dated `at`; one that moved or was renamed keeps what
    was known of it. Where another version of the scanner looked before, only a different source
    text counts as a change. Of the files and folders `kept` nothing new is known, so their kernels
    stay as they were; a notebook's cell is `path[cell]`. Needs a transaction around it.
    """
    staging.load("kept", ({"path": path} for path in set(kept)), {"path": "VARCHAR"})
    _follow_moves(con, staging, repo)
    _classify(con, repo, CONTENT_FIELDS if is_same_scanner else ("source",))
    rows = _execute(con, _UPDATE) + _execute(con, _INSERT, at=at)
    rows += _execute(con, _DATE, at=at, repo=repo)
    con.execute(
        "INSERT INTO changes SELECT $run_id, $repo, id, kind, previous_id FROM changed "
        "WHERE kind IS NOT NULL ORDER BY id",
        {"run_id": run_id, "repo": repo},
    )
    kinds = dict(con.execute("SELECT kind, count(*) FROM changed GROUP BY kind").fetchall())
    return Merge(
        added=kinds.get(Change.ADDED, 0) + kinds.get(Change.RETURNED, 0),
        changed=kinds.get(Change.CHANGED, 0) + kinds.get(Change.MOVED, 0),
        removed=kinds.get(Change.REMOVED, 0),
        rows=rows,
    )


def _follow_moves(con: duckdb.DuckDBPyConnection, staging: Staging, repo: str) -> None:
    """Give each moved kernel's row its new id; make the table `moved` (id, previous_id)."""
    vanished = _sightings(con, _VANISHED, repo)
    appeared = _sightings(con, _APPEARED, repo) if vanished else []
    moves = match_moves(vanished, appeared)
    staging.load(
        "moved",
        ({"id": new, "previous_id": old} for new, old in moves.items()),
        {"id": "VARCHAR", "previous_id": "VARCHAR"},
    )
    con.execute(
        "UPDATE kernel_rows SET id = moved.id FROM moved "
        "WHERE kernel_rows.id = moved.previous_id AND kernel_rows.repo = $repo",
        {"repo": repo},
    )
    if moves:
        con.execute(
            "UPDATE wish_matches SET matches = list_transform(matches, lambda m: "
            "struct_update(m, id := coalesce(new_ids[m.id], m.id))) "
            "FROM (SELECT map(list(previous_id), list(id)) AS new_ids FROM moved)"
        )


def _classify(con: duckdb.DuckDBPyConnection, repo: str, content: Iterable[str]) -> None:
    """Make the table `changed` (id, kind, previous_id) of all that is or was live in `repo`."""
    con.execute(_CLASSIFY.format(differs=_differs(content)), {"repo": repo})


def _sightings(con: duckdb.DuckDBPyConnection, query: str, repo: str) -> list[Sighting]:
    rows = con.execute(query, {"repo": repo}).fetchall()
    return [
        Sighting(id=id, path=path, qualname=qualname, name=name, source=source)
        for id, path, qualname, name, source in rows
    ]


def _execute(con: duckdb.DuckDBPyConnection, statement: str, **values: object) -> int:
    """Return how many rows the statement wrote."""
    row = con.execute(statement, values or None).fetchone()
    return 0 if row is None else int(row[0])


def _differs(columns: Iterable[str]) -> str:
    names = tuple(columns)
    old = ", ".join(f'k."{name}"' for name in names)
    new = ", ".join(f's."{name}"' for name in names)
    return f"row({old}) IS DISTINCT FROM row({new})"


# The file itself, its cell, or a folder above it, which ends in a slash.
_IS_KEPT = """
(
    path IN (FROM kept)
    OR (cell IS NOT NULL AND path || '[' || cell || ']' IN (FROM kept))
    OR EXISTS (
        FROM kept WHERE suffix(kept.path, '/') AND starts_with(kernel_rows.path, kept.path)
    )
)
"""

_VANISHED = f"""
SELECT id, path, qualname, name, coalesce(source, '') FROM kernel_rows
WHERE repo = $repo AND removed_at IS NULL AND id NOT IN (SELECT id FROM staged_kernels)
    AND NOT {_IS_KEPT}
"""

_APPEARED = """
SELECT id, path, qualname, name, source FROM staged_kernels
WHERE id NOT IN (SELECT id FROM kernel_rows WHERE repo = $repo)
"""

_CLASSIFY = f"""
CREATE OR REPLACE TEMP TABLE changed AS
SELECT s.id, m.previous_id, CASE
    WHEN k.id IS NULL THEN '{Change.ADDED}'
    WHEN m.id IS NOT NULL THEN '{Change.MOVED}'
    WHEN k.removed_at IS NOT NULL THEN '{Change.RETURNED}'
    -- Whose text was never here cannot be said to have changed.
    WHEN k.source IS NOT NULL AND {{differs}} THEN '{Change.CHANGED}'
END AS kind
FROM staged_kernels AS s
LEFT JOIN (SELECT * FROM kernel_rows WHERE repo = $repo) AS k ON k.id = s.id
LEFT JOIN moved AS m ON m.id = s.id
UNION ALL
SELECT id, NULL, '{Change.REMOVED}' FROM kernel_rows
WHERE repo = $repo AND removed_at IS NULL AND id NOT IN (SELECT id FROM staged_kernels)
    AND NOT {_IS_KEPT}
"""

_UPDATE = f"""
UPDATE kernel_rows AS k
SET {", ".join(f'"{name}" = s."{name}"' for name in RECORD_FIELDS)},
    last_seen = NULL, removed_at = NULL
FROM staged_kernels AS s
WHERE k.id = s.id AND (k.removed_at IS NOT NULL OR {_differs(RECORD_FIELDS)})
"""

_INSERT = """
INSERT INTO kernel_rows BY NAME
SELECT s.*, $at AS first_seen FROM staged_kernels AS s
JOIN changed USING (id) WHERE changed.kind = 'added'
ORDER BY s.id
"""

_DATE = """
UPDATE kernel_rows
SET removed_at = $at, last_seen = (SELECT last_seen_at FROM repos WHERE name = $repo)
WHERE id IN (SELECT id FROM changed WHERE kind = 'removed')
"""
