"""Expressions and strings of other people's files as text that is fit to keep."""

from __future__ import annotations

import ast

UNREADABLE = "..."


def written(node: ast.AST, limit: int | None = None) -> str:
    """Return an expression as source text of at most `limit` characters.

    What cannot be written out (nested beyond recursion, a number of thousands of digits) is `...`.
    """
    try:
        return well_formed(ast.unparse(node)[:limit])
    except (RecursionError, ValueError):
        return UNREADABLE


def well_formed(text: str) -> str:
    """Return text that can be encoded: a lone half of a surrogate pair becomes `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
