"""What the body of one Python module binds its names to, read without running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package."""

    name: str


@dataclass(frozen=True, slots=True)
class From:
    """A name bound by `from module import name`."""

    module: str
    name: str


Binding = ast.expr | FunctionDef | ast.ClassDef | Module | From | None
"""What a name is bound to; None for something that cannot be followed."""


class File:
    """One module's own bindings, in the order that its body runs: the last one counts.

    `elsewhere(module, name)` tells the strings in a list that another module binds to a name.
    """

    def __init__(
        self,
        module: str,
        source: str,
        is_package: bool,
        elsewhere: Callable[[str, str], list[str]],
    ) -> None:
        self._elsewhere = elsewhere
        self._package = module if is_package else module.rpartition(".")[0]
        self.bindings: dict[str, Binding] = {}
        self.stars: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                body: Sequence[ast.stmt] = ast.parse(source).body
            except SyntaxError:
                body = ()
        self._run(body)

    def listed(self, name: str) -> list[str] | None:
        """Return the strings in the list that a name is bound to, such as `__all__`, or None."""
        bound = self.bindings.get(name)
        if isinstance(bound, From):
            return self._elsewhere(bound.module, bound.name)
        return list(self._strings(bound)) if isinstance(bound, ast.expr) else None

    def _run(self, body: Sequence[ast.stmt], *, is_otherwise: bool = False) -> None:
        for node in body:
            for name, bound in self._binds(node):
                if not (is_otherwise and name in self.bindings):
                    self.bindings[name] = bound

    def _binds(self, node: ast.stmt) -> Iterator[tuple[str, Binding]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node
            case ast.Import():
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    yield alias.asname or top, Module(alias.name if alias.asname else top)
            case ast.ImportFrom():
                yield from self._imports(node)
            case ast.Assign():
                for target in node.targets:
                    yield from bound_targets(target, node.value)
            case ast.AnnAssign(value=ast.expr()):
                yield from bound_targets(node.target, node.value)
            case ast.For():
                yield from self._loop(node)
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.bindings.pop(target.id, None)
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                self._run(node.orelse)
            case ast.If():
                self._run(node.body)
                self._run(node.orelse, is_otherwise=True)
            case ast.Try():
                self._run([*node.body, *node.orelse])
                for handler in node.handlers:
                    self._run(handler.body, is_otherwise=True)
                self._run(node.finalbody)
            case ast.With():
                self._run(node.body)

    def _imports(self, node: ast.ImportFrom) -> Iterator[tuple[str, Binding]]:
        module = node.module or ""
        if node.level:
            parents = self._package.split(".")
            parents = parents[: len(parents) - node.level + 1]
            module = ".".join([*parents, module] if module else parents)
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(module)
            else:
                yield alias.asname or alias.name, From(module, alias.name)

    def _loop(self, node: ast.For) -> Iterator[tuple[str, Binding]]:
        """Yield what `for name in NAMES: globals()[name] = ...` binds."""
        if not isinstance(node.target, ast.Name) or "globals()[" not in ast.unparse(node):
            return
        loop = node.target.id
        owner = next((o for o in map(_getattr_owner(loop), ast.walk(node)) if o is not None), None)
        for name in self._strings(node.iter):
            yield name, None if owner is None else ast.Attribute(owner, name)

    def _strings(self, node: ast.AST | None) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.List() | ast.Tuple() | ast.Set():
                for element in node.elts:
                    yield from self._strings(element)
            case ast.Starred():
                yield from self._strings(node.value)
            case ast.BinOp():
                yield from self._strings(node.left)
                yield from self._strings(node.right)
            case ast.Name():
                yield from self.listed(node.id) or ()


def _getattr_owner(name: str) -> Callable[[ast.AST], ast.expr | None]:
    """Return what tells of a node whose attribute `getattr(owner, name)` takes."""

    def owner_of(node: ast.AST) -> ast.expr | None:
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Name(id=given), *_]):
                return owner if given == name else None
        return None

    return owner_of


def bound_targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, Binding]]:
    """Yield the names that an assignment to a target binds; of a tuple, without their values."""
    match target:
        case ast.Name():
            yield target.id, value
        case ast.Tuple() | ast.List():
            for element in target.elts:
                yield from bound_targets(element, None)
