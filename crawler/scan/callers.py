"""Who calls whom in a snapshot, through helpers, other files and autograd functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crawler.scan.evaluate import ClassAt, Evaluator, FunctionAt, Outside
from crawler.scan.facts import Attribute, ClassFacts, FileFacts, FunctionFacts, Global, Value

MAX_CALLERS = 400
"""Functions that are looked at above one kernel; real call chains have a dozen."""

_AUTOGRAD = ("torch.autograd.Function", "torch.autograd.function.Function")
_NESTED = ".<locals>."


@dataclass(frozen=True, slots=True)
class Pass:
    """The forward or backward method of an autograd function."""

    of: ClassAt
    is_backward: bool


@dataclass(frozen=True, slots=True)
class Way:
    """A function that leads to a kernel: over how many calls, through which autograd functions."""

    function: FunctionAt
    distance: int
    through: tuple[ClassAt, ...] = ()
    is_backward: bool = False
    """Whether the kernel is launched when gradients are asked for."""


class CallGraph:
    """The functions of a snapshot with those that call them."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._callers: dict[FunctionAt, dict[FunctionAt, None]] = {}
        self._named: dict[tuple[str, str], list[FunctionAt]] = {}
        self.passes: dict[FunctionAt, list[Pass]] = {}
        for path in sorted(evaluator.files):
            self._read_names(path)
        for path in sorted(evaluator.files):
            self._read_calls(path)

    def facts(self, function: FunctionAt) -> FunctionFacts:
        """Return what is known of a function."""
        return self._evaluator.files[function.path].functions[function.index]

    def file(self, function: FunctionAt) -> FileFacts:
        """Return what is known of the file that a function stands in."""
        return self._evaluator.files[function.path]

    def place(self, function: FunctionAt) -> str:
        """Return a function as `path::qualname`."""
        return f"{function.path}::{self.facts(function).qualname}"

    def class_facts(self, class_: ClassAt) -> ClassFacts:
        """Return what is known of a class."""
        return self._evaluator.files[class_.path].classes[class_.index]

    def named(self, path: str, qualname: str) -> list[FunctionAt]:
        """Return the functions of this qualname in a file."""
        return self._named.get((path, qualname), [])

    def direct_callers(self, function: FunctionAt) -> list[FunctionAt]:
        """Return the functions that call this one themselves."""
        outer = self.facts(function).qualname.rpartition(_NESTED)[0]
        callers = self._callers.get(function, ())
        return [c for c in callers if not outer or c not in self.named(function.path, outer)]

    def passes_above(self, starts: Iterable[FunctionAt]) -> list[str]:
        """Return which passes of which autograd functions lead to any of these functions, sorted.

        Each is the word `forward` or `backward`, a blank, and the class as `path::qualname`.
        """
        found = set()
        for function, _ in self.callers(starts, through_passes=False):
            for one in self.passes.get(function, ()):
                name = f"{one.of.path}::{self.class_facts(one.of).name}"
                found.add(f"{'backward' if one.is_backward else 'forward'} {name}")
        return sorted(found)

    def callers(
        self, starts: Iterable[FunctionAt], *, through_passes: bool = True
    ) -> Iterator[tuple[FunctionAt, int]]:
        """Yield the functions and all that lead to them, the nearest first, with their distance.

        Without `through_passes` nothing is looked at above the methods of autograd functions.
        """
        seen = dict.fromkeys(starts)
        waiting = deque((start, 0) for start in seen)
        while waiting and len(seen) <= MAX_CALLERS:
            function, distance = waiting.popleft()
            yield function, distance
            if function in self.passes and not through_passes:
                continue
            for caller in self._callers.get(function, ()):
                if caller not in seen:
                    seen[caller] = None
                    waiting.append((caller, distance + 1))

    def ways(self, starts: Iterable[FunctionAt]) -> Iterator[Way]:
        """Yield the functions and all that lead to them, the nearest first.

        What leads to a backward pass is what calls the autograd function.
        """
        waiting = deque(Way(start, 0) for start in dict.fromkeys(starts))
        seen = {(way.function, way.is_backward) for way in waiting}
        while waiting and len(seen) <= MAX_CALLERS:
            way = waiting.popleft()
            yield way
            for above in self._above(way):
                key = (above.function, above.is_backward)
                if key not in seen:
                    seen.add(key)
                    waiting.append(above)

    def _above(self, way: Way) -> Iterator[Way]:
        passes = self.passes.get(way.function, ())
        distance, through = way.distance + 1, (*way.through, *(one.of for one in passes))
        for caller in self._callers.get(way.function, ()):
            yield Way(caller, distance, through, way.is_backward)
        for one in passes:
            forward = self.method(one.of, "forward") if one.is_backward else None
            for caller in self._callers.get(forward, ()) if forward is not None else ():
                yield Way(caller, distance, through, is_backward=True)

    def public_names(self, path: str) -> Iterator[tuple[str, FunctionAt | ClassAt]]:
        """Yield the further names that a file gives its functions and autograd functions.

        `attention = _attention.apply` makes what is private public.
        """
        for name, bindings in self._evaluator.files[path].bindings.items():
            value = bindings[-1].value
            if (
                name.startswith("_")
                or name == "apply"
                or not isinstance(value, (Attribute, Global))
            ):
                continue
            if isinstance(value, Attribute) and value.name != "apply":
                continue
            for meaning in self._evaluator.meanings(path, value):
                if isinstance(meaning, (FunctionAt, ClassAt)) and meaning.path == path:
                    yield name, meaning

    def applied_names(self, path: str) -> Iterator[tuple[str, int, ClassAt]]:
        """Yield the public names that a file gives to `apply` of autograd functions, with lines."""
        for name, bindings in self._evaluator.files[path].bindings.items():
            value = bindings[-1].value
            if name.startswith("_") or not isinstance(value, Attribute) or value.name != "apply":
                continue
            for meaning in sorted(self._evaluator.meanings(path, value.base), key=repr):
                if isinstance(meaning, ClassAt):
                    yield name, bindings[-1].line, meaning

    def public_name(self, function: FunctionAt) -> str | None:
        """Return the further name of its file for a function that is private under its own."""
        if not self.facts(function).qualname.startswith("_"):
            return None
        aliases = (name for name, of in self.public_names(function.path) if of == function)
        return min(aliases, default=None)

    def class_named(self, path: str, name: str) -> ClassAt | None:
        """Return the class of this name in a file, the last where there are several."""
        found = [
            ClassAt(path, index)
            for index, facts in enumerate(self._evaluator.files[path].classes)
            if facts.name == name and facts.described is not None
        ]
        return found[-1] if found else None

    def paths(self) -> list[str]:
        """Return the files of the snapshot that are known, sorted."""
        return sorted(self._evaluator.files)

    def method(self, class_: ClassAt, name: str) -> FunctionAt | None:
        """Return a class's own or inherited method."""
        for owner in self._lineage(class_):
            member = self.class_facts(owner).members.get(name)
            found = self._evaluator.functions(owner.path, member) if member is not None else ()
            if found:
                return found[0]
        return None

    def _read_names(self, path: str) -> None:
        files = self._evaluator.files[path]
        for index, function in enumerate(files.functions):
            self._named.setdefault((path, function.qualname), []).append(FunctionAt(path, index))
        for index in range(len(files.classes)):
            class_ = ClassAt(path, index)
            if self._is_autograd(class_):
                for name in ("backward", "forward"):
                    method = self.method(class_, name)
                    if method is not None:
                        self.passes.setdefault(method, []).append(Pass(class_, name == "backward"))

    def _read_calls(self, path: str) -> None:
        for index, function in enumerate(self._evaluator.files[path].functions):
            caller = FunctionAt(path, index)
            # What is defined inside a function runs on its behalf.
            for outer in self.named(path, function.qualname.rpartition(_NESTED)[0]):
                self._callers.setdefault(caller, {})[outer] = None
            for value in function.calls:
                for target in self._targets(path, value):
                    if target != caller:
                        self._callers.setdefault(target, {})[caller] = None

    def _targets(self, path: str, value: Value) -> Iterator[FunctionAt]:
        yield from self._evaluator.functions(path, value)
        classes = (m for m in self._evaluator.meanings(path, value) if isinstance(m, ClassAt))
        for class_ in sorted(classes, key=lambda c: (c.path, c.index)):
            name = "forward" if self._is_autograd(class_) else "__init__"
            method = self.method(class_, name)
            if method is not None:
                yield method

    def _is_autograd(self, class_: ClassAt) -> bool:
        return any(
            isinstance(meaning, Outside) and meaning.name in _AUTOGRAD
            for owner in self._lineage(class_)
            for base in self.class_facts(owner).bases
            for meaning in self._evaluator.meanings(owner.path, base)
        )

    def _lineage(self, class_: ClassAt) -> list[ClassAt]:
        """Return a class and the classes of the snapshot that it inherits from, nearest first."""
        lineage = [class_]
        for owner in lineage:
            for base in self.class_facts(owner).bases:
                for meaning in sorted(self._evaluator.meanings(owner.path, base), key=repr):
                    if isinstance(meaning, ClassAt) and meaning not in lineage:
                        lineage.append(meaning)
        return lineage
