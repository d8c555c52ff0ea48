"""One function that is or may be a kernel -> its facts: header, docs, parameters, names used."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from crawler.models import Autotune, Param, ParamKind
from crawler.scan.autotune import decorator_name, is_tuner, read_autotune, read_heuristics
from crawler.scan.facts import (
    UNKNOWN,
    Global,
    Import,
    KernelFacts,
    Parameter,
    Pass,
    Unknown,
    Use,
    Value,
)
from crawler.scan.flags import spelled_out
from crawler.scan.header import MAX_DECORATOR, Header, HeaderParam, read_header
from crawler.scan.names import CUSTOMARY_ALIASES
from crawler.scan.scope import Scope, name_value
from crawler.scan.walk import CHILD_FIELDS
from crawler.scan.written import well_formed, written

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef

MAX_GUARD = 160
MAX_GUARDS = 8
MAX_DOCUMENTATION = 32 << 10
"""Characters of a docstring that are kept; `inspect.cleandoc` is slow on what is far longer."""

BUILTINS = frozenset(dir(builtins))
_GUARD_WORDS = re.compile(r"version|hasattr|getattr|triton|has_|is_|hip|cuda|rocm|xpu|npu", re.I)
_POINTER_CALLS = frozenset(
    {"load", "store", "make_block_ptr", "make_tensor_descriptor", "multiple_of", "max_contiguous"}
)
_DESCRIPTOR_CALLS = re.compile(r"descriptor|tma|async_copy_global_to_(shared|local)")
_DESCRIPTOR_METHODS = frozenset({"load", "store", "gather", "scatter", "atomic_add", "reduce"})
_KEEPS_POINTER = frozenset({"multiple_of", "max_contiguous", "cast", "to", "assume"})
_POINTER_NAME = re.compile(r"(^|_)(ptr|ptrs|pointer)(_|\d|$)|(?<=[a-z])ptr$", re.I)
_DESCRIPTOR_NAME = re.compile(r"(^|_)(desc|descriptor|tma)(_|\d|$)", re.I)
_SCALAR_ANNOTATIONS = re.compile(r"^(tl\.)?(u?int\d*|float\d*|bfloat16|bool|fp\d+|i\d+|i1)$")
_SPECIAL = frozenset({ast.If, ast.IfExp, ast.Call, ast.Attribute, ast.Return, ast.Assign})
_NO_DOC = re.compile(
    r"^(fmt:|noqa|type:|pylint|mypy|ruff|isort|pragma|TODO|FIXME|SPDX|[-=*#~\s]*$)"
)


def kernel_facts(
    node: FunctionDef,
    inner: Scope,
    lines: Sequence[str],
    *,
    applied: Sequence[ast.expr],
    guards: Sequence[ast.expr],
) -> KernelFacts:
    """Return the facts of one function; `applied` are the calls made on it after its definition."""
    header = read_header(node, lines)
    start = min((d.lineno for d in node.decorator_list), default=node.lineno)
    end = node.end_lineno or node.lineno
    autotune, heuristics = _tuning([*applied, *node.decorator_list], inner)
    body = _Body(inner, {param.name for param in header.params})
    body.read(node, _guard_texts([spelled_out(guard, inner.module) for guard in guards]))
    return KernelFacts(
        start_line=start,
        def_line=node.lineno,
        end_line=end,
        docstring=_documentation(node, start, header, lines),
        params=tuple(body.param(param) for param in header.params),
        decorators=(*(written(call, MAX_DECORATOR) for call in applied), *header.decorators),
        autotune=autotune,
        heuristics=heuristics,
        uses=tuple(body.uses),
        passes=tuple(body.passes),
        methods=tuple(sorted(body.methods)),
        returns_value=body.returns_value,
        source="\n".join(lines[start - 1 : end]),
    )


def _tuning(
    decorators: Sequence[ast.expr], inner: Scope
) -> tuple[Autotune | None, tuple[str, ...]]:
    assert inner.parent is not None
    autotune: Autotune | None = None
    heuristics: list[str] = []
    for decorator in decorators:
        if not isinstance(decorator, ast.Call):
            continue
        if decorator_name(decorator.func).rpartition(".")[2] == "heuristics":
            heuristics.extend(read_heuristics(decorator, inner.parent))
        elif autotune is None and is_tuner(decorator):
            autotune = read_autotune(decorator, inner.parent)
    return autotune, tuple(heuristics)


def _guard_texts(guards: Sequence[ast.expr]) -> tuple[str, ...]:
    """Return the conditions that may tell releases or devices apart; others do not matter here."""
    texts = (written(guard, MAX_GUARD) for guard in guards[:MAX_GUARDS])
    return tuple(text for text in texts if _GUARD_WORDS.search(text))


def _documentation(
    node: FunctionDef, start: int, header: Header, lines: Sequence[str]
) -> str | None:
    """Return the docstring, else the comment that leads the kernel and those of its parameters."""
    docstring = ast.get_docstring(node, clean=False)
    if docstring and docstring.strip():
        return well_formed(inspect.cleandoc(docstring[:MAX_DOCUMENTATION]))
    above = _comment_block(lines, start - 2, -1)
    inside = [] if above else _comment_block(lines, _header_end(node, lines), 1)
    params = [f"{p.name}: {p.comment}" for p in header.params if p.comment]
    text = "\n".join([*(above or inside), *params])[:MAX_DOCUMENTATION].strip()
    return text or None


def _header_end(node: FunctionDef, lines: Sequence[str]) -> int:
    """Return the index of the first line after the header (0-based)."""
    index = node.body[0].lineno - 1
    while index > node.lineno and lines[index - 1].lstrip().startswith("#"):
        index -= 1
    return index


def _comment_block(lines: Sequence[str], index: int, step: int) -> list[str]:
    block: list[str] = []
    while 0 <= index < len(lines) and lines[index].lstrip().startswith("#"):
        text = lines[index].lstrip().lstrip("#").strip()
        if not _NO_DOC.match(text):
            block.append(text)
        index += step
    return block if step > 0 else block[::-1]


class _Body:
    """Reads a kernel's body once: the names it uses, where its parameters flow."""

    def __init__(self, inner: Scope, params: set[str]) -> None:
        assert inner.parent is not None
        self.outer = inner.parent
        self.local = inner.names
        self.params = params
        self.uses: dict[Use, None] = {}
        self.passes: dict[Pass, None] = {}
        self.pointers: set[str] = set()
        self.descriptors: set[str] = set()
        self.methods: set[str] = set()
        self.returns_value = False
        self.roots: dict[str, Value] = {}
        self.assigned: dict[str, list[ast.expr]] = {}

    def read(self, node: FunctionDef, guards: tuple[str, ...]) -> None:
        stack: list[tuple[ast.AST, tuple[str, ...]]] = [(s, guards) for s in reversed(node.body)]
        pop, push = stack.pop, stack.append
        while stack:
            child, guards = pop()
            kind = type(child)
            if kind is ast.Name:
                self.use(child.id, (), (), guards, is_call=False)  # type: ignore[attr-defined]
                continue
            if kind in _SPECIAL:
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
                    self.use(root.id, path, (), guards, is_call=False)
                    return ()
                return ((root, guards),)
            case ast.Return():
                self.returns_value |= node.value is not None and not (
                    isinstance(node.value, ast.Constant) and node.value.value is None
                )
            case ast.Assign():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.assigned.setdefault(target.id, []).append(node.value)
        return None

    def branch(
        self, node: ast.If | ast.IfExp, guards: tuple[str, ...]
    ) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
        yield node.test, guards
        then = other = guards
        if len(guards) < MAX_GUARDS:
            test = spelled_out(node.test, self.outer.module, self.local)
            then = (*guards, *_guard_texts([test]))
            negated = ast.UnaryOp(ast.Not(), test)
            other = (*guards, *_guard_texts([negated])) if len(then) > len(guards) else guards
        bodies = (node.body, node.orelse)
        for part, texts in zip(bodies, (then, other), strict=True):
            for child in part if isinstance(part, list) else (part,):
                yield child, texts

    def call(self, node: ast.Call, guards: tuple[str, ...]) -> Iterator[ast.AST]:
        root, path = _dotted(node.func)
        if path and not (isinstance(root, ast.Name) and isinstance(self.root(root.id), Import)):
            self.methods.add(path[-1])
        keywords = tuple(sorted(k.arg for k in node.keywords if k.arg is not None))
        if isinstance(root, ast.Name):
            self.use(root.id, path, keywords, guards, is_call=True)
            self.flow(node, root.id, path)
        else:
            yield node.func
        yield from node.args
        yield from (keyword.value for keyword in node.keywords)

    def use(
        self,
        root: str,
        path: tuple[str, ...],
        keywords: tuple[str, ...],
        guards: tuple[str, ...],
        *,
        is_call: bool,
    ) -> None:
        value = self.roots.get(root) or self.root(root)
        if value is not UNKNOWN:
            self.uses[Use(value, path, keywords, is_call, guards)] = None

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

    def flow(self, node: ast.Call, root: str, path: tuple[str, ...]) -> None:
        """Note where parameters go: into memory operations, descriptors, other functions."""
        last = path[-1] if path else root
        if root in self.params and path and path[-1] in _DESCRIPTOR_METHODS and len(path) == 1:
            self.descriptors.add(root)
        elif isinstance(self.root(root), Unknown):
            return
        first = node.args[0] if node.args else None
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if last in _POINTER_CALLS or last.startswith("atomic_"):
            pointer = first or named.get("pointer") or named.get("base")
            self.pointers |= self.bases(pointer, 0)
        elif _DESCRIPTOR_CALLS.search(last) and not last.startswith("make_"):
            self.descriptors |= self.bases(first or named.get("desc"), 0)
        else:
            self.hand_over(node, root, path)

    def hand_over(self, node: ast.Call, root: str, path: tuple[str, ...]) -> None:
        places: Iterator[tuple[int | str, ast.expr]] = chain(
            enumerate(node.args),
            ((k.arg, k.value) for k in node.keywords if k.arg is not None),
        )
        for place, arg in places:
            for name in self.bases(arg, 0) if not isinstance(arg, ast.Constant) else ():
                self.passes[Pass(self.root(root), path, place, name)] = None

    def bases(self, node: ast.expr | None, depth: int) -> set[str]:
        """Return the parameters that an address starts from: `x_ptr` in `x_ptr + row * stride`."""
        while depth < 16:
            depth += 1
            match node:
                case ast.Name():
                    if node.id in self.params:
                        return {node.id}
                    given = self.assigned.get(node.id, ())
                    return set().union(*(self.bases(g, depth + 4) for g in given[:4]))
                case ast.BinOp(op=ast.Add() | ast.Sub()):
                    node = node.left
                case ast.Subscript():
                    node = node.value
                case ast.IfExp():
                    return self.bases(node.body, depth) | self.bases(node.orelse, depth)
                case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _KEEPS_POINTER:
                    is_method = attr == "to"
                    node = value if is_method else (node.args[0] if node.args else None)
                case _:
                    return set()
        return set()

    def param(self, param: HeaderParam) -> Param:
        """Return a parameter with its kind; what the file alone cannot tell is unknown."""
        annotation = (param.annotation or "").strip("'\"")
        name = param.name
        if annotation.rpartition(".")[2].startswith("constexpr") or "constexpr" in annotation:
            kind = ParamKind.CONSTEXPR
        elif (
            name in self.descriptors or _DESCRIPTOR_NAME.search(name) or "descriptor" in annotation
        ):
            kind = ParamKind.DESCRIPTOR
        elif name in self.pointers or annotation.startswith("*") or "pointer" in annotation:
            kind = ParamKind.POINTER
        elif _SCALAR_ANNOTATIONS.match(annotation):
            kind = ParamKind.SCALAR
        elif _POINTER_NAME.search(name):
            kind = ParamKind.POINTER
        else:
            kind = ParamKind.UNKNOWN
        return Param(name=name, kind=kind, default=param.default)


def _dotted(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    """Return the root of an attribute chain and the names after it."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return node, tuple(reversed(path))
