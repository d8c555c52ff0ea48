"""How to import and call a kernel: through the nearest public function above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import PurePosixPath

from crawler.models import Role
from crawler.scan.callers import CallGraph, Pass
from crawler.scan.evaluate import FunctionAt
from crawler.scan.modules import ModuleMap

MAX_DISTANCE = 4
"""Calls between what launches a kernel and the function that is shown."""

_ASIDE = re.compile(r"(^|/)(tests?|testing|benchmarks?|examples?|scripts?|tutorials?)/|(^|/)test_")
_RUN = frozenset({"forward", "__call__"})
_ROOTS = frozenset({"src", "python", "lib"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """A way to run a kernel: `name` is what to import from the file."""

    path: str
    name: str
    call: str
    distance: int

    @property
    def is_public(self) -> bool:
        return not self.name.startswith("_") and not self.name.startswith("test_")


class Usages:
    """Writes how kernels of one snapshot are used; `paths` are all its Python files."""

    def __init__(self, graph: CallGraph, paths: Iterable[str]) -> None:
        self._graph = graph
        self._paths = frozenset(paths)
        self._modules = ModuleMap(self._paths)

    def usage(self, kernel: FunctionAt, role: Role, launchers: Iterable[FunctionAt]) -> str | None:
        """Return the import and the call on one line; None where nothing in the project calls it.

        Of a device function, and of whatever else only kernels call, it is the import alone.
        """
        facts = self._graph.facts(kernel)
        entries = list(self._entries(launchers))
        if entries:
            aside = bool(_ASIDE.search(kernel.path))
            best = min(entries, key=lambda e: _rank(e, is_aside=aside))
            return self._written(best.path, best.name, best.call)
        if "." in facts.qualname or role in (Role.KERNEL, Role.UNKNOWN):
            return None
        call = "" if role is Role.DEVICE_FUNCTION else _call(facts.qualname, facts.arguments)
        return self._written(kernel.path, facts.qualname, call) or None

    def _entries(self, launchers: Iterable[FunctionAt]) -> Iterator[_Entry]:
        for function, distance in self._graph.callers(launchers):
            if distance > MAX_DISTANCE:
                return
            name, call = self._way(function)
            if name:
                yield _Entry(function.path, name, call, distance)

    def _way(self, function: FunctionAt) -> tuple[str, str]:
        """Return what to import to get to a function, and the call; empty for no way."""
        facts = self._graph.facts(function)
        owner, _, name = facts.qualname.rpartition(".")
        if not owner:
            return name, _call(name, facts.arguments)
        if "." in owner:
            return "", ""
        if function in self._graph.passes:
            return self._apply(self._graph.passes[function][0])
        if name in _RUN:
            made = self._graph.named(function.path, f"{owner}.__init__")
            given = self._graph.facts(made[0]).arguments[1:] if made else ()
            return owner, _call(_call(owner, given), facts.arguments[1:])
        return "", ""

    def _apply(self, of: Pass) -> tuple[str, str]:
        """Return an autograd function and a call of it."""
        facts = self._graph.class_facts(of.of)
        forward = self._graph.method(of.of, "forward")
        given = self._graph.facts(forward).arguments if forward is not None else ()
        call = _call(
            f"{facts.name}.apply", given if "setup_context" in facts.members else given[1:]
        )
        return facts.name, f"{call}  # in its backward pass" if of.is_backward else call

    def _written(self, path: str, name: str, call: str) -> str:
        module = self._module(path)
        parts = [f"from {module} import {name}"] if module is not None else []
        return "; ".join([*parts, *([call] if call else [])])

    def _module(self, path: str) -> str | None:
        """Return the name a file is imported by; None for a script or notebook that has none."""
        if not path.endswith(".py"):
            return None
        folder = PurePosixPath(path).parent
        if str(folder / "__init__.py") in self._paths:
            name = self._modules.name(path)
        else:
            parts = path.removesuffix(".py").split("/")
            name = ".".join(parts[1:] if parts[0] in _ROOTS and len(parts) > 1 else parts)
        is_name = all(part.isidentifier() and not iskeyword(part) for part in name.split("."))
        return name if is_name else None


def _rank(entry: _Entry, *, is_aside: bool) -> tuple[bool, bool, int, str, str]:
    """Return what to compare ways by: the least is shown."""
    strays = not is_aside and _ASIDE.search(entry.path) is not None
    return strays, not entry.is_public, entry.distance, entry.path, entry.call


def _call(name: str, arguments: Iterable[str]) -> str:
    return f"{name}({', '.join(arguments)})"
