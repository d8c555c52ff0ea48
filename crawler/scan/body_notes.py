"""What a kernel's body does with names, noted as it is walked: assignments, sums, calls.

`crawler.scan.flow` asks the notes afterwards, since what a name holds is often said below the place
where it is used, in another branch or in the body of a loop.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from crawler.scan.facts import WHOLE, Import, Value

_BASE_FIRST = frozenset(
    "load store make_block_ptr make_tensor_descriptor _experimental_make_tensor_descriptor "
    "buffer_load async_load".split()
)
_BASE_SECOND = frozenset(
    "buffer_store buffer_load_to_shared buffer_load_to_local global_load_to_shared "
    "async_copy_global_to_shared async_copy_global_to_local".split()
)
_BASE_NAMES = ("pointer", "base", "ptr", "src")
_ATOMIC = ("atomic_", "buffer_atomic_")
_OF_DESCRIPTORS = re.compile(
    r"^(_experimental_(reinterpret_tensor_)?descriptor\w*|_experimental_reinterpret\w*"
    r"|reinterpret_tensor_descriptor|(load|store|update|prefetch)_tensor_descriptor"
    r"|async_descriptor_(load|store|prefetch|gather|scatter|reduce)\w*)$"
)
_DESCRIPTOR_MODULES = frozenset({"tma", "tdm"})
_OF_MODULE = re.compile(r"^(async_(copy|load|store|gather|scatter|atomic|reduce)\w*|prefetch)$")
_DESCRIPTOR_METHODS = frozenset({"load", "store", "scatter"})
_MOVES = ("atomic_", "gather", "reduce")
_KEEPS = frozenset(
    "multiple_of max_contiguous max_constancy cast broadcast_to expand_dims reshape view ravel "
    "trans advance convert_layout to".split()
)
"""Calls that give back the first thing they are given, as another shape or type."""

_SAYS_NOTHING = frozenset("static_assert static_print device_print device_assert print".split())
_TAKES_CONSTANTS = frozenset({"arange", "static_range"})
_SHAPED = frozenset({"zeros", "full"})
_OF_NUMBERS = frozenset({"range", "min", "max", "int", "float", "abs", "round", "pow"})
_MATH = frozenset(
    "exp exp2 log log2 sqrt rsqrt tanh sigmoid erf sin cos abs fast_expf fast_exp div_rn sqrt_rn "
    "cdiv minimum maximum pow fma".split()
)
_LANGUAGE = ("triton", "tl", "gl", "tlx")
_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_WORDS = (type(None), str, bool)

SPECIALIZES = "warp_specialize"
"""What is given functions together with what they are to be called with."""


class BodyNotes:
    """Notes of one kernel's body; the fields are complete after the walk."""

    def __init__(self, params: Iterable[str], fixed: Iterable[str]) -> None:
        """Take the names of the parameters, and of those whose annotation says no address."""
        self.params = frozenset(params)
        self.fixed = frozenset(fixed)
        self.given: dict[str, list[ast.expr]] = {}
        """What is assigned to each name."""
        self.bases: list[ast.expr] = []
        """What memory is read from or written to."""
        self.described: list[ast.expr] = []
        """What is used as a descriptor by a function."""
        self.called_on: list[str] = []
        """Names whose methods `load` and `store` are called."""
        self.calls: list[tuple[ast.Call, Value, tuple[str, ...]]] = []
        """Calls of what may be a function of the project: its root, and the names after it."""
        self.roots: dict[int, tuple[Value, tuple[str, ...]]] = {}
        """The same by the identity of the call."""
        self.given_back: list[tuple[int, ast.expr]] = []
        """What is returned, each with its place in the tuple, or `WHOLE`."""
        self.numbers: set[str] = set()
        """Names that can only be numbers, or tiles of them."""
        self.constants: set[str] = set()
        """Names where only a constant of the compiler can stand."""

    def assigned(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> None:
        """Note an assignment in any of its spellings."""
        if node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
                self._assign(target, node.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.given.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else ()
            for place, inner in enumerate(target.elts):
                if len(parts) == len(target.elts):
                    self._assign(inner, parts[place])
                elif isinstance(value, ast.Call):
                    self._assign(inner, ast.Subscript(value, ast.Constant(place)))

    def loop(self, node: ast.For) -> None:
        """Note the names that a loop over written elements binds."""
        if isinstance(node.iter, (ast.Tuple, ast.List)):
            for element in node.iter.elts:
                self._assign(node.target, element)

    def operation(self, node: ast.BinOp) -> None:
        """Note what arithmetic says: an address is added to, and nothing else."""
        if isinstance(node.op, ast.Add):
            return
        self.number(node.right)
        if not isinstance(node.op, ast.Sub):
            self.number(node.left)

    def change(self, node: ast.AugAssign) -> None:
        """Note `target op= value`."""
        if not isinstance(node.op, (ast.Add, ast.Sub)):
            self.number(node.target)
        if not isinstance(node.op, ast.Add):
            self.number(node.value)

    def comparison(self, node: ast.Compare) -> None:
        """Note what is compared with a number; with None or a word anything may be."""
        sides = (node.left, *node.comparators)
        words = (isinstance(s, ast.Constant) and isinstance(s.value, _WORDS) for s in sides)
        if all(isinstance(op, _ORDER) for op in node.ops) and not any(words):
            for side in sides:
                self.number(side)

    def returned(self, node: ast.expr) -> None:
        """Note what the function gives back."""
        if isinstance(node, ast.Tuple):
            self.given_back.extend(enumerate(node.elts))
        else:
            self.given_back.append((WHOLE, node))

    def call(self, node: ast.Call, name: str, value: Value, path: tuple[str, ...]) -> None:
        """Note a call of `name`, which stands for `value`, and of the names in `path` after it."""
        is_triton = _is_triton(value) or name in _LANGUAGE
        if not is_triton:
            self.calls.append((node, value, path))
            self.roots[id(node)] = (value, path)
            if (path or (name,))[-1] in _MATH:
                self._numbers_in(node, "")
            if not path or not isinstance(value, Import):
                return
        last = path[-1] if path else (value.name or name) if isinstance(value, Import) else name
        modules = (*path[:-1], (isinstance(value, Import) and value.name) or name)
        if not self._memory(node, last, modules) and is_triton:
            self._numbers_in(node, last)

    def _memory(self, node: ast.Call, last: str, modules: tuple[str, ...]) -> bool:
        """Note the address or descriptor that a call works on; tell whether it works on any."""
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        args = node.args
        if _OF_DESCRIPTORS.match(last) or (
            not _DESCRIPTOR_MODULES.isdisjoint(modules) and _OF_MODULE.match(last)
        ):
            first = args[0] if args else named.get("desc") or named.get("tensor_desc")
            self.described.extend(() if first is None else (first,))
            return True
        place = 1 if last in _BASE_SECOND else 0
        if not place and last not in _BASE_FIRST and not last.startswith(_ATOMIC):
            return False
        base = next((named[key] for key in _BASE_NAMES if key in named), None)
        first = args[place] if len(args) > place else base
        self.bases.extend(() if first is None else (first,))
        for arg in (*args, *named.values()):
            if arg is not first and not place:
                self.number(arg)
        return True

    def _numbers_in(self, node: ast.Call, last: str) -> None:
        """Note the numbers that a function of the language is given."""
        if last in _SAYS_NOTHING or last in _KEEPS or last == SPECIALIZES:
            return
        args = node.args
        if last in _TAKES_CONSTANTS:
            self._constant(args)
        elif last in _SHAPED:
            self._constant(args[:1])
            args = args[1:]
        if last == "where":
            self.number(args[0] if args else None)
        elif last not in _TAKES_CONSTANTS:
            for arg in (*args, *_values(node)):
                self.number(arg)

    def plain_call(self, node: ast.Call, name: str) -> None:
        """Note a call of one of Python's own functions."""
        if name in _OF_NUMBERS:
            for arg in node.args:
                self.number(arg)

    def method(self, node: ast.Call, name: str, path: tuple[str, ...]) -> None:
        """Note a call of a method on what is local: `x.load(...)`."""
        if len(path) != 1:
            return
        is_placed = any(isinstance(arg, (ast.List, ast.Tuple)) for arg in node.args[:1])
        if path[0] in _DESCRIPTOR_METHODS or (path[0].startswith(_MOVES) and is_placed):
            self.called_on.append(name)
        elif path[0].startswith("atomic_"):
            self.bases.append(node.func.value)  # type: ignore[attr-defined]

    def typed(self, name: str, path: tuple[str, ...]) -> None:
        """Note an attribute; only addresses have a type that they point to."""
        if path[-1] == "element_ty" and path[0] in ("dtype", "type"):
            self.bases.append(ast.Name(name))

    def number(self, node: ast.expr | None) -> None:
        """Note an expression that can only be a number, or a tile of them."""
        waiting = [node]
        while waiting:
            node = waiting.pop()
            match node:
                case ast.Name():
                    self.numbers.add(node.id)
                case ast.BinOp(op=ast.Add() | ast.Sub()):
                    waiting += (node.left, node.right)
                case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert()):
                    waiting.append(node.operand)
                case ast.Subscript():
                    waiting.append(node.value)
                case ast.Tuple() | ast.List():
                    waiting += node.elts
                case ast.IfExp():
                    waiting += (node.body, node.orelse)
                case ast.Call():
                    waiting.append(self.kept(node))

    def _constant(self, nodes: Iterable[ast.expr]) -> None:
        for node in nodes:
            parts = node.elts if isinstance(node, (ast.List, ast.Tuple)) else (node,)
            self.constants.update(part.id for part in parts if isinstance(part, ast.Name))

    def kept(self, node: ast.Call) -> ast.expr | None:
        """Return what a call gives back in another shape or type; None where it makes something."""
        func = node.func
        if last_name(func) not in _KEEPS:
            return None
        if isinstance(func, ast.Attribute):
            owner = func.value
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            is_local = not isinstance(owner, ast.Name) or (
                owner.id in self.params or owner.id in self.given
            )
            if is_local or func.attr == "to":
                return func.value
        return node.args[0] if node.args else next(_values(node), None)


def _is_triton(value: Value) -> bool:
    return isinstance(value, Import) and not value.level and value.module.startswith("triton")


def arguments_of(node: ast.Call) -> Iterator[tuple[int | str, ast.expr]]:
    """Yield what a call is given, by position or keyword; plain constants say nothing."""
    for place, arg in enumerate(node.args):
        if not isinstance(arg, ast.Constant):
            yield place, arg
    for keyword in node.keywords:
        if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
            yield keyword.arg, keyword.value


def _values(node: ast.Call) -> Iterator[ast.expr]:
    return (keyword.value for keyword in node.keywords)


def last_name(node: ast.expr) -> str:
    """Return the last name of a callee: `load` of `tl.load` and of `tl.load(x)`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def specialized_calls(node: ast.Call) -> Iterator[ast.Call]:
    """Yield the calls that `warp_specialize` makes: of each function with the tuple beside it.

    They are given as `[(f, args), ...]`, or as `args, f, args of all, [f, ...]`.
    """
    match node.args:
        case [ast.Tuple() as first, function, ast.Tuple() as others, ast.List() as functions, *_]:
            yield ast.Call(function, first.elts, [])
            yield from (ast.Call(each, others.elts, []) for each in functions.elts)
        case [ast.List(elts=pairs) | ast.Tuple(elts=pairs), *_]:
            for pair in pairs:
                match pair:
                    case ast.Tuple(elts=[function, ast.Tuple() as given]):
                        yield ast.Call(function, given.elts, [])
