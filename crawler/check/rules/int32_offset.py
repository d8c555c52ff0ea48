"""`int32-offset`: an address of program id times stride, with 64 bits nowhere in the kernel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from crawler.check.rules.code import KernelCode
from crawler.check.rules.hazard import Hazard, Rule, hazard_at
from crawler.check.rules.values import Values, called


def _find(code: KernelCode) -> Iterator[Hazard]:
    node = code.node
    if node is None or re.search(r"int64|i64", code.kernel.source):
        return
    values = Values(node)
    strides = _strides(node)
    told: set[int] = set()
    for access in ast.walk(node):
        if called(access) not in ("load", "store") or not isinstance(access, ast.Call):
            continue
        for part in values.parts(access.args[0]) if access.args else ():
            if id(part) not in told and _is_row_offset(part, values, strides):
                assert isinstance(part, ast.BinOp)
                told.add(id(part))
                yield hazard_at(
                    part,
                    "an offset of program id times stride in 32 bits: it overflows in tensors "
                    "of more than 2**31 elements",
                    instead="`tl.program_id(...).to(tl.int64)`",
                )


def _strides(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the parameters named as strides that are known at run time only."""
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return {a.arg for a in every if "stride" in a.arg.lower() and a.annotation is None}


def _is_row_offset(node: ast.AST, values: Values, strides: set[str]) -> bool:
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
        return False
    sides = (node.left, node.right)
    for stride, other in (sides, sides[::-1]):
        if isinstance(stride, ast.Name) and stride.id in strides:
            return called(values.of(other)) == "program_id"
    return False


INT32_OFFSET = Rule(
    id="int32-offset",
    summary="an offset of program id times stride that has 32 bits",
    is_default=False,
    find=_find,
)
