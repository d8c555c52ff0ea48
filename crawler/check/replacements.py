"""What to write in place of names and keywords that went: the data in `crawler/data`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE_NAME = "replacements.toml"
_DATA = Path(__file__).parents[1] / "data"

_HOMES = {
    "triton.language.core.": "triton.language.",
    "triton.runtime.Config": "triton.Config",
    "triton.runtime.autotuner.Config": "triton.Config",
}
"""Where names are defined, and where they are public."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in for a name, and the address that says so; None: nothing does."""

    name: str
    instead: str | None
    source: str | None


def replacement_of(symbol: str) -> Replacement | None:
    """Return what is known of a dotted name or `name(keyword)`, by its longest part that is known.

    An entry of all in a module, `triton.ops.*`, holds for the module too, and that of a class for
    its members; in its words, `*` is the last part of the name.
    """
    public = symbol
    for home, names in _HOMES.items():
        public = public.replace(home, names, 1) if public.startswith(home) else public
    return _longest(public, symbol) or _longest(symbol, symbol)


def _longest(name: str, symbol: str) -> Replacement | None:
    known = load_replacements()
    if name in known:
        return known[name]
    name, _, keyword = name.partition("(")
    head, last = name, name.rpartition(".")[2]
    while head:
        found = known.get(f"{head}.*") or (known.get(head) if head != name else None)
        if found is not None and (found.instead is None or not keyword):
            words = None if found.instead is None else found.instead.replace("*", last)
            return Replacement(symbol, words, found.source)
        head = head.rpartition(".")[0]
    return None


@cache
def load_replacements() -> Mapping[str, Replacement]:
    """Return the entries by the symbols that they are of."""
    import tomllib

    data = tomllib.loads((_DATA / FILE_NAME).read_text("utf-8"))
    found: dict[str, Replacement] = {}
    for entry in data["replacements"]:
        for name in entry["names"]:
            instead = entry["instead"] or None
            found[name] = Replacement(name, instead, entry.get("source"))
    return found
