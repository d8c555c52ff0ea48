"""The copies of one kernel, with what tells which to take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from crawler.enrich.copies.fingerprint import Fingerprint, similarity
from crawler.enrich.copies.relation import relation_of
from crawler.enrich.copies.value_ops import ValueOps
from index.table import Table
from index.tables.copies import unpack_sketch

SIMILAR_COLUMNS = (
    "id",
    "relation",
    "similarity",
    "license",
    "stars",
    "why",
    "repo",
    "permalink",
)

Prints = Mapping[str, Any]
Row = tuple[Any, ...]


def similar_kernels(con: duckdb.DuckDBPyConnection, id: str, limit: int | None = None) -> Table:
    """Return the other kernels of a kernel's group: the likely original, then the most alike.

    The relation says how much is proven: a copy (equal after renaming), a near copy, or only the
    same computation. The similarity is the shared part of both kernels' text, 1 where they are
    equal after renaming. Both are None where the index does not hold enough to tell.
    """
    rows = con.execute(_GROUP, {"id": id}).fetchall()
    own = next((row for row in rows if row[0] == id), None)
    found = [
        (row, _relation(own, row), _similarity(own[-1], row[-1]))
        for row in rows
        if own is not None and row[0] != id
    ]
    found.sort(key=lambda each: (each[0][0] != each[0][6], -(each[2] or 0), -(each[0][2] or 0)))
    return Table(
        columns=SIMILAR_COLUMNS,
        rows=tuple((row[0], relation, alike, *row[1:6]) for row, relation, alike in found[:limit]),
    )


def _relation(one: Row, other: Row) -> str | None:
    """Return what two kernels of a group are to each other.

    Where one is told to be the origin of the other, its file may prove what the text does not.
    """
    prints = one[-1], other[-1]
    if any(each is None or each["sketch"] is None for each in prints):
        return None
    is_origin = other[6] == one[0] or one[6] == other[0]
    mine, theirs = map(_fingerprint, prints)
    is_equal = prints[0]["whole"] == prints[1]["whole"]
    return relation_of(mine, theirs, is_equal=is_equal, is_credited=is_origin).value


def _fingerprint(prints: Prints) -> Fingerprint:
    return Fingerprint(
        code=prints["whole"] or "",
        callees=(),
        size=prints["size"],
        steps=ValueOps(
            always=frozenset(prints["steps"]), optional=frozenset(prints["optional_steps"])
        ),
        sketch=unpack_sketch(prints["sketch"]),
        flow=(),
    )


def _similarity(one: Prints | None, other: Prints | None) -> float | None:
    """Return how alike two fingerprints are, None where one is missing."""
    if one is None or other is None or one["sketch"] is None or other["sketch"] is None:
        return None
    if one["whole"] == other["whole"]:
        return 1.0
    shared = similarity(unpack_sketch(one["sketch"]), unpack_sketch(other["sketch"]))
    # All of the text may be shared, and what is called differ.
    return min(round(shared, 2), 0.99)


_GROUP = """
SELECT k.id, k.license, r.stars, list_filter(k.reasons, lambda r: r.field = 'origin')[1].reason,
    k.repo, k.permalink, k.origin,
    CASE WHEN f.id IS NOT NULL THEN {
        'whole': f.whole, 'sketch': f.sketch, 'size': f.size,
        'steps': f.steps, 'optional_steps': f.optional_steps
    } END
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo
LEFT JOIN fingerprints AS f ON f.id = k.id
WHERE k.removed_at IS NULL
    AND k.clone_group = (SELECT clone_group FROM kernel_rows WHERE id = $id)
ORDER BY k.id
"""
