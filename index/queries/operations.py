# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""Operations: the public functions, autograd functions and modules that run kernels."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from index.queries.fields import OPERATION_FIELDS
from index.table import Table

OPERATION_COLUMNS = tuple(OPERATION_FIELDS)


def fetch_operations(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], columns: Sequence[str] = OPERATION_COLUMNS
) -> Table:
    """Return these columns of these operations, in the order of the ids."""
    named = ", ".join(f'"{column}"' for column in columns)
    rows = con.execute(
        f"SELECT id, {named} FROM ({_RECORDS}) WHERE id IN (SELECT unnest(?::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    place = {id: n for n, id in enumerate(ids)}
    rows.sort(key=lambda row: place[row[0]])
    return Table(columns=tuple(columns), rows=tuple(row[1:] for row in rows))


def no_operations(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Return the relation of operations without a row: the columns and their types."""
    return con.sql(f"SELECT * FROM ({_RECORDS}) LIMIT 0")


def find_operations(con: duckdb.DuckDBPyConnection, wanted: str) -> tuple[str, ...]:
    """Return the operations that an id, the end of one, or a name may mean."""
    for condition in (
        "id = $wanted",
        "(ends_with(id, '::' || $wanted) OR ends_with(id, '/' || $wanted) "
        "OR ends_with(id, ':' || $wanted))",
        "lower(name) = lower($wanted)",
    ):
        rows = con.execute(
            f"SELECT id FROM operations WHERE {condition} ORDER BY id", {"wanted": wanted}
        ).fetchall()
        if rows:
            return tuple(id for (id,) in rows)
    return ()


# A licence is that of the nearest kernel: an operation mostly stands in the same project.
_RECORDS = """
SELECT o.id, o.repo, o.path, o.name, o.kind, o.start_line, o.end_line, o.commit, o.permalink,
    o.signature, o.summary, o.doc_chars, o.forward, o.backward, o.is_differentiable, o.ops,
    k.license, r.stars
FROM operations AS o
LEFT JOIN repos AS r ON r.name = o.repo
LEFT JOIN kernel_rows AS k ON k.id = o.forward[1]
"""
