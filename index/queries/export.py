# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The kernels of the index, written to a file for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TextIO

import duckdb

from index.errors import ExportError, QueryError
from index.queries.kernels import KERNEL_COLUMNS, plain_row
from index.show.render import WRITERS, write_csv, write_json, write_jsonl, write_md
from index.table import Table

# What others wrote: left out where only facts are wanted.
PROSE_COLUMNS = ("summary", "docstring", "source")
# What a page can show of a kernel, and of how many kernels of one op.
PAGE_COLUMNS = ("id", "role", "license", "stars", "summary", "permalink")
MOST_OF_AN_OP = 20
_NO_OP = "no op known"
_BEST_FIRST = "k.is_test IS TRUE, k.standing DESC NULLS LAST, k.stars DESC NULLS LAST, k.id"


def export_kernels(con: duckdb.DuckDBPyConnection, dest: Path, *, facts_only: bool = False) -> int:
    """Write all kernels to `dest` and return how many; its suffix decides the format.

    The record of the view `kernels` with the source text as a last column, without all
    `PROSE_COLUMNS` if only facts are wanted. Markdown is a page for people: `PAGE_COLUMNS` of live
    kernels by op, of each the most trusted `MOST_OF_AN_OP`. The file appears whole or not at all.

    Raises:
        QueryError: the suffix is of no format.
        ExportError: the file cannot be written.
    """
    write = _WRITERS.get(dest.suffix.lower())
    if write is None:
        known = " ".join(_WRITERS)
        raise QueryError(f"{dest}: unknown format {dest.suffix or '(no suffix)'}; use {known}")
    is_page = dest.suffix.lower() == ".md"
    columns: tuple[str, ...] = PAGE_COLUMNS if is_page else (*KERNEL_COLUMNS, "source")
    if facts_only:
        columns = tuple(column for column in columns if column not in PROSE_COLUMNS)
    selected = ", ".join("s.source" if column == "source" else f"k.{column}" for column in columns)
    query = f"SELECT {selected} FROM kernels AS k JOIN kernel_rows AS s USING (id) ORDER BY k.id"
    if is_page:
        # Its first op; within one the most trusted first.
        query = f"""
            SELECT coalesce(k.ops[1], '{_NO_OP}') AS op, count(*) OVER (PARTITION BY op) AS n,
                {selected}
            FROM kernels AS k JOIN kernel_rows AS s USING (id)
            WHERE k.removed_at IS NULL
            QUALIFY row_number() OVER (PARTITION BY op ORDER BY {_BEST_FIRST}) <= {MOST_OF_AN_OP}
            ORDER BY k.ops[1] IS NULL, op, {_BEST_FIRST}
        """
    with _written_whole(dest) as draft:
        return write(con, query, draft)


def export_table(table: Table, dest: Path) -> None:
    """Write any table to `dest`; its suffix decides the format, which must be one of text.

    The file appears whole or not at all.

    Raises:
        QueryError: the suffix is of no such format.
        ExportError: the file cannot be written.
    """
    write = WRITERS.get(dest.suffix.lower().removeprefix("."))
    if write is None or dest.suffix.lower() == ".table":
        known = " ".join(f".{style}" for style in WRITERS if style != "table")
        raise QueryError(f"{dest}: unknown format {dest.suffix or '(no suffix)'}; use {known}")
    with _written_whole(dest) as draft, draft.open("w", encoding="utf-8", newline="") as out:
        write(table, out)


def draft_of(dest: Path) -> Path:
    """Return where a file is written before it is moved to `dest`; a connection must reach it."""
    return dest.with_name(f"{dest.name}.part")


@contextmanager
def _written_whole(dest: Path) -> Iterator[Path]:
    """Yield where to write what is moved to `dest` once it is whole."""
    draft = draft_of(dest)
    try:
        draft.touch()
        try:
            yield draft
            draft.replace(dest)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError(f"{dest}: {error.strerror}; name another file") from error


def _write_parquet(con: duckdb.DuckDBPyConnection, query: str, draft: Path) -> int:
    kernels = con.sql(query)
    try:
        kernels.write_parquet(str(draft), compression="zstd")
    except duckdb.IOException as error:
        text = str(error).splitlines()[0]
        raise ExportError(f"{draft}: {text}; name another file") from error
    except TypeError as error:
        # So DuckDB refuses a path that is not in UTF-8.
        raise ExportError(f"{draft}: DuckDB writes no such path; name another file") from error
    return len(kernels)


def _write_text(
    write: Callable[[Table, TextIO], None],
) -> Callable[[duckdb.DuckDBPyConnection, str, Path], int]:
    def write_rows(con: duckdb.DuckDBPyConnection, query: str, draft: Path) -> int:
        rows = con.execute(query).fetchall()
        columns = tuple(name for name, *_ in con.description or ())
        with draft.open("w", encoding="utf-8", newline="") as out:
            write(Table(columns=columns, rows=tuple(plain_row(columns, row) for row in rows)), out)
        return len(rows)

    return write_rows


def _write_page(con: duckdb.DuckDBPyConnection, query: str, draft: Path) -> int:
    rows = con.execute(query).fetchall()
    columns = tuple(name for name, *_ in con.description or ())[2:]
    with draft.open("w", encoding="utf-8", newline="") as out:
        out.write(f"# Triton kernels by op\n\nOf each op at most {MOST_OF_AN_OP}.\n")
        for (op, n), group in groupby(rows, key=lambda row: row[:2]):
            shown = tuple(plain_row(columns, row[2:]) for row in group)
            out.write(f"\n## {op} ({n:,})\n\n")
            write_md(Table(columns=columns, rows=shown), out)
            if n > len(shown):
                how = "" if op == _NO_OP else f": `triton-index search --op {op}`"
                out.write(f"\n{n - len(shown):,} more{how}\n")
    return len(rows)


_WRITERS: dict[str, Callable[[duckdb.DuckDBPyConnection, str, Path], int]] = {
    ".parquet": _write_parquet,
    ".json": _write_text(write_json),
    ".jsonl": _write_text(write_jsonl),
    ".csv": _write_text(write_csv),
    ".md": _write_page,
}
