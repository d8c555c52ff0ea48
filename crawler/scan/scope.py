"""Names to values: what an expression may stand for, as far as one file can tell.

Within the scope where a name is used, the order of statements counts: a binding hides the ones
before it on the same path, and two arms of one `if` never see each other. From an inner function,
which runs later, every binding that the end of the outer scope can see is possible.
"""

from __future__ import annotations

import ast
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from crawler.scan.facts import (
    ARMS,
    UNKNOWN,
    Attribute,
    Call,
    Choice,
    Class,
    Function,
    Global,
    Import,
    Subscript,
    Unknown,
    Value,
)
from crawler.scan.written import well_formed

MAX_DEPTH = 12
"""How deep an expression is followed; real chains of aliases are three or four long."""

MAX_OPTIONS = 32

MAX_VISIBLE = 64
"""How many bindings of one name a use may mean; the nearest ones count."""

MAX_BEFORE = 1_000
"""How many bindings before a use are looked at; those on the other arms of a branch are unseen."""

MAX_FOLLOWED = 500
"""Expressions followed to tell what one means; in a long function all names lead to all others."""

MAX_EFFORT = 1_000_000
"""Expressions followed in one file: 150 times what the largest kernel file seen takes."""

_DEFERRED_ARGS = frozenset({"fn", "func", "f", "kernel"})


class EntangledError(Exception):
    """A file's names lead to one another in more ways than can be followed in reasonable time."""


@dataclass(slots=True, eq=False)
class Effort:
    """What may still be spent on following the names of one file, and for the present question."""

    left: int = MAX_EFFORT
    followed: int = 0

    def ask(self, depth: int) -> None:
        """Begin a new question, unless this is part of one."""
        if depth == 0:
            self.followed = 0

    def spend(self, depth: int) -> bool:
        """Count one expression followed; False when the question has had its share.

        Raises:
            EntangledError: The file has had its share.
        """
        self.ask(depth)
        self.followed += 1
        self.left -= 1
        if self.left < 0:
            raise EntangledError
        return self.followed < MAX_FOLLOWED


class Located(Protocol):
    """Something bound at a line under some branches."""

    @property
    def line(self) -> int:
        """1-based line of the binding."""

    @property
    def arms(self) -> tuple[int, ...]:
        """The branches it stands in, outermost first."""


L = TypeVar("L", bound=Located)


@dataclass(slots=True)
class Bound:
    """One binding of a name: a value, or the expression that gives it."""

    what: Value | ast.expr
    line: int
    arms: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Scope:
    """A module, class or function body with the names bound in it."""

    kind: str
    qualname: str
    parent: Scope | None
    effort: Effort
    """Shared by all scopes of a file."""
    index: int = -1
    """Place in the file's functions or classes; -1 for the module."""
    line: int = 0
    """Where it is defined."""
    names: dict[str, list[Bound]] = field(default_factory=dict)
    attributes: dict[str, list[tuple[Bound, Scope]]] = field(default_factory=dict)
    """Of a class: what methods assign to `self.<name>`, and where."""
    globals: set[str] = field(default_factory=set)
    has_bases: bool = False
    """Of a class: whether it inherits from any other."""
    is_device: bool = False
    """Whether it is the body of a jit function, or inside one."""
    changed: set[str] = field(default_factory=set)
    """Names whose value is changed in place: `configs.append(...)`, `configs += ...`."""
    functions: list[tuple[ast.AST, Scope]] = field(default_factory=list)
    """Of the module: each function with its inner scope, by the index of its `Function` value."""
    flags: dict[str, ast.expr | None] = field(default_factory=dict)
    """Of the module: what its names say of Triton's release, as far as that was asked."""
    annotations: dict[str, ast.expr] = field(default_factory=dict)
    """Of the module: the annotation of each name that has one."""
    lambdas: dict[ast.Lambda, int] = field(default_factory=dict)
    """Of the module: the place of each lambda that may hand on a function."""

    def bind(self, name: str, what: Value | ast.expr, line: int, arms: tuple[int, ...]) -> None:
        """Record that `name` is bound here."""
        scope = self.module if name in self.globals else self
        insort(scope.names.setdefault(name, []), Bound(what, line, arms), key=_line)

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    @property
    def function(self) -> Scope | None:
        """The innermost function this scope is in, itself included."""
        scope: Scope | None = self
        while scope is not None and scope.kind != "function":
            scope = scope.parent
        return scope

    def inner_qualname(self, name: str) -> str:
        """Return the qualname of a definition in this scope, in Python's sense."""
        if self.kind == "module":
            return name
        return (
            f"{self.qualname}.<locals>.{name}"
            if self.kind == "function"
            else (f"{self.qualname}.{name}")
        )


def visible(bindings: Sequence[L], line: int | None, arms: tuple[int, ...]) -> list[L]:
    """Return the bindings, sorted by line, that a use at `line` (None: later) on `arms` may see."""
    seen: list[L] = []
    end = len(bindings) if line is None else bisect_left(bindings, line, key=_line)
    for bound in reversed(bindings[max(0, end - MAX_BEFORE) : end]):
        if _exclude(bound.arms, arms):
            continue
        seen.append(bound)
        if bound.arms == arms[: len(bound.arms)] or len(seen) == MAX_VISIBLE:
            break
    return seen[::-1]


def _line(bound: Located) -> int:
    return bound.line


