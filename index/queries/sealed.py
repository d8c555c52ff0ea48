"""Questions in SQL, asked of an index that they can neither change nor look past."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any, cast

import duckdb

from index.database import open_index
from index.errors import QueryError
from index.queries.apart import EndedApartError, TooMuchError, yield_apart
from index.table import Table

TIME_LIMIT = 60.0
"""Seconds that a query may take."""
MOST_ROWS = 5_000_000
"""More would fill the memory."""
MOST_BYTES = 256 << 20
"""How much the rows may come to."""
MEMORY = 2 << 30
"""Bytes that answering may take in all: DuckDB's own limit, and what it does not count."""

_BATCH = 2_048

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)

Row = tuple[object, ...]


def run_sql(path: Path, query: str, *, limit: int | None = None) -> Table:
    """Return what one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) says.

    It is answered in a process of its own, over a connection that is read-only and reaches no
    file, network or extension; see `open_index`.

    Raises:
        QueryError: the query is not one such statement, is wrong, or takes or gives too much.
        StoreError: the index cannot be read.
    """
    parts = yield_apart(
        answer_sql, path, query, limit, seconds=TIME_LIMIT, memory=MEMORY, most_bytes=MOST_BYTES
    )
    rows: list[Row] = []
    try:
        with closing(cast("Generator[Any]", parts)):
            columns = tuple(next(parts))
            for batch in parts:
                rows += batch
                if len(rows) > MOST_ROWS:
                    raise QueryError(
                        f"more than {MOST_ROWS:,} rows; narrow the query or give --limit"
                    )
    except TimeoutError as error:
        raise QueryError(f"the query took more than {TIME_LIMIT:g} s; narrow it") from error
    except TooMuchError as error:
        raise QueryError(
            f"the answer is larger than {MOST_BYTES >> 20} MB; narrow the query or give --limit"
        ) from error
    except EndedApartError as error:
        raise QueryError(
            f"answering the query took more than {MEMORY >> 30} GB of memory, or was ended from "
            "outside; narrow it"
        ) from error
    return Table(columns=columns, rows=tuple(rows))


def answer_sql(path: Path, query: str, limit: int | None) -> Iterator[Sequence[Any]]:
    """Yield the names of the columns and then the rows in batches; see `run_sql`."""
    with open_index(path, bounded=True) as con:
        try:
            yield from _ask(con, query, limit)
        except duckdb.Error as error:
            text = str(error).splitlines()[0]
            raise QueryError(f"{text}; `DESCRIBE kernels` tells the columns") from error


def _ask(con: duckdb.DuckDBPyConnection, query: str, limit: int | None) -> Iterator[Sequence[Any]]:
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
    yield _told_apart(name for name, _ in described)
    left = MOST_ROWS + 1 if limit is None else limit
    while left > 0 and (batch := con.fetchmany(min(_BATCH, left))):
        left -= len(batch)
        yield batch


def _told_apart(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of columns, with `_1`, `_2` ... appended to those that came before.

    As records they would hide each other.
    """
    taken: list[str] = []
    for name in names:
        others = (f"{name}_{number}" for number in count(1))
        taken.append(next(each for each in chain([name], others) if each not in taken))
    return tuple(taken)
