"""The header of a kernel, read without loss: decorators, parameters, defaults and comments.

libcst keeps what Python's own parser throws away. Tutorials describe a kernel's parameters in
comments between them, and a decorator or a default is worth showing as its author wrote it.
Only the header is parsed: it is a tenth of the text of a kernel.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst
from libcst import native

MAX_HEADER_BYTES = 256 << 10
MAX_DECORATOR = 120
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class HeaderParam:
    """A parameter as written: name, annotation, default and the comment beside it, or None."""

    name: str
    annotation: str | None
    default: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a kernel's body; the nearest decorator is last."""

    decorators: tuple[str, ...]
    params: tuple[HeaderParam, ...]


def read_header(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> Header:
    """Return the header of a function; `lines` are those of the file, without line ends."""
    text = header_text(node, lines)
    if len(text) <= MAX_HEADER_BYTES:
        try:
            module = native.parse_module(text)
        except Exception:  # noqa: BLE001 - libcst raises its own errors and its runtime's panics
            module = None
        if module is not None and module.body and isinstance(module.body[0], cst.FunctionDef):
            return _from_cst(module, module.body[0])
    return _from_ast(node)


def header_text(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> str:
    """Return the header as a function of its own, moved to the left margin, with an empty body."""
    start = min((d.lineno for d in node.decorator_list), default=node.lineno)
    first = node.body[0]
    body_line = min(
        [first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))]
    )
    margin = len(lines[node.lineno - 1]) - len(lines[node.lineno - 1].lstrip())
    last_header = lines[body_line - 1][: first.col_offset] if first.col_offset > 0 else ""
    shares_line = bool(last_header.strip())
    header = list(lines[start - 1 : body_line - 1])
    if shares_line:
        header.append(last_header)
    moved = [line[margin:] if not line[:margin].strip() else line for line in header]
    return "\n".join(moved) + (" pass\n" if shares_line else "\n pass\n")


def _from_cst(module: cst.Module, function: cst.FunctionDef) -> Header:
    def code(node: cst.CSTNode) -> str:
        return _SPACE.sub(" ", module.code_for_node(node)).strip()

    decorators = tuple(_shortened(code(d.decorator)) for d in function.decorators)
    parameters = function.params
    every: list[cst.Param] = [*parameters.posonly_params, *parameters.params]
    if isinstance(parameters.star_arg, cst.Param):
        every.append(parameters.star_arg)
    every += parameters.kwonly_params
    if parameters.star_kwarg is not None:
        every.append(parameters.star_kwarg)
    params = tuple(
        HeaderParam(
            name=param.name.value,
            annotation=code(param.annotation.annotation) if param.annotation else None,
            default=code(param.default) if param.default else None,
            comment=_comment(param),
        )
        for param in every
    )
    return Header(decorators, params)


def _comment(param: cst.Param) -> str | None:
    """Return the comment that follows a parameter on its line."""
    comma = param.comma
    places = [param.whitespace_after_param]
    if isinstance(comma, cst.Comma):
        places.insert(0, comma.whitespace_after)
    for place in places:
        if isinstance(place, cst.ParenthesizedWhitespace) and place.first_line.comment:
            return place.first_line.comment.value.lstrip("#").strip() or None
    return None


def _from_ast(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Header:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*([None] * missing), *arguments.defaults]
    pairs = list(zip(positional, defaults, strict=True))
    if arguments.vararg:
        pairs.append((arguments.vararg, None))
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    if arguments.kwarg:
        pairs.append((arguments.kwarg, None))
    params = tuple(
        HeaderParam(
            name=argument.arg,
            annotation=ast.unparse(argument.annotation) if argument.annotation else None,
            default=ast.unparse(default) if default else None,
            comment=None,
        )
        for argument, default in pairs
    )
    return Header(tuple(_shortened(ast.unparse(d)) for d in node.decorator_list), params)


def _shortened(decorator: str) -> str:
    """Return a decorator, its arguments left out where they are long (lists of configs)."""
    if len(decorator) <= MAX_DECORATOR:
        return decorator
    return decorator.partition("(")[0] + "(...)"
