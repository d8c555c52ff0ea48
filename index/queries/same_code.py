"""A file of code -> the indexed kernels that its jit functions are copies of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import duckdb

from crawler.enrich.copies.fingerprint import (
    Fingerprint,
    callee_names,
    definition_text,
    fingerprint_of,
    similarity,
)
from crawler.enrich.copies.groups import ALIKE_NAMED
from crawler.enrich.copies.relation import Relation, relation_of
from crawler.enrich.copies.value_ops import ValueOps
from crawler.models import ScanSkip
from crawler.scan import link_snapshot, scan_file
from index.errors import QueryError
from index.table import Table
from index.tables.copies import unpack_sketch

SAME_CODE_COLUMNS = (
    "function",
    "id",
    "relation",
    "similarity",
    "license",
    "stars",
    "origin",
    "permalink",
)

Row = tuple[Any, ...]
Match = tuple[str, str, str, float, Row]


def find_same_code(
    con: duckdb.DuckDBPyConnection, files: Mapping[str, bytes], limit: int | None = None
) -> Table:
    """Return the kernels that the jit functions of files are equal to, or nearly.

    What is proven comes first, in the order of the functions in the files; of each, the most alike
    first, of those the likely original. A function so short that anyone would write it alike has no
    copies, but the relation `same computation` to those that it equals after renaming.

    Raises:
        QueryError: No jit function is in the files, they cannot be read, or the index holds facts
            without fingerprints.
    """
    prints = dict(_fingerprints(files))
    if not con.execute("SELECT 1 FROM fingerprints LIMIT 1").fetchone():
        raise QueryError(
            "this index holds facts without fingerprints of code; `triton-index crawl` the sources "
            "in question first, or search by the name of what the kernel computes"
        )
    order = {name: n for n, name in enumerate(prints)}
    found = sorted(_matches(con, prints), key=lambda match: _rank(match, order))
    return Table(
        columns=SAME_CODE_COLUMNS,
        rows=tuple(
            (name, id, relation, alike, *row) for name, id, relation, alike, row in found[:limit]
        ),
    )


def _rank(match: Match, order: Mapping[str, int]) -> tuple[object, ...]:
    name, id, relation, alike, (_, stars, origin, _) = match
    return (
        relation == Relation.SAME_COMPUTATION,
        order[name],
        -alike,
        origin != id,
        -(stars or 0),
        id,
    )


def _fingerprints(files: Mapping[str, bytes]) -> Iterator[tuple[str, Fingerprint]]:
    """Yield what tells the copies of each jit function, by `path::qualname`."""
    facts = {path: scan_file(path, data) for path, data in files.items()}
    for path, scanned in facts.items():
        if isinstance(scanned, ScanSkip):
            raise QueryError(f"{path}: not read: {scanned.reason}")
    read = {path: each for path, each in facts.items() if not isinstance(each, ScanSkip)}
    kernels = link_snapshot(read)
    if not kernels:
        raise QueryError(
            f"{', '.join(files)}: no jit function; it needs `import triton` and `@triton.jit`"
        )
    for kernel in kernels:
        text = definition_text(kernel.source, kernel.def_line - kernel.start_line)
        made = fingerprint_of(text, callee_names(kernel.calls))
        if made is not None:
            yield f"{kernel.path}::{kernel.qualname}", made


def _matches(con: duckdb.DuckDBPyConnection, prints: Mapping[str, Fingerprint]) -> Iterator[Match]:
    """Yield what is equal or nearly so, in one pass over the fingerprints of the index."""
    by_hash: dict[int, list[str]] = {}
    for name, own in prints.items():
        for each in own.sketch:
            by_hash.setdefault(each, []).append(name)
    rows = con.execute(_PRINTS)
    while part := rows.fetchmany(2_000):
        for id, code, callees, size, steps, optional, sketch, *row in part:
            theirs = Fingerprint(
                code=code,
                callees=tuple(callees),
                size=size,
                steps=ValueOps(always=frozenset(steps), optional=frozenset(optional)),
                sketch=unpack_sketch(sketch),
                flow=(),
            )
            for name in _perhaps_alike(by_hash, prints, theirs):
                if found := _told(prints[name], theirs):
                    yield name, id, *found, tuple(row)


def _perhaps_alike(
    by_hash: Mapping[int, list[str]], prints: Mapping[str, Fingerprint], theirs: Fingerprint
) -> Iterator[str]:
    """Yield the functions that share so much of their sketch as near copies must at least."""
    shared: dict[str, int] = {}
    for name in chain.from_iterable(by_hash.get(each, ()) for each in theirs.sketch):
        shared[name] = shared.get(name, 0) + 1
    for name, n in shared.items():
        if n >= ALIKE_NAMED * len(prints[name].sketch):
            yield name


def _told(own: Fingerprint, theirs: Fingerprint) -> tuple[str, float] | None:
    """Return relation and similarity of two functions, None where nothing is proven."""
    is_equal = (own.code, own.callees) == (theirs.code, theirs.callees)
    relation = relation_of(own, theirs, is_equal=is_equal)
    if is_equal:
        return relation.value, 1.0
    if relation is Relation.SAME_COMPUTATION:
        return None
    return relation.value, min(round(similarity(own.sketch, theirs.sketch), 2), 0.99)


_PRINTS = """
SELECT f.id, f.code, f.callees, f.size, f.steps, f.optional_steps, f.sketch,
    k.license, r.stars, k.origin, k.permalink
FROM fingerprints AS f
JOIN kernel_rows AS k ON k.id = f.id AND k.removed_at IS NULL
LEFT JOIN repos AS r ON r.name = k.repo
WHERE f.sketch IS NOT NULL
ORDER BY f.id
"""
