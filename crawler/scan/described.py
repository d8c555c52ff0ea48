"""What a definition says of itself: its signature where plain, its docstring, its lines."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from crawler.scan.facts import Described
from crawler.scan.written import well_formed

MAX_DOC = 600
"""Characters of a docstring that are kept: its first sentence is told by them."""
_LONGEST_DOC = 64 << 10
_LONGEST_WORD = 40
_LEFT_OUT = "..."


def described(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Described:
    """Return what a function or class says of itself; a class has no signature."""
    docstring = (ast.get_docstring(node, clean=False) or "")[:_LONGEST_DOC]
    doc = inspect.cleandoc(docstring).strip()
    signature = "" if isinstance(node, ast.ClassDef) else ", ".join(_parameters(node.args))
    return Described(
        signature=well_formed(signature),
        line=min([node.lineno, *(d.lineno for d in node.decorator_list)]),
        end_line=node.end_lineno or node.lineno,
        doc=well_formed(doc[:MAX_DOC]) or None,
        doc_chars=len(doc),
    )


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    for n, (argument, default) in enumerate(zip(positional, defaults, strict=True), start=1):
        yield argument.arg if default is None else f"{argument.arg}={_plain(default)}"
        if n == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg is not None:
        yield f"*{arguments.vararg.arg}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield argument.arg if default is None else f"{argument.arg}={_plain(default)}"
    if arguments.kwarg is not None:
        yield f"**{arguments.kwarg.arg}"


def _plain(default: ast.expr) -> str:
    """Return a number, a word or a name as it is, `...` in the place of anything else."""
    value = default.operand if isinstance(default, ast.UnaryOp) else default
    if isinstance(value, ast.Constant):
        is_plain = not isinstance(value.value, str | bytes) or (
            isinstance(value.value, str) and len(value.value) <= _LONGEST_WORD
        )
    else:
        while isinstance(value, ast.Attribute):
            value = value.value
        is_plain = isinstance(value, ast.Name)
    try:
        return ast.unparse(default) if is_plain else _LEFT_OUT
    except ValueError:  # a number of more digits than Python writes out
        return _LEFT_OUT
