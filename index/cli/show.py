"""`triton-index show`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TextIO

import click

from index.cli.group import Settings
from index.cli.options import format_option

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from index.queries.lookup import Lookup
    from index.table import Table


@click.command()
@click.argument("id")
@click.option("--source", is_flag=True, help="Print its code.")
@click.option("--url", is_flag=True, help="Print its permalink alone.")
@click.option("--open", "opens", is_flag=True, help="Open its permalink in the browser.")
@format_option
@click.pass_obj
def command(settings: Settings, id: str, source: bool, url: bool, opens: bool, style: str) -> int:
    """Show all that is known of one kernel.

    Or of one operation and the kernels that it runs.

    ID may be the end of one (path::name, or the name), if only one kernel ends so, or all that do
    are copies of one of them, or the address of its lines on GitHub, at any commit. As JSON it is
    one object. Exits with 1 if there is no such kernel.
    """
    from index.cli.output import note
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.kernels import fetch_reasons
    from index.queries.lookup import find_kernel, show_kernel

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_kernel(con, id)
        kernel = None if found.id is None else show_kernel(con, found.id, source=source)
        reasons = (
            () if found.id is None else (*fetch_reasons(con, found.id), *_standing(con, found.id))
        )
    if kernel is None and not found.is_ambiguous:
        shown = _show_operation(settings, id, style)
        if shown is not None:
            return shown
    if kernel is None:
        return no_kernel(id, found.others, is_ambiguous=found.is_ambiguous)
    note_copies(id, found)
    (record,) = kernel.records()
    if url or opens:
        return _give_address(str(record["permalink"]), opens=opens)
    is_without_code = source and record["source"] is None
    if not is_without_code or style != "table":
        _print_kernel(kernel, reasons, style, source=source)
    if is_without_code:
        note(
            f"{record['id']}: its facts came with the package, its code did not; read it at "
            f"{record['permalink']}, or get it with `triton-index crawl {record['repo']}`"
        )
    return 1 if is_without_code else 0


def _give_address(permalink: str, *, opens: bool) -> int:
    """Print an address, and open it in the browser; 1 where there is none to open it."""
    from index.cli.output import emit, note

    emit(lambda out: out.write(f"{permalink}\n"))
    # What is indexed may come from anywhere: nothing but a page of the web is opened.
    is_web = permalink.startswith(("https://", "http://"))
    if not opens or (is_web and click.launch(permalink) == 0):
        return 0
    note("no browser could be started; the address is above")
    return 1


def _standing(con: DuckDBPyConnection, kernel: str) -> tuple[str, ...]:
    """Return what speaks for or against a kernel, one line each."""
    from index.tables.standing import fetch_standing

    reasons = fetch_standing(con, kernel)
    return tuple(f"standing {reason.worth:+.2f}: {reason.text}" for reason in reasons)


def _write(text: str, out: TextIO) -> None:
    out.write(text)


def _show_operation(settings: Settings, id: str, style: str) -> int | None:
    """Print the operation that is meant; None where there is none, 1 where there are several."""
    from index.cli.output import emit, note, print_table
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.operations import fetch_operations, find_operations
    from index.show.operation_card import operation_card
    from index.show.render import to_json

    with open_index(index_to_read(settings.db, note)) as con:
        ids = find_operations(con, id)
        table = fetch_operations(con, ids)
    if len(ids) > 1:
        note(f"{id}: {len(ids)} operations are called so; give more of the id:")
        for other in ids:
            note(f"- {other}")
        return 1
    for record in table.records():
        text = f"{to_json(record)}\n" if style == "json" else operation_card(record)
        if style in ("json", "table"):
            emit(partial(_write, text))
        else:
            print_table(table, style)
        return 0
    return None


def _print_kernel(kernel: Table, reasons: tuple[str, ...], style: str, *, source: bool) -> None:
    from index.cli.output import emit, print_table
    from index.plain_text import printable
    from index.show.kernel_card import kernel_card
    from index.show.render import to_json

    (record,) = kernel.records()
    if style == "json":
        emit(lambda out: out.write(f"{to_json(record)}\n"))
    elif style != "table":
        print_table(kernel, style)
    elif source:
        code = printable(str(record["source"])).rstrip("\n")
        emit(lambda out: out.write(f"{code}\n"))
    else:
        emit(lambda out: out.write(kernel_card(record, reasons)))


def note_copies(id: str, found: Lookup) -> None:
    """Say that one of several was taken, and which."""
    from index.cli.output import note

    if found.others:
        n = len(found.others) + 1
        note(f"{id}: {n} kernels are called so, copies of {found.id}, likely the original")


def no_kernel(id: str, others: tuple[str, ...], *, is_ambiguous: bool) -> int:
    """Say which kernels may have been meant."""
    from index.cli.output import note
    from index.queries.lookup import MOST_NAMED

    if is_ambiguous:
        note(f"{id}: {len(others)} kernels are called so; give more of the id:")
    else:
        hint = "the nearest are:" if others else "`triton-index search` finds kernels by words"
        note(f"{id}: no such kernel; {hint}")
    for other in others[:MOST_NAMED]:
        note(f"- {other}")
    if len(others) > MOST_NAMED:
        note(f"- and {len(others) - MOST_NAMED} more")
    return 2 if is_ambiguous else 1
