"""Source text -> the part of it that one kernel needs, if that is plain enough to be compiled.

Compiling a kernel runs code of others: decorators, defaults, module constants, compile-time
functions. This gate lets through imports of Triton's language, literals and arithmetic on them,
jit and compile-time functions, `triton.Config`s and heuristics; what the kernel reaches beyond that
is refused by name, and what it does not reach is left out. Nothing is run here. It is one wall of
several: see `index.compiling.box`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from crawler.plain_names import (
    BUILTINS,
    HostNames,
    PlainError,
    dotted,
    imported,
    is_jit,
    refuse_attribute,
)

MAX_NODES = 60_000
"""Of the kept part; the largest kernel with its device functions that was seen has a fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainKernel:
    """A module that holds one kernel and what it needs, and nothing else."""

    source: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlain:
    """Why a kernel is not compiled: one line that names what stands in the way."""

    reason: str


def plain_kernel(source: str, name: str) -> PlainKernel | NotPlain:
    """Return the module that kernel `name`, defined at the top of `source`, needs."""
    try:
        tree = ast.parse(source)
        return _Gate(tree).kernel(name)
    except (SyntaxError, ValueError) as error:
        return NotPlain(reason=f"syntax error: {str(error).splitlines()[0]}")
    except RecursionError:
        return NotPlain(reason="nested too deeply")
    except PlainError as error:
        return NotPlain(reason=str(error))


