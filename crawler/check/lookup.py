"""One name of Triton's, or a pattern of names -> what is known of it over all releases."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache

from crawler.check.replacements import replacement_of
from crawler.enrich.api_table import ApiSymbol, load_table
from crawler.enrich.signatures import UNKNOWN, parse_signature

_SHORT = {
    "tl": "triton.language",
    "gl": "triton.experimental.gluon.language",
    "ttgl": "triton.experimental.gluon.language",
    "gluon": "triton.experimental.gluon",
    "libdevice": "triton.language.extra.libdevice",
}
_INSIDES = re.compile(
    r"triton\.(?:language\.(?:core|semantic|standard|extern)|compiler\.\w+|runtime\.\w+"
    r"|impl|interpreter|common|profiler\.language"
    r"|tools\.(?:compile|link|aot|build_extern|disasm)"
    r"|tools\.triton_to_gluon\w*|experimental\.gluon\.language\.amd\.gfx1250\._\w+)(?:\.|$)"
)
"""Where names are defined or merely at hand, whose public ones are elsewhere too."""
_IMPORTED = frozenset(
    "Any Callable Dict Generic Iterable List Literal Optional Path Sequence Tuple Type "
    "TypeVar Union annotations builtin core cast dataclass field overload wraps".split()
)
NEAR = 0.75
"""How alike a name must be to be offered for one that is none."""
MOST_NEAR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEntry:
    """A name or `name(keyword)` over the releases.

    `since` and `until` are the first and last that have it, `until` None for the newest; `releases`
    says all of them. `keywords` are each with the releases that take it, `calls` how it is called
    in which releases. `replaced` are names that it stands in for.
    """

    name: str
    since: str
    until: str | None
    releases: str
    instead: str | None
    source: str | None
    replaced: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...] = ()
    calls: tuple[tuple[str, str], ...] = ()


def find_entries(wanted: str) -> list[ApiEntry]:
    """Return what a name, the end of one, or a pattern with `*` and `?` means, sorted by name.

    `tl` and `gl` stand for the languages. A full name is found wherever it is; others are sought
    among public names.
    """
    name, bracket, keyword = spelled_out(wanted).partition("(")
    if "*" in name or "?" in name:
        names = [each for each in public_names() if fnmatchcase(each, name)]
    elif _symbol(name) is not None:
        names = [name]
    else:
        names = [each for each in public_names() if each.endswith(f".{name}")]
    symbols = [f"{each}({keyword}" for each in names] if bracket else names
    return [entry for entry in map(entry_of, symbols) if entry is not None]


def near_entries(wanted: str) -> list[str]:
    """Return the public names that a name of none is most likely a slip of."""
    name = spelled_out(wanted).partition("(")[0]
    last = name.rpartition(".")[2]
    by_last: dict[str, list[str]] = {}
    for each in public_names():
        by_last.setdefault(each.rpartition(".")[2], []).append(each)
    near = get_close_matches(last, by_last, n=MOST_NEAR, cutoff=NEAR)
    found = [
        min(by_last[word], key=lambda n: (not n.startswith(name[:8]), len(n))) for word in near
    ]
    return found[:MOST_NEAR]


def changed_in(release: str, *, is_new: bool) -> list[ApiEntry]:
    """Return the public names and keywords that came with a release, or that it no longer has.

    Raises:
        KeyError: It is no release of the table.
    """
    table = load_table()
    place = {known: i for i, known in enumerate(table.releases)}[release]
    found: list[ApiEntry] = []
    for name in public_names() if place else ():
        symbol = _symbol(name)
        assert symbol is not None
        changed = _changed(symbol.releases, place, is_new=is_new)
        both = 3 << (place - 1)
        symbols = [name] if changed else []
        if not changed and symbol.releases & both == both:
            symbols = [
                f"{name}({keyword})"
                for keyword, releases in _keywords(symbol)
                if _changed(releases, place, is_new=is_new)
            ]
        found.extend(entry for entry in map(entry_of, symbols) if entry is not None)
    return [entry for entry in found if not _goes_with_class(entry.name, found)]


def _goes_with_class(symbol: str, found: Sequence[ApiEntry]) -> bool:
    """Tell whether a name is a member of a class that is listed too."""
    owner = symbol.partition("(")[0].rpartition(".")[0]
    return not load_table().is_module(owner) and any(entry.name == owner for entry in found)


def entry_of(symbol: str) -> ApiEntry | None:
    """Return what is known of a full name or `name(keyword)`, None where no release has it."""
    table = load_table()
    name, bracket, keyword = symbol.partition("(")
    known = _symbol(name)
    if known is None:
        return None
    releases = known.releases
    if bracket:
        releases = dict(_keywords(known)).get(keyword.removesuffix(")"), 0)
    if not releases:
        return None
    first, last = (releases & -releases).bit_length() - 1, releases.bit_length() - 1
    newest = len(table.releases) - 1
    is_gone = last < newest
    stands_in = replacement_of(symbol) if is_gone else None
    calls = () if bracket else known.signatures
    return ApiEntry(
        name=symbol,
        since=table.releases[first],
        until=table.releases[last] if is_gone else None,
        releases=table.format_ranges(releases),
        instead=stands_in.instead if stands_in is not None else None,
        source=stands_in.source if stands_in is not None else None,
        replaced=_replaced().get(symbol, ()),
        keywords=tuple((k, table.format_ranges(r)) for k, r in _keywords(known) if not bracket),
        calls=tuple((table.format_ranges(r), text) for r, text in calls if text != UNKNOWN),
    )


def spelled_out(wanted: str) -> str:
    """Return a name with the language in place of what it is short for: `tl.dot`."""
    root, dot, rest = wanted.strip().partition(".")
    return f"{_SHORT[root]}.{rest}" if dot and root in _SHORT else wanted.strip()


@cache
def public_names() -> tuple[str, ...]:
    """Return the full names that are offered where names are sought, sorted."""
    found = set()
    for module, name, symbol in load_table().modules():
        full = f"{module}.{name}" if name else module
        is_word = name not in _IMPORTED and name not in sys.stdlib_module_names
        is_secret = any(part.startswith("_") for part in full.split("."))
        if symbol.releases and is_word and not is_secret and not _INSIDES.match(f"{module}."):
            found.add(full)
    return tuple(sorted(found - {f"{n}.*" for n in found}))


def _symbol(name: str) -> ApiSymbol | None:
    found = load_table().find(name)
    return found[1] if found is not None and found[0] == name else None


def _keywords(symbol: ApiSymbol) -> Iterator[tuple[str, int]]:
    """Yield the keywords that a function takes by name, each with its releases."""
    found: dict[str, int] = {}
    for releases, text in symbol.signatures:
        signature = parse_signature(text)
        for keyword in sorted(signature.keywords) if signature is not None else ():
            found[keyword] = found.get(keyword, 0) | releases
    yield from found.items()


def _changed(releases: int, place: int, *, is_new: bool) -> bool:
    before, now = releases >> (place - 1) & 1, releases >> place & 1
    if is_new:
        return bool(now and not releases & ((1 << place) - 1))
    return bool(before and not now)


@cache
def _replaced() -> dict[str, tuple[str, ...]]:
    """Return, of each name, those that it stands in for."""
    table = load_table()
    newest = 1 << (len(table.releases) - 1)
    found: dict[str, set[str]] = {}
    for name in public_names():
        symbol = _symbol(name)
        gone = [name] if symbol is not None and not symbol.releases & newest else []
        stands_in = (replacement_of(each) for each in gone)
        for replacement in stands_in:
            text = replacement.instead or "" if replacement is not None else ""
            for other in re.findall(r"`(triton\.[\w.]+)`", text):
                found.setdefault(other, set()).add(name)
    return {name: tuple(sorted(others)) for name, others in found.items()}
