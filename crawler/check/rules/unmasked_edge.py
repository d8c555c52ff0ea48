"""`unmasked-edge`: a range that one access masks by a size, and another does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Hazard, Rule, hazard_at
from crawler.check.rules.values import Values, argument, called, is_plain

_BRANCHES = (ast.If, ast.IfExp, ast.Match, ast.BoolOp)
_ROOMY = re.compile(r"round|pad|align|ceil|workspace|scratch", re.IGNORECASE)
"""Words for memory that has room beyond the size."""
_PLACES = {"load": (1, "mask"), "store": (2, "mask")}


def _find(code: KernelCode) -> Iterator[Hazard]:
    node = code.node
    if node is None:
        return
    values = Values(node)
    sizes = _sizes(node)
    accesses = [each for each in _unconditional(node) if called(each) in _PLACES]
    bounded: dict[str, str] = {}
    for access in accesses:
        for name, size in _bounds(_mask(access), values, sizes):
            if name in _ranges(access.args[0], values):
                bounded.setdefault(name, size)
    for access in accesses:
        if not is_plain(access) or _mask(access) is not None or _has(access, "boundary_check"):
            continue
        for name in sorted(_ranges(access.args[0], values) & bounded.keys()):
            word = called(access)
            yield hazard_at(
                access,
                f"this {word} over `{name}` has no mask, though another access is masked by "
                f"`{name} < {bounded[name]}`: beyond it, memory of others is "
                f"{'read' if word == 'load' else 'written'}",
                instead=f"`mask={name} < {bounded[name]}`",
            )
            break


def _unconditional(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a body that no condition stands before."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Call) and each.args:
            yield each
        waiting += [n for n in ast.iter_child_nodes(each) if not isinstance(n, _BRANCHES)]


def _sizes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the parameters that are known at run time only."""
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return {
        a.arg for a in every if a.annotation is None or "constexpr" not in ast.dump(a.annotation)
    }


def _mask(access: ast.Call) -> ast.expr | None:
    return argument(access, *_PLACES[called(access) or ""])


def _has(access: ast.Call, keyword: str) -> bool:
    return any(k.arg == keyword for k in access.keywords)


def _bounds(mask: ast.expr | None, values: Values, sizes: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the ranges that a mask cuts, each with the size that it is cut by."""
    waiting = [] if mask is None else [values.of(mask)]
    while waiting:
        match waiting.pop():
            case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
                waiting += [values.of(left), values.of(right)]
            case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Name(id=size)]):
                inner = left.value if isinstance(left, ast.Subscript) else left
                if size in sizes and isinstance(inner, ast.Name) and _is_range(inner, values):
                    yield inner.id, size


def _is_range(name: ast.Name, values: Values) -> bool:
    """Tell whether a name is `program * BLOCK + arange`: all of a dimension, block by block."""
    value = values.of(name)
    if not isinstance(value, ast.BinOp):
        return False
    parts = values.parts(value)
    words = [called(part) for part in parts]
    is_wrapped = any(isinstance(p, ast.BinOp) and isinstance(p.op, ast.Mod) for p in parts)
    return words.count("arange") == 1 and "program_id" in words and not is_wrapped


def _ranges(pointer: ast.expr, values: Values) -> set[str]:
    """Return the ranges that an address grows with; none where it has room to spare.

    What is divided, wrapped, clamped or looked up on the way may stay within bounds by itself.
    """
    found: set[str] = set()
    waiting, seen = [pointer], set[str]()
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Name(id=name) if _ROOMY.search(name):
                return set()
            case ast.Name(id=name) if name not in seen:
                seen.add(name)
                if _is_range(node, values):
                    found.add(name)
                waiting += [each for each in [values.of(node)] if each is not node]
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult(), left=left, right=right):
                waiting += [left, right]
            case ast.Subscript(value=inner):
                waiting.append(inner)
    return found


UNMASKED_EDGE = Rule(
    id="unmasked-edge",
    summary="a load or store without mask over a range that another access masks by a size",
    is_default=False,
    find=_find,
)
