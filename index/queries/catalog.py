# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""What is indexed: repositories, tags, counts, runs and what they changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import duckdb

from index.errors import QueryError
from index.show.compiled_strip import disagrees
from index.table import Table


def list_repos(con: duckdb.DuckDBPyConnection) -> Table:
    """Return every source with how its last crawl ended, by name; `kernels` are live ones."""
    return _table(
        con,
        """
        SELECT name AS repo, status, kernels, coalesce(s.skipped, 0) AS skipped, stars, license,
            version, commit, last_seen_at AS last_seen, last_crawled_at AS last_crawled, error,
            location, former_names
        FROM repos LEFT JOIN (SELECT repo, count(*) AS skipped FROM skips GROUP BY repo) AS s
            ON s.repo = name
        ORDER BY lower(name), name
        """,
    )


def with_notes(repos: Table, notes: Mapping[str, str | None]) -> Table:
    """Return the sources with what the list notes of each, by its name in lower case."""
    told = (notes.get(str(name).lower()) for name in repos.column("repo"))
    rows = tuple((*row, text) for row, text in zip(repos.rows, told, strict=True))
    return Table(columns=(*repos.columns, "note"), rows=rows)


def list_tags(con: duckdb.DuckDBPyConnection) -> Table:
    """Return every tag with its live kernels, the most used first."""
    return _table(
        con,
        """
        SELECT tag, count(*) AS kernels
        FROM (SELECT unnest(tags) AS tag FROM kernels WHERE removed_at IS NULL)
        GROUP BY tag ORDER BY kernels DESC, tag
        """,
    )


def list_stats(con: duckdb.DuckDBPyConnection) -> Table:
    """Return how much there is of what: totals, then live kernels by what tells them apart.

    Last come the kernels of which compiling says something else than their range of releases.
    """
    hardware = (
        "SELECT 5 AS n, 'hardware' AS what, value, count(*) AS count "
        "FROM (SELECT unnest(hardware) AS value FROM live) GROUP BY value"
    )
    groups = " UNION ALL ".join(
        f"SELECT {n} AS n, '{field}' AS what, {field} AS value, count(*) AS count FROM live "
        f"WHERE {field} IS NOT NULL GROUP BY {field}"
        for n, field in enumerate(("dialect", "form", "role", "license"), start=1)
    )
    counted = _table(
        con,
        f"""
        WITH live AS (SELECT * FROM kernels WHERE removed_at IS NULL), total AS (
            SELECT unnest([
                ('kernels', (SELECT count(*) FROM live)),
                ('kernels removed', (SELECT count(*) FROM kernels WHERE removed_at IS NOT NULL)),
                ('kernels compiled', (SELECT count(*) FROM live WHERE list_contains(
                    list_transform(compiled, lambda c: c.outcome), 'compiled'))),
                ('kernels autotuned', (SELECT count(*) FROM live WHERE autotune IS NOT NULL)),
                ('files with kernels', (SELECT count(DISTINCT (repo, path)) FROM live)),
                ('files seen', (SELECT coalesce(sum(files_seen), 0)::BIGINT FROM repos)),
                ('files skipped', (SELECT count(*) FROM skips)),
                ('repositories', (SELECT count(*) FROM repos)),
                ('runs', (SELECT count(*) FROM runs))
            ]::STRUCT(value VARCHAR, count BIGINT)[], recursive := true)
        ), counted AS (
            SELECT 0 AS n, 'total' AS what, * FROM total UNION ALL {groups} UNION ALL {hardware}
        )
        SELECT what, value, count FROM counted
        ORDER BY n, CASE WHEN n > 0 THEN count END DESC, value
        """,
    )
    return Table(columns=counted.columns, rows=(*counted.rows, *_disagreements(con)))


def _disagreements(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    """Yield a row for each release where compiling a kernel contradicts its inferred range."""
    tried = _table(
        con,
        "SELECT id, triton_min, triton_max, compiled FROM kernels "
        "WHERE len(compiled) > 0 AND removed_at IS NULL ORDER BY id",
    )
    for record in tried.records():
        for release, what in disagrees(record):
            yield what, f"{record['id']} with {release}", 1


def list_runs(con: duckdb.DuckDBPyConnection) -> Table:
    """Return every crawl, the latest first; one that was cut short has no `seconds`."""
    return _table(
        con,
        """
        SELECT run_id, started_at, seconds, count(r.repo) AS repos,
            count(*) FILTER (r.status IN ('failed', 'gone')) AS failed,
            count(*) FILTER (r.status = 'renamed') AS renamed,
            coalesce(sum(r.files_parsed), 0)::BIGINT AS files_parsed,
            coalesce(sum(r.added), 0)::BIGINT AS added,
            coalesce(sum(r.changed), 0)::BIGINT AS changed,
            coalesce(sum(r.removed), 0)::BIGINT AS removed,
            coalesce(sum(r.requests), 0)::BIGINT AS requests
        FROM runs LEFT JOIN run_repos AS r USING (run_id)
        GROUP BY ALL ORDER BY started_at DESC, run_id DESC
        """,
    )


def list_changes(con: duckdb.DuckDBPyConnection, run: str | None = None) -> Table:
    """Return the kernels that a run added, changed, moved, removed or saw return.

    `run` is an id or the beginning of one; without it the latest run is meant.

    Raises:
        QueryError: no run, or more than one, begins like that.
    """
    runs = con.execute(
        "SELECT run_id FROM runs WHERE starts_with(run_id, ?) ORDER BY started_at DESC, run_id",
        [run or ""],
    ).fetchall()
    if not runs and not run:
        raise QueryError("no run yet; `triton-index crawl` makes one")
    if not runs:
        raise QueryError(f"no run {run}; `triton-index runs` lists them")
    if run and len(runs) > 1:
        raise QueryError(f"{len(runs)} runs begin with {run}; `triton-index runs` lists them")
    return _table(
        con,
        "SELECT run_id, kind, id, previous_id, repo FROM changes WHERE run_id = ? "
        "ORDER BY repo, kind, id",
        list(runs[0]),
    )


def _table(con: duckdb.DuckDBPyConnection, query: str, values: list[str] | None = None) -> Table:
    rows = con.execute(query, values).fetchall()
    return Table(columns=tuple(name for name, *_ in con.description or ()), rows=tuple(rows))
