"""Which releases of Triton have everything that a kernel uses: names, keywords, decorators."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from typing import Protocol

from crawler.enrich.api_table import load_table
from crawler.enrich.guards import ONE_OF, alternatives, live_in
from crawler.models import ApiUse, Autotune, Dialect, Form

DEAD_NAMES_ALLOWED_SINCE = "3.5.0"
"""From this release on, a branch that is not taken may name what does not exist.

Before it, every dotted name in a kernel's body is looked up when the kernel is hashed, so a branch
inside the body saves a keyword from being judged and not a name. A branch around the definition
always saves both.
"""
MAX_NAMED = 8
"""How many names a range lists at most in `conflict` and in `unknown`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """The first and last Triton release that a kernel compiles with, as far as names tell.

    `max` is None when the newest known release still has everything. Both are None when nothing
    is known of the kernel, or when no release has all it uses; `conflict` then names what cannot
    be had together. `min_symbol` and `max_symbol` name what sets each end, as a full dotted name
    or `name(keyword)`; None where the table's own end does. `unknown` are names that no release
    ever had (a fork's extensions, mistakes); they do not count.
    """

    min: str | None = None
    max: str | None = None
    min_symbol: str | None = None
    max_symbol: str | None = None
    conflict: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def has(self, release: str) -> bool:
        """Tell whether a release of the table lies in the range."""
        places = {known: place for place, known in enumerate(load_table().releases)}
        if self.min is None or release not in places:
            return False
        return places[self.min] <= places[release] <= places[self.max or load_table().releases[-1]]


class UsesTriton(Protocol):
    """What is asked of a kernel: both `ScannedKernel` and `KernelRecord` have it."""

    @property
    def path(self) -> str:
        """Where it stands."""

    @property
    def qualname(self) -> str:
        """Its name in Python's sense."""

    @property
    def dialect(self) -> Dialect:
        """The language it is written in."""

    @property
    def form(self) -> Form:
        """How it was made a kernel."""

    @property
    def decorators(self) -> tuple[str, ...]:
        """Their source text."""

    @property
    def autotune(self) -> Autotune | None:
        """Its autotune decorator."""

    @property
    def calls(self) -> tuple[str, ...]:
        """Ids within the snapshot of the jit functions that it calls."""

    @property
    def uses(self) -> tuple[ApiUse, ...]:
        """Triton's names that its body uses."""


@dataclass(frozen=True, slots=True)
class _Need:
    """One thing a kernel needs: the releases in which it is no hindrance, None if none has it."""

    releases: int | None
    symbol: str


def version_range(
    uses: Iterable[ApiUse], callee_uses: Iterable[Iterable[ApiUse]] = ()
) -> VersionRange:
    """Return the range of a kernel from its own uses and those of all functions it calls."""
    every = [tuple(uses), *(tuple(called) for called in callee_uses)]
    return _range(need for function in every for need in _needs_of(function))


def version_ranges(kernels: Sequence[UsesTriton]) -> list[VersionRange]:
    """Return the range of each kernel of one snapshot, its decorators and callees included.

    A callee that is defined more than once (under `if` or `try`) needs only one of its
    definitions to be had in a release.
    """
    definitions: dict[str, list[int]] = {}
    for index, kernel in enumerate(kernels):
        definitions.setdefault(f"{kernel.path}::{kernel.qualname}", []).append(index)
    own = [_own_needs(kernel) for kernel in kernels]
    called = {name: _merged([own[i] for i in found]) for name, found in definitions.items()}
    return [
        _range(
            [
                *own[index],
                *(need for name in _callees(kernel, kernels, definitions) for need in called[name]),
            ]
        )
        for index, kernel in enumerate(kernels)
    ]


def header_uses(kernel: UsesTriton) -> tuple[ApiUse, ...]:
    """Return what a kernel's decorators use of Triton: jit, autotune, Config with its options."""
    is_gluon = kernel.dialect is Dialect.GLUON
    jit = "triton.experimental.gluon.jit" if is_gluon else "triton.jit"
    names = {"jit": jit, "autotune": "triton.autotune", "heuristics": "triton.heuristics"}
    found = [ApiUse(name=jit)]
    for text in kernel.decorators:
        head, _, rest = text.partition("(")
        root, _, last = head.rpartition(".")
        is_triton = root in ("triton", "gluon") or (not root and kernel.form is Form.DECORATOR)
        if rest and last in names and is_triton:
            found.append(ApiUse(name=names[last], keywords=_keywords(text)))
    if kernel.autotune is not None:
        options = {name for config in kernel.autotune.configs for name, _ in config.options}
        found.append(ApiUse(name="triton.Config", keywords=tuple(sorted(options))))
    return tuple(dict.fromkeys(found))


def _own_needs(kernel: UsesTriton) -> tuple[_Need, ...]:
    header = (need for use in header_uses(kernel) for need in _needs(use, 0))
    return tuple(dict.fromkeys([*header, *_needs_of(kernel.uses)]))


def _needs_of(uses: Sequence[ApiUse]) -> Iterator[_Need]:
    """Yield what the body of one function needs.

    The conditions that all its uses share are taken to stand around the definition.
    """
    columns = zip(*(use.guards for use in uses), strict=False)
    around = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    for use in _joined_twins(uses):
        yield from _needs(use, around)


