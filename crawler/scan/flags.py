"""What a module's own flags say of Triton's release: `HAS_GATHER = hasattr(tl, "gather")`.

A condition that goes by such a name says nothing to whoever reads it alone, so the flag is put in
full where it is used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Mapping

from crawler.scan.scope import Scope
from crawler.scan.written import written

MAX_DEPTH = 4
"""Flags within flags; real ones rest on one or two others."""

MAX_FLAG = 300
"""Characters of what a flag is put as."""

_TELLS = re.compile(r"\b(hasattr|getattr|dir)\(|triton\.__version__|version\(['\"]triton['\"]\)")
_CONDITIONS = (
    ast.Name,
    ast.Compare,
    ast.Call,
    ast.BoolOp,
    ast.UnaryOp,
    ast.Attribute,
    ast.Subscript,
)


def spelled_out(test: ast.expr, module: Scope, local: Container[str] = ()) -> ast.expr:
    """Return a condition with the module's flags put in full; itself if it has none.

    Names in `local` are not the module's.
    """
    flags = _flags_in(test, module, 0, local)
    return _put(test, flags) or test if flags else test


def _flags_in(
    node: ast.expr, module: Scope, depth: int, local: Container[str] = ()
) -> dict[str, ast.expr]:
    """Return the flags that an expression rests on, each with what it stands for."""
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    found = ((name, _flag(name, module, depth)) for name in sorted(names) if name not in local)
    return {name: flag for name, flag in found if flag is not None}


def _flag(name: str, module: Scope, depth: int) -> ast.expr | None:
    """Return what a name of the module stands for if that tells releases apart, else None."""
    if name not in module.flags:
        module.flags[name] = None  # in case it rests on itself
        module.flags[name] = _read_flag(name, module, depth)
    return module.flags[name]


def _read_flag(name: str, module: Scope, depth: int) -> ast.expr | None:
    bounds = module.names.get(name, ())
    what = bounds[0].what if len(bounds) == 1 and not bounds[0].arms else None
    if not isinstance(what, _CONDITIONS) or depth > MAX_DEPTH or name in module.changed:
        return None
    flags = _flags_in(what, module, depth + 1)
    return _put(what, flags) if flags or _TELLS.search(written(what, MAX_FLAG)) else None


def _put(node: ast.expr, flags: Mapping[str, ast.expr]) -> ast.expr | None:
    """Return a copy of an expression with the flags in place of their names; None if too long."""
    text = written(node)
    try:
        whole = _SpellOut(flags).visit(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return whole if len(text) <= MAX_FLAG and len(written(whole)) <= MAX_FLAG else None


class _SpellOut(ast.NodeTransformer):
    def __init__(self, flags: Mapping[str, ast.expr]) -> None:
        self.flags = flags

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.flags.get(node.id, node)
