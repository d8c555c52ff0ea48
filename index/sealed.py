"""Questions in SQL, asked of an index that they can neither change nor look past."""

from __future__ import annotations

from pathlib import Path
from threading import Timer

import duckdb

from index.database import open_index
from index.errors import QueryError
from index.table import Table

TIME_LIMIT = 60.0
"""Seconds that a query may take."""

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


def run_sql(path: Path, query: str, *, limit: int | None = None) -> Table:
    """Return what one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) says.

    The connection is read-only and reaches no file, network or extension; see `open_index`.

    Raises:
        QueryError: the query is not one such statement, is wrong, or takes too long.
        StoreError: the index cannot be read.
    """
    with open_index(path, sealed=True) as con:
        timer = Timer(TIME_LIMIT, con.interrupt)
        timer.start()
        try:
            return _ask(con, query, limit)
        except duckdb.InterruptException as error:
            raise QueryError(f"the query took more than {TIME_LIMIT:g} s; narrow it") from error
        except duckdb.Error as error:
            text = str(error).splitlines()[0]
            raise QueryError(f"{text}; `DESCRIBE kernels` tells the columns") from error
        finally:
            timer.cancel()


def _ask(con: duckdb.DuckDBPyConnection, query: str, limit: int | None) -> Table:
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
    rows = con.fetchall() if limit is None else con.fetchmany(limit)
    return Table(columns=tuple(name for name, _ in described), rows=tuple(rows))
