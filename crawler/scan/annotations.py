"""Annotations that are set after a function is defined: `f.__annotations__["N"] = tl.constexpr`.

Where Triton is imported inside a function, the annotation of a constant cannot be written in the
signature, so it is put there before jit is applied.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from crawler.scan.scope import Scope

_FIELD = "__annotations__"


@dataclass(frozen=True, slots=True, eq=False)
class Annotated:
    """Annotations set on what `function` stands for, with the place where that is done."""

    function: ast.expr
    pairs: tuple[tuple[str, ast.expr], ...]
    scope: Scope
    line: int
    arms: tuple[int, ...]


def set_annotations(
    node: ast.Assign | ast.Call, scope: Scope, arms: tuple[int, ...]
) -> Annotated | None:
    """Return the annotations that an assignment or a call sets, None if it sets none."""
    match node:
        case ast.Assign(targets=[ast.Attribute(value=function, attr=attr)]) if attr == _FIELD:
            pairs = _of_table(node.value)
        case ast.Assign(
            targets=[ast.Subscript(value=ast.Attribute(value=function, attr=attr), slice=key)]
        ) if attr == _FIELD:
            pairs = ((name, node.value) for name in _names(key, scope))
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(value=function, attr=attr), attr="update")
        ) if attr == _FIELD:
            pairs = _of_update(node)
        case _:
            return None
    return Annotated(function, tuple(pairs), scope, node.lineno, arms)


def _of_update(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    for table in node.args[:1]:
        yield from _of_table(table)
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value


def _of_table(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case ast.DictComp(
            key=ast.Name(id=key), generators=[ast.comprehension(target=ast.Name(id=each), ifs=[])]
        ) if key == each:
            for name in _strings(node.generators[0].iter):
                yield name, node.value
        case ast.Call(func=ast.Name(id="dict"), args=[]):
            for keyword in node.keywords:
                if keyword.arg is not None:
                    yield keyword.arg, keyword.value


def _names(key: ast.expr, scope: Scope) -> Iterator[str]:
    """Yield the parameter that a key names, or all those that a loop lets it name."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        yield key.value
    elif isinstance(key, ast.Name):
        for bound in scope.names.get(key.id, ())[-1:]:
            if isinstance(bound.what, ast.expr):
                yield from _strings(bound.what)


def _strings(node: ast.expr) -> Iterator[str]:
    for element in node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else ():
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            yield element.value
