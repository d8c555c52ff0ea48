"""What goes to stdout, which holds data only, and to stderr, which holds all else."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

import click

from index.cli.options import Listing
from index.cli.streams import drop_stdout
from index.errors import OutputError
from index.plain_text import one_line
from index.queries.fields import FORMAT_VERSION
from index.show.render import WRITERS, to_json, without_what_does_not_fit, write_table
from index.table import Table


def print_listing(
    table: Table,
    listing: Listing,
    *,
    record: str,
    columns: Sequence[str] | None = None,
    total: int | None = None,
) -> None:
    """Print the first rows of a table as it is asked for.

    `record` says what a row is; `total` how many there are, where the table has only the first.
    Whoever names fields gets those; else as `print_table`.

    Raises:
        click.UsageError: The table has no such field.
    """
    total = len(table.rows) if total is None else total
    table = table.first(listing.limit)
    if listing.fields:
        table, columns = _chosen(table, listing.fields), None
    if listing.has_envelope:
        envelope = {
            "schema": f"triton-index/{record}",
            "version": FORMAT_VERSION,
            "total": total,
            "limit": listing.limit,
            "items": list(table.records()),
        }
        emit(lambda out: out.write(f"{to_json(envelope)}\n"))
        return
    print_table(table, listing.style, columns=columns)


def print_table(table: Table, style: str, *, columns: Sequence[str] | None = None) -> None:
    """Print a table in one of the formats.

    Programs get every column. People see all too, or, of those named in `columns`, the ones of
    which anything is known and that the terminal has room for.
    """
    if style not in ("table", "md"):
        emit(lambda out: WRITERS[style](table, out))
        return
    shown = table if columns is None else _known(table, columns)
    if not table.rows and style == "table":
        note("nothing to list")
    elif style == "md":
        emit(lambda out: WRITERS[style](shown, out))
    else:
        is_terminal = sys.stdout.isatty()
        width = output_width()
        if width is not None and columns is not None:
            shown = without_what_does_not_fit(shown, width)
        bold = is_terminal and "NO_COLOR" not in os.environ
        emit(lambda out: write_table(shown, out, width=width, bold=bold))


def output_width() -> int | None:
    """Return how wide lines on stdout may be: a terminal's width, or COLUMNS; None: any."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        return None
    return shutil.get_terminal_size().columns


def emit(write: Callable[[TextIO], object]) -> None:
    """Let `write` write to stdout; whoever stops reading it early has had what they wanted.

    Raises:
        OutputError: stdout does not take it, such as a full disk.
    """
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        # Not an OSError any more: to who reads an index it would be a failure of that.
        drop_stdout()
        raise OutputError(f"stdout: {error.strerror}; what it got is not whole") from error


def note(message: str) -> None:
    """Say something on stderr, on one line."""
    sys.stderr.write(f"{one_line(message)}\n")


def say_waiting(why: str, seconds: float) -> None:
    """Say on stderr that something waits."""
    note(waiting_line(why, seconds))


def waiting_line(why: str, seconds: float) -> str:
    """Return the line that tells of a wait."""
    return f"waiting {seconds:.0f} s: {why}"


def _chosen(table: Table, fields: Sequence[str]) -> Table:
    for name in fields:
        if name not in table.columns:
            raise click.UsageError(f"no field {name!r}; there are {', '.join(table.columns)}")
    values = (table.column(name) for name in fields)
    rows = tuple(zip(*values, strict=True)) if table.rows else ()
    return Table(columns=tuple(fields), rows=rows)


def _known(table: Table, columns: Sequence[str]) -> Table:
    known = [name for name in columns if any(v not in (None, []) for v in table.column(name))]
    chosen = tuple(known if table.rows else columns)
    values = (table.column(name) for name in chosen)
    return Table(columns=chosen, rows=tuple(zip(*values, strict=True)))
