"""The public functions, modules and autograd functions of a snapshot that run its kernels."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from crawler.models import OperationKind, ScannedOperation
from crawler.scan.callers import CallGraph, Way
from crawler.scan.evaluate import ClassAt, FunctionAt
from crawler.scan.facts import Described

MAX_DISTANCE = 5
"""Calls between what launches a kernel and an operation; above that stand models and engines."""
MAX_LAUNCHED = 40
"""Kernels of one operation, forward or backward; what runs more is a model, or a program."""

_ASIDE = re.compile(
    r"(^|/)(_?tests?|testing|unittests?|benchmarks?|bench|profile|examples?|scripts?)/"
    r"|(^|/)(test_|bench|conftest)|_test\.py$|\.ipynb$",
    re.IGNORECASE,
)
_RUN = ("forward", "__call__")


@dataclass(frozen=True, slots=True)
class LaunchedKernel:
    """A kernel by its id within the snapshot, and the functions that launch it."""

    id: str
    launched_by: tuple[FunctionAt, ...]


@dataclass(slots=True)
class _Found:
    """An operation while its kernels are gathered."""

    kind: OperationKind
    path: str
    name: str
    described: Described
    signature: str
    forward: dict[str, int] = field(default_factory=dict)
    backward: dict[str, int] = field(default_factory=dict)
    through: set[ClassAt] = field(default_factory=set)


def is_aside(path: str) -> bool:
    """Tell whether a file is a test, a benchmark or an example: it offers nothing to others."""
    return _ASIDE.search(path) is not None


def link_operations(
    graph: CallGraph, kernels: Iterable[LaunchedKernel], jitted: Container[FunctionAt]
) -> tuple[ScannedOperation, ...]:
    """Return the operations of a snapshot by path and line, each with the kernels it launches.

    The nearest kernels come first. What is `jitted`, or stands in a test, a benchmark or an
    example, is none.
    """
    found: dict[FunctionAt | ClassAt, _Found] = {}
    for kernel in kernels:
        for way in graph.ways(kernel.launched_by):
            if way.distance > MAX_DISTANCE:
                break
            if way.function not in jitted:
                _note(graph, found, way, kernel.id)
    named = {(each.path, each.name): each for each in found.values()}
    for each in tuple(_applied(graph, found)):
        named.setdefault((each.path, each.name), each)
    kept = [each for each in named.values() if _is_operation(each)]
    kept.sort(key=lambda each: (each.path, each.described.line, each.name))
    return tuple(_scanned(graph, each) for each in kept)


def _note(
    graph: CallGraph, found: dict[FunctionAt | ClassAt, _Found], way: Way, kernel: str
) -> None:
    """Let what a way leads through launch a kernel: a function, a module, an autograd function."""
    path = way.function.path
    if is_aside(path):
        return
    facts = graph.facts(way.function)
    owner, _, name = facts.qualname.rpartition(".")
    if not owner:
        _add(found, way.function, _function(graph, way.function), way, kernel)
    elif "." in owner:
        return
    elif way.function in graph.passes:
        for one in graph.passes[way.function]:
            entry = _autograd(graph, one.of)
            is_backward = way.is_backward or one.is_backward
            through = (*way.through, one.of)
            _add(
                found, one.of, entry, Way(way.function, way.distance, through, is_backward), kernel
            )
    elif name in _RUN:
        class_ = graph.class_named(path, owner)
        if class_ is not None:
            _add(found, class_, _module(graph, class_, way.function), way, kernel)


def _add(
    found: dict[FunctionAt | ClassAt, _Found],
    at: FunctionAt | ClassAt,
    entry: _Found | None,
    way: Way,
    kernel: str,
) -> None:
    if entry is None:
        return
    entry = found.setdefault(at, entry)
    launched = entry.backward if way.is_backward else entry.forward
    launched[kernel] = min(launched.get(kernel, way.distance), way.distance)
    entry.through.update(way.through)


def _function(graph: CallGraph, at: FunctionAt) -> _Found | None:
    facts = graph.facts(at)
    if facts.described is None:
        return None
    name = graph.public_name(at) or facts.qualname
    signature = f"({facts.described.signature})"
    return _Found(OperationKind.FUNCTION, at.path, name, facts.described, signature)


def _autograd(graph: CallGraph, class_: ClassAt) -> _Found | None:
    facts = graph.class_facts(class_)
    forward = graph.method(class_, "forward")
    if facts.described is None or forward is None or is_aside(class_.path):
        return None
    made = graph.facts(forward).described
    signature = "" if made is None else f"({made.signature})"
    return _Found(OperationKind.AUTOGRAD, class_.path, facts.name, facts.described, signature)


def _module(graph: CallGraph, class_: ClassAt, run: FunctionAt) -> _Found | None:
    facts = graph.class_facts(class_)
    if facts.described is None:
        return None
    made = graph.named(class_.path, f"{facts.name}.__init__")
    parts = [graph.facts(function).described for function in (*made[:1], run)]
    signature = "".join(f"({_without_self(part.signature)})" for part in parts if part is not None)
    return _Found(OperationKind.MODULE, class_.path, facts.name, facts.described, signature)


def _without_self(signature: str) -> str:
    return (
        signature.partition(", ")[2]
        if signature.startswith("self,")
        else ("" if signature == "self" else signature)
    )


def _applied(graph: CallGraph, found: Mapping[FunctionAt | ClassAt, _Found]) -> Iterator[_Found]:
    """Yield the further names by which autograd functions are applied: `attention = _Fn.apply`."""
    for path in graph.paths():
        if is_aside(path):
            continue
        for name, line, meaning in graph.applied_names(path):
            base = found.get(meaning)
            if base is not None and isinstance(meaning, ClassAt):
                described = Described(
                    signature=base.described.signature, line=line, end_line=line, doc=None
                )
                yield _Found(
                    OperationKind.FUNCTION, path, name, described, base.signature,
                    base.forward, base.backward, base.through,
                )  # fmt: skip


def _is_operation(found: _Found) -> bool:
    """Tell whether it is offered to others and runs what one operation runs."""
    if found.name.startswith("_") and found.kind is not OperationKind.AUTOGRAD:
        return False
    if found.name == "main" or found.name.startswith(("test_", "bench")):
        return False
    launched = max(len(found.forward), len(found.backward))
    return bool(found.forward) and launched <= MAX_LAUNCHED


def _scanned(graph: CallGraph, found: _Found) -> ScannedOperation:
    return ScannedOperation(
        path=found.path,
        name=found.name,
        kind=found.kind,
        start_line=found.described.line,
        end_line=found.described.end_line,
        signature=found.signature,
        doc=found.described.doc,
        doc_chars=found.described.doc_chars,
        forward=_nearest_first(found.forward),
        backward=_nearest_first(found.backward),
        is_differentiable=any(graph.method(of, "backward") for of in found.through),
    )


def _nearest_first(launched: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(launched, key=lambda id: (launched[id], id)))
