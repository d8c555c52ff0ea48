"""What a finding says, in a sentence."""

from __future__ import annotations

from crawler.enrich.api_table import load_table
from crawler.enrich.needs import Need

NEAR = 0.8
"""How alike a name must be to be offered in place of one that no release has."""


def unknown_sentence(need: Need) -> str:
    """Return the sentence on a name or a keyword that no release has."""
    newest = load_table().releases[-1]
    name, _, keyword = need.symbol.partition("(")
    if keyword:
        what = f"no release up to {newest} lets `{name}` be called with `{keyword[:-1]}`"
        if need.reason == "no release takes it":
            what = f"`{name}` takes no `{keyword[:-1]}` in any release up to {newest}"
        return what
    whose = f"; it is of {need.dialect}, a dialect of Triton" if need.dialect else ""
    near = () if need.dialect else near_names(name)
    meant = f"; did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
    return f"no release up to {newest} has `{name}`{whose}{meant}"


def range_sentence(need: Need, releases: int) -> str:
    """Return the sentence on what some releases lack."""
    where = in_words(releases)
    name, _, keyword = need.symbol.partition("(")
    if not name.startswith("triton."):
        return f"`{name}`: {need.reason}"
    if keyword == ")" or (keyword and need.reason):
        return f"`{name}`: {need.reason}; works {where}"
    if keyword:
        return f"`{name}` takes `{keyword[:-1]}` {where}"
    return f"`{name}` exists {where}"


def with_replacement(sentence: str, instead: str | None) -> str:
    """Return the sentence with what to write instead."""
    return sentence if instead is None else f"{sentence}; instead: {instead}"


def in_words(releases: int) -> str:
    """Return a set of releases for a sentence: `in Triton 2.1.0 to 2.3.1 only`."""
    table = load_table()
    ranges = table.format_ranges(releases).split(", ")
    if len(ranges) == 1 and ranges[0].endswith("-"):
        return f"from Triton {ranges[0][:-1]} on"
    words = [
        f"{each[:-1]} on" if each.endswith("-") else each.replace("-", " to ") for each in ranges
    ]
    return f"in Triton {', '.join(words)} only"


def near_names(name: str) -> list[str]:
    """Return the names of the newest release that one of none is most likely a slip of."""
    from difflib import get_close_matches

    table = load_table()
    module, _, last = name.rpartition(".")
    newest = 1 << (len(table.releases) - 1)
    names = [n for n, symbol in table.names_in(module) if symbol.releases & newest]
    return [f"{module}.{near}" for near in get_close_matches(last, names, n=2, cutoff=NEAR)]
