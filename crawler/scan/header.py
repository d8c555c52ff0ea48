"""The header of a kernel, read without loss: decorators, parameters and defaults.

A default is worth showing as its author wrote it. Where that is one piece of one line, its place
in Python's tree tells; else libcst reads the signature, which keeps what Python's parser throws
away.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from crawler.scan.parse import is_safe_for_libcst
from crawler.scan.written import written

if TYPE_CHECKING:
    import libcst as cst

MAX_HEADER_BYTES = 256 << 10
MAX_DECORATOR = 120
MAX_DECORATOR_LINES = 4
MAX_UNCHECKED = 1_000
"""Characters in which nothing nests so deeply that libcst's parser is in danger."""

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class HeaderParam:
    """A parameter as written: name, annotation and default, or None."""

    name: str
    annotation: str | None
    default: str | None


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a kernel's body; the nearest decorator is last."""

    decorators: tuple[str, ...]
    params: tuple[HeaderParam, ...]


def read_header(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> Header:
    """Return the header of a function; `lines` are those of the file, without line ends."""
    decorators = tuple(_decorator_text(decorator, lines) for decorator in node.decorator_list)
    params = _params_from_lines(node, lines)
    if params is not None:
        return Header(decorators, params)
    text = signature_text(node, lines)
    params = _params_from_text(text) if len(text) <= MAX_HEADER_BYTES else None
    return Header(decorators, _params_from_ast(node) if params is None else params)


def signature_text(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> str:
    """Return the signature as a function of its own, at the left margin, with an empty body."""
    first = node.body[0]
    body_line = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
    before_body = lines[body_line - 1].encode()[: first.col_offset].decode()
    shares_line = bool(before_body.strip())
    header = [*lines[node.lineno - 1 : body_line - 1], *([before_body] if shares_line else [])]
    margin = len(lines[node.lineno - 1]) - len(lines[node.lineno - 1].lstrip())
    end = " pass\n" if shares_line else "\n pass\n"
    header = [line if "'" in line or '"' in line else line.partition("#")[0] for line in header]
    if not any("#" in line or "\\" in line for line in header):
        # Without comments the lines say nothing, and each costs libcst half a dozen nodes.
        return " ".join(line.strip() for line in header) + end
    return "\n".join(line[margin:] if not line[:margin].strip() else line for line in header) + end


def _decorator_text(node: ast.expr, lines: Sequence[str]) -> str:
    """Return a decorator as written, on one line; long arguments (configs) are left out."""
    last = node.end_lineno or node.lineno
    is_long = last - node.lineno > MAX_DECORATOR_LINES
    if not is_long:
        text = [line.encode() for line in lines[node.lineno - 1 : last]]
        text[-1] = text[-1][: node.end_col_offset]
        text[0] = text[0][node.col_offset :]
        joined = " ".join(part.decode().strip() for part in text)
        is_long = len(joined) > MAX_DECORATOR
    if is_long:
        return (
            f"{written(node.func, MAX_DECORATOR)}(...)"
            if isinstance(node, ast.Call)
            else written(node, MAX_DECORATOR)
        )
    return joined


def _params_from_lines(
    node: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]
) -> tuple[HeaderParam, ...] | None:
    """Return the parameters as they stand in the lines; None where a tree does not tell that."""
    found: list[HeaderParam] = []
    for argument, default in _pairs(node.args):
        annotation = _piece(argument.annotation, ":", lines)
        given = _piece(default, "=", lines)
        if annotation == "" or given == "" or not argument.arg.isascii():
            return None
        found.append(HeaderParam(name=argument.arg, annotation=annotation, default=given))
    return tuple(found)


def _piece(node: ast.expr | None, mark: str, lines: Sequence[str]) -> str | None:
    """Return the text of an expression that follows a mark; "" where it is not all of one line."""
    if node is None:
        return None
    line = lines[node.lineno - 1]
    if node.end_lineno != node.lineno or not line.isascii():
        return ""
    is_whole = line[: node.col_offset].rstrip().endswith(mark)
    text = line[node.col_offset : node.end_col_offset]
    return _SPACE.sub(" ", text).strip() if is_whole and "#" not in text else ""


@lru_cache(maxsize=4096)  # one project often has a kernel once for each of its back ends
def _params_from_text(text: str) -> tuple[HeaderParam, ...] | None:
    if len(text) > MAX_UNCHECKED and not is_safe_for_libcst(text):
        return None
    # Imported here: few signatures need it, and it costs more than the rest of the scanner.
    import libcst as cst
    from libcst import native  # type: ignore[attr-defined]  # compiled, without stubs

    try:
        module = native.parse_module(text)
        function = module.body[0] if module.body else None
        return _params_from_cst(module, function) if isinstance(function, cst.FunctionDef) else None
    except Exception:  # whatever native code makes of it, Python's own tree has the parameters
        return None


def _params_from_cst(module: cst.Module, function: cst.FunctionDef) -> tuple[HeaderParam, ...]:
    import libcst as cst

    def code(node: cst.CSTNode) -> str:
        if isinstance(node, (cst.Name, cst.Integer)) and not node.lpar:
            return node.value
        if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and not node.lpar:
            return f"{node.value.value}.{node.attr.value}"
        return _SPACE.sub(" ", module.code_for_node(node)).strip()

    parameters = function.params
    every: list[cst.Param] = [*parameters.posonly_params, *parameters.params]
    if isinstance(parameters.star_arg, cst.Param):
        every.append(parameters.star_arg)
    every += parameters.kwonly_params
    if parameters.star_kwarg is not None:
        every.append(parameters.star_kwarg)
    return tuple(
        HeaderParam(
            name=param.name.value,
            annotation=code(param.annotation.annotation) if param.annotation else None,
            default=code(param.default) if param.default else None,
        )
        for param in every
    )


def _params_from_ast(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
) -> tuple[HeaderParam, ...]:
    return tuple(
        HeaderParam(
            name=argument.arg,
            annotation=written(argument.annotation) if argument.annotation else None,
            default=written(default) if default else None,
        )
        for argument, default in _pairs(node.args)
    )


def _pairs(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Yield the parameters in order, each with its default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    yield from zip(positional, [*([None] * missing), *arguments.defaults], strict=True)
    if arguments.vararg:
        yield arguments.vararg, None
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    if arguments.kwarg:
        yield arguments.kwarg, None
