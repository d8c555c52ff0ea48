"""What stands around a kernel's body -> the names of Triton's in it: decorators, configs, defaults.

Configs are often made elsewhere in the file, so names and functions of the module that a decorator
rests on are read too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from crawler.models import UseKind
from crawler.scan.facts import UNKNOWN, Function, Import, Use
from crawler.scan.plain import keeps_annotations_as_text
from crawler.scan.scope import Scope, name_value

MAX_NODES = 4_000
"""Nodes read around one kernel; some files have thousands of configs, all alike."""

MAX_FOLLOWED = 3


def uses_around(
    node: ast.FunctionDef | ast.AsyncFunctionDef, applied: Sequence[ast.expr], outer: Scope
) -> list[Use]:
    """Return the uses in what is applied to a function, its defaults and its annotations."""
    arguments = node.args
    written: list[ast.AST] = [*applied, *node.decorator_list]
    written += [each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None]
    if not keeps_annotations_as_text(outer.module):
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        written += [each.annotation for each in every if each.annotation is not None]
        written += [node.returns] if node.returns is not None else []
    reader = _Reader(outer)
    for each in written:
        reader.read(each, 0)
    return [
        Use(
            use.root, use.path, use.keywords, use.is_call, (), UseKind.HEADER, use.args, 0, (place,)
        )
        for use, place in reader.uses.items()
    ]


class _Reader:
    def __init__(self, outer: Scope) -> None:
        self.outer = outer
        self.uses: dict[Use, tuple[int, int]] = {}
        self.followed: set[str] = set()
        self.left = MAX_NODES

    def read(self, root: ast.AST, depth: int) -> None:
        stack: list[ast.AST] = [root]
        while stack and self.left > 0:
            self.left -= 1
            node = stack.pop()
            match node:
                case ast.Call():
                    self.call(node, depth)
                    stack.extend((*node.args, *(keyword.value for keyword in node.keywords)))
                    root = _root(node.func)
                    stack.extend(() if isinstance(root, ast.Name) else (root,))
                case ast.Name() | ast.Attribute():
                    self.note(node, (), None, depth, is_call=False)
                    root = _root(node)
                    stack.extend(() if isinstance(root, ast.Name) else (root,))
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    body = node.body if isinstance(node.body, list) else [node.body]
                    stack.extend(body)
                case _:
                    stack.extend(ast.iter_child_nodes(node))

    def call(self, node: ast.Call, depth: int) -> None:
        keywords = tuple(sorted(k.arg for k in node.keywords if k.arg is not None))
        args = ["*" if isinstance(arg, ast.Starred) else "?" for arg in node.args]
        if any(keyword.arg is None for keyword in node.keywords):
            args.append("**")
        self.note(node.func, keywords, tuple(args), depth, is_call=True)

    def note(
        self,
        node: ast.expr,
        keywords: tuple[str, ...],
        args: tuple[str, ...] | None,
        depth: int,
        *,
        is_call: bool,
    ) -> None:
        path: list[str] = []
        place = (node.lineno, node.col_offset)
        while isinstance(node, ast.Attribute):
            path.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return
        value = name_value(node.id, self.outer, node.lineno if depth == 0 else None, ())
        if isinstance(value, Import):
            use = Use(value, tuple(reversed(path)), keywords, is_call, (), UseKind.HEADER, args)
            self.uses.setdefault(use, place)
        elif value is not UNKNOWN and not path:
            for inner in self.behind(node.id, depth):
                self.read(inner, depth + 1)

    def behind(self, name: str, depth: int) -> Iterator[ast.AST]:
        """Yield what a name of the module stands for in this file."""
        module = self.outer.module
        bounds = module.names.get(name, ())
        if depth >= MAX_FOLLOWED or name in self.followed or len(bounds) != 1:
            return
        self.followed.add(name)
        what = bounds[0].what
        if isinstance(what, ast.expr):
            yield what
        elif isinstance(what, Function):
            function, _ = module.functions[what.index]
            if not _is_decorated(function):
                yield function


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _is_decorated(node: ast.AST) -> bool:
    return bool(getattr(node, "decorator_list", ()))
