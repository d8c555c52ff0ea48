"""Kernels that were found, as a table that fits a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from index.plain_text import cut
from index.show.render import cell_text
from index.table import Table

FIT_COLUMNS = ("id", "ops", "license", "triton", "ok")
# Columns of the terminal for the ops, the licence and the range; and from which width on.
_NARROW, _WIDE, _WIDE_FROM = (14, 12, 9), (28, 18, 9), 110
_MARK_WIDTH, _BETWEEN = 3, 2
LEAST_ROOM = 16


def room_for_id(width: int) -> int:
    """Return how many columns of a terminal the id may take."""
    others = sum(_widths(width)) + _MARK_WIDTH + _BETWEEN * (len(FIT_COLUMNS) - 1)
    return max(LEAST_ROOM, width - others)


def search_table(found: Table, names: Sequence[str], width: int) -> Table:
    """Return the kernels by their short `names`, in columns that a terminal of `width` holds.

    `ok` marks those that passed verification.
    """
    ops, license_, triton = _widths(width)
    rows = (
        (
            name,
            cut(cell_text(record["ops"]), ops),
            cut(cell_text(record["license"]), license_),
            cut(triton_range(record["triton_min"], record["triton_max"]), triton),
            "yes" if _is_verified(record["verified"]) else "",
        )
        for name, record in zip(names, found.records(), strict=True)
    )
    return Table(columns=FIT_COLUMNS, rows=tuple(rows))


def triton_range(oldest: object, newest: object) -> str:
    """Return the releases that have all a kernel uses: `3.2+`, `2.1-3.6`; "" if unknown."""
    first, last = (str(each or "").removesuffix(".0") for each in (oldest, newest))
    if not first:
        return f"to {last}" if last else ""
    return f"{first}-{last}" if last else f"{first}+"


def _widths(width: int) -> tuple[int, int, int]:
    return _WIDE if width >= _WIDE_FROM else _NARROW


def _is_verified(value: Any) -> bool:
    return isinstance(value, dict) and value.get("result") == "passed"
