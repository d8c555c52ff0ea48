"""What a kernel's body names of others, and how: arguments, results, methods of its values.

Names are noted as the body is read; what they are given and what its values are is told after,
when all that it binds is known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from crawler.models import UseKind
from crawler.scan.facts import UNKNOWN, Import, Use, Value
from crawler.scan.methods import Values
from crawler.scan.names import CUSTOMARY_ALIASES, LANGUAGE_ROOTS
from crawler.scan.plain import says_constexpr

MAX_PLACES = 64
"""Places that are kept of one use; a body may name the same function hundreds of times."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """A name of the body, or a call of one, with the conditions around it."""

    root: Value
    path: tuple[str, ...]
    guards: tuple[str, ...]
    node: ast.expr


@dataclass(slots=True)
class BodyUses:
    """The notes of one body; `root` tells what a name means outside of it."""

    root: Callable[[str], Value]
    noted: list[_Noted] = field(default_factory=list)
    method_calls: list[tuple[ast.Call, tuple[str, ...]]] = field(default_factory=list)
    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)
    constexprs: set[str] = field(default_factory=set)
    unpacked: dict[ast.expr, int] = field(default_factory=dict)

    def name(
        self, root: Value, path: tuple[str, ...], guards: tuple[str, ...], node: ast.expr
    ) -> None:
        """Note a name or a call of one."""
        self.noted.append(_Noted(root, path, guards, node))

    def method(self, call: ast.Call, guards: tuple[str, ...]) -> None:
        """Note a call of a method of something in the body."""
        self.method_calls.append((call, guards))

    def binding(self, node: ast.AST) -> None:
        """Note what a statement binds."""
        match node:
            case ast.Assign():
                for target in node.targets:
                    self._bind(target, node.value)
            case ast.AnnAssign():
                if node.value is not None:
                    self._bind(node.target, node.value)
                if isinstance(node.target, ast.Name) and says_constexpr(node.annotation):
                    self.constexprs.add(node.target.id)
            case ast.NamedExpr():
                self._bind(node.target, node.value)
            case ast.For():
                self._bind(node.target, None)

    def _bind(self, target: ast.expr, value: ast.expr | None) -> None:
        """Note what a name is bound to; None and what is unpacked leave it unclear."""
        match target:
            case ast.Name(id=name):
                if value is None:
                    self.unclear.add(name)
                else:
                    self.assigned.setdefault(name, []).append(value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                is_spread = any(isinstance(element, ast.Starred) for element in elements)
                if isinstance(value, ast.Call) and not is_spread:
                    self.unpacked[value] = len(elements)
                values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else ()
                is_paired = len(values) == len(elements)
                for place, element in enumerate(elements):
                    self._bind(element, values[place] if is_paired else None)

    def settle(
        self, params: Iterable[str], constexprs: Iterable[str], pointers: Iterable[str]
    ) -> list[Use]:
        """Return the uses of the body, now that all that it binds is known."""
        values = Values(
            params=frozenset(params),
            constexprs=frozenset((*constexprs, *self.constexprs)),
            pointers=frozenset(pointers),
            assigned=self.assigned,
            unclear=frozenset(self.unclear),
            language=self._language,
        )
        noted = [(each, UseKind.NAME) for each in self.noted]
        for call, guards in self.method_calls:
            method = values.method_of(call)
            if method is not None:
                root = Import(0, "triton.language")
                noted.append((_Noted(root, method, guards, call), UseKind.METHOD))
        found: dict[Use, list[tuple[int, int]]] = {}
        for each, kind in noted:
            places = found.setdefault(self._settled(each, kind, values), [])
            if len(places) < MAX_PLACES:
                places.append((each.node.lineno, each.node.col_offset))
        return [msgspec.structs.replace(u, places=tuple(p)) for u, p in found.items()]

    def _settled(self, noted: _Noted, kind: UseKind, values: Values) -> Use:
        node, guards = noted.node, noted.guards
        if not isinstance(node, ast.Call):
            return Use(noted.root, noted.path, (), False, guards, kind)
        keywords = tuple(sorted(k.arg for k in node.keywords if k.arg is not None))
        args = [values.form(arg) for arg in node.args]
        if any(keyword.arg is None for keyword in node.keywords):
            args.append("**")
        unpacked = self.unpacked.get(node, 0)
        return Use(noted.root, noted.path, keywords, True, guards, kind, tuple(args), unpacked)

    def _language(self, function: ast.expr) -> str | None:
        """Return the function of Triton's language that is called, None for any other."""
        path: list[str] = []
        while isinstance(function, ast.Attribute):
            path.append(function.attr)
            function = function.value
        value = self.root(function.id) if isinstance(function, ast.Name) else UNKNOWN
        if not isinstance(value, Import) or value.level:
            return None
        if value.name in CUSTOMARY_ALIASES and len(path) == 1:
            return path[0]
        parts = (value.module, value.name, *reversed(path))
        module, _, name = ".".join(part for part in parts if part).rpartition(".")
        return name if module in LANGUAGE_ROOTS else None
