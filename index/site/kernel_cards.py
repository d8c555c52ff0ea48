"""All that the page shows of one kernel, in shards found by a checksum of its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from crawler.enrich.license_class import license_class
from crawler.enrich.standing import Reason
from index.plain_text import one_line
from index.queries.kernels import KERNEL_COLUMNS, plain_row

KERNELS_A_SHARD = 32
# What others wrote at length stays where they wrote it.
_LEFT_OUT = frozenset({"docstring", "operations"})
_MOST_CONFIGS = 16
_MOST_COPIES = 12
_MOST_OPERATIONS = 4

Card = dict[str, Any]


def card_shards(
    con: duckdb.DuckDBPyConnection, standing: Mapping[str, tuple[Reason, ...]]
) -> list[dict[str, Card]]:
    """Return the kernels by shard and id, each with the fields of its record that are known.

    Besides these: `why` (reasons of what was inferred), `trust` (what speaks for or against it),
    `copied` (id, licence, stars of its copies) and `run_by` (id, kind, signature, permalink of the
    operations that run it). Removed kernels are among them.
    """
    rows = con.execute(
        f"SELECT {', '.join(KERNEL_COLUMNS)} FROM kernels ORDER BY id"  # noqa: S608 (ours)
    ).fetchall()
    shards: list[dict[str, Card]] = [{} for _ in range(-(-len(rows) // KERNELS_A_SHARD) or 1)]
    more = _More(con, standing)
    for row in rows:
        record: Card = dict(zip(KERNEL_COLUMNS, plain_row(KERNEL_COLUMNS, row), strict=True))
        shards[shard_of(record["id"], len(shards))][record["id"]] = more.card(record)
    return shards


def shard_of(id: str, n_shards: int) -> int:
    """Return in which shard a kernel is: FNV-1a of its id in UTF-8, 32 bits."""
    found = 0x811C9DC5
    for byte in id.encode("utf-8", "surrogatepass"):
        found = (found ^ byte) * 0x01000193 & 0xFFFFFFFF
    return found % n_shards


class _More:
    """Knows what stands in other tables of a kernel."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, standing: Mapping[str, tuple[Reason, ...]]
    ) -> None:
        self._why = dict(con.execute("SELECT id, reasons FROM kernel_rows").fetchall())
        self._standing = standing
        self._groups: dict[str, list[tuple[Any, ...]]] = {}
        for group, *copy in con.execute(_COPIES).fetchall():
            self._groups.setdefault(group, []).append(tuple(copy))
        self._operations = {row[0]: row for row in con.execute(_OPERATIONS).fetchall()}

    def card(self, record: Card) -> Card:
        """Return what the page shows of a kernel; what is not known is not there."""
        known = {
            name: value
            for name, value in record.items()
            if name not in _LEFT_OUT and value is not None and value != []
        }
        if not _may_be_quoted(record):
            known.pop("summary", None)
        if record["autotune"] is not None:
            configs = record["autotune"]["configs"][:_MOST_CONFIGS]
            known["autotune"] = record["autotune"] | {"configs": configs}
        return known | {name: value for name, value in self._found(record) if value}

    def _found(self, record: Card) -> Iterator[tuple[str, list[Any]]]:
        id = record["id"]
        yield "why", [[r["field"], one_line(r["reason"])] for r in self._why.get(id) or ()]
        yield "trust", [[r.worth, r.text] for r in self._standing.get(id, ())]
        group = self._groups.get(record["clone_group"] or "", [])
        yield "copied", [list(copy) for copy in group if copy[0] != id][:_MOST_COPIES]
        runs = (self._operations.get(each) for each in record["operations"][:_MOST_OPERATIONS])
        yield "run_by", [list(run) for run in runs if run is not None]


def _may_be_quoted(record: Mapping[str, Any]) -> bool:
    """Tell whether a sentence of the source may stand on the page: its licence is an open one."""
    return record["license"] is not None and license_class(record["license"]) is not None


_COPIES = """
SELECT clone_group, id, license, stars FROM kernels
WHERE clone_group IS NOT NULL AND removed_at IS NULL
ORDER BY clone_group, id IS DISTINCT FROM origin, standing DESC, stars DESC NULLS LAST, id
"""

_OPERATIONS = "SELECT id, kind, signature, permalink FROM operations"