def _joined_twins(uses: Sequence[ApiUse]) -> Iterator[ApiUse]:
    """Yield the uses, those as one that are the same function under its names over time.

    `tanh` from `math` or from `libdevice`, whichever can be imported, is seen as two uses. That
    no release has both tells that one of them is meant.
    """
    groups: dict[tuple[object, ...], list[ApiUse]] = {}
    for use in uses:
        name = use.name.rpartition(".")[2].removeprefix("_experimental_")
        groups.setdefault((name, use.keywords, use.is_call, use.guards), []).append(use)
    for group in groups.values():
        names = sorted({use.name for use in group})
        if len(names) > 1 and _are_never_together(names):
            guard = f"{ONE_OF}({', '.join(names)})"
            yield replace(group[0], guards=(*group[0].guards, guard))
        else:
            yield from group


def _are_never_together(names: Iterable[str]) -> bool:
    together = load_table().all
    for found in filter(None, map(load_table().find, names)):
        together &= found[1].releases
    return not together


def _callees(
    kernel: UsesTriton, kernels: Sequence[UsesTriton], definitions: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yield the names of all functions that a kernel calls, directly or not, each once."""
    seen: set[str] = set()
    waiting = list(kernel.calls)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in definitions:
            continue
        seen.add(name)
        yield name
        for index in definitions[name]:
            waiting.extend(kernels[index].calls)


def _merged(alternatives: Sequence[Sequence[_Need]]) -> tuple[_Need, ...]:
    """Return what a function needs of which one definition, whichever, has to be had."""
    if len(alternatives) == 1:
        return tuple(alternatives[0])
    together = 0
    for needs in alternatives:
        releases = load_table().all
        for need in needs:
            releases &= load_table().all if need.releases is None else need.releases
        together |= releases
    scarcest = min(
        (need for needs in alternatives for need in needs if need.releases is not None),
        key=lambda need: (need.releases or 0).bit_count(),
        default=None,
    )
    return () if scarcest is None else (_Need(together, scarcest.symbol),)


@lru_cache(maxsize=65536)
def _needs(use: ApiUse, around: int) -> tuple[_Need, ...]:
    """Return what one use needs: its name, and each keyword on its own.

    `around` is how many of its guards stand around the definition that it is in.
    """
    table = load_table()
    live = live_in(use.guards)
    names = alternatives(use.guards) or (use.name,)
    if not all(name.startswith("triton.") for name in names):
        return ()  # the same expression may stand for something that is not Triton's
    found = [table.find(name) for name in names]
    known = [(full, symbol) for full, symbol in filter(None, found) if full in names]
    known = known or [each for each in found if each is not None]
    if not known:
        return (_Need(None, use.name),) if live else ()
    elsewhere = table.all & ~live
    unseen = elsewhere & (~live_in(use.guards[:around]) | table.since(DEAD_NAMES_ALLOWED_SINCE))
    releases = 0
    for _, symbol in known:
        releases |= symbol.releases
    needs = [_Need(releases | unseen, known[0][0])]
    for keyword in use.keywords if known[0][0] in names else ():
        taken = 0
        for _, symbol in known:
            taken |= symbol.with_keyword(keyword)
        needs.append(_Need(taken | elsewhere if taken else None, f"{known[0][0]}({keyword})"))
    return tuple(needs)


def _range(needs: Iterable[_Need]) -> VersionRange:
    table = load_table()
    every = list(dict.fromkeys(needs))
    unknown = tuple(sorted({n.symbol for n in every if n.releases is None}))[:MAX_NAMED]
    known = [(need.releases, need.symbol) for need in every if need.releases is not None]
    if not known:
        return VersionRange(unknown=unknown)
    releases = table.all
    for allowed, _ in known:
        releases &= allowed
    if not releases:
        return VersionRange(conflict=_conflict(known), unknown=unknown)
    first = (releases & -releases).bit_length() - 1
    last = releases.bit_length() - 1
    return VersionRange(
        min=table.releases[first],
        max=None if last == len(table.releases) - 1 else table.releases[last],
        min_symbol=_missing_in(first - 1, known),
        max_symbol=_missing_in(last + 1, known),
        unknown=unknown,
    )


def _missing_in(place: int, known: Sequence[tuple[int, str]]) -> str | None:
    """Return what the release at a place lacks; None beyond the ends of the table."""
    if not 0 <= place < len(load_table().releases):
        return None
    return next(symbol for allowed, symbol in known if not allowed >> place & 1)


def _conflict(known: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Return two symbols that no release has both of, else a few that none has together."""
    for index, (one, symbol) in enumerate(known):
        for other, second in known[:index]:
            if not one & other:
                return tuple(sorted((symbol, second)))
    left, found = load_table().all, []
    for allowed, symbol in sorted(known, key=lambda each: each[0].bit_count()):
        if left & ~allowed:
            left &= allowed
            found.append(symbol)
    return tuple(sorted(found)[:MAX_NAMED])


def _keywords(call: str) -> tuple[str, ...]:
    """Return the keywords in the text of a call; none where it is cut off."""
    try:
        node = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return tuple(sorted(k.arg for k in keywords if k.arg is not None))
