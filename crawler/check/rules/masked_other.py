"""`masked-other`: a masked load without `other` that is reduced along what the mask cuts."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Hazard, Rule, hazard_at
from crawler.check.rules.values import Values, argument, called, is_plain

_REDUCTIONS = frozenset({"sum", "max", "min"})
_ELEMENTWISE = frozenset({"abs", "exp", "exp2", "log", "log2", "sqrt"})
_MAX_DEPTH = 24
_SHAPING = frozenset({"expand_dims", "reshape", "view", "broadcast_to", "trans", "join", "load"})


def _find(code: KernelCode) -> Iterator[Hazard]:
    if code.node is None:
        return
    values = Values(code.node)
    told: set[int] = set()
    for node in ast.walk(code.node):
        name = called(node)
        if name not in _REDUCTIONS or not isinstance(node, ast.Call) or not node.args:
            continue
        load = _open_load(node.args[0], values, 0)
        if load is not None and id(load) not in told:
            told.add(id(load))
            yield hazard_at(
                load,
                f"a masked load without `other` is reduced by `tl.{name}` in line {node.lineno}: "
                "the masked elements have no defined value",
                instead="`other=` with the neutral element of the reduction",
            )


def _open_load(node: ast.expr, values: Values, depth: int) -> ast.Call | None:
    """Return the load that an expression is made of, element by element, and of nothing else."""
    if depth > _MAX_DEPTH:
        return None
    node = values.of(node)
    match node:
        case ast.Call(func=ast.Attribute(attr="to", value=inner)) if called(node) is None:
            return _open_load(inner, values, depth + 1)
        case ast.Call(args=[inner]) if called(node) in _ELEMENTWISE:
            return _open_load(inner, values, depth + 1)
        case ast.BinOp(op=ast.Mult(), left=left, right=right):
            first, second = (_open_load(each, values, depth + 1) for each in (left, right))
            return first if first is second else None
        case ast.Call() if called(node) == "load" and is_plain(node):
            mask, other = argument(node, 1, "mask"), argument(node, 2, "other")
            is_open = mask is not None and other is None and _is_of_one_range(node, mask, values)
            return node if is_open else None
    return None


def _is_of_one_range(load: ast.Call, mask: ast.expr, values: Values) -> bool:
    """Tell whether address and mask are of one dimension, so that the mask cuts what is reduced."""
    if not load.args:
        return False
    for side in (load.args[0], mask):
        parts = values.parts(side)
        if sum(called(part) == "arange" for part in parts) != 1:
            return False
        if any(isinstance(part, ast.Subscript) or called(part) in _SHAPING for part in parts):
            return False
    return isinstance(values.of(mask), ast.Compare)


MASKED_OTHER = Rule(
    id="masked-other",
    summary="a masked load without `other` that is summed, or whose maximum or minimum is taken",
    is_default=False,
    find=_find,
)
