"""`implicit-type`: a sum over a loop that is kept in half precision."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Hazard, Rule, hazard_at
from crawler.check.rules.values import argument, called

_HALVES = frozenset({"float16", "bfloat16"})
_MADE_BY = {"zeros": 1, "full": 2}


def _find(code: KernelCode) -> Iterator[Hazard]:
    if code.node is None:
        return
    halves = _halves(code.node)
    told: set[str] = set()
    for loop in ast.walk(code.node):
        if isinstance(loop, (ast.For, ast.While)):
            for step in ast.walk(loop):
                name = _adds_to(step)
                if name not in halves or name in told:
                    continue
                starts = [start for start, _ in halves[name]]
                start, half = halves[name][0]
                # Where it begins anew in each turn of the loop, it adds up over nothing.
                if name is not None and not any(each in starts for each in ast.walk(loop)):
                    told.add(name)
                    yield hazard_at(
                        start,
                        f"`{name}` adds up over a loop in {half}: each step rounds to "
                        f"{11 if half == 'float16' else 8} bits",
                        instead="`dtype=tl.float32`, and one `.to(...)` behind the loop",
                    )


def _halves(node: ast.AST) -> dict[str, list[tuple[ast.expr, str]]]:
    """Return where names begin as zeros of half precision that nowhere begin as anything else."""
    found: dict[str, list[tuple[ast.expr, str]]] = {}
    others: set[str] = set()
    for each in ast.walk(node):
        match each:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                half = _half_of(value)
                if half is not None:
                    found.setdefault(name, []).append((value, half))
                elif not _mentions(value, name):
                    others.add(name)
    return {name: made for name, made in found.items() if name not in others}


def _half_of(value: ast.expr) -> str | None:
    word = called(value)
    if word not in _MADE_BY or not isinstance(value, ast.Call):
        return None
    dtype = argument(value, _MADE_BY[word], "dtype")
    is_half = isinstance(dtype, ast.Attribute) and dtype.attr in _HALVES
    return dtype.attr if is_half and isinstance(dtype, ast.Attribute) else None


def _adds_to(step: ast.AST) -> str | None:
    """Return the name that a step of a loop adds to."""
    match step:
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add()):
            return name
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.BinOp(left=ast.Name(id=first), op=ast.Add()),
        ) if first == name:
            return name
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
            added = argument(call, 2, "acc") if called(call) == "dot" else None
            return name if isinstance(added, ast.Name) and added.id == name else None
    return None


def _mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(value))


IMPLICIT_TYPE = Rule(
    id="implicit-type",
    summary="a sum over a loop that is kept in half precision",
    is_default=False,
    find=_find,
)
