"""The byte gate: which files are worth a parse, told from their bytes alone.

A file may matter in three ways: it may define kernels, it may launch kernels of another file, or it
may make an autograd function of what launches them. The gate lets all through and is deliberately
loose; that it lets a file through says nothing.
"""

from __future__ import annotations

import re

_JIT = re.compile(rb"^[ \t]*(?:@|from\b|import\b)[^\n]*jit", re.MULTILINE)
_GRID_CALL = re.compile(rb"\w\s*\[[^\]\n]{0,200}\]\s*\(")
_DECORATOR = re.compile(rb"^[ \t]*@[ \t]*([\w.\x80-\xff]+)", re.MULTILINE)
_FROM_IMPORT = re.compile(
    # A bracket ends a search for the end of another, so that no input is searched twice.
    rb"^[ \t]*from[ \t]+[\w.\x80-\xff]+[ \t]+import\b((?:[ \t]*\([^()]*)|(?:[^\n\\]+|\\.)*)",
    re.MULTILINE | re.DOTALL,
)
_IMPORTED = re.compile(rb"[\w\x80-\xff]+|\*")


def may_hold_kernels(data: bytes) -> bool:
    """Tell whether a file may define, wrap, re-export or launch kernels."""
    if b"triton" in data or b"gluon" in data or b"autograd.Function" in data:
        return True
    return (b"jit" in data and _JIT.search(data) is not None) or (
        b"](" in data and _GRID_CALL.search(data) is not None
    )


def decorator_names(data: bytes) -> frozenset[str]:
    """Return the last parts of the names of all decorators in a file.

    Where a project renames jit (`from mine import kernel`), a file that uses the new name may
    mention neither `jit` nor `triton`; these names find it without parsing it.
    """
    found = (name.rpartition(b".")[2] for name in _DECORATOR.findall(data))
    return frozenset(name.decode("utf-8", "ignore") for name in found)


def imported_names(data: bytes) -> frozenset[str]:
    """Return the names that a file imports from modules, new names included; `*` for a star.

    A package that hands on a kernel or a renamed jit need mention neither `jit` nor `triton`.
    """
    found = (name for names in _FROM_IMPORT.findall(data) for name in _IMPORTED.findall(names))
    return frozenset(name.decode("utf-8", "ignore") for name in found) - {"as"}
