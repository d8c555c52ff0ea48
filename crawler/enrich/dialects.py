"""Whose a name is that no release of Triton has: one of the dialects in `crawler/data`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

DIALECTS_NAME = "triton_dialects.toml"
_DATA = Path(__file__).parents[1] / "data"


def dialect_of(name: str) -> str | None:
    """Return the dialect that a full dotted name belongs to, None where no one is known to."""
    known = _load()
    while name:
        if name in known:
            return known[name]
        name = name.rpartition(".")[0]
    return None


@cache
def _load() -> Mapping[str, str]:
    import tomllib

    data = tomllib.loads((_DATA / DIALECTS_NAME).read_text("utf-8"))
    return {name: each["name"] for each in data["dialects"] for name in each["names"]}