def jit_functions(source: str) -> tuple[str, ...]:
    """Return the names of the jit functions at the top of a module, in order; none if no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    host = HostNames(tree)
    return tuple(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(is_jit(host, decorator) for decorator in node.decorator_list)
    )


class _Gate:
    """Walks from the kernel along the names that it uses."""

    def __init__(self, tree: ast.Module) -> None:
        self._host = HostNames(tree)
        self._bound: dict[str, list[ast.stmt]] = {}
        for statement in tree.body:
            for name in _binds(statement):
                self._bound.setdefault(name, []).append(statement)
        self._tree = tree
        self._kept: dict[ast.stmt, ast.stmt] = {}
        self._due: list[tuple[str, str]] = []
        self._future = [
            each
            for each in tree.body
            if isinstance(each, ast.ImportFrom) and each.module == "__future__"
        ]

    def kernel(self, name: str) -> PlainKernel:
        """Return the kernel with all it needs.

        Raises:
            PlainError: something of it is not plain.
        """
        definition = self._definition(name, "")
        if not isinstance(definition, ast.FunctionDef) or not any(
            is_jit(self._host, each) for each in definition.decorator_list
        ):
            raise PlainError(f"{name} is no jit function")
        self._due.append((name, ""))
        done: set[str] = set()
        while self._due:
            needed, by = self._due.pop()
            if needed not in done:
                done.add(needed)
                self._keep(self._definition(needed, by))
        body = [self._kept[each] for each in self._tree.body if each in self._kept]
        module = ast.Module([*self._future, *body], [])
        if sum(1 for _ in ast.walk(module)) > MAX_NODES:
            raise PlainError("too large")
        return PlainKernel(source=ast.unparse(ast.fix_missing_locations(module)) + "\n", name=name)

    def _definition(self, name: str, by: str) -> ast.stmt:
        where = f", used by {by}" if by else ""
        found = self._bound.get(name, [])
        if not found:
            raise PlainError(f"needs {name} (not in the file{where})")
        if len(found) > 1:
            raise PlainError(f"{name} is set {len(found)} times{where}")
        return found[0]

    def _keep(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                self._kept[statement] = imported(statement)
            case ast.FunctionDef():
                self._kept[statement] = self._function(statement)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._expression(value, f"{name} = ...")
                self._kept[statement] = statement
            case ast.AnnAssign(
                target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
            ):
                self._expression(value, f"{name} = ...")
                self._expression(annotation, f"the annotation of {name}")
                self._kept[statement] = statement
            case _:
                kind = type(statement).__name__.lower().removesuffix("def")
                raise PlainError(f"line {statement.lineno}: a {kind} is not compiled")

    def _function(self, function: ast.FunctionDef) -> ast.FunctionDef:
        kept = [
            decorator
            for each in function.decorator_list
            if (decorator := self._decorator(each, function.name)) is not None
        ]
        if not any(is_jit(self._host, each, compile_time=True) for each in kept):
            raise PlainError(f"needs {function.name} (a Python function)")
        arguments = function.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d)):
            self._expression(default, f"a default of {function.name}")
        self._body(function)
        for argument in ast.walk(arguments):
            if isinstance(argument, ast.arg):
                argument.annotation = self._annotation(argument.annotation, function.name)
        copy = ast.FunctionDef(**dict(ast.iter_fields(function)))
        copy.returns = None
        copy.decorator_list = kept
        return ast.copy_location(copy, function)

    def _annotation(self, annotation: ast.expr | None, function: str) -> ast.expr | None:
        """Return an annotation as it is kept: one that is not plain says nothing to Triton."""
        before = len(self._due)
        try:
            if annotation is not None:
                self._expression(annotation, f"an annotation of {function}")
        except PlainError:
            del self._due[before:]
            return None
        return annotation

    def _decorator(self, decorator: ast.expr, function: str) -> ast.expr | None:
        """Return a decorator as it is kept; None where compiling can do without it."""
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        full = self._host.full_name(called)
        short = (full or "").rpartition(".")[2]
        if is_jit(self._host, decorator, compile_time=True):
            self._use(dotted(called) or "", function)
            keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
            plain = [k for k in keywords if k.arg in ("do_not_specialize", "noinline")]
            for keyword in plain:
                self._expression(keyword.value, f"a decorator of {function}")
            return ast.Call(called, [], plain) if plain else called
        if full is None or not full.startswith("triton.") or not isinstance(decorator, ast.Call):
            raise PlainError(f"decorator {ast.unparse(called)} of {function}")
        if short not in ("autotune", "heuristics"):
            raise PlainError(f"decorator {ast.unparse(called)} of {function}")
        return self._tuning(decorator, called, "configs" if short == "autotune" else "values")

    def _tuning(self, call: ast.Call, called: ast.expr, wanted: str) -> ast.expr | None:
        """Return autotune or heuristics with the one argument that bears on compiling, if plain.

        Where it is not plain, values are guessed in its stead.
        """
        found = [k.value for k in call.keywords if k.arg == wanted] or call.args[:1]
        before = len(self._due)
        try:
            self._use(dotted(called) or "", "a decorator")
            for value in found:
                self._expression(value, "a decorator", lambdas=True)
        except PlainError:
            del self._due[before:]
            return None
        key = [ast.keyword("key", ast.List([], ast.Load()))] if wanted == "configs" else []
        return ast.Call(called, [], [*(ast.keyword(wanted, v) for v in found), *key])

    def _body(self, function: ast.FunctionDef) -> None:
        local = set(_stored(function))
        for statement in function.body:
            for node in ast.walk(statement):
                self._node(node, function.name, local, calls_anything=True)

    def _expression(self, value: ast.expr, where: str, *, lambdas: bool = False) -> None:
        """Hold what is run when the module is loaded to literals, arithmetic and a few calls."""
        local = set(_stored(value))
        for node in ast.walk(value):
            if isinstance(node, ast.Lambda) and not lambdas:
                raise PlainError(f"{where}: a lambda")
            self._node(node, where, local, calls_anything=False)

    def _node(self, node: ast.AST, where: str, local: set[str], *, calls_anything: bool) -> None:
        if isinstance(node, _NEVER):
            raise PlainError(f"{where}: {type(node).__name__.lower()} is not compiled")
        if isinstance(node, ast.Attribute):
            refuse_attribute(self._host, node, where, local)
        elif isinstance(node, ast.Name) and node.id not in local:
            if node.id.startswith("__"):
                raise PlainError(f"{where}: {node.id}")
            self._use(node.id, where)
        elif isinstance(node, ast.Call) and not calls_anything:
            self._host.refuse_call(node, where)

    def _use(self, name: str, by: str) -> None:
        root = name.partition(".")[0]
        if root in self._bound:
            self._due.append((root, by))
        elif root not in BUILTINS:
            raise PlainError(f"needs {root} (not in the file, used by {by})")


_NEVER = (
    ast.Import,
    ast.ImportFrom,
    ast.ClassDef,
    ast.Global,
    ast.Nonlocal,
    ast.Await,
    ast.Yield,
    ast.YieldFrom,
    ast.AsyncFor,
    ast.AsyncWith,
    ast.AsyncFunctionDef,
    ast.Try,
    ast.TryStar,
    ast.Delete,
)


def _binds(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module sets, wherever in it."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                yield alias.asname or alias.name.partition(".")[0]
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            yield from _stored(statement)
        case _:
            yield from set(_stored(statement))
            for node in ast.walk(statement):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
                    yield from _binds(node)


def _stored(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef) and node is not tree:
            yield node.name
