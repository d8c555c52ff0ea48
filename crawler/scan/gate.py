"""The byte gate: which files are worth a parse, told from their bytes alone.

A file may matter in two ways: it may define kernels, or it may launch kernels of another file. The
gate lets both through and is deliberately loose; that it lets a file through says nothing.
"""

from __future__ import annotations

import re

_JIT = re.compile(rb"^[ \t]*@[^\n]*jit|import[^\n]*\bjit\b", re.MULTILINE)
_GRID_CALL = re.compile(rb"\w\s*\[[^\]\n]{0,200}\]\s*\(")
_DECORATOR = re.compile(rb"^[ \t]*@[ \t]*([A-Za-z_][\w.]*)", re.MULTILINE)


def may_hold_kernels(data: bytes) -> bool:
    """Tell whether a file may define, wrap, re-export or launch kernels."""
    if b"triton" in data or b"gluon" in data:
        return True
    return (b"jit" in data and _JIT.search(data) is not None) or (
        b"](" in data and _GRID_CALL.search(data) is not None
    )


def decorator_names(data: bytes) -> frozenset[str]:
    """Return the last parts of the names of all decorators in a file.

    Where a project renames jit (`from mine import kernel`), a file that uses the new name may
    mention neither `jit` nor `triton`; these names find it without parsing it.
    """
    return frozenset(
        name.rpartition(b".")[2].decode("ascii", "ignore") for name in _DECORATOR.findall(data)
    )
