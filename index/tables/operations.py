# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The operations of each source: written with its kernels, their ops worked out from those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

import duckdb

from crawler.enrich.operations import operation_ops
from crawler.models import CrawledRepo, OperationRecord
from index.tables.staging import Staging, clean_text

_FIELDS = tuple(field.name for field in fields(OperationRecord))
_FOUND = {"id": "VARCHAR", "ops": "VARCHAR[]"}


def save_operations(con: duckdb.DuckDBPyConnection, staging: Staging, crawled: CrawledRepo) -> None:
    """Make these the operations of a source, but for those of files that nothing new is known of.

    Needs a transaction around it.
    """
    name = clean_text(crawled.name)
    described = con.execute("DESCRIBE operations").fetchall()
    types = {str(column): str(kind) for column, kind, *_ in described if column in _FIELDS}
    staging.load("staged_operations", map(asdict, _distinct(crawled.operations)), types)
    staging.load("kept", ({"path": path} for path in set(crawled.kept)), {"path": "VARCHAR"})
    con.execute(
        "DELETE FROM operations WHERE repo = $repo "
        "AND (path NOT IN (SELECT path FROM kept) OR id IN (SELECT id FROM staged_operations))",
        {"repo": name},
    )
    con.execute("INSERT INTO operations BY NAME SELECT * FROM staged_operations")


def drop_operations(con: duckdb.DuckDBPyConnection, repo: str) -> None:
    """Forget the operations of a source that is gone."""
    con.execute("DELETE FROM operations WHERE repo = ?", [repo])


def name_ops(con: duckdb.DuckDBPyConnection, staging: Staging) -> bool:
    """Work out the ops of every operation anew; tell whether any is another than it was.

    Kernels that went are taken out of it. Needs a transaction around it.
    """
    con.execute(_LIVE)
    rows = con.execute(_WITH_OPS).fetchall()
    staging.load("found_ops", _found(rows), _FOUND)
    changed = con.execute(
        "UPDATE operations AS o SET ops = f.ops FROM found_ops AS f "
        "WHERE o.id = f.id AND o.ops IS DISTINCT FROM f.ops"
    ).fetchone()
    return changed is not None and changed[0] > 0


def list_operations(con: duckdb.DuckDBPyConnection) -> None:
    """Write with each kernel which operations launch it; needs a transaction around it.

    What is nearest to a user comes first: what gradients flow through, what does one thing.
    """
    con.execute(_LISTED)


def _distinct(operations: Iterable[OperationRecord]) -> Iterator[OperationRecord]:
    yield from {clean_text(operation.id): operation for operation in operations}.values()


def _found(rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, object]]:
    # Many operations of one name launch kernels of one op.
    known = lru_cache(maxsize=None)(operation_ops)
    for id, name, ops in rows:
        yield {"id": id, "ops": known(name, tuple(map(tuple, ops)))}


_LIVE = """
DELETE FROM operations WHERE id NOT IN (
    SELECT o.id FROM (SELECT id, unnest(forward) AS kernel FROM operations) AS o
    JOIN kernel_rows AS k ON k.id = o.kernel WHERE k.removed_at IS NULL
)
"""

_WITH_OPS = """
SELECT o.id, o.name, list(coalesce(k.ops, []) ORDER BY o.n)
FROM (SELECT id, "name", unnest(forward) AS kernel, generate_subscripts(forward, 1) AS n
    FROM operations) AS o
LEFT JOIN kernel_rows AS k ON k.id = o.kernel
GROUP BY o.id, o.name
"""

_MOST_LISTED = 8
_LISTED = f"""
UPDATE kernel_rows AS k SET operations = f.operations
FROM (
    SELECT k.id, coalesce(o.operations, []) AS operations
    FROM kernel_rows AS k LEFT JOIN (
        SELECT kernel, list(id ORDER BY is_differentiable DESC, kind = 'autograd',
            launched, kind <> 'module', length("name"), id)[:{_MOST_LISTED}] AS operations
        FROM (SELECT id, kind, "name", is_differentiable, len(forward) + len(backward) AS launched,
            unnest(list_distinct(list_concat(forward, backward))) AS kernel FROM operations)
        GROUP BY kernel
    ) AS o ON o.kernel = k.id
) AS f
WHERE k.id = f.id AND k.operations IS DISTINCT FROM f.operations
"""
