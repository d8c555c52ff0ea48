"""Who of the indexed kernels uses names of Triton's."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from index.show.api_card import ApiUsers

_LANGUAGES = ("triton.language.", "triton.experimental.gluon.language.")

# What a kernel uses, in full, is kept where its text is; of the index that comes with the package
# only the calls of the language are. The example is documented, an original, and much trusted.
_COUNT = """
    WITH live AS (
        FROM kernel_rows WHERE removed_at IS NULL
    ), used AS (
        SELECT id, CASE WHEN starts_with(c, 'tl.') THEN 'triton.language.' || c[4:]
            WHEN starts_with(c, 'gl.') THEN 'triton.experimental.gluon.language.' || c[4:]
            ELSE c END AS symbol
        FROM (SELECT id, unnest(tl_calls) AS c FROM live)
        UNION SELECT id, u.name
        FROM (SELECT id, unnest(coalesce(uses, []) || needs) AS u FROM live)
        UNION SELECT id, u.name || '(' || unnest(u.keywords) || ')'
        FROM (SELECT id, unnest(coalesce(uses, []) || needs) AS u FROM live)
    )
    SELECT used.symbol, count(*), count(DISTINCT live.repo), arg_min(live.id, row(
        live.is_test IS TRUE OR live.is_generated IS TRUE,
        live.summary IS NULL,
        live.clone_group IS NOT NULL AND live.origin IS NOT NULL,
        -coalesce(repos.stars, 0),
        live.id
    ))
    FROM used JOIN live USING (id) LEFT JOIN repos ON repos.name = live.repo
    WHERE list_contains($symbols, used.symbol) GROUP BY used.symbol
"""


def fetch_users(con: duckdb.DuckDBPyConnection, symbols: Sequence[str]) -> list[ApiUsers]:
    """Return who uses each full name or `name(keyword)`, in the order given."""
    row = con.execute(
        "SELECT count(*) FROM kernel_rows WHERE removed_at IS NULL AND uses IS NULL"
    ).fetchone()
    knows_all = row is not None and not row[0]
    counted = con.execute(_COUNT, {"symbols": list(symbols)}).fetchall()
    found = {symbol: (kernels, repos, example) for symbol, kernels, repos, example in counted}
    return [_users(symbol, found, knows_all=knows_all) for symbol in symbols]


def _users(symbol: str, found: dict[str, tuple[int, int, str]], *, knows_all: bool) -> ApiUsers:
    is_called = symbol.startswith(_LANGUAGES) and "(" not in symbol and symbol in found
    if not knows_all and not is_called:
        return ApiUsers(kernels=None, repos=None, example=None)
    kernels, repos, example = found.get(symbol, (0, 0, None))
    return ApiUsers(kernels=kernels, repos=repos, example=example)
