"""What narrows a search besides its words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb

from crawler.enrich.api_table import load_table
from crawler.enrich.hardware import backend_names
from crawler.enrich.license_class import CLASS_WORDS, is_in_class
from index.errors import QueryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a kernel must be to be found.

    It must have all of the ops, tags, features and dtypes, and one each of the repositories,
    licences (or classes of them), roles, dialects and backends, where any are named. A kernel of
    which a fact is not known fails the filter that asks for it. Removed kernels are never found,
    tests only on request.
    """

    ops: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    repos: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    hardware: tuple[str, ...] = ()
    triton: str | None = None
    verified: bool = False
    compiled: str | None = None
    target: str | None = None
    has_backward: bool = False
    include_tests: bool = False


def condition(con: duckdb.DuckDBPyConnection, filters: Filters) -> tuple[str, dict[str, object]]:
    """Return the SQL condition on a row `k` of the view `kernels`, and the values it binds.

    Raises:
        QueryError: the Triton version is none.
        CompileError: likewise of what it was compiled with, or for.
    """
    values: dict[str, object] = {
        f"filter_{name}": [value.lower() for value in getattr(filters, name)]
        for name in _CONDITIONS
        if getattr(filters, name)
    }
    if filters.licenses:
        values["filter_licenses"] = _licenses(con, filters.licenses)
    if filters.hardware:
        values["backends"] = list(backend_names())
    clauses = ["k.removed_at IS NULL", *_flags(filters)]
    clauses += (_CONDITIONS[name] for name in _CONDITIONS if f"filter_{name}" in values)
    if filters.triton is not None:
        oldest, newest = _triton_bounds(con, filters.triton)
        values |= {"triton_oldest": oldest, "triton_newest": newest}
        clauses.append(_TRITON)
    if filters.compiled is not None or filters.target is not None:
        values |= _compiled_values(filters)
        clauses.append(_COMPILED)
    return " AND ".join(clauses), values


def _licenses(con: duckdb.DuckDBPyConnection, wanted: Iterable[str]) -> list[str]:
    """Return licences in lower case; a class stands for all expressions of the index in it."""
    words = [word.lower() for word in wanted]
    classes = [word for word in words if word in CLASS_WORDS]
    if not classes:
        return words
    rows = con.execute("SELECT DISTINCT license FROM kernels WHERE license IS NOT NULL").fetchall()
    of_class = (text for (text,) in rows if any(is_in_class(text, word) for word in classes))
    # An expression stands for itself: what is in brackets with one licence may be in no class.
    return [*(w for w in words if w not in classes), *(f"={text.lower()}" for text in of_class)]


def _flags(filters: Filters) -> Iterator[str]:
    if not filters.include_tests:
        yield "k.is_test IS NOT TRUE"
    if filters.verified:
        yield "k.verified.result = 'passed'"
    if filters.has_backward:
        yield "k.backward IS NOT NULL"


def _triton_bounds(con: duckdb.DuckDBPyConnection, wanted: str) -> tuple[list[str], list[str]]:
    """Return the values of `triton_min` and of `triton_max` that allow the wanted release."""
    from packaging.version import InvalidVersion, Version

    try:
        release = Version(wanted)
    except InvalidVersion as error:
        raise QueryError(f"--triton {wanted}: not a version; give one like 3.4") from error
    known = known_releases(con)
    # What a release that nobody knows will have cannot be told.
    within = [text for text in known if Version(text) <= release <= Version(known[-1])]
    newest = con.execute("SELECT DISTINCT triton_max FROM kernels WHERE triton_max IS NOT NULL")
    return within, [text for (text,) in newest.fetchall() if Version(text) >= release]


def known_releases(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the releases of Triton that the program or the index knows, the oldest first."""
    from packaging.version import Version

    needed = con.execute("SELECT DISTINCT triton_min FROM kernels WHERE triton_min IS NOT NULL")
    known = {*load_table().releases, *(text for (text,) in needed.fetchall())}
    return tuple(sorted(known, key=Version))


def _compiled_values(filters: Filters) -> dict[str, object]:
    from index.compiling.releases import read_release
    from index.compiling.targets import read_target

    release = None if filters.compiled is None else read_release(filters.compiled)
    target = None if filters.target is None else read_target(filters.target).name
    return {"compiled_with": release, "compiled_for": target}


_CONDITIONS = {
    "ops": "list_has_all(list_transform(k.ops, lambda v: lower(v)), $filter_ops)",
    "tags": "list_has_all(list_transform(k.tags, lambda v: lower(v)), $filter_tags)",
    "features": "list_has_all(list_transform(k.features, lambda v: lower(v)), $filter_features)",
    "dtypes": "list_has_all(list_transform(k.dtypes, lambda v: lower(v)), $filter_dtypes)",
    # `owner/name`, or the name alone.
    "repos": "(list_contains($filter_repos, lower(k.repo)) "
    "OR list_contains($filter_repos, regexp_extract(lower(k.repo), '[^/:]*$')))",
    # One of the licences of an expression like `Apache-2.0 OR MIT`, or all of it as written.
    "licenses": "(list_contains($filter_licenses, lower(k.license)) "
    "OR list_contains($filter_licenses, '=' || lower(k.license)) OR list_has_any("
    "$filter_licenses, regexp_split_to_array(lower(k.license), '[ ()]+')))",
    "roles": "list_contains($filter_roles, k.role)",
    "dialects": "list_contains($filter_dialects, k.dialect)",
    # `any`: it is for no backend in particular.
    "hardware": "(list_has_any(k.hardware, $filter_hardware) OR "
    "(list_contains($filter_hardware, 'any') AND NOT list_has_any(k.hardware, $backends)))",
}

_TRITON = (
    "list_contains($triton_oldest, k.triton_min) "
    "AND (k.triton_max IS NULL OR list_contains($triton_newest, k.triton_max))"
)

# Without a release any will do, and without a target.
_COMPILED = (
    "list_bool_or(list_transform(k.compiled, lambda c: c.outcome = 'compiled' "
    "AND c.triton = coalesce($compiled_with, c.triton) "
    "AND c.target = coalesce($compiled_for, c.target)))"
)
