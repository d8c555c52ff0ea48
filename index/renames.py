# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""A repository under a new name: what was known of it moves along, dates and all."""

from __future__ import annotations

import duckdb

# Columns of kernel_rows that hold the id of a kernel, perhaps one of the renamed repository.
_ID_COLUMNS = ("id", "backward", "forward", "origin")


def rename_repo(con: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Give all rows of the repository `old` the name `new`; needs a transaction around it.

    Where `new` is known too (both names were listed), its own rows win. Nothing happens where
    `old` is not known. The history of runs keeps the names of its time.
    """
    values = {"old": old, "new": new}
    prefix = f"{old}:"
    con.execute(
        "DELETE FROM kernel_rows WHERE repo = $old AND $new || substr(id, length($old) + 1) IN "
        "(SELECT id FROM kernel_rows WHERE repo = $new)",
        values,
    )
    con.execute(
        "UPDATE kernel_rows SET repo = $new, permalink = "
        "replace(permalink, '/' || $old || '/blob/', '/' || $new || '/blob/') WHERE repo = $old",
        values,
    )
    for column in _ID_COLUMNS:
        con.execute(
            f"UPDATE kernel_rows SET {column} = $new || substr({column}, length($old) + 1) "
            f"WHERE starts_with({column}, $prefix)",
            values | {"prefix": prefix},
        )
    is_known = con.execute("SELECT 1 FROM repos WHERE name = ?", [new]).fetchone() is not None
    for table in ("skips", "repo_blobs"):
        if is_known:
            con.execute(f"DELETE FROM {table} WHERE repo = $old", {"old": old})
        else:
            con.execute(f"UPDATE {table} SET repo = $new WHERE repo = $old", values)
    if is_known:
        con.execute("DELETE FROM repos WHERE name = $old", {"old": old})
    else:
        con.execute("UPDATE repos SET name = $new WHERE name = $old", values)
