"""Constants of a module that are plain Python: numbers, texts, arithmetic of them."""

from __future__ import annotations

import ast

from crawler.scan.facts import Import
from crawler.scan.scope import Scope

MAX_DEPTH = 8
ALLOWS_PLAIN = "ALLOW_NON_CONSTEXPR_GLOBALS"
"""What a file that names it sets: that kernels may read any constant."""

_FUNCTIONS = frozenset({"bool", "float", "hasattr", "int", "len", "max", "min", "round", "str"})
_MODULES = frozenset({"math", "os"})


def is_plain(node: ast.expr, module: Scope, depth: int = 0) -> bool:
    """Tell whether an expression of the module gives a plain constant for sure."""
    if depth > MAX_DEPTH:
        return False
    inner = depth + 1
    match node:
        case ast.Constant(value=value):
            return value is not ...
        case ast.UnaryOp(operand=operand):
            return is_plain(operand, module, inner)
        case ast.BinOp(left=left, right=right):
            return is_plain(left, module, inner) and is_plain(right, module, inner)
        case ast.Compare(left=left, comparators=[right]):
            return is_plain(left, module, inner) and is_plain(right, module, inner)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return all(is_plain(element, module, inner) for element in elements)
        case ast.Call(func=ast.Name(id=name)):
            return name in _FUNCTIONS and name not in module.names
        case ast.Call(func=ast.Attribute() as function):
            return _is_of_python(function)
        case ast.Attribute():
            return _is_of_python(node)
        case ast.Name(id=name):
            bounds = module.names.get(name, ())
            what = bounds[0].what if len(bounds) == 1 else None
            return isinstance(what, ast.expr) and is_plain(what, module, inner)
    return False


def _is_of_python(node: ast.expr) -> bool:
    """Tell whether a dotted name is a constant or function of `math` or `os`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in _MODULES


def says_constexpr(annotation: ast.expr | None) -> bool:
    """Tell whether an annotation is `constexpr` under any name of Triton's for it."""
    match annotation:
        case ast.Name(id="constexpr") | ast.Attribute(attr="constexpr"):
            return True
    return False


def keeps_annotations_as_text(module: Scope) -> bool:
    """Tell whether the file has `from __future__ import annotations`."""
    future = Import(0, "__future__", "annotations")
    return any(bound.what == future for bound in module.names.get("annotations", ()))
