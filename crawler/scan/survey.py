"""Syntax tree of a file -> its scopes, definitions and calls: the first of two passes.

Every statement is walked once. A scope is opened for each definition, and the expressions that may
matter are noted with the scope and the branches that they stand in; function bodies wait until the
scope around them is complete. What the expressions mean is for `crawler.scan.collect` to say.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crawler.scan.annotations import Annotated, set_annotations
from crawler.scan.facts import ARMS, UNKNOWN, Class, Function, Import, Parameter, Value
from crawler.scan.kernel import MAX_GUARDS
from crawler.scan.names import is_foreign_package
from crawler.scan.scope import Bound, Effort, Scope
from crawler.scan.walk import CHILD_FIELDS

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef

_LEAVES = frozenset({ast.Constant, ast.Name, type(None)})
_FOLLOWED = (ast.Name, ast.Call, ast.Attribute, ast.IfExp, ast.BoolOp, ast.Lambda)
"""Expressions through which a function may hand on a kernel or a decorator."""
_CHANGES = frozenset({"append", "extend", "insert", "remove", "pop", "clear"})


@dataclass(slots=True, eq=False)
class Definition:
    """A function found, with all that the second pass needs."""

    node: FunctionDef | ast.Lambda
    scope: Scope
    """The scope it is defined in."""
    inner: Scope
    arms: tuple[int, ...]
    guards: tuple[ast.expr, ...] = ()
    returns: list[tuple[ast.expr, int, tuple[int, ...]]] = field(default_factory=list)
    applied: list[ast.expr] = field(default_factory=list)
    """What is called on the function after its definition, the last first: `jit` in `jit(f)`."""


@dataclass(slots=True, eq=False)
class Noted:
    """A call that may launch a kernel or make one."""

    call: ast.Call
    scope: Scope
    arms: tuple[int, ...]


class Survey:
    """All that one walk over a file finds; `release` it when its facts are made."""

    def __init__(self) -> None:
        self.module = Scope("module", "", None, Effort())
        self.definitions: list[Definition] = []
        self.classes: list[tuple[ast.ClassDef, Scope, tuple[int, ...]]] = []
        self.calls: list[Noted] = []
        self.stars: list[Import] = []
        self.annotated: list[Annotated] = []
        self._statements = 0
        self._waiting: deque[tuple[Sequence[ast.stmt], Scope, tuple[ast.expr, ...]]] = deque()

    def walk(self, tree: ast.Module) -> None:
        """Note everything in a file."""
        self._waiting.append((tree.body, self.module, ()))
        while self._waiting:
            body, scope, guards = self._waiting.popleft()
            self._block(body, scope, (), guards)

    def release(self) -> None:
        """Undo the cycles between scopes, so that the tree is freed at once and not by a sweep."""
        for scope in (*(d.inner for d in self.definitions), *(c[1] for c in self.classes)):
            scope.names.clear()
            scope.attributes.clear()
            scope.parent = None
        self.module.functions.clear()
        self.module.names.clear()
        self.module.lambdas.clear()

    def _block(
        self,
        body: Sequence[ast.stmt],
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        for statement in body:
            self._statement(statement, scope, arms, guards)

    def _statement(
        self,
        node: ast.stmt,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node, scope, arms, guards)
            case ast.ClassDef():
                self._define_class(node, scope, arms, guards)
            case ast.Import() | ast.ImportFrom():
                self._bind_import(node, scope, arms)
            case ast.If():
                self._branch(node, scope, arms, guards)
            case ast.Try() | ast.TryStar():
                self._attempt(node, scope, arms, guards)
            case ast.For() | ast.AsyncFor() | ast.While():
                self._loop(node, scope, arms, guards)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._expressions(item.context_expr, scope, arms)
                    if item.optional_vars is not None:
                        self._bind_target(item.optional_vars, None, scope, arms)
                self._block(node.body, scope, arms, guards)
            case ast.Match():
                self._expressions(node.subject, scope, arms)
                statement = self._next_statement()
                for number, arm in enumerate(node.cases):
                    inner = (*arms, ARMS * statement + min(number, ARMS - 1))
                    self._block(arm.body, scope, inner, guards)
            case ast.Global():
                scope.globals.update(node.names)
            case _:
                self._simple(node, scope, arms)

    def _simple(self, node: ast.stmt, scope: Scope, arms: tuple[int, ...]) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    self._bind_target(target, node.value, scope, arms)
                if not isinstance(node.targets[0], ast.Name):
                    self._annotate(node, scope, arms)
            case ast.AnnAssign() if node.value is not None:
                if isinstance(node.target, ast.Name) and scope.kind == "module":
                    scope.annotations[node.target.id] = node.annotation
                self._bind_target(node.target, node.value, scope, arms)
            case ast.AugAssign(target=ast.Name(id=name)):
                scope.changed.add(name)
            case ast.Return() if isinstance(node.value, _FOLLOWED):
                inside = scope.function
                if inside is not None:
                    self.definitions[inside.index].returns.append((node.value, node.lineno, arms))
        self._expressions(node, scope, arms)

    def _next_statement(self) -> int:
        self._statements += 1
        return self._statements

    def _branch(
        self, node: ast.If, scope: Scope, arms: tuple[int, ...], guards: tuple[ast.expr, ...]
    ) -> None:
        # An elif chain is a loop here, not a recursion: it may be thousands long.
        statement, number = self._next_statement(), 0
        while True:
            self._expressions(node.test, scope, arms)
            arm = ARMS * statement + min(number, ARMS - 2)
            self._block(node.body, scope, (*arms, arm), (*guards, node.test))
            if len(guards) < MAX_GUARDS:
                guards = (*guards, _negated(node.test))
            number += 1
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                continue
            self._block(node.orelse, scope, (*arms, ARMS * statement + ARMS - 1), guards)
            return

    def _attempt(
        self,
        node: ast.Try | ast.TryStar,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        statement = self._next_statement()
        tried = (*arms, ARMS * statement)
        self._block(node.body, scope, tried, guards)
        self._block(node.orelse, scope, tried, guards)
        for number, handler in enumerate(node.handlers):
            arm = ARMS * statement + 1 + min(number, ARMS - 2)
            self._block(handler.body, scope, (*arms, arm), guards)
        self._block(node.finalbody, scope, arms, guards)

    def _loop(
        self,
        node: ast.For | ast.AsyncFor | ast.While,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        if isinstance(node, ast.While):
            self._expressions(node.test, scope, arms)
        else:
            self._expressions(node.iter, scope, arms)
            # `for k in (a, b)`: k may be any element.
            self._bind_target(node.target, node.iter, scope, arms, is_element=True)
        inner = (*arms, ARMS * self._next_statement())
        self._block(node.body, scope, inner, guards)
        self._block(node.orelse, scope, arms, guards)

    def _define(
        self,
        node: FunctionDef,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        for decorator in node.decorator_list:
            self._expressions(decorator, scope, arms)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._expressions(default, scope, arms)
        index = self._open_function(node, node.args, scope.inner_qualname(node.name), scope, arms)
        self.definitions[index].guards = guards
        scope.bind(node.name, Function(index), node.lineno, arms)
        self._waiting.append((node.body, self.definitions[index].inner, guards))

    def _open_function(
        self,
        node: FunctionDef | ast.Lambda,
        arguments: ast.arguments,
        qualname: str,
        scope: Scope,
        arms: tuple[int, ...],
    ) -> int:
        index = len(self.definitions)
        inner = Scope("function", qualname, scope, scope.effort, index, node.lineno)
        inner.is_device = scope.is_device or (
            not isinstance(node, ast.Lambda)
            and any(_is_plain_jit(decorator, scope.module) for decorator in node.decorator_list)
        )
        for name in parameter_names(arguments):
            inner.bind(name, Parameter(index, name), 0, ())
        self.definitions.append(Definition(node, scope, inner, arms))
        self.module.functions.append((node, inner))
        return index

    def _define_class(
        self,
        node: ast.ClassDef,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        index = len(self.classes)
        scope.bind(node.name, Class(index), node.lineno, arms)
        for expression in (*node.decorator_list, *node.bases):
            self._expressions(expression, scope, arms)
        qualname = scope.inner_qualname(node.name)
        inner = Scope("class", qualname, scope, scope.effort, index, node.lineno)
        inner.has_bases = bool(node.bases)
        self.classes.append((node, inner, arms))
        self._block(node.body, inner, arms, guards)

    def _bind_import(
        self, node: ast.Import | ast.ImportFrom, scope: Scope, arms: tuple[int, ...]
    ) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name if alias.asname else alias.name.partition(".")[0]
                scope.bind(alias.asname or root, Import(0, root), node.lineno, arms)
            return
        module = node.module or ""
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(Import(node.level, module))
            else:
                value = Import(node.level, module, alias.name)
                scope.bind(alias.asname or alias.name, value, node.lineno, arms)

    def _bind_target(
        self,
        target: ast.expr,
        value: ast.expr | None,
        scope: Scope,
        arms: tuple[int, ...],
        *,
        is_element: bool = False,
    ) -> None:
        match target:
            case ast.Name():
                if value is None:
                    what: Value | ast.expr = UNKNOWN
                elif is_element and not isinstance(value, (ast.List, ast.Tuple, ast.Set)):
                    what = UNKNOWN
                else:
                    what = value
                scope.bind(target.id, what, target.lineno, arms)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr) if value is not None:
                owner: Scope | None = scope
                while owner is not None and owner.kind != "class":
                    owner = owner.parent
                if owner is not None:
                    bound = Bound(value, target.lineno, arms)
                    owner.attributes.setdefault(attr, []).append((bound, scope))
            case ast.Tuple() | ast.List():
                for inner, given in _pairs(target.elts, value, is_element=is_element):
                    self._bind_target(inner, given, scope, arms)
            case ast.Starred():
                self._bind_target(target.value, None, scope, arms)

    def _expressions(self, root: ast.AST, scope: Scope, arms: tuple[int, ...]) -> None:
        if scope.is_device:
            # What a kernel calls is read with the kernel; it launches nothing.
            return
        stack: list[ast.AST] = [root]
        pop, push, extend = stack.pop, stack.append, stack.extend
        while stack:
            node = pop()
            kind = type(node)
            if kind in _LEAVES:
                continue
            if kind is ast.Call:
                self._note_call(node, scope, arms)  # type: ignore[arg-type]
            elif kind is ast.Lambda:
                self._note_lambda(node, scope, arms)  # type: ignore[arg-type]
            elif kind is ast.NamedExpr:
                self._bind_target(node.target, node.value, scope, arms)  # type: ignore[attr-defined]
            for name in CHILD_FIELDS[kind]:
                child = getattr(node, name)
                if child.__class__ is list:
                    extend(child)
                elif child is not None:
                    push(child)

    def _note_call(self, node: ast.Call, scope: Scope, arms: tuple[int, ...]) -> None:
        self.calls.append(Noted(node, scope, arms))
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in _CHANGES:
                scope.changed.add(name)
            case ast.Attribute(attr="update"):
                self._annotate(node, scope, arms)

    def _annotate(self, node: ast.Assign | ast.Call, scope: Scope, arms: tuple[int, ...]) -> None:
        annotated = set_annotations(node, scope, arms)
        if annotated is not None:
            self.annotated.append(annotated)

    def _note_lambda(self, node: ast.Lambda, scope: Scope, arms: tuple[int, ...]) -> None:
        if isinstance(node.body, (ast.Name, ast.Call, ast.IfExp)):
            qualname = scope.inner_qualname("<lambda>")
            index = self._open_function(node, node.args, qualname, scope, arms)
            self.definitions[index].returns.append((node.body, node.lineno, ()))
            self.module.lambdas[node] = index


def _is_plain_jit(node: ast.expr, module: Scope) -> bool:
    """Tell whether a decorator is surely Triton's: `jit`, `triton.jit`, `triton.jit(...)`.

    Under a jit of another package, and under one of the project that may be anything, there may be
    launches.
    """
    node = node.func if isinstance(node, ast.Call) else node
    root = node.value if isinstance(node, ast.Attribute) else node
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if name != "jit" or not isinstance(root, ast.Name):
        return False
    bounds = module.names.get(root.id, ())
    imports = [bound.what for bound in bounds if isinstance(bound.what, Import)]
    if root.id in ("triton", "gluon"):
        return not imports or not all(is_foreign_package(what.module) for what in imports)
    return bool(imports) and any(what.module.startswith("triton") for what in imports)


def _negated(test: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)


def parameter_names(arguments: ast.arguments) -> list[str]:
    """Return the names of all parameters, in order."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    return [argument.arg for argument in every]


def required_arguments(arguments: ast.arguments) -> Iterator[str]:
    """Yield what a call must give, as it is written: `x`, and `eps=eps` where only by keyword."""
    positional = [*arguments.posonlyargs, *arguments.args]
    yield from (a.arg for a in positional[: len(positional) - len(arguments.defaults)])
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is None:
            yield f"{argument.arg}={argument.arg}"


def _pairs(
    targets: Sequence[ast.expr], value: ast.expr | None, *, is_element: bool
) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    matches = (
        not is_element
        and isinstance(value, (ast.Tuple, ast.List))
        and len(value.elts) == len(targets)
        and not any(isinstance(e, ast.Starred) for e in (*targets, *value.elts))
    )
    asked_for = _asked_for(value)
    for position, target in enumerate(targets):
        if matches:
            yield target, value.elts[position]  # type: ignore[union-attr]
        elif asked_for is not None and isinstance(target, ast.Name) and target.id == asked_for:
            # `_, triton = safe_import("triton")`
            yield target, value
        else:
            yield target, None


def _asked_for(value: ast.expr | None) -> str | None:
    """Return the last part of the name that a call is given as its first argument."""
    if isinstance(value, ast.Call) and value.args:
        first = value.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value.rpartition(".")[2]
    return None
