"""Where the values in a kernel come from: what is loaded, what is made of it, what is stored."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from crawler.enrich.copies.code_tokens import last_name

# Calls that move, shape or cast values, or make room for them, and compute nothing.
MOVES = frozenset(
    """
    load store to cast view reshape ravel trans permute expand_dims broadcast_to broadcast join
    split interleave zeros zeros_like full full_like arange program_id num_programs float int
    make_block_ptr advance make_tensor_descriptor multiple_of max_contiguous max_constancy
    constexpr static_range range assume static_assert device_assert device_print debug_barrier
    cdiv item unsqueeze squeeze bitcast convert_layout tensor descriptor_load descriptor_store
    _experimental_descriptor_load _experimental_descriptor_store
    """.split()
)
_LOADED = frozenset("dot dot_scaled gather rand randn randint".split())
KINDS = frozenset("dtype type shape".split())


class ValueFlow:
    """Where each name gets its value, which names hold loaded values, and what is stored."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        self.order = {parameter.arg: place for place, parameter in enumerate(parameters)}
        """Names in the order in which they come up."""
        self.sources: dict[str, list[tuple[ast.expr, bool]]] = {}
        """What each name is set to, and whether under an `if`."""
        self.roots: list[tuple[ast.expr, bool]] = []
        """What is stored or returned, and whether under an `if`."""
        self.has_optional = False
        self.loaded: set[str] = set()
        self._known: dict[int, bool] = {}
        if self.statements(function.body, optional=False):
            # What it works on is handed to it.
            self.loaded.update(self.order.keys() - self.sources.keys())
        self.spread()

    def statements(self, body: Iterable[ast.stmt], *, optional: bool) -> bool:
        """Read statements; return whether they give back a value."""
        returns = False
        for statement in body:
            match statement:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self.bind(target, value, optional)
                    self.effect(value, optional)
                case ast.AugAssign(target=target, op=op, value=value):
                    self.bind(target, ast.BinOp(left=target, op=op, right=value), optional)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self.bind(target, value, optional)
                case ast.Expr(value=ast.Call() as call):
                    if not self.effect(call, optional) and last_name(call.func) not in MOVES:
                        # A function that stores what it is given.
                        self.roots.append((call, optional))
                case ast.Return(value=ast.expr() as value):
                    returns = returns or not _is_none(value)
                    self.roots.append((value, optional))
                case ast.For(target=target, iter=iterated):
                    self.bind(target, iterated, optional)
            for block in ("body", "orelse"):
                inner = getattr(statement, block, None)
                if inner and not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    under = optional or isinstance(statement, ast.If)
                    self.has_optional |= under
                    returns = self.statements(inner, optional=under) or returns
        return returns

    def bind(self, target: ast.expr, value: ast.expr, optional: bool) -> None:
        """Note that names get their values from an expression."""
        if isinstance(target, ast.Name):
            self.order.setdefault(target.id, len(self.order))
            self.sources.setdefault(target.id, []).append((value, optional))
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else ()
            matches = len(parts) == len(target.elts)
            for place, item in enumerate(target.elts):
                self.bind(item, parts[place] if matches else value, optional)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, value, optional)

    def effect(self, node: ast.expr, optional: bool) -> bool:
        """Note what a call stores; return whether it stores anything."""
        if not isinstance(node, ast.Call):
            return False
        name = last_name(node.func)
        if "atomic" in name:
            self.roots.append((node, optional))
        elif "store" in name or "scatter" in name:
            named = (k.value for k in node.keywords if k.arg in ("value", "val"))
            self.roots += ((value, optional) for value in (*node.args[1:2], *named))
        else:
            return False
        return True

    def spread(self) -> None:
        """Find all names that hold loaded values, also those that get them from one another."""
        readers: dict[str, list[str]] = {}
        waiting = list(self.loaded)
        for name, values in self.sources.items():
            for value, _ in values:
                names, is_loaded = _reads(value)
                for read in names:
                    readers.setdefault(read, []).append(name)
                if is_loaded and name not in self.loaded:
                    self.loaded.add(name)
                    waiting.append(name)
        while waiting:
            for name in readers.get(waiting.pop(), ()):
                if name not in self.loaded:
                    self.loaded.add(name)
                    waiting.append(name)

    def is_loaded(self, node: ast.AST) -> bool:
        """Tell whether an expression holds anything loaded."""
        if isinstance(node, ast.Name):
            return node.id in self.loaded
        if isinstance(node, ast.Constant):
            return False
        known = self._known.get(id(node))
        if known is None:
            names, is_loaded = _reads(node)
            known = self._known[id(node)] = is_loaded or not self.loaded.isdisjoint(names)
        return known


def _reads(node: ast.AST) -> tuple[set[str], bool]:
    """Return the names in an expression, and whether it loads anything itself."""
    names: set[str] = set()
    loads = False
    waiting = [node]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, ast.Name):
            names.add(inner.id)
            continue
        if isinstance(inner, ast.Constant) or (
            isinstance(inner, ast.Attribute) and inner.attr in KINDS
        ):
            continue
        if isinstance(inner, ast.BinOp):
            waiting += (inner.left, inner.right)
        elif isinstance(inner, ast.Call):
            name = last_name(inner.func)
            if name in _LOADED or "load" in name or "atomic" in name:
                loads = True
            waiting += inner.args
            waiting += (keyword.value for keyword in inner.keywords)
            waiting.append(inner.func)
        elif isinstance(inner, ast.Attribute):
            waiting.append(inner.value)
        else:
            waiting += ast.iter_child_nodes(inner)
    return names, loads


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
