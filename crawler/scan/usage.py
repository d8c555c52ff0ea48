"""How to import and call a kernel: through the nearest public function above it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from crawler.models import Role
from crawler.scan.callers import CallGraph, Pass
from crawler.scan.evaluate import ClassAt, FunctionAt
from crawler.scan.import_names import ImportNames

MAX_DISTANCE = 4
"""Calls between what launches a kernel and the function that is shown."""

_ASIDE = re.compile(r"(^|/)(tests?|testing|benchmarks?|examples?|scripts?|tutorials?)/|(^|/)test_")
_RUN = frozenset({"forward", "__call__"})
_NOT_FOR_USE = ("_", "test_", "bench_", "benchmark_")
_IN_BACKWARD = "  # in its backward pass"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A way to run a kernel: `name` is what to import from the file."""

    path: str
    name: str
    call: str
    distance: int
    through: tuple[ClassAt, ...]
    """The autograd functions that it applies, or that what it calls does."""
    applies: ClassAt | None = None
    """The autograd function that is called as such, with `apply`."""

    @property
    def is_public(self) -> bool:
        return not self.name.startswith(_NOT_FOR_USE) and self.name != "main"


class Usages:
    """Writes how kernels of one snapshot are used."""

    def __init__(self, graph: CallGraph, names: ImportNames) -> None:
        """Take who calls whom, and the names that files are imported by."""
        self._graph = graph
        self._names = names
        self._aliases: dict[str, dict[FunctionAt | ClassAt, str]] = {}

    def usage(self, kernel: FunctionAt, role: Role, launchers: Iterable[FunctionAt]) -> str | None:
        """Return the import and the call on one line; None where nothing in the project calls it.

        Of a device function, and of whatever else only kernels call, it is the import alone.
        """
        facts = self._graph.facts(kernel)
        starts = list(launchers)
        entries = list(self._entries(starts))
        if entries:
            aside = bool(_ASIDE.search(kernel.path))
            own = _own_classes(entries, {kernel.path, *(start.path for start in starts)})
            wrapped = _wrapped(entries)
            best = min(entries, key=lambda e: _rank(e, own, wrapped, is_aside=aside))
            return self._written(best.path, best.name, best.call)
        if "." in facts.qualname or role in (Role.KERNEL, Role.UNKNOWN):
            return None
        call = "" if role is Role.DEVICE_FUNCTION else _call(facts.qualname, facts.arguments)
        return self._written(kernel.path, facts.qualname, call) or None

    def _entries(self, launchers: Iterable[FunctionAt]) -> Iterator[_Entry]:
        for way in self._graph.ways(launchers):
            if way.distance > MAX_DISTANCE:
                return
            for name, call, through in self._calls(way.function):
                if way.is_backward and not call.endswith(_IN_BACKWARD):
                    call += _IN_BACKWARD
                classes = (*way.through, *through)
                applies = through[0] if through and ".apply(" in call else None
                yield _Entry(way.function.path, name, call, way.distance, classes, applies)

    def _calls(self, function: FunctionAt) -> Iterator[tuple[str, str, tuple[ClassAt, ...]]]:
        """Yield what to import to get to a function, the call, and what that call applies."""
        facts = self._graph.facts(function)
        owner, _, name = facts.qualname.rpartition(".")
        if not owner:
            name = self._alias(function, name)
            yield name, _call(name, facts.arguments), ()
        elif "." in owner:
            return
        elif function in self._graph.passes:
            for one in self._graph.passes[function][:1]:
                yield (*self._apply(one), (one.of,))
        elif name in _RUN:
            made = self._graph.named(function.path, f"{owner}.__init__")
            given = self._graph.facts(made[0]).arguments[1:] if made else ()
            yield owner, _call(_call(owner, given), facts.arguments[1:]), ()

    def _apply(self, of: Pass) -> tuple[str, str]:
        """Return an autograd function, or what applies it, and a call of it."""
        facts = self._graph.class_facts(of.of)
        forward = self._graph.method(of.of, "forward")
        given = self._graph.facts(forward).arguments if forward is not None else ()
        given = given[1:] if given[1:2] == ("ctx",) else given
        given = given if "setup_context" in facts.members else given[1:]
        alias = self._alias(of.of, facts.name)
        call = _call(alias if alias != facts.name else f"{alias}.apply", given)
        return alias, f"{call}{_IN_BACKWARD}" if of.is_backward else call

    def _alias(self, of: FunctionAt | ClassAt, name: str) -> str:
        """Return the public name of what is private under its own, itself where it has none."""
        if not name.startswith("_"):
            return name
        if of.path not in self._aliases:
            names = sorted(self._graph.public_names(of.path), key=lambda pair: pair[0])
            self._aliases[of.path] = {meaning: alias for alias, meaning in reversed(names)}
        return self._aliases[of.path].get(of, name)

    def _written(self, path: str, name: str, call: str) -> str:
        module = self._names.name(path)
        parts = [f"from {module} import {name}"] if module is not None else []
        return "; ".join([*parts, *([call] if call else [])])


def _own_classes(entries: Iterable[_Entry], paths: Container[str]) -> frozenset[ClassAt]:
    """Return the autograd functions that a kernel is part of, so that gradients flow through them.

    Those stand beside the kernel or what launches it; what many others use belongs to none.
    """
    every = {class_ for entry in entries for class_ in entry.through}
    beside = {class_ for class_ in every if class_.path in paths}
    return frozenset(beside or (every if len(every) == 1 else ()))


def _wrapped(entries: Iterable[_Entry]) -> frozenset[ClassAt]:
    """Return the autograd functions that a public function of their file applies."""
    return frozenset(
        class_
        for entry in entries
        if entry.is_public and not entry.applies
        for class_ in entry.through
        if class_.path == entry.path
    )


def _rank(
    entry: _Entry, own: frozenset[ClassAt], wrapped: frozenset[ClassAt], *, is_aside: bool
) -> tuple[bool, bool, bool, bool, bool, int, str, str]:
    """Return what to compare ways by: the least is shown."""
    return (
        not is_aside and _ASIDE.search(entry.path) is not None,
        not entry.is_public,
        bool(own) and own.isdisjoint(entry.through),
        entry.call.endswith(_IN_BACKWARD),
        entry.applies is not None and entry.applies in wrapped,
        entry.distance,
        entry.path,
        entry.call,
    )


def _call(name: str, arguments: Iterable[str]) -> str:
    return f"{name}({', '.join(arguments)})"
