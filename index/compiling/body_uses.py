"""What a kernel's body tells of its parameters: which hold addresses, counts, flags, types.

A rough reading, good enough to guess arguments by; nothing is proved. What is handed to another
function of the file is used as that function uses it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_MEMORY = ("load", "store", "make_block_ptr", "advance", "make_tensor_descriptor")
_WHOLE = ("cdiv", "range", "static_range", "rand", "randn", "randint", "rand4x", "multiple_of")
_SHAPES = ("zeros", "full", "reshape", "view", "broadcast_to", "make_block_ptr", "ones")
# What says nothing, by the keyword that takes a word.
_WORDS = {
    "cache_modifier": "",
    "eviction_policy": "",
    "input_precision": "ieee",
    "sem": "relaxed",
    "scope": "gpu",
}
_WHOLE_ATOMICS = ("atomic_cas", "atomic_xchg", "atomic_and", "atomic_or", "atomic_xor")
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
    counters: set[str] = field(default_factory=set)
    """Loaded by in the middle of an address, or handed to where that is an address or a count."""

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

    def to_whole(self) -> set[str]:
        """Return the names of pointers to whole numbers, as far as what they load is used so."""
        addressing = self.behind(self.whole) | self.bits
        found = {*self.counters}
        for value, addresses in self.loaded.items():
            if value in addressing:
                found |= self.behind(addresses)
        return found


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return the functions at the top of a module by name."""
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def parameters_of(function: ast.FunctionDef) -> list[str]:
    """Return the names of a function's parameters in order."""
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def uses_of(
    function: ast.FunctionDef,
    others: Mapping[str, ast.FunctionDef] | None = None,
    known: dict[str, Uses] | None = None,
) -> Uses:
    """Return what the body of a function does with names.

    `others` are the functions that it may call, `known` what has been read of those so far.
    """
    others, known = others or {}, {} if known is None else known
    uses = Uses()
    # Whoever calls himself finds what is known up to there.
    known[function.name] = uses
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
            case ast.Call(func=ast.Name(id=called)) if called in others:
                inner = known.get(called) or uses_of(others[called], others, known)
                _handed(uses, node, others[called], inner)
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


def _handed(uses: Uses, call: ast.Call, callee: ast.FunctionDef, inner: Uses) -> None:
    """Note of what is handed to a function how that uses it."""
    pairs = [*zip(parameters_of(callee), call.args, strict=False)]
    pairs += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg]
    counters = inner.to_whole()
    for parameter, argument in pairs:
        names = {*_names(argument)}
        for mine, its in (
            (uses.whole, inner.behind(inner.whole)),
            (uses.ordered, inner.behind(inner.ordered)),
            (uses.bits, inner.bits),
            (uses.sizes, inner.sizes),
            (uses.unrolled, inner.unrolled),
            (uses.dtypes, inner.dtypes),
            (uses.counters, counters),
        ):
            if parameter in its:
                mine |= names
        if isinstance(argument, ast.Name):
            if parameter in inner.flags:
                uses.flags.add(argument.id)
            if parameter in inner.compared:
                uses.compared.setdefault(argument.id, []).extend(inner.compared[parameter])


def _called(uses: Uses, call: ast.Call) -> None:
    name = _called_name(call)
    if name in _MEMORY or name.startswith("atomic_"):
        if call.args:
            uses.whole |= {*_names(call.args[0])}
            _indices(uses, call, name)
            for load in _loads(call.args[0]):
                uses.counters |= {*_names(load.args[0])}
            if name in _WHOLE_ATOMICS:
                uses.counters |= {*_names(call.args[0])}
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
    for keyword in call.keywords:
        if keyword.arg in _WORDS and isinstance(keyword.value, ast.Name):
            uses.compared.setdefault(keyword.value.id, []).append(_WORDS[keyword.arg])


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
