# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""Kernel records, as every command shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import duckdb

from index.plain_text import one_line
from index.queries.fields import KERNEL_FIELDS
from index.table import Table

KERNEL_COLUMNS = tuple(KERNEL_FIELDS)


def fetch_kernels(
    con: duckdb.DuckDBPyConnection, ids: Sequence[str], columns: Sequence[str] = KERNEL_COLUMNS
) -> Table:
    """Return these columns of these kernels, in the order of the ids."""
    named = ", ".join(f'k."{column}"' for column in columns)
    rows = con.execute(
        f"SELECT k.id, {named} FROM kernels AS k WHERE k.id IN (SELECT unnest(?::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    place = {id: n for n, id in enumerate(ids)}
    rows.sort(key=lambda row: place[row[0]])
    return Table(columns=tuple(columns), rows=tuple(plain_row(columns, row[1:]) for row in rows))


def plain_row(columns: Sequence[str], row: Sequence[object]) -> tuple[object, ...]:
    """Return a row of the view with its autotune configs read; DuckDB gives them as JSON text."""
    return tuple(
        _plain_autotune(value) if column == "autotune" and isinstance(value, dict) else value
        for column, value in zip(columns, row, strict=True)
    )


def _plain_autotune(autotune: dict[str, object]) -> dict[str, object]:
    configs = autotune["configs"]
    return autotune | {"configs": json.loads(configs) if isinstance(configs, str) else []}


def fetch_reasons(con: duckdb.DuckDBPyConnection, kernel: str) -> tuple[str, ...]:
    """Return why what was inferred of a kernel is said, one line each."""
    rows = con.execute(
        "SELECT one.reason FROM (SELECT unnest(reasons) AS one FROM kernel_rows WHERE id = ?)",
        [kernel],
    ).fetchall()
    return tuple(one_line(reason) for (reason,) in rows)
