"""The code around kernels -> the names of Triton's in it: imports, launchers, configs, tools.

What stands inside kernels is read with them (`crawler.scan.body_uses`). Where a name is tried and
its absence is caught, the code says itself what happens without it, so that is no use.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crawler.models import UseKind
from crawler.scan.facts import Attribute, Choice, Global, Import, Use, Value
from crawler.scan.flags import spelled_out
from crawler.scan.kernel import MAX_GUARDS, guard_texts
from crawler.scan.names import is_foreign_package
from crawler.scan.scope import Scope, name_value
from crawler.scan.survey import FunctionDef, Survey
from crawler.scan.walk import CHILD_FIELDS

_CATCHES = frozenset(
    "AttributeError BaseException Exception ImportError ModuleNotFoundError TypeError".split()
)
_EXPECTS = frozenset({"raises", "suppress"})
_ENDS = frozenset({"exit", "fail", "skip", "_exit", "abort"})


@dataclass(frozen=True, slots=True)
class HostUse:
    """A use outside of kernels; `owners` are the functions that it is in, by place in the file."""

    use: Use
    owners: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around a statement."""

    scope: Scope
    guards: tuple[str, ...] = ()
    owners: tuple[int, ...] = ()
    is_tried: bool = False


def host_uses(tree: ast.Module, survey: Survey) -> list[HostUse]:
    """Return what a file names outside of kernels, as far as it may be Triton's."""
    reader = _Reader(survey)
    reader.block(tree.body, _Around(survey.module))
    return reader.found


class _Reader:
    def __init__(self, survey: Survey) -> None:
        self.found: list[HostUse] = []
        self.module = survey.module
        self.functions = {d.node: (i, d.inner) for i, d in enumerate(survey.definitions)}
        self.classes = {node: inner for node, inner, _ in survey.classes}
        self.values: dict[tuple[int, str], Value | None] = {}

    def block(self, body: Sequence[ast.stmt], around: _Around) -> None:
        for statement in body:
            self.statement(statement, around)
            after = _holds_after(statement)
            if after is not None:
                around = self.under(around, after)

    def statement(self, node: ast.stmt, around: _Around) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.function(node, around)
            case ast.ClassDef():
                self.expressions([*node.decorator_list, *node.bases, *node.keywords], around)
                inner = self.classes.get(node)
                if inner is not None:
                    self.block(node.body, replace(around, scope=inner))
            case ast.Import() | ast.ImportFrom():
                self.imported(node, around)
            case ast.If():
                self.branch(node, around)
            case ast.Try() | ast.TryStar():
                self.attempt(node, around)
            case ast.For() | ast.AsyncFor():
                self.expressions([node.iter], around)
                self.block([*node.body, *node.orelse], around)
            case ast.While():
                self.expressions([node.test], around)
                self.block([*node.body, *node.orelse], around)
            case ast.With() | ast.AsyncWith():
                self.expressions([item.context_expr for item in node.items], around)
                expects = any(_expects(item.context_expr) for item in node.items)
                self.block(node.body, replace(around, is_tried=around.is_tried or expects))
            case ast.Match():
                self.expressions([node.subject], around)
                for case in node.cases:
                    self.block(case.body, around)
            case _:
                self.expressions([node], around)

    def function(self, node: FunctionDef, around: _Around) -> None:
        index, inner = self.functions.get(node, (None, None))
        if index is None or inner is None or inner.is_device:
            return  # what is said of a kernel, its decorators included, is read with it
        arguments = node.args
        given = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
        owned = replace(around, owners=(*around.owners, index))
        self.expressions([*node.decorator_list, *given], owned)
        self.block(node.body, replace(owned, scope=inner))

    def branch(self, node: ast.If, around: _Around) -> None:
        # An elif chain is a loop here, not a recursion: it may be thousands long.
        while True:
            self.expressions([node.test], around)
            self.block(node.body, self.under(around, node.test))
            around = self.under(around, _negated(node.test))
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                continue
            self.block(node.orelse, around)
            return

    def attempt(self, node: ast.Try | ast.TryStar, around: _Around) -> None:
        tried = around
        if any(_catches(handler) for handler in node.handlers):
            tried = replace(around, is_tried=True)
        self.block(node.body, tried)
        self.block([*node.orelse, *node.finalbody], around)
        for handler in node.handlers:
            self.block(handler.body, tried)

    def under(self, around: _Around, test: ast.expr) -> _Around:
        if len(around.guards) >= MAX_GUARDS:
            return around
        texts = guard_texts([spelled_out(test, self.module)])
        return replace(around, guards=(*around.guards, *texts)) if texts else around

    def imported(self, node: ast.Import | ast.ImportFrom, around: _Around) -> None:
        level = 0 if isinstance(node, ast.Import) else node.level
        for alias in node.names:
            module = alias.name if isinstance(node, ast.Import) else node.module or ""
            name = None if isinstance(node, ast.Import) or alias.name == "*" else alias.name
            is_tritons = not level and module.partition(".")[0] == "triton"
            if is_tritons and not self.is_chosen(alias.asname or alias.name, around.scope):
                self.add(Import(0, module, name), (), alias, around)

    def is_chosen(self, name: str, scope: Scope) -> bool:
        """Tell whether branches choose what a name means: where one fails, another is taken."""
        bounds = scope.names.get(name, ())
        return len(bounds) > 1 and all(bound.arms for bound in bounds)

    def expressions(self, roots: Sequence[ast.AST], around: _Around) -> None:
        stack: list[tuple[ast.AST, _Around]] = [(root, around) for root in reversed(roots)]
        while stack:
            node, here = stack.pop()
            match node:
                case ast.Call():
                    root = self.named(node.func, here, node)
                    stack.extend((part, here) for part in (*node.args, *node.keywords))
                    stack.extend(() if isinstance(root, ast.Name) else ((root, here),))
                case ast.Attribute() | ast.Name():
                    root = self.named(node, here, None)
                    stack.extend(() if isinstance(root, ast.Name) else ((root, here),))
                case ast.IfExp():
                    stack.append((node.test, here))
                    stack.append((node.body, self.under(here, node.test)))
                    stack.append((node.orelse, self.under(here, _negated(node.test))))
                case ast.BoolOp():
                    for value in node.values:
                        stack.append((value, here))
                        is_and = isinstance(node.op, ast.And)
                        here = self.under(here, value if is_and else _negated(value))
                case _:
                    for name in CHILD_FIELDS[type(node)]:
                        part = getattr(node, name)
                        parts = part if isinstance(part, list) else [part]
                        stack.extend((each, here) for each in parts if each is not None)

    def named(self, node: ast.expr, around: _Around, call: ast.Call | None) -> ast.expr:
        """Note the dotted name that an expression is or a call calls; return its root."""
        path: list[str] = []
        root = node
        while isinstance(root, ast.Attribute):
            path.append(root.attr)
            root = root.value
        is_load = isinstance(getattr(node, "ctx", None), ast.Load)
        if isinstance(root, ast.Name) and is_load and (path or call is not None):
            value = self.value(root.id, around.scope)
            if value is not None:
                self.add(value, tuple(reversed(path)), node, around, call)
        return root

    def value(self, name: str, scope: Scope) -> Value | None:
        """Return what a name means if that may be of Triton, else None."""
        key = (id(scope), name)
        if key not in self.values:
            value = name_value(name, scope, None, ())
            self.values[key] = value if any(map(_may_be_tritons, _options(value))) else None
        return self.values[key]

    def add(
        self,
        root: Value,
        path: tuple[str, ...],
        node: ast.expr | ast.alias,
        around: _Around,
        call: ast.Call | None = None,
    ) -> None:
        if around.is_tried:
            return
        keywords, args = _given(call) if call is not None else ((), None)
        use = Use(
            root,
            path,
            keywords,
            call is not None,
            around.guards,
            UseKind.HEADER,
            args,
            places=((node.lineno, node.col_offset),),
        )
        self.found.append(HostUse(use, around.owners))


