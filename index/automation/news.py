# ruff: noqa: S608 (statements are put together from the index's own names of tables)
"""Whether a crawl brought anything that readers of the index would see."""

from __future__ import annotations

import duckdb

# What each crawl writes anew, or what readers never see: no news in itself.
_NO_NEWS = frozenset(
    {"meta", "runs", "run_repos", "changes", "repo_blobs", "scan_cache", "wish_sync"}
)
_DERIVED = "search_"
_VOLATILE = {
    "verifications": "* EXCLUDE (imported_at)",
    "compilations": "* EXCLUDE (compiled_at, seconds)",
    "repos": "* EXCLUDE (status, error, scanner_version, enriched_by, files_parsed, github, "
    "last_crawled_at, last_seen_at), status = 'gone'",
}


def has_news(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the contents of two indices differ, dates of crawls apart."""
    return _contents(old) != _contents(new)


def _contents(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int | None]]:
    """Return how many rows each table has, and a sum over them, in which order plays no part."""
    tables = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal "
        "AND database_name = current_database()"
    ).fetchall()
    found = {}
    for (table,) in tables:
        if table in _NO_NEWS or str(table).startswith(_DERIVED):
            continue
        columns = _VOLATILE.get(table, "*")
        query = f'SELECT count(*), sum(hash(t)) FROM (SELECT {columns} FROM "{table}") AS t'
        rows, sum_of_hashes = con.execute(query).fetchall()[0]
        found[str(table)] = (int(rows), sum_of_hashes)
    return found
