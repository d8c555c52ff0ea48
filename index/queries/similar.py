"""The copies of one kernel, with what tells which to take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from crawler.enrich.copies.fingerprint import similarity
from index.table import Table
from index.tables.copies import unpack_sketch

SIMILAR_COLUMNS = ("id", "similarity", "license", "stars", "why", "repo", "permalink")

Prints = Mapping[str, Any]


def similar_kernels(con: duckdb.DuckDBPyConnection, id: str, limit: int | None = None) -> Table:
    """Return the other kernels of a kernel's group: the likely original, then the most alike.

    The similarity is the shared part of both kernels' text, 1 where they are equal after renaming,
    None where the index does not hold enough to tell.
    """
    rows = con.execute(_GROUP, {"id": id}).fetchall()
    own = next((prints for other, *_, prints in rows if other == id), None)
    found = [
        (other, _similarity(own, prints), license_, stars, why, repo, permalink, is_origin)
        for other, license_, stars, why, repo, permalink, is_origin, prints in rows
        if other != id
    ]
    found.sort(key=lambda row: (not row[-1], -(row[1] or 0), -(row[3] or 0), row[0]))
    return Table(columns=SIMILAR_COLUMNS, rows=tuple(row[:-1] for row in found[:limit]))


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
    k.repo, k.permalink, k.id = k.origin,
    CASE WHEN f.id IS NOT NULL THEN {'whole': f.whole, 'sketch': f.sketch} END
FROM kernel_rows AS k
LEFT JOIN repos AS r ON r.name = k.repo
LEFT JOIN fingerprints AS f ON f.id = k.id
WHERE k.removed_at IS NULL
    AND k.clone_group = (SELECT clone_group FROM kernel_rows WHERE id = $id)
"""
