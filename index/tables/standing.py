"""The standing of kernels, worked out from what the index holds of all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

import duckdb

from crawler.enrich.standing import Reason, Signals, standing_of, standing_reasons
from index.tables.staging import Staging

_TYPES = {"id": "VARCHAR", "standing": "DOUBLE"}


def fill_standing(
    con: duckdb.DuckDBPyConnection, staging: Staging, *, without: Collection[str] = ()
) -> None:
    """Work out the standing of every kernel anew; needs a transaction around it.

    `without` are signals to leave out, to measure what each is worth.
    """
    rows = con.execute(_SIGNALS.format(where="TRUE"))
    columns = [name for name, *_ in rows.description or ()]
    staging.load("found_standing", _found(rows.fetchall(), columns, without), _TYPES)
    con.execute(
        "UPDATE kernel_rows AS k SET standing = f.standing FROM found_standing AS f "
        "WHERE k.id = f.id AND k.standing IS DISTINCT FROM f.standing"
    )


def fetch_standing(con: duckdb.DuckDBPyConnection, kernel: str) -> tuple[Reason, ...]:
    """Return what speaks for or against a kernel, the weightiest first."""
    rows = con.execute(_SIGNALS.format(where="k.id = $id"), {"id": kernel})
    columns = [name for name, *_ in rows.description or ()]
    return tuple(
        r for row in rows.fetchall() for r in _reasons(dict(zip(columns, row, strict=True)))
    )


def fetch_all_standing(con: duckdb.DuckDBPyConnection) -> Mapping[str, tuple[Reason, ...]]:
    """Return what speaks for or against every kernel, by its id."""
    rows = con.execute(_SIGNALS.format(where="TRUE"))
    columns = [name for name, *_ in rows.description or ()]
    facts = (dict(zip(columns, row, strict=True)) for row in rows.fetchall())
    return {each["id"]: _reasons(each) for each in facts}


@cache
def groups_of_sources() -> Mapping[str, str]:
    """Return the group of each source of the list that comes with the program."""
    from crawler.sources import listed_sources, load_sources

    listed = load_sources(listed_sources())
    return {source.name: source.group for source in listed if source.group}


def _found(
    rows: list[tuple[Any, ...]], columns: list[str], without: Collection[str]
) -> Iterator[dict[str, object]]:
    for row in rows:
        facts = dict(zip(columns, row, strict=True))
        reasons = [reason for reason in _reasons(facts) if reason.signal not in without]
        yield {"id": facts["id"], "standing": standing_of(reasons)}


def _reasons(facts: dict[str, Any]) -> tuple[Reason, ...]:
    known = {name: value for name, value in facts.items() if name not in ("id", "repo")}
    group = groups_of_sources().get(facts["repo"])
    return standing_reasons(Signals(group=group, **known))


# A source copies from another where it has what is likely the other's; collections do not count.
_SIGNALS = """
WITH copiers AS (
    SELECT k.origin, o.repo AS source, k.repo AS copier
    FROM kernel_rows AS k JOIN kernel_rows AS o ON o.id = k.origin
    WHERE k.repo <> o.repo AND k.removed_at IS NULL AND k.is_test IS NOT TRUE
        AND k.repo NOT IN (SELECT name FROM repos WHERE len(marks) > 0 OR fork_of IS NOT NULL)
), of_kernel AS (
    SELECT origin, count(DISTINCT copier) AS n FROM copiers GROUP BY origin
), of_source AS (
    SELECT source, count(DISTINCT copier) AS n FROM copiers GROUP BY source
), newest AS (
    SELECT arg_max(triton, list_transform(
        string_split(triton, '.'), lambda part: try_cast(part AS INTEGER))) AS triton
    FROM compilations
), documented AS (
    SELECT DISTINCT unnest(list_concat(forward, backward)) AS id FROM operations
    WHERE doc_chars > 0
)
SELECT k.id, k.repo, k.path, k.tl_calls, k.ops, len(k.params) AS n_params,
    coalesce(of_kernel.n, 0) AS copiers, coalesce(of_source.n, 0) AS source_copiers,
    k.origin IS NOT NULL AND k.origin <> k.id AS is_copy,
    len(coalesce(r.marks, [])) > 0 AS is_collection, r.fork_of IS NOT NULL AS is_fork,
    k.backward IS NOT NULL OR k.forward IS NOT NULL AS has_gradient,
    k.usage IS NOT NULL OR len(coalesce(k.operations, [])) > 0 AS is_public,
    documented.id IS NOT NULL AS is_documented,
    coalesce(k.verified.result = 'passed', FALSE) AS is_verified,
    -- Of several targets one will do: a kernel may be for that alone.
    len(list_filter(k.compiled, lambda c: c.outcome = 'compiled' AND c.triton = newest.triton)) > 0
        AS is_compiled,
    len(list_filter(k.launchers, lambda l: regexp_matches(l, '(^|/)tests?/|(^|/)test_'))) > 0
        AS is_tested,
    coalesce(k.is_test, FALSE) AS is_test, coalesce(k.is_generated, FALSE) AS is_generated,
    len(k.authors) AS n_authors, r.stars
FROM kernel_rows AS k CROSS JOIN newest
LEFT JOIN repos AS r ON r.name = k.repo
LEFT JOIN of_kernel ON of_kernel.origin = k.id
LEFT JOIN of_source ON of_source.source = k.repo
LEFT JOIN documented ON documented.id = k.id
WHERE {where}
"""
