"""What a kernel does to the values it computes with, apart from how it finds them in memory.

Two kernels that share nearly all of their code may still be two operators: an add and a product
differ in one sign, a maximum and a minimum in one word, and the hundred lines of offsets and masks
around it are the same. So the code is followed backwards from what is stored or returned to what
was loaded, and every step on the way is noted: operators with their constants, comparisons, calls.
Offsets, masks and casts are not on that way, and change freely between copies.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from crawler.enrich.copies.code_tokens import last_name
from crawler.enrich.copies.value_flow import KINDS, MOVES, ValueFlow

_TELLING_KEYWORDS = frozenset("reverse descending rounding_mode fp_downcast_rounding".split())

MAX_MOVES = 12
"""Casts, names and subscripts that are looked through; real ones have three."""

_ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.LShift, ast.RShift)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOps:
    """The steps from loaded to stored or returned values, each once.

    `optional` are those that an `if` can leave out, `always` all others. `flow` holds each place
    where a step is taken, with what its operands come from.
    """

    always: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    flow: tuple[str, ...] = field(default=(), compare=False)


def value_ops(
    function: ast.FunctionDef | ast.AsyncFunctionDef, callees: Collection[str] = ()
) -> ValueOps:
    """Return what a function does to values.

    `callees` are names of functions whose own steps count instead of their names.
    """
    flow = ValueFlow(function)
    names = frozenset(callees)
    every = _Steps(flow, names, optional=True)
    always = _Steps(flow, names, optional=False) if flow.has_optional else every
    return ValueOps(
        always=frozenset(always.found),
        optional=frozenset(every.found - always.found),
        flow=tuple(sorted(every.flow)),
    )


class _Steps:
    """The steps behind a value, each name followed once."""

    def __init__(self, flow: ValueFlow, callees: frozenset[str], *, optional: bool) -> None:
        self.state = flow
        self.callees = callees
        self.optional = optional
        self.found: set[str] = set()
        self.flow: list[str] = []
        self.followed: set[str] = set()
        for root, under in flow.roots:
            if optional or not under:
                self.value(root)

    def value(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name):
                self.follow(name)
            case ast.Constant():
                pass
            case ast.BinOp():
                self.binary(node)
            case ast.Call():
                self.call(node)
            case ast.UnaryOp(op=op, operand=operand):
                if not isinstance(operand, ast.Constant) and self.state.is_loaded(operand):
                    self.take(type(op).__name__, operand)
                self.value(operand)
            case ast.Compare():
                self.compare(node)
            case ast.IfExp(body=body, orelse=orelse):
                self.state.has_optional = True
                if self.optional:
                    self.value(body)
                    self.value(orelse)
            case ast.Subscript(value=value):
                self.value(value)
            case ast.Attribute(value=value, attr=attr):
                if attr not in KINDS:
                    self.value(value)
            case _:
                for child in ast.iter_child_nodes(node):
                    self.value(child)

    def take(self, step: str, *operands: ast.expr) -> None:
        self.found.add(step)
        self.flow.append(f"{step}({' '.join(map(self.kind, operands))})")

    def kind(self, node: ast.expr) -> str:
        """Return what an operand comes from: a step, a load, or a place (`-`)."""
        for _ in range(MAX_MOVES):
            match node:
                case ast.Name(id=name):
                    sources = self.flow_of(name)
                    if not sources:
                        return "-"
                    node = sources[0][0]
                    if isinstance(node, (ast.Tuple, ast.List)):
                        return "-"
                case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in MOVES:
                    if not self.state.is_loaded(value):
                        return attr
                    node = value
                case ast.Call(func=func):
                    name = last_name(func)
                    return "@" if name in self.callees else name
                case ast.Subscript(value=value) | ast.Attribute(value=value):
                    node = value
                case ast.BinOp(op=op) | ast.UnaryOp(op=op):
                    return type(op).__name__ if self.state.is_loaded(node) else "-"
                case _:
                    return type(node).__name__
        return "-"

    def flow_of(self, name: str) -> Sequence[tuple[ast.expr, bool]]:
        return self.state.sources.get(name, ()) if name in self.state.loaded else ()

    def follow(self, name: str) -> None:
        if name in self.followed or name not in self.state.loaded:
            return
        self.followed.add(name)
        for source, under in self.state.sources.get(name, ()):
            if self.optional or not under:
                self.value(source)

    def binary(self, node: ast.BinOp) -> None:
        if not self.state.is_loaded(node):
            return
        step = type(node.op).__name__
        for side, mark in ((node.left, "<"), (node.right, ">")):
            constant = _constant(side)
            if constant is not None:
                step += f"{mark}{constant}"
        if isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name):
            left, right = (self.state.order.get(side.id, -1) for side in (node.left, node.right))
            if left == right:
                step += "="
            elif left > right and isinstance(node.op, _ORDERED):
                # What came first is taken from what came later.
                step += "~"
        if not (isinstance(node.op, ast.Add) and (_is_dot(node.left) or _is_dot(node.right))):
            # `acc += dot(a, b)` is `acc = dot(a, b, acc)`.
            self.take(step, node.left, node.right)
        self.value(node.left)
        self.value(node.right)

    def compare(self, node: ast.Compare) -> None:
        for op, right in zip(node.ops, node.comparators, strict=True):
            constant = _constant(right)
            step = type(op).__name__ + ("" if constant is None else f">{constant}")
            self.take(step, node.left, right)
        for side in (node.left, *node.comparators):
            self.value(side)

    def call(self, node: ast.Call) -> None:
        name = last_name(node.func)
        if "load" in name:
            return
        if name not in MOVES and name not in self.callees:
            self.take(name, *node.args)
            for keyword in node.keywords:
                if keyword.arg in _TELLING_KEYWORDS and isinstance(keyword.value, ast.Constant):
                    self.found.add(f"{keyword.arg}={keyword.value.value!r}")
        for value in self.given(node, name):
            self.value(value)

    def given(self, node: ast.Call, name: str) -> Iterator[ast.AST]:
        """Yield what a call works on."""
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
        chooses = name == "where"
        for place, value in enumerate(node.args):
            if chooses and place and (constant := _constant(value)) is not None:
                self.found.add(f"where {constant}")
            # A mask by which is chosen tells nothing, a comparison does.
            if (
                place
                or not chooses
                or isinstance(value, ast.Compare)
                or self.state.is_loaded(value)
            ):
                yield value
        yield from (keyword.value for keyword in node.keywords)


def _constant(node: ast.expr) -> str | None:
    """Return a number as text, to three digits: 1.4427 and 1.44269504 are one constant."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if inner is None else f"-{inner}"
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return f"{float(value):.3g}" if abs(value) < 1e300 else "large"
    return None


def _is_dot(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) == "dot"
