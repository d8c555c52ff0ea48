"""The data files of this room, read into the types of those who ask."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TypeVar

import msgspec

_T = TypeVar("_T")


def read_tables(file: str, name: str, kind: type[_T]) -> tuple[_T, ...]:
    """Return the tables `[[name]]` of a data file, each as a `kind`, in the file's order.

    Raises:
        msgspec.ValidationError: A table has not the fields of `kind`; a test reads them all.
    """
    text = resources.files("index.learning").joinpath("data", file).read_text(encoding="utf-8")
    tables = tomllib.loads(text).get(name, [])
    return msgspec.convert(tables, type=tuple[kind, ...], strict=True)  # type: ignore[valid-type]