def _given(call: ast.Call) -> tuple[tuple[str, ...], tuple[str, ...]]:
    keywords = tuple(sorted(k.arg for k in call.keywords if k.arg is not None))
    args = ["*" if isinstance(arg, ast.Starred) else "?" for arg in call.args]
    if any(keyword.arg is None for keyword in call.keywords):
        args.append("**")
    return keywords, tuple(args)


def _options(value: Value) -> Iterator[Value]:
    yield from value.options if isinstance(value, Choice) else (value,)


def _may_be_tritons(value: Value) -> bool:
    match value:
        case Import(level=level, module=module):
            return bool(level) or not is_foreign_package(module)
        case Global():
            return True
    return isinstance(value, Attribute)


def _holds_after(node: ast.stmt) -> ast.expr | None:
    """Return the condition that holds behind a statement: behind `if not c: return` it is `c`."""
    match node:
        case ast.If(orelse=[]) if _ends(node.body[-1]):
            return _negated(node.test)
        case ast.Assert():
            return node.test
    return None


def _ends(node: ast.stmt) -> bool:
    match node:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))):
            return name in _ENDS
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler is there for what is missing."""
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(getattr(kind, "id", getattr(kind, "attr", "")) in _CATCHES for kind in kinds)


def _expects(node: ast.expr) -> bool:
    """Tell whether a context is there for errors: `suppress(...)`, `pytest.raises(...)`."""
    function = node.func if isinstance(node, ast.Call) else node
    return getattr(function, "id", getattr(function, "attr", "")) in _EXPECTS


def _negated(test: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
