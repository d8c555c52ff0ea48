"""A source taken out of the index, with all that was known of it."""

# ruff: noqa: S608 (statements are put together from names of our own; values are bound)

from __future__ import annotations

import duckdb

from index.tables.search_tables import mark_search_stale

_TABLES = ("skips", "repo_blobs", "documents", "file_history", "kernel_rows", "operations")


def count_kernels(con: duckdb.DuckDBPyConnection, name: str) -> int:
    """Return how many kernels the index holds of a repository, vanished ones too."""
    row = con.execute("SELECT count(*) FROM kernel_rows WHERE repo = ?", [name]).fetchone()
    return 0 if row is None else int(row[0])


def forget_repo(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Delete all rows of a repository; needs a transaction around it.

    The history of runs tells of it as before.
    """
    con.execute(
        "UPDATE wish_matches SET matches = "
        "list_filter(matches, lambda m: NOT starts_with(m.id, $prefix))",
        {"prefix": f"{name}:"},
    )
    if count_kernels(con, name):
        mark_search_stale(con)
    for table in _TABLES:
        con.execute(f"DELETE FROM {table} WHERE repo = ?", [name])
    con.execute("DELETE FROM repos WHERE name = ?", [name])
