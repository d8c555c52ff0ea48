"""Which releases of Triton have everything that a kernel uses: names, keywords, decorators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Protocol

from crawler.enrich.api_table import load_table
from crawler.enrich.needs import Need, needs_of
from crawler.models import ONE_OF, ApiUse, Autotune, Dialect, Role, UseKind
from crawler.scan.linked_uses import OWN_TRITON

MAX_NAMED = 8
"""How many names a range lists at most in `conflict` and in `unknown`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """The first and last Triton release that a kernel compiles with, as far as names tell.

    `max` is None when the newest known release still has everything. Both are None when nothing
    is known of the kernel, or when no release has all it uses: `unknown` then names what none
    ever had (a dialect's extensions, mistakes), `conflict` what cannot be had together.
    `min_symbol` and `max_symbol` name what sets each end, as a full dotted name, `name(keyword)`
    or a constant; None where the table's own end does. `dialects` are those of the unknown names.
    """

    min: str | None = None
    max: str | None = None
    min_symbol: str | None = None
    max_symbol: str | None = None
    conflict: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()

    @property
    def lacks(self) -> tuple[str, ...]:
        """What no release has, or has together; empty where some release has everything."""
        return self.unknown or self.conflict

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
    def role(self) -> Role:
        """What it is for."""

    @property
    def autotune(self) -> Autotune | None:
        """Its autotune decorator."""

    @property
    def calls(self) -> tuple[str, ...]:
        """Ids within the snapshot of the jit functions that it calls."""

    @property
    def uses(self) -> tuple[ApiUse, ...]:
        """Triton's names that its body uses."""

    @property
    def needs(self) -> tuple[ApiUse, ...]:
        """What else ties it to releases."""


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
    own = [kernel_needs(kernel) for kernel in kernels]
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
    """Return what makes it a kernel: jit, and the options of its configs."""
    is_gluon = kernel.dialect is Dialect.GLUON
    jit = "triton.experimental.gluon.jit" if is_gluon else "triton.jit"
    found = [ApiUse(name=jit, is_call=False)]
    if kernel.autotune is not None:
        options = {name for config in kernel.autotune.configs for name, _ in config.options}
        keywords = tuple(sorted(options))
        found.append(ApiUse(name="triton.Config", keywords=keywords, args=("?", "**")))
    return tuple(found)


def kernel_needs(kernel: UsesTriton) -> tuple[Need, ...]:
    """Return all that one kernel needs by itself, without what it calls."""
    header = (need for use in header_uses(kernel) for need in needs_of(use))
    uses = (*kernel.uses, *(_of_role(use, kernel) for use in kernel.needs))
    return tuple(dict.fromkeys([*header, *_needs_of(uses)]))


def _of_role(use: ApiUse, kernel: UsesTriton) -> ApiUse:
    """Return a use with what it may stand for where the kernel is only called by others.

    A descriptor that a kernel is launched with is a `tensor_descriptor`; one that is handed on may
    be of the kind that went before.
    """
    head, _, method = use.name.rpartition(".")
    is_descriptors = use.kind is UseKind.METHOD and head.endswith(".tensor_descriptor")
    if not is_descriptors or kernel.role is Role.KERNEL:
        return use
    earlier = f"triton.language._experimental_tensor_descriptor.{method}"
    return replace(use, guards=(*use.guards, f"{ONE_OF}{use.name}, {earlier}"))


def _needs_of(uses: Sequence[ApiUse]) -> Iterator[Need]:
    """Yield what the body of one function needs.

    The conditions that all its uses share are taken to stand around the definition.
    """
    body = [use.guards for use in uses if use.kind is UseKind.NAME]
    columns = zip(*body, strict=False)
    around = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    for use in _joined_twins(uses):
        yield from needs_of(use, around)


def _joined_twins(uses: Sequence[ApiUse]) -> Iterator[ApiUse]:
    """Yield the uses, those as one that are the same function under its names over time.

    `tanh` from `math` or from `libdevice`, whichever can be imported, is seen as two uses. That
    no release has both tells that one of them is meant.
    """
    groups: dict[tuple[object, ...], list[ApiUse]] = {}
    for use in uses:
        name = use.name.rpartition(".")[2].removeprefix("_experimental_")
        key = (name, use.keywords, use.is_call, use.guards, use.kind)
        groups.setdefault(key, []).append(use)
    for group in groups.values():
        names = sorted({use.name for use in group})
        if len(names) > 1 and _are_never_together(names):
            guard = f"{ONE_OF}{', '.join(names)}"
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
    is_tritons = _is_tritons(kernel.path)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in definitions:
            continue
        if not is_tritons and _is_tritons(name):
            continue  # a copy of Triton's own function: each release has its own
        seen.add(name)
        yield name
        for index in definitions[name]:
            waiting.extend(kernels[index].calls)


def _is_tritons(path: str) -> bool:
    return OWN_TRITON in f"/{path}"


def _merged(alternatives: Sequence[Sequence[Need]]) -> tuple[Need, ...]:
    """Return what a function needs of which one definition, whichever, has to be had."""
    if len(alternatives) == 1:
        return tuple(alternatives[0])
    together = 0
    for needs in alternatives:
        releases = load_table().all
        for need in needs:
            releases &= need.releases
        together |= releases
    if together == load_table().all:
        return ()
    every = [need for needs in alternatives for need in needs]
    scarcest = min(every, key=lambda need: need.releases.bit_count())
    return (replace(scarcest, releases=together),)


def _range(needs: Iterable[Need]) -> VersionRange:
    table = load_table()
    every = list(dict.fromkeys(needs))
    if not every:
        return VersionRange()
    unknown = [need for need in every if not need.releases]
    if unknown:
        return VersionRange(
            unknown=tuple(sorted({need.symbol for need in unknown}))[:MAX_NAMED],
            dialects=tuple(sorted({n.dialect for n in unknown if n.dialect is not None})),
        )
    known = [(need.releases, need.symbol) for need in every]
    releases = table.all
    for allowed, _ in known:
        releases &= allowed
    if not releases:
        return VersionRange(conflict=_conflict(known))
    first = (releases & -releases).bit_length() - 1
    last = releases.bit_length() - 1
    return VersionRange(
        min=table.releases[first],
        max=None if last == len(table.releases) - 1 else table.releases[last],
        min_symbol=_missing_in(first - 1, known),
        max_symbol=_missing_in(last + 1, known),
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
