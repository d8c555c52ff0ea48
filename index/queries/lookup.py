"""One kernel, by its id or by as much of it as tells it apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from index.queries.addresses import Address, find_at, read_address
from index.queries.kernels import KERNEL_COLUMNS, fetch_kernels
from index.queries.short_ids import short_id_condition
from index.table import Table

# How many ids a message about an unclear or unknown name holds.
MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The id that was meant, and the `others` that it may have been.

    With an id, they are copies of that kernel, which is likely their original.
    """

    id: str | None
    is_ambiguous: bool = False
    others: tuple[str, ...] = ()


def find_kernel(con: duckdb.DuckDBPyConnection, wanted: str) -> Lookup:
    """Return the kernel that is meant by an id, the end of one, or a name that only one has.

    So by a short id as tables have them, `name:kernel` or with an ellipsis, and by a permalink of
    whatever commit. Of several that are copies of each other, their original is meant. A live
    kernel goes before removed ones. What nothing answers to gets the nearest ids.
    """
    address = read_address(wanted)
    if address is not None:
        return _at(con, wanted, address)
    for condition, values in (
        ("id = $wanted", {"wanted": wanted}),
        (
            "(ends_with(id, '::' || $wanted) OR ends_with(id, '/' || $wanted) "
            "OR ends_with(id, ':' || $wanted) OR name = $wanted)",
            {"wanted": wanted},
        ),
        short_id_condition(wanted),
    ):
        for state in ("IS NULL", "IS NOT NULL"):
            found = con.execute(
                f"SELECT id, origin FROM kernels WHERE {condition} AND removed_at {state} "  # noqa: S608
                "ORDER BY stars DESC NULLS LAST, id",
                values,
            ).fetchall()
            if found:
                return _told_apart(found)
    return Lookup(id=None, others=_nearest(con, wanted))


def _at(con: duckdb.DuckDBPyConnection, wanted: str, address: Address) -> Lookup:
    """Return the kernel at an address: the one whose own it is, else the one at those lines."""
    exact = con.execute(
        "SELECT id FROM kernels WHERE permalink = ? ORDER BY removed_at IS NOT NULL, id", [wanted]
    ).fetchone()
    found = (exact[0],) if exact else find_at(con, address)
    if len(found) == 1:
        return Lookup(id=found[0])
    return Lookup(id=None, is_ambiguous=bool(found), others=found)


def _told_apart(found: Sequence[tuple[str, str | None]]) -> Lookup:
    """Return which of these is meant: the only one, or the original that all others are of."""
    ids = tuple(id for id, _ in found)
    origins = {origin for _, origin in found}
    if len(ids) == 1:
        return Lookup(id=ids[0])
    for id in ids:
        if origins == {id}:
            return Lookup(id=id, others=tuple(other for other in ids if other != id))
    return Lookup(id=None, is_ambiguous=True, others=ids)


def show_kernel(con: duckdb.DuckDBPyConnection, id: str, *, source: bool = False) -> Table:
    """Return the whole record of a kernel, with its code as a last column if asked for."""
    table = fetch_kernels(con, [id])
    if not source:
        return table
    code = con.execute("SELECT source FROM kernel_rows WHERE id = ?", [id]).fetchall()
    return Table(columns=(*KERNEL_COLUMNS, "source"), rows=((*table.rows[0], *code[0]),))


def _nearest(con: duckdb.DuckDBPyConnection, wanted: str) -> tuple[str, ...]:
    """Return the ids of the live kernels whose name or id is spelled most like this."""
    rows = con.execute(
        """
        SELECT id FROM (
            SELECT id, stars, greatest(
                jaro_winkler_similarity(name, $name), jaro_winkler_similarity(id, $wanted)
            ) AS likeness
            FROM kernels WHERE removed_at IS NULL
        )
        WHERE likeness >= 0.8 ORDER BY likeness DESC, stars DESC NULLS LAST, id LIMIT $most
        """,
        {"wanted": wanted, "name": wanted.rpartition("::")[2], "most": MOST_NAMED},
    ).fetchall()
    return tuple(id for (id,) in rows)
