"""Rows under named columns: what every listing command prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows in the order to print them. Values are what DuckDB gives; a null is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def records(self) -> Iterator[dict[str, object]]:
        """Yield each row as a mapping, keys in column order."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))

    def column(self, name: str) -> tuple[object, ...]:
        """Return the values of one column, from the first row to the last."""
        position = self.columns.index(name)
        return tuple(row[position] for row in self.rows)

    def first(self, limit: int | None) -> Table:
        """Return the table cut to its first rows; None is no limit."""
        return self if limit is None else Table(columns=self.columns, rows=self.rows[:limit])
