"""Tables on paper: one function for each format, `table` for people and the rest for programs."""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from typing import TextIO

from index.plain_text import cut, display_width, one_line, printable
from index.table import Table

# No column is cut below this to make room for others.
NARROWEST = 16
# Ids are there to be copied: never cut.
WHOLE_COLUMNS = frozenset({"id", "previous_id", "run_id"})

_MARKUP = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]|~#"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    # Not a person to call, and not a link that nobody wrote.
    | {"@": "&#64;", ":": "&#58;"}
)
# An address of a person stays one when its sign is spelled out; a sign without width parts it.
_MAIL = re.compile(r"(?<=[\w.+-])@(?=[\w-])")
_APART = "&#8203;"
_WWW = re.compile(r"(?i)\b(www)\.|(?<=_)(www)\.")

# The links that are ours, to lines and to issues: nothing in them can end them early.
_PERMALINK = re.compile(r"https://[\w./%~@+-]+(?:#L\d+-L\d+|/issues/\d+)", re.ASCII)


def write_table(table: Table, out: TextIO, *, width: int | None = None, bold: bool = False) -> None:
    """Write aligned columns, cut to `width` columns of a terminal; None: as wide as it takes."""
    if not table.rows:
        return
    cells = [[cell_text(value) for value in row] for row in table.rows]
    names = [one_line(name) for name in table.columns]
    widths = _fit(names, cells, width)
    heads = [cut(name, size) for name, size in zip(names, widths, strict=True)]
    head = _aligned(heads, widths, frozenset())
    out.write(f"\x1b[1m{head}\x1b[0m\n" if bold else f"{head}\n")
    numbers = frozenset(
        n for n in range(len(widths)) if all(_is_number(row[n]) for row in table.rows)
    )
    for row in cells:
        cut_row = [cut(cell, size) for cell, size in zip(row, widths, strict=True)]
        out.write(f"{_aligned(cut_row, widths, numbers)}\n")


def without_what_does_not_fit(table: Table, width: int) -> Table:
    """Return the table without those of its last columns for which a terminal has no room."""
    needed = [
        max(len(name), *(display_width(cell_text(v)) for v in table.column(name)), 0)
        for name in table.columns
    ]
    least = [
        n if name in WHOLE_COLUMNS else min(n, NARROWEST)
        for n, name in zip(needed, table.columns, strict=True)
    ]
    fitting = len(least)
    while fitting > 1 and sum(least[:fitting]) + 2 * (fitting - 1) > width:
        fitting -= 1
    return Table(columns=table.columns[:fitting], rows=tuple(row[:fitting] for row in table.rows))


def write_json(table: Table, out: TextIO) -> None:
    """Write one array of objects."""
    separator = "[\n"
    for record in table.records():
        out.write(f"{separator}{to_json(record)}")
        separator = ",\n"
    out.write("\n]\n" if table.rows else "[]\n")


def write_jsonl(table: Table, out: TextIO) -> None:
    """Write one object a line."""
    for record in table.records():
        out.write(f"{to_json(record)}\n")


def write_csv(table: Table, out: TextIO) -> None:
    """Write comma-separated values under a header; lists and records as JSON.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_csv_cell, table.columns))
    writer.writerows([_csv_cell(value) for value in row] for row in table.rows)


def write_md(table: Table, out: TextIO) -> None:
    """Write a Markdown table in which no cell is markup, a mention or a link of its own making."""
    out.write(f"| {' | '.join(map(_md_cell, table.columns))} |\n")
    out.write(f"|{' --- |' * len(table.columns)}\n")
    for row in table.rows:
        out.write(f"| {' | '.join(map(_md_cell, row))} |\n")


WRITERS: dict[str, Callable[[Table, TextIO], None]] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "md": write_md,
}


def to_json(value: object) -> str:
    """Return any value of the index as JSON in plain ASCII; times are UTC in ISO 8601."""
    return json.dumps(_plain(value), separators=(", ", ": "))


def _plain(value: object) -> object:
    """Return the value in terms that JSON has."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def cell_text(value: object) -> str:
    """Return a value on one line, for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return one_line(", ".join(value))
    if isinstance(value, dict) and all(_is_plain(item) for item in value.values()):
        said = (f"{key} {cell_text(item)}" for key, item in value.items() if item is not None)
        return one_line(", ".join(said))
    return one_line(to_json(value) if isinstance(value, list | dict) else str(value))


def _is_plain(value: object) -> bool:
    return not isinstance(value, list | dict)


def _md_cell(value: object) -> str:
    text = cell_text(value)
    return f"<{text}>" if _PERMALINK.fullmatch(text) else plain_markdown(text)


def plain_markdown(text: str) -> str:
    """Return text on one line as Markdown that shows it: no markup, mention, address or link."""
    parts = map(_without_www, _MAIL.split(text))
    return f"{_APART}&#64;".join(parts)


def _without_www(text: str) -> str:
    plain = text.translate(_MARKUP)
    return _WWW.sub(lambda found: f"{found[0][:-1]}&#46;", plain)


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else to_json(value).strip('"')
    text = printable(text)
    return f"'{text}" if _begins_formula(text) else text


def _begins_formula(text: str) -> bool:
    """Tell whether a spreadsheet may take it for one; some read full-width signs as plain ones."""
    first = text.lstrip()[:1]
    return unicodedata.normalize("NFKC", first) in ("=", "+", "-", "\u2212", "@")


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _fit(columns: list[str], cells: list[list[str]], width: int | None) -> list[int]:
    """Return the width of each column; the widest give way until all fit or none can."""
    widths = [
        max(display_width(text) for text in (name, *(row[n] for row in cells)))
        for n, name in enumerate(columns)
    ]
    if width is None:
        return widths
    pliable = [n for n, name in enumerate(columns) if name not in WHOLE_COLUMNS]
    excess = sum(widths) + 2 * (len(widths) - 1) - width
    while excess > 0 and any(widths[n] > NARROWEST for n in pliable):
        widest = max(pliable, key=lambda n: widths[n])
        widths[widest] -= 1
        excess -= 1
    return widths


def _aligned(cells: list[str], widths: list[int], numbers: frozenset[int]) -> str:
    padded = (
        " " * (size - display_width(cell)) + cell
        if n in numbers
        else cell + " " * (size - display_width(cell))
        for n, (cell, size) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()
