# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The names of repositories: letters' case does not tell them apart, and they change.

Under a new name, what was known of a repository moves along, dates and all.
"""

from __future__ import annotations

import duckdb

# Columns of kernel_rows that hold the id of a kernel, perhaps one of the renamed repository.
_ID_COLUMNS = ("id", "backward", "forward", "origin")


def stored_name(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """Return the name under which the index has a repository, by this name or a former one.

    None if it has it under none.
    """
    rows = con.execute(
        """
        SELECT name FROM repos
        WHERE lower(name) = lower($name)
            OR list_contains(list_transform(former_names, lambda f: lower(f)), lower($name))
        ORDER BY name = $name DESC, lower(name) = lower($name) DESC, name LIMIT 1
        """,
        {"name": name},
    ).fetchall()
    return str(rows[0][0]) if rows else None


def name_of_id(con: duckdb.DuckDBPyConnection, github_id: int) -> str | None:
    """Return the name under which the index has the repository of this id, None if it has not."""
    rows = con.execute(
        "SELECT name FROM repos WHERE github_id = ? ORDER BY name LIMIT 1", [github_id]
    ).fetchall()
    return str(rows[0][0]) if rows else None


def rename_repo(con: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Give all rows of the repository `old` the name `new`; needs a transaction around it.

    Where `new` is known too (both names were listed), its own rows win, with the earlier dates.
    Nothing happens where `old` is not known. The history of runs keeps the names of its time.
    """
    values = {"old": old, "new": new}
    prefix = f"{old}:"
    con.execute(
        "UPDATE kernel_rows AS k SET first_seen = least(k.first_seen, o.first_seen) "
        "FROM (SELECT $new || substr(id, length($old) + 1) AS id, first_seen FROM kernel_rows "
        "WHERE repo = $old) AS o WHERE k.repo = $new AND k.id = o.id",
        values,
    )
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
    # They come anew with the next crawl, under the new name.
    con.execute("DELETE FROM operations WHERE repo = ?", [old])
    con.execute(
        "UPDATE wish_matches SET matches = list_transform(matches, lambda m: struct_update("
        "m, id := CASE WHEN starts_with(m.id, $prefix) "
        "THEN $new || substr(m.id, length($old) + 1) ELSE m.id END)) "
        "WHERE list_bool_or(list_transform(matches, lambda m: starts_with(m.id, $prefix)))",
        values | {"prefix": prefix},
    )
    is_known = con.execute("SELECT 1 FROM repos WHERE name = ?", [new]).fetchone() is not None
    for table in ("skips", "repo_blobs", "documents", "file_history"):
        if is_known:
            con.execute(f"DELETE FROM {table} WHERE repo = $old", {"old": old})
        else:
            con.execute(f"UPDATE {table} SET repo = $new WHERE repo = $old", values)
    if is_known:
        con.execute(
            "UPDATE repos SET former_names = list_distinct(former_names || "
            "coalesce((SELECT former_names FROM repos WHERE name = $old), [])) WHERE name = $new",
            values,
        )
        con.execute("DELETE FROM repos WHERE name = $old", {"old": old})
    else:
        con.execute("UPDATE repos SET name = $new WHERE name = $old", values)
