"""One function that is or may be a kernel -> its facts: header, docs, parameters, names used."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from crawler.models import Autotune, Param, ParamKind, UseKind
from crawler.scan.autotune import decorator_name, is_tuner, read_autotune, read_heuristics
from crawler.scan.body_notes import SPECIALIZES, BodyNotes, specialized_calls
from crawler.scan.body_uses import BodyUses
from crawler.scan.decorated import uses_around
from crawler.scan.documentation import documentation
from crawler.scan.facts import (
    UNKNOWN,
    Global,
    Import,
    KernelFacts,
    Parameter,
    Unknown,
    Use,
    Value,
)
from crawler.scan.flags import spelled_out
from crawler.scan.flow import Flow
from crawler.scan.header import MAX_DECORATOR, HeaderParam, read_header
from crawler.scan.names import CUSTOMARY_ALIASES
from crawler.scan.parameters import annotated_kind, annotations_of, kind_of
from crawler.scan.scope import Scope, name_value
from crawler.scan.walk import CHILD_FIELDS
from crawler.scan.written import written

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef

MAX_GUARD = 160
MAX_GUARDS = 8
BUILTINS = frozenset(dir(builtins))
_GUARD_WORDS = re.compile(r"version|hasattr|getattr|triton|has_|is_|hip|cuda|rocm|xpu|npu", re.I)
_SPECIAL = frozenset({ast.If, ast.IfExp, ast.Call, ast.Attribute, ast.Return})
_NOTED: dict[type[ast.AST], Callable[[BodyNotes, Any], None]] = {
    ast.Assign: BodyNotes.assigned,
    ast.AnnAssign: BodyNotes.assigned,
    ast.NamedExpr: BodyNotes.assigned,
    ast.AugAssign: BodyNotes.change,
    ast.BinOp: BodyNotes.operation,
    ast.Compare: BodyNotes.comparison,
    ast.For: BodyNotes.loop,
}
"""What tells where values flow; its parts are read like all others."""

_NUMBERS = (ParamKind.CONSTEXPR, ParamKind.SCALAR)


def kernel_facts(
    node: FunctionDef,
    inner: Scope,
    lines: Sequence[str],
    *,
    applied: Sequence[ast.expr],
    guards: Sequence[ast.expr],
    annotated_later: Sequence[tuple[str, Value]] = (),
) -> KernelFacts:
    """Return the facts of one function.

    Args:
        node: the function.
        inner: the scope of its body.
        lines: those of its file, without line ends.
        applied: the calls made on it after its definition.
        guards: the conditions under which it is defined.
        annotated_later: parameters with what their annotation is set to after the definition.
    """
    assert inner.parent is not None
    header = read_header(node, lines)
    start = min((d.lineno for d in node.decorator_list), default=node.lineno)
    end = node.end_lineno or node.lineno
    autotune, heuristics = _tuning([*applied, *node.decorator_list], inner)
    written_kinds = {param.name: annotated_kind(param.annotation) for param in header.params}
    fixed = (name for name, kind in written_kinds.items() if kind in _NUMBERS)
    notes = BodyNotes(written_kinds, fixed)
    uses = BodyUses(root=lambda name: body.root(name))
    body = _Body(inner, notes, uses)
    body.read(node, guard_texts([spelled_out(guard, inner.module) for guard in guards]))
    flow = Flow(notes)
    params = tuple(
        Param(name=p.name, kind=kind_of(p.name, written_kinds[p.name], flow), default=p.default)
        for p in header.params
    )
    rest = {extra.arg for extra in (node.args.vararg, node.args.kwarg) if extra is not None}
    params = tuple(replace(p, kind=ParamKind.UNKNOWN) if p.name in rest else p for p in params)
    unknown = {param.name for param in params if param.kind is ParamKind.UNKNOWN}
    return KernelFacts(
        start_line=start,
        def_line=node.lineno,
        end_line=end,
        docstring=documentation(node, start, lines),
        params=params,
        decorators=(*(written(call, MAX_DECORATOR) for call in applied), *header.decorators),
        autotune=autotune,
        heuristics=heuristics,
        uses=(
            *uses.settle(
                written_kinds,
                (n for n, kind in written_kinds.items() if kind is ParamKind.CONSTEXPR),
                flow.pointers,
            ),
            *uses_around(node, applied, inner.parent),
            *_annotated_pointers(header.params, flow, node.lineno),
            *_open_parameters(node),
        ),
        passes=tuple(flow.passes),
        methods=tuple(sorted(body.methods)),
        returns_value=body.returns_value,
        source="\n".join(lines[start - 1 : end]),
        numbers=tuple(sorted((flow.numbers & unknown) - rest)),
        given_back=tuple(sorted(flow.given_back)),
        methods_of=tuple(sorted((flow.methods & unknown) - flow.pointers)),
        annotations=(*annotated_later, *annotations_of(node.args, unknown, inner.parent)),
    )


def _annotated_pointers(params: Iterable[HeaderParam], flow: Flow, line: int) -> Iterator[Use]:
    """Yield the pointers that have an annotation, which once made them constants."""
    for param in params:
        if param.annotation and param.name in flow.pointers and "constexpr" not in param.annotation:
            kind = UseKind.ANNOTATED_POINTER
            yield Use(UNKNOWN, (param.name,), (), False, (), kind, places=((line, 0),))


def _open_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Use]:
    """Yield `**meta` where the body reads it."""
    open_ = node.args.kwarg
    if open_ is None:
        return
    reads = (each for statement in node.body for each in ast.walk(statement))
    if any(isinstance(each, ast.Name) and each.id == open_.arg for each in reads):
        kind, place = UseKind.OPEN_PARAMETERS, (open_.lineno, open_.col_offset)
        yield Use(UNKNOWN, (f"**{open_.arg}",), (), False, (), kind, places=(place,))


def _tuning(
    decorators: Sequence[ast.expr], inner: Scope
) -> tuple[Autotune | None, tuple[str, ...]]:
    assert inner.parent is not None
    autotune: Autotune | None = None
    heuristics: list[str] = []
    for decorator in decorators:
        if not isinstance(decorator, ast.Call):
            continue
        if decorator_name(decorator.func).rpartition(".")[2].lower() == "heuristics":
            heuristics.extend(read_heuristics(decorator, inner.parent))
        elif autotune is None and is_tuner(decorator):
            autotune = read_autotune(decorator, inner.parent)
    return autotune, tuple(heuristics)


def guard_texts(guards: Sequence[ast.expr]) -> tuple[str, ...]:
    """Return the conditions that may tell releases or devices apart; others do not matter here."""
    texts = (written(guard, MAX_GUARD) for guard in guards[:MAX_GUARDS])
    return tuple(text for text in texts if _GUARD_WORDS.search(text))


class _Body:
    """Reads a kernel's body once: the names it uses, where its parameters flow."""

    def __init__(self, inner: Scope, notes: BodyNotes, uses: BodyUses) -> None:
        assert inner.parent is not None
        self.outer = inner.parent
        self.local = inner.names
        self.uses = uses
        self.methods: set[str] = set()
        self.returns_value = False
        self.roots: dict[str, Value] = {}
        self.notes = notes

    def read(self, node: FunctionDef, guards: tuple[str, ...]) -> None:
        stack: list[tuple[ast.AST, tuple[str, ...]]] = [(s, guards) for s in reversed(node.body)]
        pop, push = stack.pop, stack.append
        while stack:
            child, guards = pop()
            kind = type(child)
            if kind is ast.Name:
                self.use(child.id, (), guards, child)  # type: ignore[attr-defined, arg-type]
                continue
            noted = _NOTED.get(kind)
            if noted is not None:
                noted(self.notes, child)
                self.uses.binding(child)
            elif kind in _SPECIAL:
                parts = self.special(child, guards)
                if parts is not None:
                    stack.extend(parts)
                    continue
            for name in CHILD_FIELDS[kind]:
                part = getattr(child, name)
                if part.__class__ is list:
                    stack.extend([(p, guards) for p in part if p is not None])
                elif part is not None:
                    push((part, guards))

    def special(
        self, node: ast.AST, guards: tuple[str, ...]
    ) -> Iterable[tuple[ast.AST, tuple[str, ...]]] | None:
        """Note what a node says, and return its parts still to be read; None for all of them."""
        match node:
            case ast.If() | ast.IfExp():
                return self.branch(node, guards)
            case ast.Call():
                return [(part, guards) for part in self.call(node, guards)]
            case ast.Attribute():
                root, path = _dotted(node)
                if isinstance(root, ast.Name):
                    self.use(root.id, path, guards, node)
                    self.notes.typed(root.id, path)
                    return ()
                return ((root, guards),)
            case ast.Return():
                is_none = isinstance(node.value, ast.Constant) and node.value.value is None
                if node.value is not None and not is_none:
                    self.returns_value = True
                    self.notes.returned(node.value)
        return None

    def branch(
        self, node: ast.If | ast.IfExp, guards: tuple[str, ...]
    ) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
        yield node.test, guards
        then = other = guards
        if len(guards) < MAX_GUARDS:
            test = spelled_out(node.test, self.outer.module, self.local)
            then = (*guards, *guard_texts([test]))
            negated = ast.UnaryOp(ast.Not(), test)
            other = (*guards, *guard_texts([negated])) if len(then) > len(guards) else guards
        bodies = (node.body, node.orelse)
        for part, texts in zip(bodies, (then, other), strict=True):
            for child in part if isinstance(part, list) else (part,):
                yield child, texts

    def call(self, node: ast.Call, guards: tuple[str, ...]) -> Iterator[ast.AST]:
        root, path = _dotted(node.func)
        if path and not (isinstance(root, ast.Name) and isinstance(self.root(root.id), Import)):
            self.methods.add(path[-1])
            self.uses.method(node, guards)
        if isinstance(root, ast.Name):
            self.use(root.id, path, guards, node)
            self.flows(node, root.id, path)
        else:
            if path and path[-1].startswith("atomic_"):
                self.notes.bases.append(root)
            yield node.func
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)

    def use(
        self, root: str, path: tuple[str, ...], guards: tuple[str, ...], node: ast.expr
    ) -> None:
        value = self.roots.get(root) or self.root(root)
        if value is not UNKNOWN:
            self.uses.name(value, path, guards, node)

    def root(self, name: str) -> Value:
        """Return what a name means outside the kernel; what is local says nothing."""
        if name not in self.roots:
            value = UNKNOWN if name in self.local else name_value(name, self.outer, None, ())
            unbound = isinstance(value, Global) and name not in self.outer.module.names
            if unbound and name in CUSTOMARY_ALIASES:
                value = Import(0, CUSTOMARY_ALIASES[name])
            elif (unbound and name in BUILTINS) or isinstance(value, Parameter):
                value = UNKNOWN
            self.roots[name] = value
        return self.roots[name]

    def flows(self, node: ast.Call, name: str, path: tuple[str, ...]) -> None:
        """Note where a call takes what it is given."""
        value = self.root(name)
        if path[-1:] == (SPECIALIZES,):
            for call in specialized_calls(node):
                root, inner = _dotted(call.func)
                if isinstance(root, ast.Name):
                    self.flows(call, root.id, inner)
        elif not isinstance(value, Unknown):
            self.notes.call(node, name, value, path)
        elif path:
            self.notes.method(node, name, path)
        else:
            self.notes.plain_call(node, name)


def _dotted(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    """Return the root of an attribute chain and the names after it."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return node, tuple(reversed(path))