def _exclude(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    for a, b in zip(one, other, strict=False):
        if a != b:
            return a // ARMS == b // ARMS
    return False


def to_value(
    node: ast.expr | None,
    scope: Scope,
    line: int | None,
    arms: tuple[int, ...] = (),
    depth: int = 0,
) -> Value:
    """Return what an expression, used in `scope` at `line`, may stand for."""
    if node is None or depth > MAX_DEPTH or not scope.effort.spend(depth):
        return UNKNOWN
    match node:
        case ast.Name():
            return name_value(node.id, scope, line, arms, depth)
        case ast.Attribute():
            return _attribute_value(node, scope, line, arms, depth)
        case ast.Call():
            return _call_value(node, scope, line, arms, depth)
        case ast.Subscript():
            base = to_value(node.value, scope, line, arms, depth + 1)
            return UNKNOWN if base is UNKNOWN else Subscript(base)
        case ast.NamedExpr():
            return to_value(node.value, scope, line, arms, depth + 1)
        case ast.Lambda():
            index = scope.module.lambdas.get(node)
            return UNKNOWN if index is None else Function(index)
    options: Sequence[ast.expr | None]
    match node:
        case ast.IfExp():
            options = (node.body, node.orelse)
        case ast.BoolOp() | ast.Dict():
            options = node.values
        case ast.List() | ast.Tuple() | ast.Set():
            options = node.elts
        case _:
            return UNKNOWN
    return choice(
        [to_value(option, scope, line, arms, depth + 1) for option in options[:MAX_OPTIONS]]
    )


def choice(options: Sequence[Value]) -> Value:
    """Return one value for several possible ones; what is unknown says nothing."""
    distinct = list(dict.fromkeys(option for option in options if not isinstance(option, Unknown)))
    if not distinct:
        return UNKNOWN
    return distinct[0] if len(distinct) == 1 else Choice(tuple(distinct[:MAX_OPTIONS]))


def name_value(
    name: str, scope: Scope, line: int | None, arms: tuple[int, ...], depth: int = 0
) -> Value:
    """Return what a name, used in `scope` at `line`, may stand for."""
    scope.effort.ask(depth)
    current: Scope | None = scope
    while current is not None:
        hidden = current.kind == "class" and current is not scope
        if not hidden and current.kind == "module":
            break
        if not hidden and name in current.names and name not in current.globals:
            here = current is scope
            found = visible(current.names[name], line if here else None, arms if here else ())
            part = max(depth, 1)
            return choice([bound_value(bound, current, part) for bound in found])
        current = current.parent
    module = scope.module
    bindings = module.names.get(name)
    outermost = _outermost_function(scope)
    if outermost is not None:
        line, arms = None, ()
        if bindings is not None and len(bindings) > 1:
            # Bound again later: called at once, as in a notebook, it still meant the earlier one.
            return choice([Global(name, None), Global(name, outermost.line)])
    if bindings is not None and len(bindings) == 1 and isinstance(bindings[0].what, Import):
        return bindings[0].what
    return Global(name, line, arms)


def _outermost_function(scope: Scope) -> Scope | None:
    found: Scope | None = None
    current: Scope | None = scope
    while current is not None:
        if current.kind == "function":
            found = current
        current = current.parent
    return found


def bound_value(bound: Bound, scope: Scope, depth: int = 0) -> Value:
    """Return what a binding of `scope` gives its name."""
    scope.effort.ask(depth)
    if isinstance(bound.what, ast.expr):
        return to_value(bound.what, scope, bound.line, bound.arms, depth + 1)
    return bound.what


def _attribute_value(
    node: ast.Attribute, scope: Scope, line: int | None, arms: tuple[int, ...], depth: int
) -> Value:
    if _is_self(node.value):
        owner: Scope | None = scope
        while owner is not None and owner.kind != "class":
            owner = owner.parent
        if owner is not None:
            found = [
                *owner.attributes.get(node.attr, ()),
                *((bound, owner) for bound in owner.names.get(node.attr, ())),
            ]
            if found:
                return choice([bound_value(bound, where, depth + 1) for bound, where in found])
            if owner.has_bases:
                return Attribute(Class(owner.index), node.attr)
    base = to_value(node.value, scope, line, arms, depth + 1)
    return UNKNOWN if isinstance(base, Unknown) else Attribute(base, node.attr)


def _is_self(node: ast.expr) -> bool:
    """Tell whether an expression is the object of a method or its class."""
    match node:
        case ast.Name(id="self" | "cls"):
            return True
        case ast.Attribute(value=ast.Name(id="self"), attr="__class__"):
            return True
        case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id="self")]):
            return True
    return False


def _call_value(
    node: ast.Call, scope: Scope, line: int | None, arms: tuple[int, ...], depth: int
) -> Value:
    callee = to_value(node.func, scope, line, arms, depth + 1)
    # An unknown function may still hand on what it is given: `helper(...)(kernel)`.
    if isinstance(callee, Unknown) and not isinstance(node.func, ast.Call):
        return UNKNOWN
    imported = _dynamic_import(callee, node)
    if imported is not None:
        return imported
    given = [*node.args[:4], *(k.value for k in node.keywords if k.arg in _DEFERRED_ARGS)]
    return Call(callee, tuple(to_value(arg, scope, line, arms, depth + 1) for arg in given))


def _dynamic_import(callee: Value, node: ast.Call) -> Import | None:
    """Return the import that a call amounts to: `import_module(...)`, `importorskip("triton")`."""
    first = node.args[0] if node.args else None
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    is_import = (
        callee == Attribute(Import(0, "importlib"), "import_module")
        or callee == Import(0, "importlib", "import_module")
        or (isinstance(callee, Global) and callee.name == "__import__")
    )
    # Projects have importers of their own; that one is asked for Triton by name says enough.
    if not is_import and not (
        isinstance(callee, (Attribute, Import, Global))
        and "import" in (callee.name or "")
        and first.value.partition(".")[0] == "triton"
    ):
        return None
    level = len(first.value) - len(first.value.lstrip("."))
    return Import(level, well_formed(first.value[level:]))
