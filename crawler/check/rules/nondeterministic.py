"""`nondeterministic`: floats added by atomics, in whatever order the programs come."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Hazard, Rule, hazard_at
from crawler.check.rules.values import Values, argument, called

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_OF_FLOATS = frozenset({"exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sigmoid", "softmax"})
_MAX_DEPTH = 24


def _find(code: KernelCode) -> Iterator[Hazard]:
    if code.node is None:
        return
    values = Values(code.node)
    for node in ast.walk(code.node):
        if called(node) == "atomic_add" and isinstance(node, ast.Call):
            value = argument(node, 1, "val")
            if value is not None and not _is_zero(value) and _is_float(value, values, 0):
                yield hazard_at(
                    node,
                    "floats are added by atomics: where programs share an address, the order "
                    "of the additions, and with it the last digits, differs from run to run",
                    instead="partial sums in a buffer and a second kernel that adds them",
                )


def _is_float(node: ast.expr, values: Values, depth: int) -> bool:
    """Tell whether a value is surely of floats."""
    if depth > _MAX_DEPTH:
        return False
    node = values.of(node)
    name = called(node)
    match node:
        case ast.Constant(value=float()) | ast.BinOp(op=ast.Div()):
            return True
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult(), left=left, right=right):
            return any(_is_float(each, values, depth + 1) for each in (left, right))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _is_float(inner, values, depth + 1)
        case ast.Call(func=ast.Attribute(attr="to")) if name is None:
            return _is_float_type(argument(node, 0, "dtype"))
        case ast.Call() if name in ("zeros", "full"):
            return _is_float_type(argument(node, 1 if name == "zeros" else 2, "dtype"))
        case ast.Call() if name in _OF_FLOATS:
            return True
        case ast.Call(args=[first, *_]) if name in ("sum", "max", "min"):
            return _is_float(first, values, depth + 1)
        case ast.Call(args=[_, first, second]) if name == "where":
            return any(_is_float(each, values, depth + 1) for each in (first, second))
    return False


def _is_zero(node: ast.expr) -> bool:
    """Tell whether nothing is added: an atomic that only reads."""
    return isinstance(node, ast.Constant) and node.value == 0


def _is_float_type(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in _FLOATS


NONDETERMINISTIC = Rule(
    id="nondeterministic",
    summary="floats added by atomics: the last digits differ from run to run",
    is_default=False,
    find=_find,
)
