"""Syntax tree of a file -> its facts: bindings, functions that are or may be kernels, launches.

Two passes. The first walks every statement once, opens a scope for each definition and notes the
expressions that matter; function bodies wait until the scope around them is complete. The second
turns the noted expressions into values, when every name that they may mean is known.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from crawler.scan.autotune import tunes
from crawler.scan.facts import (
    ARMS,
    UNKNOWN,
    Attribute,
    Binding,
    Call,
    Choice,
    Class,
    ClassFacts,
    FileFacts,
    Function,
    FunctionFacts,
    Global,
    Import,
    JitCall,
    Launch,
    Parameter,
    Subscript,
    Unknown,
    Value,
)
from crawler.scan.kernel import BUILTINS, MAX_GUARDS, kernel_facts
from crawler.scan.names import is_foreign_package
from crawler.scan.scope import (
    Bound,
    Effort,
    Scope,
    bound_value,
    choice,
    name_value,
    to_value,
    visible,
)
from crawler.scan.walk import CHILD_FIELDS

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef

_LAUNCH_METHODS = frozenset({"run", "warmup"})
_LEAVES = frozenset({ast.Constant, ast.Name, type(None)})
_FOLLOWED = (ast.Name, ast.Call, ast.Attribute, ast.IfExp, ast.BoolOp, ast.Lambda)
"""Expressions through which a function may hand on a kernel or a decorator."""
_CHANGES = frozenset({"append", "extend", "insert", "remove", "pop", "clear"})
_KERNEL_KEYWORDS = frozenset({"kernel", "fn", "func", "kernel_fn", "triton_kernel"})
_GIVEN_AS = frozenset({"fn", "func"})
_HANDED_ON = ("launch", "run", "call", "wrap", "tune", "bench", "grid")


@dataclass(slots=True, eq=False)
class _Definition:
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
class _Noted:
    """A call that may launch a kernel or make one."""

    call: ast.Call
    scope: Scope
    arms: tuple[int, ...]


def collect_facts(tree: ast.Module, lines: Sequence[str]) -> FileFacts:
    """Return the facts of one file; `lines` are its source lines without line ends.

    Raises:
        EntangledError: Its names lead to one another in too many ways.
    """
    return _Collector(lines).collect(tree)


class _Collector:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.module = Scope("module", "", None, Effort())
        self.definitions: list[_Definition] = []
        self.classes: list[tuple[ast.ClassDef, Scope, tuple[int, ...]]] = []
        self.calls: list[_Noted] = []
        self.stars: list[Import] = []
        self.jit_calls: list[JitCall] = []
        self.statements = 0
        self.waiting: deque[tuple[Sequence[ast.stmt], Scope, tuple[ast.expr, ...]]] = deque()

    def collect(self, tree: ast.Module) -> FileFacts:
        self.waiting.append((tree.body, self.module, ()))
        while self.waiting:
            body, scope, guards = self.waiting.popleft()
            self.block(body, scope, (), guards)
        kernels = self.candidates()
        facts = FileFacts(
            bindings=self.bindings(),
            stars=tuple(dict.fromkeys(self.stars)),
            functions=tuple(
                self.function(index, definition, index in kernels)
                for index, definition in enumerate(self.definitions)
            ),
            classes=tuple(self.class_facts()),
            launches=tuple(dict.fromkeys(self.launches(kernels))),
            jit_calls=tuple(dict.fromkeys(self.jit_calls)),
        )
        self.release()
        return facts

    def release(self) -> None:
        """Undo the cycles between scopes, so that the tree is freed at once and not by a sweep."""
        for scope in (*(d.inner for d in self.definitions), *(c[1] for c in self.classes)):
            scope.names.clear()
            scope.attributes.clear()
            scope.parent = None
        self.module.functions.clear()
        self.module.names.clear()
        self.module.lambdas.clear()

    # The first pass.

    def block(
        self,
        body: Sequence[ast.stmt],
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        for statement in body:
            self.statement(statement, scope, arms, guards)

    def statement(
        self,
        node: ast.stmt,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.define(node, scope, arms, guards)
            case ast.ClassDef():
                self.define_class(node, scope, arms, guards)
            case ast.Import() | ast.ImportFrom():
                self.bind_import(node, scope, arms)
            case ast.If():
                self.branch(node, scope, arms, guards)
            case ast.Try() | ast.TryStar():
                self.attempt(node, scope, arms, guards)
            case ast.For() | ast.AsyncFor() | ast.While():
                self.loop(node, scope, arms, guards)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.expressions(item.context_expr, scope, arms)
                    if item.optional_vars is not None:
                        self.bind_target(item.optional_vars, None, scope, arms)
                self.block(node.body, scope, arms, guards)
            case ast.Match():
                self.expressions(node.subject, scope, arms)
                statement = self.next_statement()
                for number, arm in enumerate(node.cases):
                    inner = (*arms, ARMS * statement + min(number, ARMS - 1))
                    self.block(arm.body, scope, inner, guards)
            case ast.Global():
                scope.globals.update(node.names)
            case _:
                self.simple(node, scope, arms)

    def simple(self, node: ast.stmt, scope: Scope, arms: tuple[int, ...]) -> None:
        match node:
            case ast.Assign():
                for target in node.targets:
                    self.bind_target(target, node.value, scope, arms)
            case ast.AnnAssign() if node.value is not None:
                self.bind_target(node.target, node.value, scope, arms)
            case ast.AugAssign(target=ast.Name(id=name)):
                scope.changed.add(name)
            case ast.Return() if isinstance(node.value, _FOLLOWED):
                inside = scope.function
                if inside is not None:
                    self.definitions[inside.index].returns.append((node.value, node.lineno, arms))
        self.expressions(node, scope, arms)

    def next_statement(self) -> int:
        self.statements += 1
        return self.statements

    def branch(
        self, node: ast.If, scope: Scope, arms: tuple[int, ...], guards: tuple[ast.expr, ...]
    ) -> None:
        # An elif chain is a loop here, not a recursion: it may be thousands long.
        statement, number = self.next_statement(), 0
        while True:
            self.expressions(node.test, scope, arms)
            arm = ARMS * statement + min(number, ARMS - 2)
            self.block(node.body, scope, (*arms, arm), (*guards, node.test))
            if len(guards) < MAX_GUARDS:
                guards = (*guards, _negated(node.test))
            number += 1
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                continue
            self.block(node.orelse, scope, (*arms, ARMS * statement + ARMS - 1), guards)
            return

    def attempt(
        self,
        node: ast.Try | ast.TryStar,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        statement = self.next_statement()
        tried = (*arms, ARMS * statement)
        self.block(node.body, scope, tried, guards)
        self.block(node.orelse, scope, tried, guards)
        for number, handler in enumerate(node.handlers):
            arm = ARMS * statement + 1 + min(number, ARMS - 2)
            self.block(handler.body, scope, (*arms, arm), guards)
        self.block(node.finalbody, scope, arms, guards)

    def loop(
        self,
        node: ast.For | ast.AsyncFor | ast.While,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        if isinstance(node, ast.While):
            self.expressions(node.test, scope, arms)
        else:
            self.expressions(node.iter, scope, arms)
            # `for k in (a, b)`: k may be any element.
            self.bind_target(node.target, node.iter, scope, arms, is_element=True)
        inner = (*arms, ARMS * self.next_statement())
        self.block(node.body, scope, inner, guards)
        self.block(node.orelse, scope, arms, guards)

    def define(
        self,
        node: FunctionDef,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        for decorator in node.decorator_list:
            self.expressions(decorator, scope, arms)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expressions(default, scope, arms)
        index = self.open_function(node, node.args, scope.inner_qualname(node.name), scope, arms)
        self.definitions[index].guards = guards
        scope.bind(node.name, Function(index), node.lineno, arms)
        self.waiting.append((node.body, self.definitions[index].inner, guards))

    def open_function(
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
            not isinstance(node, ast.Lambda) and any(map(_is_plain_jit, node.decorator_list))
        )
        for name in _parameter_names(arguments):
            inner.bind(name, Parameter(index, name), 0, ())
        self.definitions.append(_Definition(node, scope, inner, arms))
        self.module.functions.append((node, inner))
        return index

    def define_class(
        self,
        node: ast.ClassDef,
        scope: Scope,
        arms: tuple[int, ...],
        guards: tuple[ast.expr, ...],
    ) -> None:
        index = len(self.classes)
        scope.bind(node.name, Class(index), node.lineno, arms)
        for expression in (*node.decorator_list, *node.bases):
            self.expressions(expression, scope, arms)
        qualname = scope.inner_qualname(node.name)
        inner = Scope("class", qualname, scope, scope.effort, index, node.lineno)
        self.classes.append((node, inner, arms))
        self.block(node.body, inner, arms, guards)

    def bind_import(
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

    def bind_target(
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
            case ast.Attribute(value=ast.Name(id="self"), attr=attr) if value is not None:
                owner: Scope | None = scope
                while owner is not None and owner.kind != "class":
                    owner = owner.parent
                if owner is not None:
                    bound = Bound(value, target.lineno, arms)
                    owner.attributes.setdefault(attr, []).append((bound, scope))
            case ast.Tuple() | ast.List():
                for inner, given in _pairs(target.elts, value, is_element=is_element):
                    self.bind_target(inner, given, scope, arms)
            case ast.Starred():
                self.bind_target(target.value, None, scope, arms)

    def expressions(self, root: ast.AST, scope: Scope, arms: tuple[int, ...]) -> None:
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
                self.note_call(node, scope, arms)  # type: ignore[arg-type]
            elif kind is ast.Lambda:
                self.note_lambda(node, scope, arms)  # type: ignore[arg-type]
            elif kind is ast.NamedExpr:
                self.bind_target(node.target, node.value, scope, arms)  # type: ignore[attr-defined]
            for name in CHILD_FIELDS[kind]:
                child = getattr(node, name)
                if child.__class__ is list:
                    extend(child)
                elif child is not None:
                    push(child)

    def note_call(self, node: ast.Call, scope: Scope, arms: tuple[int, ...]) -> None:
        self.calls.append(_Noted(node, scope, arms))
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in _CHANGES:
                scope.changed.add(name)

    def note_lambda(self, node: ast.Lambda, scope: Scope, arms: tuple[int, ...]) -> None:
        if isinstance(node.body, (ast.Name, ast.Call, ast.IfExp)):
            qualname = scope.inner_qualname("<lambda>")
            index = self.open_function(node, node.args, qualname, scope, arms)
            self.definitions[index].returns.append((node.body, node.lineno, ()))
            self.module.lambdas[node] = index

    # The second pass.

    def candidates(self) -> set[int]:
        """Return the functions that are or may be kernels, by decorator or by a call on them."""
        found = {i for i, definition in enumerate(self.definitions) if self.may_be_jit(definition)}
        names = {d.node.name for d in self.definitions if not isinstance(d.node, ast.Lambda)}
        for noted in self.calls:
            call = noted.call
            first = call.args[0] if call.args else _keyword(call, _GIVEN_AS)
            if not isinstance(first, ast.Call) and not (
                isinstance(first, ast.Name) and first.id in names
            ):
                continue
            index = self.innermost(to_value(first, noted.scope, call.lineno, noted.arms), 0)
            if index is None or isinstance(self.definitions[index].node, ast.Lambda):
                continue
            callee = to_value(call.func, noted.scope, call.lineno, noted.arms)
            if not self.may_make_kernel(callee):
                continue
            found.add(index)
            if _says_jit(call.func) or tunes(call.func):
                self.definitions[index].applied.insert(0, call.func)
            self.jit_calls.append(JitCall(callee, Function(index)))
        return found

    def innermost(self, value: Value, depth: int) -> int | None:
        """Return the function that a chain of calls is applied to: f in `a(b(f))`."""
        while isinstance(value, Call) and value.args:
            value = value.args[0]
        options: Sequence[Value] = value.options if isinstance(value, Choice) else ()
        if isinstance(value, Global) and depth < 8:
            found = visible(self.module.names.get(value.name, ()), value.line, value.arms)
            options = [bound_value(bound, self.module, 0) for bound in found]
        indexes = [self.innermost(option, depth + 1) for option in options]
        if isinstance(value, Function):
            indexes.append(value.index)
        return max((index for index in indexes if index is not None), default=None)

    def may_be_jit(self, definition: _Definition) -> bool:
        node = definition.node
        if isinstance(node, ast.Lambda) or not node.decorator_list:
            return False
        return any(
            self.may_make_kernel(
                to_value(decorator, definition.scope, decorator.lineno, definition.arms)
            )
            for decorator in node.decorator_list
        )

    def may_make_kernel(self, applied: Value) -> bool:
        """Tell whether what is applied to a function may be jit: nothing says that it is not."""
        return not isinstance(applied, Unknown) and not self.is_foreign(applied)

    def is_foreign(self, value: Value) -> bool:
        """Tell whether every name that the value rests on is Python's or a foreign package's."""
        is_any = False
        for root in self.roots(value, 0):
            if not self.is_foreign_root(root):
                return False
            is_any = True
        return is_any

    def is_foreign_root(self, root: Value) -> bool:
        match root:
            case Import():
                return not root.level and is_foreign_package(root.module)
            case Global():
                return root.name in BUILTINS and root.name not in self.module.names
        return False

    def roots(self, value: Value, depth: int) -> Iterator[Value]:
        match value:
            case Attribute() | Subscript():
                yield from self.roots(value.base, depth)
            case Call():
                yield from self.roots(value.callee, depth)
                for arg in value.args:
                    # `partial(triton.jit)` is as much of Triton as what it is given.
                    if not isinstance(arg, Unknown):
                        yield from self.roots(arg, depth)
            case Choice():
                for option in value.options:
                    yield from self.roots(option, depth)
            case Global() if depth < 3 and value.name in self.module.names:
                for bound in visible(self.module.names[value.name], value.line, value.arms):
                    if isinstance(bound.what, ast.expr):
                        inner = to_value(bound.what, self.module, bound.line, bound.arms)
                        yield from self.roots(inner, depth + 1)
                    else:
                        yield from self.roots(bound.what, depth + 1)
            case _:
                yield value

    def function(self, index: int, definition: _Definition, is_kernel: bool) -> FunctionFacts:
        node, scope = definition.node, definition.scope
        facts = FunctionFacts(
            qualname=definition.inner.qualname,
            line=node.lineno,
            params=tuple(_parameter_names(node.args)),
            returns=self.returned(definition),
        )
        if not is_kernel or isinstance(node, ast.Lambda):
            return facts
        return msgspec.structs.replace(
            facts,
            decorators=tuple(
                to_value(decorator, scope, decorator.lineno, definition.arms)
                for decorator in node.decorator_list
            ),
            kernel=kernel_facts(
                node,
                definition.inner,
                self.lines,
                applied=definition.applied,
                guards=definition.guards,
            ),
        )

    def returned(self, definition: _Definition) -> tuple[Value, ...]:
        values = (
            to_value(expression, definition.inner, line, arms)
            for expression, line, arms in definition.returns
        )
        return tuple(dict.fromkeys(value for value in values if not isinstance(value, Unknown)))

    def class_facts(self) -> Iterator[ClassFacts]:
        for node, inner, arms in self.classes:
            assert inner.parent is not None
            bases = (to_value(base, inner.parent, node.lineno, arms) for base in node.bases)
            members = {
                name: choice([bound_value(bound, inner) for bound in visible(bounds, None, ())])
                for name, bounds in inner.names.items()
            }
            yield ClassFacts(
                name=node.name,
                bases=tuple(b for b in bases if not isinstance(b, Unknown)),
                members={n: m for n, m in members.items() if not isinstance(m, Unknown)},
                kept=tuple(dict.fromkeys(self.kept(inner))),
            )

    def kept(self, inner: Scope) -> Iterator[Value]:
        """Yield the calls on parameters whose result a class keeps."""
        for assigned in inner.attributes.values():
            for bound, scope in assigned:
                if isinstance(bound.what, ast.Call):
                    value = bound_value(bound, scope)
                    if isinstance(value, Call) and any(
                        isinstance(a, Parameter) for a in value.args
                    ):
                        yield value

    def bindings(self) -> dict[str, tuple[Binding, ...]]:
        found: dict[str, tuple[Binding, ...]] = {}
        for name, bounds in self.module.names.items():
            values = [
                Binding(
                    to_value(bound.what, self.module, bound.line, bound.arms)
                    if isinstance(bound.what, ast.expr)
                    else bound.what,
                    bound.line,
                    bound.arms,
                )
                for bound in bounds
            ]
            if any(not isinstance(binding.value, Unknown) for binding in values):
                found[name] = tuple(values)
        return found

    def launches(self, kernels: set[int]) -> Iterator[Launch]:
        for noted in self.calls:
            inside = noted.scope.function
            if noted.scope.is_device:
                continue
            launcher = inside.qualname if inside is not None else None
            for target in self.launch_targets(noted, kernels):
                if not isinstance(target, Unknown) and not self.is_foreign(target):
                    yield Launch(target, launcher)

    def launch_targets(self, noted: _Noted, kernels: set[int]) -> Iterator[Value]:
        call, scope, arms = noted.call, noted.scope, noted.arms
        function = call.func
        keywords = {keyword.arg for keyword in call.keywords}
        match function:
            case ast.Subscript():
                yield to_value(function.value, scope, call.lineno, arms)
            case ast.Name():
                value = name_value(function.id, scope, call.lineno, arms)
                for option in value.options if isinstance(value, Choice) else (value,):
                    yield from self.held_launcher(option)
            case ast.Attribute() if function.attr in _LAUNCH_METHODS and "grid" in keywords:
                yield to_value(function.value, scope, call.lineno, arms)
        yield from self.handed_on(noted, keywords, kernels)

    def held_launcher(self, value: Value) -> Iterator[Value]:
        """Yield the kernel of a launcher that is held in a name: `launch = kernel[grid]`."""
        if isinstance(value, Subscript):
            yield value.base
        elif isinstance(value, Global):
            for bound in visible(self.module.names.get(value.name, ()), value.line, value.arms):
                if isinstance(bound.what, ast.Subscript):
                    yield to_value(bound.what.value, self.module, bound.line, bound.arms)

    def handed_on(
        self, noted: _Noted, keywords: set[str | None], kernels: set[int]
    ) -> Iterator[Value]:
        """Yield kernels given to a function that will launch them: `launch(kernel, grid, ...)`."""
        call = noted.call
        name = _last_name(call.func).lower()
        if "grid" not in keywords and not any(word in name for word in _HANDED_ON):
            return
        given = [*call.args, *(k.value for k in call.keywords if k.arg in _KERNEL_KEYWORDS)]
        for arg in given:
            if isinstance(arg, (ast.Name, ast.Attribute)):
                value = to_value(arg, noted.scope, call.lineno, noted.arms)
                if not isinstance(value, (Parameter, Unknown)):
                    yield value


def _keyword(call: ast.Call, names: frozenset[str]) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg in names), None)


def _says_jit(node: ast.expr) -> bool:
    """Tell whether an expression names anything like jit."""
    return any(
        "jit" in (inner.id if isinstance(inner, ast.Name) else inner.attr).lower()
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Name, ast.Attribute))
    )


def _is_plain_jit(node: ast.expr) -> bool:
    """Tell whether a decorator is `jit`, `triton.jit`, `triton.jit(...)`."""
    node = node.func if isinstance(node, ast.Call) else node
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name == "jit"


def _last_name(node: ast.expr) -> str:
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _negated(test: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)


def _parameter_names(arguments: ast.arguments) -> list[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None]
    return [argument.arg for argument in every]


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
