"""Which functions of the project a function calls, as far as one file can tell.

Only names that may lead to a function of the project are followed; calls of Python's own functions,
of methods of values, and of packages that make no kernels are the bulk of any file.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from crawler.scan.facts import Attribute, Choice, Class, Function, Global, Import, Value
from crawler.scan.kernel import BUILTINS
from crawler.scan.scope import Scope, to_value
from crawler.scan.survey import Noted

_SELVES = frozenset({"self", "cls"})


def called_values(
    calls: Iterable[Noted], module: Scope, is_foreign: Callable[[Value], bool]
) -> dict[int, dict[Value, None]]:
    """Return what each function calls, by its place in the file, in the order of the calls.

    `is_foreign` tells of a value that it leads out of the project.
    """
    reader = _Reader(module, is_foreign)
    for noted in calls:
        if not noted.scope.is_device:
            reader.read(noted)
    return reader.found


class _Reader:
    def __init__(self, module: Scope, is_foreign: Callable[[Value], bool]) -> None:
        self.module = module
        self.is_foreign = is_foreign
        self.found: dict[int, dict[Value, None]] = {}
        self.seen: set[tuple[int, str, tuple[int, ...]]] = set()
        self.foreign_roots: dict[str, bool] = {}

    def read(self, noted: Noted) -> None:
        inside = noted.scope.function
        callee = noted.call.func
        name, written = _root(callee)
        if inside is None or name is None or not self.may_be_ours(name, callee, noted.scope):
            return
        key = (inside.index, written, noted.arms)
        if key in self.seen:
            return
        self.seen.add(key)
        value = to_value(callee, noted.scope, noted.call.lineno, noted.arms)
        if _may_be_function(value) and not self.is_foreign(value):
            self.found.setdefault(inside.index, {})[value] = None

    def may_be_ours(self, name: str, callee: ast.expr, scope: Scope) -> bool:
        """Tell whether a dotted callee that begins with `name` is worth following."""
        inner: Scope | None = scope
        while inner is not None and inner.parent is not None:
            if name in inner.names and inner.kind == "function":
                is_import = any(isinstance(bound.what, Import) for bound in inner.names[name])
                # The methods of what is local are not known; `self` leads to those of the class.
                return is_import or isinstance(callee, ast.Name) or name in _SELVES
            inner = inner.parent
        if name not in self.foreign_roots:
            self.foreign_roots[name] = self.is_foreign_root(name)
        return not self.foreign_roots[name]

    def is_foreign_root(self, name: str) -> bool:
        bounds = self.module.names.get(name)
        if bounds is None:
            return name in BUILTINS
        return all(isinstance(b.what, Import) and self.is_foreign(b.what) for b in bounds)


def _root(node: ast.expr) -> tuple[str | None, str]:
    """Return the name that a dotted expression begins with, and all of it; no name for others."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None, ""
    return node.id, ".".join([node.id, *reversed(parts)])


def _may_be_function(value: Value) -> bool:
    match value:
        case Attribute():
            return _may_be_function(value.base)
        case Choice():
            return any(map(_may_be_function, value.options))
    return isinstance(value, (Import, Global, Function, Class))
