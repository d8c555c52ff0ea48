"""A small evaluator of expressions that need no running: literals, names, products, filters.

It works on syntax trees alone, counts its steps, and gives up (`NotStaticError`) rather than guess.
"""

from __future__ import annotations

import ast
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crawler.scan.scope import Bound, Scope, visible

MAX_STEPS = 200_000
MAX_ITEMS = 100_000
_ITEMS_A_STEP = 64
MAX_BITS = 256

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "range": range,
    "min": min,
    "max": max,
    "len": len,
    "int": int,
    "float": float,
    "bool": bool,
    "abs": abs,
    "list": list,
    "tuple": tuple,
    "sorted": sorted,
    "set": set,
    "sum": sum,
}


class NotStaticError(Exception):
    """The value depends on something that only a run would know."""


FAILURES = (ArithmeticError, TypeError, ValueError, LookupError, RecursionError, MemoryError)
"""What evaluating an expression that makes no sense raises: there is no value then either."""


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions of one file; `steps` is shared by all that one decorator needs."""

    steps: int = MAX_STEPS
    active: set[ast.expr] = field(default_factory=set)

    def step(self, steps: int = 1) -> None:
        """Count steps; raise `NotStaticError` when there were too many."""
        self.steps -= steps
        if self.steps < 0:
            raise NotStaticError

    def value(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> Any:
        """Return the value of an expression; raises `NotStaticError`."""
        self.step()
        try:
            found = self._value(node, scope, env)
        except FAILURES as error:
            raise NotStaticError from error
        if isinstance(found, (tuple, list, str, set, dict)):
            # Building it took as long as it is, and what is built of it will too.
            self.step(len(found) // _ITEMS_A_STEP)
        return found

    def _value(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self.name(node.id, scope, env)
            case ast.Tuple() | ast.List():
                return self.elements(node.elts, scope, env)
            case ast.Set():
                return tuple(dict.fromkeys(self.elements(node.elts, scope, env)))
            case ast.UnaryOp():
                return _UNARY[type(node.op)](self.value(node.operand, scope, env))
            case ast.BinOp():
                return self.binary(node, scope, env)
            case ast.BoolOp():
                return self.boolean(node, scope, env)
            case ast.Compare():
                return self.compare(node, scope, env)
            case ast.IfExp():
                chosen = node.body if self.value(node.test, scope, env) else node.orelse
                return self.value(chosen, scope, env)
            case ast.Dict() if all(key is not None for key in node.keys):
                keys = [self.value(key, scope, env) for key in node.keys if key is not None]
                return dict(
                    zip(keys, (self.value(v, scope, env) for v in node.values), strict=True)
                )
            case ast.Subscript() if not isinstance(node.slice, ast.Slice):
                return self.value(node.value, scope, env)[self.value(node.slice, scope, env)]
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                inner = self.combinations(node.generators, scope, env)
                items = (self.value(node.elt, scope, each) for each in inner)
                return tuple(dict.fromkeys(items) if isinstance(node, ast.SetComp) else items)
            case ast.Call(func=ast.Name(id=name)) if name in _CALLS and not node.keywords:
                args = self.elements(node.args, scope, env)
                if name == "range" and len(range(*args)) > MAX_ITEMS:
                    raise NotStaticError
                return _CALLS[name](*args)
        raise NotStaticError

    def elements(self, nodes: Sequence[ast.expr], scope: Scope, env: Mapping[str, Any]) -> Any:
        """Return the values of list elements, starred ones spread."""
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found.extend(self.value(node.value, scope, env))
            else:
                found.append(self.value(node, scope, env))
        return tuple(found)

    def binary(self, node: ast.BinOp, scope: Scope, env: Mapping[str, Any]) -> Any:
        """Return `a op b` for numbers of sane size and for sequences."""
        left = self.value(node.left, scope, env)
        right = self.value(node.right, scope, env)
        numbers = all(isinstance(side, (int, float)) for side in (left, right))
        if numbers and isinstance(node.op, (ast.Pow, ast.LShift)) and not abs(right) < MAX_BITS:
            raise NotStaticError
        if not numbers and not (isinstance(node.op, ast.Add) and type(left) is type(right)):
            raise NotStaticError
        if not numbers and len(left) + len(right) > MAX_ITEMS:
            raise NotStaticError
        result = _BINARY[type(node.op)](left, right)
        if isinstance(result, int) and result.bit_length() > MAX_BITS:
            raise NotStaticError
        return result

    def boolean(self, node: ast.BoolOp, scope: Scope, env: Mapping[str, Any]) -> Any:
        """Return `a and b`, `a or b` with Python's short cut."""
        wants = isinstance(node.op, ast.Or)
        result: Any = None
        for operand in node.values:
            result = self.value(operand, scope, env)
            if bool(result) == wants:
                break
        return result

    def compare(self, node: ast.Compare, scope: Scope, env: Mapping[str, Any]) -> bool:
        """Return the truth of a chained comparison."""
        left = self.value(node.left, scope, env)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node, scope, env)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def name(self, name: str, scope: Scope, env: Mapping[str, Any]) -> Any:
        """Return the value of a name: of a loop, or of the one assignment that can be meant."""
        if name in env:
            return env[name]
        bound, owner = lookup(name, scope)
        if not isinstance(bound.what, ast.expr) or bound.what in self.active:
            raise NotStaticError
        self.active.add(bound.what)
        try:
            return self.value(bound.what, owner, {})
        finally:
            self.active.discard(bound.what)

    def combinations(
        self, generators: Sequence[ast.comprehension], scope: Scope, env: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the names that each round of a comprehension binds, filters applied."""
        first, rest = generators[0], generators[1:]
        for item in self.iterable(first.iter, scope, env):
            self.step()
            inner = dict(env)
            _bind(first.target, item, inner)
            if all(self.value(test, scope, inner) for test in first.ifs):
                if rest:
                    yield from self.combinations(rest, scope, inner)
                else:
                    yield inner

    def iterable(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the items of what a `for` runs over; products are not built."""
        factors = product_factors(node)
        if factors is not None:
            yield from itertools.product(*(self.value(factor, scope, env) for factor in factors))
        else:
            yield from self.value(node, scope, env)

    def length(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> int:
        """Return how many items an iterable has, without building a product."""
        factors = product_factors(node)
        if factors is None:
            return len(self.value(node, scope, env))
        total = 1
        for factor in factors:
            total *= len(self.value(factor, scope, env))
        return total


def product_factors(node: ast.expr) -> list[ast.expr] | None:
    """Return the arguments of `itertools.product(...)`, None for anything else."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    name = node.func.id if isinstance(node.func, ast.Name) else name
    return node.args if name == "product" else None


def lookup(name: str, scope: Scope) -> tuple[Bound, Scope]:
    """Return the one binding that a name can mean and its scope.

    Raises:
        NotStaticError: It can mean several, or none.
    """
    current: Scope | None = scope
    while current is not None:
        found = visible(current.names[name], None, ()) if name in current.names else []
        if len(found) == 1:
            return found[0], current
        if found:
            raise NotStaticError
        current = current.parent
    raise NotStaticError


def _bind(target: ast.expr, item: Any, env: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        env[target.id] = item
    elif isinstance(target, (ast.Tuple, ast.List)):
        for inner, value in zip(target.elts, item, strict=True):
            _bind(inner, value, env)
    else:
        raise NotStaticError
