"""What a kernel's body tells of its parameters: which hold addresses, counts, flags, types.

A rough reading of one function, good enough to guess arguments by; nothing is proved.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_MEMORY = ("load", "store", "make_block_ptr", "advance", "make_tensor_descriptor")
_WHOLE = ("cdiv", "range", "static_range", "rand", "randn", "randint", "rand4x", "multiple_of")
_SHAPES = ("zeros", "full", "reshape", "view", "broadcast_to", "make_block_ptr", "ones")
_BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)


@dataclass(slots=True)
class Uses:
    """Names of a function by what is done with them; `after[x]` is what `x` is computed from."""

    after: dict[str, set[str]] = field(default_factory=dict)
    loaded: dict[str, set[str]] = field(default_factory=dict)
    """For a name that holds loaded values: the names in the addresses."""
    whole: set[str] = field(default_factory=set)
    """Used in addresses, counts, whole-number arithmetic."""
    ordered: set[str] = field(default_factory=set)
    """Compared, or part of a mask."""
    bits: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    dtypes: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)
    """Sizes of blocks: arguments of `arange` and shapes."""
    unrolled: set[str] = field(default_factory=set)
    compared: dict[str, list[object]] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    """All that are used at all."""
    dims: dict[str, list[list[ast.expr]]] = field(default_factory=dict)
    """Of a descriptor: the indices of its loads and stores."""

    def behind(self, names: Iterable[str]) -> set[str]:
        """Return the names with all that they are computed from."""
        found: set[str] = set()
        due = list(names)
        while due:
            name = due.pop()
            if name not in found:
                found.add(name)
                due += self.after.get(name, ())
        return found


def uses_of(function: ast.FunctionDef) -> Uses:
    """Return what the body of a function does with names."""
    uses = Uses()
    uses.read = {n for statement in function.body for n in _names(statement)}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _assigned(uses, target, value)
            case (
                ast.AugAssign(target=target, value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                _assigned(uses, target, value)
            case ast.For(target=target, iter=iterated):
                _assigned(uses, target, iterated)
            case ast.Call():
                _called(uses, node)
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod()):
                uses.whole |= {*_names(node)}
            case ast.BinOp(op=op) if isinstance(op, _BITS):
                for side in (node.left, node.right):
                    if (name := _loaded_name(uses, side)) is not None:
                        uses.bits |= name
            case ast.Compare():
                _compared(uses, node)
            case ast.If(test=test) | ast.IfExp(test=test):
                uses.flags |= {*_flags(test)}
    return uses


def _assigned(uses: Uses, target: ast.expr, value: ast.expr) -> None:
    if isinstance(target, (ast.Tuple, ast.List)):
        pairs: Iterable[tuple[ast.expr, ast.expr]] = ((each, value) for each in target.elts)
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            pairs = zip(target.elts, value.elts, strict=True)
        for each, part in pairs:
            _assigned(uses, each, part)
    elif isinstance(target, ast.Name):
        uses.after.setdefault(target.id, set()).update(_names(value, into_loads=False))
        for load in _loads(value):
            uses.loaded.setdefault(target.id, set()).update(_names(load.args[0]))


def _called(uses: Uses, call: ast.Call) -> None:
    name = _called_name(call)
    if name in _MEMORY or name.startswith("atomic_"):
        if call.args:
            uses.whole |= {*_names(call.args[0])}
            _indices(uses, call, name)
        for keyword in call.keywords:
            if keyword.arg in ("shape", "strides", "offsets", "block_shape"):
                uses.whole |= {*_names(keyword.value)}
            elif keyword.arg == "mask":
                uses.ordered |= {*_names(keyword.value)}
    elif name in _WHOLE:
        uses.whole |= {n for argument in call.args for n in _names(argument)}
        if name == "static_range":
            uses.unrolled |= {n for argument in call.args for n in _names(argument)}
    if name == "arange":
        uses.sizes |= {n for argument in call.args for n in _names(argument)}
    if name in _SHAPES:
        for argument in (*call.args, *(k.value for k in call.keywords if "shape" in str(k.arg))):
            if isinstance(argument, (ast.Tuple, ast.List)):
                uses.sizes |= {*_names(argument)} if name != "make_block_ptr" else set()
    if name == "to" and call.args:
        uses.dtypes |= {*_names(call.args[0])}
    uses.dtypes |= {n for k in call.keywords if k.arg == "dtype" for n in _names(k.value)}


def _indices(uses: Uses, call: ast.Call, name: str) -> None:
    """Note the indices of a load or store of a descriptor."""
    if name in ("load", "store") and isinstance(call.func, ast.Attribute):
        described = call.func.value
        indices = call.args[0]
        if isinstance(described, ast.Name) and isinstance(indices, (ast.List, ast.Tuple)):
            uses.dims.setdefault(described.id, []).append(indices.elts)


def _compared(uses: Uses, node: ast.Compare) -> None:
    sides = [node.left, *node.comparators]
    uses.ordered |= {n for side in sides for n in _names(side, into_loads=False)}
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    for side in sides:
        if isinstance(side, ast.Name) and values and values[0] is not None:
            uses.compared.setdefault(side.id, []).append(values[0])


def _flags(test: ast.expr) -> Iterator[str]:
    """Yield the names that are tested as they are."""
    match test:
        case ast.Name(id=name):
            yield name
        case ast.BoolOp(values=values):
            for value in values:
                yield from _flags(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _flags(operand)


def _loaded_name(uses: Uses, side: ast.expr) -> set[str] | None:
    """Return the names in the address of what stands beside an operator on bits, if it is loaded.

    A name stands for itself; what it was loaded by is seen to later.
    """
    while isinstance(side, (ast.Subscript, ast.Call, ast.Attribute)):
        if isinstance(side, ast.Call):
            if _called_name(side) == "load" and side.args:
                return {*_names(side.args[0])}
            if not isinstance(side.func, ast.Attribute):
                return None
            side = side.func.value
        else:
            side = side.value
    return {side.id} if isinstance(side, ast.Name) else None


def _loads(value: ast.expr) -> Iterator[ast.Call]:
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and _called_name(node) == "load" and node.args:
            yield node


def _names(tree: ast.AST, *, into_loads: bool = True) -> Iterator[str]:
    if isinstance(tree, ast.Name):
        yield tree.id
    if not into_loads and isinstance(tree, ast.Call) and _called_name(tree) == "load":
        return
    for child in ast.iter_child_nodes(tree):
        yield from _names(child, into_loads=into_loads)


def _called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
