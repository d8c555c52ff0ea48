"""Where the parameters of a kernel go: into addresses, descriptors, sums, other functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from enum import Enum

from crawler.scan.body_notes import BodyNotes, arguments_of, last_name
from crawler.scan.facts import WHOLE, Pass

MAX_GIVEN = 8
"""Assignments to one name that are followed."""

MAX_FOLLOWED = 400
"""Expressions followed to tell where one address starts."""

_MAKERS = ("make_tensor_descriptor", "make_block_ptr")
_POINTER_NAME = re.compile(r"(^|_)(ptr|ptrs|pointer|pointers)(_|\d|$)|(?<=[a-z])(ptr|Ptr)s?$", re.I)


class _Side(Enum):
    """What one side of a sum looks like."""

    POINTER = 1
    NUMBER = 2
    EITHER = 3


class Flow:
    """What the notes of a whole body tell of its parameters."""

    def __init__(self, notes: BodyNotes) -> None:
        """Take the notes of a whole body."""
        self._notes = notes
        self._given = notes.given
        self._sides: dict[str, _Side] = {}
        self.pointers: set[str] = set()
        self.descriptors: set[str] = set()
        self.methods: set[str] = set()
        """Parameters whose methods `load` and `store` are called."""
        self.passes: dict[Pass, None] = {}
        self._spread_numbers()
        for base in notes.bases:
            self.pointers |= self.starts(base, is_address=True)
        self._spread_numbers()
        for described in notes.described:
            self.descriptors |= self.starts(described)
        for name in dict.fromkeys(notes.called_on):
            if not (name in notes.params and any(map(_is_maker, self._given.get(name, ())))):
                self.methods |= self.starts(ast.Name(name))
        self.given_back: set[tuple[int, str]] = set()
        """Parameters that what is returned starts from, with the place of it in the tuple."""
        for place, node in notes.given_back:
            self.given_back.update((place, name) for name in self.starts(node))
        self._note_passes()
        self.numbers = (notes.numbers & notes.params) - notes.constants
        """Parameters that can only be numbers, but for constants of the compiler."""

    def _note_passes(self) -> None:
        for call, root, path in self._notes.calls:
            for place, arg in arguments_of(call):
                for name in sorted(self.starts(arg)):
                    self.passes[Pass(root, path, place, name)] = None

    def _spread_numbers(self) -> None:
        seen: set[str] = set()
        while new := self._notes.numbers - seen - self._notes.params:
            seen |= new
            for name in new:
                for given in self._given.get(name, ())[:MAX_GIVEN]:
                    self._notes.number(given)

    def starts(self, node: ast.expr, *, is_address: bool = False) -> set[str]:
        """Return the parameters that an address starts from: `x_ptr` in `x_ptr + row * stride`.

        Of what is surely an address (`is_address`), what is added to it is noted as numbers, and
        the calls of other functions that make it as passes.
        """
        found: set[str] = set()
        waiting: list[ast.expr | None] = [node]
        seen: set[str] = set()
        for _ in range(MAX_FOLLOWED):
            if not waiting:
                break
            node = waiting.pop()  # type: ignore[assignment]
            match node:
                case ast.Name(id=name):
                    if name in seen:
                        continue
                    seen.add(name)
                    if name in self._notes.params and name not in self._notes.fixed:
                        found.add(name)
                    waiting += self._given.get(name, ())[:MAX_GIVEN]
                case ast.BinOp(op=ast.Add()):
                    base, offset = self._sides_of(node)
                    waiting.append(base)
                    if is_address:
                        self._notes.number(offset)
                case ast.BinOp(op=ast.Sub()):
                    waiting.append(node.left)
                case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int(place))):
                    waiting += self._through(call, place, is_address=is_address)
                case ast.Subscript() | ast.NamedExpr():
                    waiting.append(node.value)
                case ast.IfExp():
                    waiting += (node.body, node.orelse)
                case ast.Call():
                    waiting += self._through(node, WHOLE, is_address=is_address)
        return found

    def _through(
        self, node: ast.Call, element: int, *, is_address: bool
    ) -> Iterable[ast.expr | None]:
        """Return what an address that a call gives back, as such an element, may start from."""
        kept = self._notes.kept(node)
        if kept is not None:
            return (kept,)
        if last_name(node.func) == "where":
            return node.args[1:3]
        made_by = self._notes.roots.get(id(node)) if is_address else None
        if made_by is not None:
            root, path = made_by
            for place, arg in arguments_of(node):
                for name in sorted(self.starts(arg)):
                    self.passes[Pass(root, path, place, name, element)] = None
        return ()

    def _sides_of(self, node: ast.BinOp) -> tuple[ast.expr, ast.expr]:
        """Return the side of a sum that the address stands on, and the other."""
        left, right = self._side(node.left, 0), self._side(node.right, 0)
        is_right = left is not _Side.POINTER and (
            right is _Side.POINTER or (left is _Side.NUMBER and right is _Side.EITHER)
        )
        return (node.right, node.left) if is_right else (node.left, node.right)

    def _side(self, node: ast.expr, depth: int) -> _Side:
        if depth > 24:
            return _Side.EITHER
        match node:
            case ast.Name():
                return self._named(node.id, depth)
            case ast.Constant() | ast.Compare() | ast.UnaryOp() | ast.BoolOp():
                return _Side.NUMBER
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return _joined(
                    (self._side(node.left, depth + 1), self._side(node.right, depth + 1))
                )
            case ast.BinOp():
                return _Side.NUMBER
            case ast.Subscript() | ast.NamedExpr():
                return self._side(node.value, depth + 1)
            case ast.IfExp():
                return _joined(
                    (self._side(node.body, depth + 1), self._side(node.orelse, depth + 1))
                )
            case ast.Call():
                return self._called(node, depth)
        return _Side.EITHER

    def _called(self, node: ast.Call, depth: int) -> _Side:
        if any(last_name(arg) == "pointer_type" for arg in (arg for _, arg in arguments_of(node))):
            return _Side.POINTER
        kept = self._notes.kept(node)
        if kept is not None:
            return self._side(kept, depth + 1)
        is_own = id(node) in self._notes.roots or last_name(node.func) == "where"
        return _Side.EITHER if is_own else _Side.NUMBER

    def _named(self, name: str, depth: int) -> _Side:
        known = self._sides.get(name)
        if known is not None:
            return known
        self._sides[name] = _Side.EITHER  # while it is asked for itself
        if name in self._notes.params:
            found = self._of_param(name)
        elif name in self._given:
            given = self._given[name][:MAX_GIVEN]
            found = _joined([self._side(each, depth + 1) for each in given])
        else:
            found = _Side.NUMBER if name in self._notes.numbers else _Side.EITHER
        self._sides[name] = found
        return found

    def _of_param(self, name: str) -> _Side:
        if name in self._notes.fixed:
            return _Side.NUMBER
        if name in self.pointers or _POINTER_NAME.search(name):
            return _Side.POINTER
        return _Side.NUMBER if name in self._notes.numbers else _Side.EITHER


def _is_maker(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and last_name(node).endswith(_MAKERS)


def _joined(sides: Iterable[_Side]) -> _Side:
    found = set(sides)
    if _Side.POINTER in found:
        return _Side.POINTER
    return _Side.NUMBER if found == {_Side.NUMBER} else _Side.EITHER


def is_named_pointer(name: str) -> bool:
    """Tell whether a parameter's name says that it is an address."""
    return _POINTER_NAME.search(name) is not None
