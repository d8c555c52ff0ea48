"""The names that a definition takes from outside itself, each with the dotted chain it begins."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Chain:
    """`a.b.c` with `a` from outside: the nodes for `a`, `a.b` and `a.b.c`."""

    nodes: tuple[ast.expr, ...]

    @property
    def root(self) -> str:
        """The name that it begins with."""
        first = self.nodes[0]
        assert isinstance(first, ast.Name)
        return first.id


def free_names(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[Chain]:
    """Yield the chains in an expression or statement; names in `local` are its own."""
    if isinstance(node, _FUNCTIONS):
        yield from _function(node, local)
    elif isinstance(node, _COMPREHENSIONS):
        inner = local | {n for g in node.generators for n in _stored(g.target)}
        for part in ast.iter_child_nodes(node):
            yield from free_names(part, inner)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        yield from _chain(node, local)
    else:
        for part in ast.iter_child_nodes(node):
            yield from free_names(part, local)


def body_names(node: ast.FunctionDef | ast.Lambda) -> Iterator[Chain]:
    """Yield the chains in the body of a function alone."""
    inner = _locals(node)
    body: Iterable[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
    for part in body:
        yield from free_names(part, inner)


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, local: frozenset[str]
) -> Iterator[Chain]:
    if not isinstance(node, ast.Lambda):
        for decorator in node.decorator_list:
            yield from free_names(decorator, local)
        if node.returns is not None:
            yield from free_names(node.returns, local)
    yield from free_names(node.args, local)
    inner = local | _locals(node)
    body: Iterable[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else node.body
    for part in body:
        yield from free_names(part, inner)


def _chain(node: ast.Name | ast.Attribute, local: frozenset[str]) -> Iterator[Chain]:
    nodes: list[ast.expr] = [node]
    while isinstance(nodes[-1], ast.Attribute):
        nodes.append(nodes[-1].value)
    root = nodes[-1]
    if not isinstance(root, ast.Name):
        yield from free_names(root, local)
    elif root.id not in local and isinstance(root.ctx, ast.Load):
        yield Chain(tuple(reversed(nodes)))


def _locals(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> frozenset[str]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    found = {a.arg for a in every}
    if not isinstance(node, ast.Lambda):
        outer: set[str] = set()
        for statement in node.body:
            found |= _bound(statement, outer)
        found -= outer
    return frozenset(found)


def _bound(node: ast.AST, outer: set[str]) -> set[str]:
    """Return what a statement binds in the function it stands in."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {(a.asname or a.name).partition(".")[0] for a in node.names}
        case ast.Global() | ast.Nonlocal():
            outer.update(node.names)
            return set()
        case ast.Name(ctx=ast.Store() | ast.Del()):
            return {node.id}
        case ast.Lambda():
            return set()
    found: set[str] = set()
    if isinstance(node, _COMPREHENSIONS):
        return found
    if isinstance(node, ast.ExceptHandler) and node.name:
        found.add(node.name)
    for part in ast.iter_child_nodes(node):
        found |= _bound(part, outer)
    return found


def _stored(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id
