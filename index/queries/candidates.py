# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The kernels of the index that may serve a wish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb

from crawler.enrich.words import backward_words
from crawler.models import Role
from index.queries.filters import Filters
from index.queries.search import search
from wishlist.asking import DETAIL, asking
from wishlist.candidates import Candidate
from wishlist.models import Pass, Wish

# How many kernels each way of looking for them brings.
MOST_FOUND = 60


def find_candidates(con: duckdb.DuckDBPyConnection, wish: Wish) -> tuple[Candidate, ...]:
    """Return the kernels worth holding against the wish, the likeliest first."""
    return fetch_candidates(con, tuple(dict.fromkeys(_ids(con, wish))))


def fetch_candidates(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> tuple[Candidate, ...]:
    """Return these kernels in the order of the ids."""
    rows = con.execute(_CANDIDATES, {"ids": list(ids)}).fetchall()
    place = {id: n for n, id in enumerate(ids)}
    return tuple(sorted((_candidate(*row) for row in rows), key=lambda found: place[found.id]))


def is_backward(name: str, backward: str | None, forward: str | None) -> bool:
    """Tell whether a kernel computes gradients, by its pair or else by its name."""
    return forward is not None or (backward is None and bool(backward_words(name)))


def _ids(con: duckdb.DuckDBPyConnection, wish: Wish) -> Iterator[str]:
    """Yield the ids that its words find, then for each of its ops those of that op."""
    asked = asking(wish)
    words = " ".join(word.text for word in (*asked.op_words, *asked.words) if word.weight >= DETAIL)
    if words:
        yield from search(con, words, limit=MOST_FOUND).ids
    for op in asked.ops:
        query = f"{op} {words} {' '.join(asked.features)}"
        yield from search(con, query, filters=Filters(ops=(op,)), limit=MOST_FOUND).ids


def _candidate(
    id: str,
    name: str,
    role: str,
    ops: list[str],
    tags: list[str],
    features: list[str],
    dtypes: list[str],
    launchers: list[str],
    summary: str | None,
    license: str | None,
    triton_min: str | None,
    triton_max: str | None,
    verified: str | None,
    stars: int | None,
    group: str | None,
    origin: str | None,
    backward: str | None,
    forward: str | None,
    beside: list[str] | None = None,
) -> Candidate:
    is_gradient = is_backward(name, backward, forward)
    others = (is_backward(other, None, None) for other in beside or ())
    return Candidate(
        id=id,
        name=name,
        role=Role(role),
        ops=tuple(ops),
        tags=tuple(tags),
        features=tuple(features),
        dtypes=tuple(dtypes),
        launchers=tuple(launchers),
        summary=summary,
        direction=Pass.BACKWARD if is_gradient else Pass.FORWARD,
        has_partner=bool(backward or forward) or any(other != is_gradient for other in others),
        license=license,
        triton_min=triton_min,
        triton_max=triton_max,
        is_verified=verified == "passed",
        stars=stars,
        group=group,
        origin=origin,
    )


def fetch_serving(con: duckdb.DuckDBPyConnection) -> tuple[Candidate, ...]:
    """Return every live kernel of which an op is known, tests left out, in the order of the ids."""
    return tuple(_candidate(*row) for row in con.execute(_SERVING).fetchall())


# `beside`: the names of the kernels of one of its ops in its file.
_FACTS = """
    k.id, k.name, k.role, k.ops, k.tags, k.features, k.dtypes, k.launchers, k.summary,
    k.license, k.triton_min, k.triton_max, k.verified.result, k.stars, k.clone_group, k.origin,
    k.backward, k.forward
"""

_CANDIDATES = f"""
SELECT {_FACTS}, (
        SELECT list(other.name ORDER BY other.id) FROM kernel_rows AS other
        WHERE other.repo = k.repo AND other.path = k.path AND other.id <> k.id
            AND other.removed_at IS NULL AND list_has_any(other.ops, k.ops)
    ) AS beside
FROM kernels AS k
WHERE k.id IN (SELECT unnest($ids::VARCHAR[])) AND k.removed_at IS NULL
"""

_SERVING = f"""
SELECT {_FACTS} FROM kernels AS k
WHERE len(k.ops) > 0 AND k.removed_at IS NULL AND k.is_test IS NOT TRUE
ORDER BY k.id
"""
