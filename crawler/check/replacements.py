"""What to write in place of names and keywords that went: the data in `crawler/data`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE_NAME = "replacements.toml"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in for a name, and the address that says so; None: nothing does."""

    name: str
    instead: str | None
    source: str | None


def replacement_of(symbol: str) -> Replacement | None:
    """Return what is known of a dotted name or `name(keyword)`, by its longest part that is known.

    An entry of all in a module, `triton.ops.*`, holds for the module too; in its words, `*` is the
    last part of the name.
    """
    known = load_replacements()
    if symbol in known:
        return known[symbol]
    head, last = symbol.partition("(")[0], symbol.partition("(")[0].rpartition(".")[2]
    while head and "(" not in symbol:
        found = known.get(f"{head}.*")
        if found is not None:
            words = None if found.instead is None else found.instead.replace("*", last)
            return Replacement(symbol, words, found.source)
        head = head.rpartition(".")[0]
    return None


@cache
def load_replacements() -> Mapping[str, Replacement]:
    """Return the entries by the symbols that they are of."""
    data = tomllib.loads((files("crawler") / "data" / FILE_NAME).read_text("utf-8"))
    found: dict[str, Replacement] = {}
    for entry in data["replacements"]:
        for name in entry["names"]:
            instead = entry["instead"] or None
            found[name] = Replacement(name, instead, entry.get("source"))
    return found
