"""Records into temporary tables, in bulk: newline-delimited JSON that DuckDB reads itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from glob import escape
from pathlib import Path

import duckdb
import msgspec

from crawler.models import Autotune, KernelRecord

RECORD_FIELDS = tuple(field.name for field in fields(KernelRecord))

_LARGEST_COUNT = 2**63 - 1
_SMALLEST_BUFFER = 16 * 2**20


class Staging:
    """Fills temporary tables of one connection by way of one scratch file."""

    def __init__(self, con: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._con = con
        self._scratch = scratch
        described = con.execute("DESCRIBE kernel_rows").fetchall()
        types = {str(column): str(kind) for column, kind, *_ in described}
        self._kernel_columns = {name: types[name] for name in RECORD_FIELDS}

    def load_kernels(self, records: Iterable[KernelRecord]) -> None:
        """Make the table `staged_kernels`, a column for each field of the record."""
        self.load("staged_kernels", map(_kernel_row, records), self._kernel_columns)

    def load(
        self, table: str, rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]
    ) -> None:
        """Make the temporary table of these columns (name to type), one row for each mapping."""
        longest = 0
        with self._scratch.open("wb") as file:
            for line in _lines(rows):
                longest = max(longest, len(line))
                file.write(line + b"\n")
        self._con.execute(
            f'CREATE OR REPLACE TEMP TABLE "{table}" AS '  # noqa: S608 (names of our own)
            "SELECT * FROM read_json($file, format = 'newline_delimited', columns = $columns, "
            "maximum_object_size = $size)",
            {
                "file": escape(str(self._scratch)),
                "columns": dict(columns),
                "size": max(_SMALLEST_BUFFER, longest + 1),
            },
        )
        self._scratch.unlink()


def clean_text(text: str) -> str:
    """Return the text with what UTF-8 cannot carry (lone surrogates) spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _lines(rows: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for row in rows:
        try:
            yield encoder.encode(row)
        except UnicodeEncodeError:
            yield encoder.encode(_clean(msgspec.to_builtins(row, builtin_types=(bytes,))))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _kernel_row(record: KernelRecord) -> dict[str, object]:
    row = {name: getattr(record, name) for name in RECORD_FIELDS}
    if record.autotune is not None:
        row["autotune"] = _autotune_row(record.autotune)
    return row


def _autotune_row(autotune: Autotune) -> dict[str, object]:
    count = autotune.n_configs
    return {
        "n_configs": None if count is None else min(count, _LARGEST_COUNT),
        "key": autotune.key,
        "configs": [
            {"kwargs": dict(config.kwargs), "options": dict(config.options)}
            for config in autotune.configs
        ],
    }
