"""Questions in SQL, asked of an index that they can neither change nor look past."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import chain, count, islice
from pathlib import Path

import duckdb

from index.database import open_index
from index.errors import QueryError
from index.table import Table

TIME_LIMIT = 60.0
"""Seconds that a query may take."""
MOST_ROWS = 5_000_000
"""More would fill the memory."""

_BATCH = 10_000

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


def run_sql(path: Path, query: str, *, limit: int | None = None) -> Table:
    """Return what one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) says.

    The connection is read-only and reaches no file, network or extension; see `open_index`.

    Raises:
        QueryError: the query is not one such statement, is wrong, or takes too long.
        StoreError: the index cannot be read.
    """
    with open_index(path, bounded=True) as con, ThreadPoolExecutor(max_workers=1) as pool:
        # DuckDB answers to no keyboard while it works, so another thread has it work.
        asked = pool.submit(_ask, con, query, limit)
        try:
            return asked.result(TIME_LIMIT)
        except TimeoutError as error:
            raise QueryError(f"the query took more than {TIME_LIMIT:g} s; narrow it") from error
        except duckdb.Error as error:
            text = str(error).splitlines()[0]
            raise QueryError(f"{text}; `DESCRIBE kernels` tells the columns") from error
        finally:
            # More than once: what has not begun yet takes no notice.
            while not wait([asked], 0.05).done:
                con.interrupt()


def _ask(con: duckdb.DuckDBPyConnection, query: str, limit: int | None) -> Table:
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise QueryError("the query is not in UTF-8; write it so") from error
    statements = con.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"give one statement, not {len(statements)}")
    if statements[0].type not in _ALLOWED:
        raise QueryError(f"{statements[0].type.name} is not allowed; the index is read with SELECT")
    con.execute(statements[0])
    described = [(str(name), str(kind)) for name, kind, *_ in con.description or ()]
    for name, kind in described:
        if "WITH TIME ZONE" in kind:
            raise QueryError(f"column {name} has a time zone; write it as ({name})::TIMESTAMP")
    rows = list(islice(_rows(con), limit))
    return Table(columns=_told_apart(name for name, _ in described), rows=tuple(rows))


def _rows(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[object, ...]]:
    fetched = 0
    while batch := con.fetchmany(_BATCH):
        fetched += len(batch)
        if fetched > MOST_ROWS:
            raise QueryError(f"more than {MOST_ROWS:,} rows; narrow the query or give --limit")
        yield from batch


def _told_apart(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of columns, with `_1`, `_2` ... appended to those that came before.

    As records they would hide each other.
    """
    taken: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in count(1))
        taken.append(next(each for each in chain([name], others) if each not in taken))
    return tuple(taken)
