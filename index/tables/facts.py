"""Which parts of a kernel's record are facts: names and numbers are, what somebody composed is not.

A parameter's default, a decorator or a tuning config may hold an expression of its author's. Of
such code the names and plain values stay, and `...` stands where an expression was. Pure.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

LEFT_OUT = "..."

# A word in quotes is a name of something; from a blank on, it is a sentence.
_WORD = re.compile(r"[\w.+/:-]{0,40}")
_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
# Code is cut before it is parsed: what comes from outside may be of any depth.
_LONGEST_CODE = 2_000
# Items of a list that are names rather than a composition.
_MOST_ITEMS = 16


def plain_code(text: str) -> str:
    """Return code with `...` in the place of every expression that is no name or plain value.

    Plain values are numbers, words in quotes, True, False, None, and lists of such. A call keeps
    its name and its plain arguments.
    """
    if _NAME.fullmatch(text):
        return text
    if len(text) > _LONGEST_CODE:
        return _called(text)
    try:
        node = ast.parse(text.strip(), mode="eval").body
        return _plain_call(node) if isinstance(node, ast.Call) else _plain(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _called(text)


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tuning config, by its two parts, with names and plain values alone."""
    return {
        part: {
            name: plain_code(value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        for part, values in config.items()
    }


def _called(text: str) -> str:
    """Return what is called by code that is too long or too odd to be read."""
    name = _NAME.match(text)
    return f"{name[0]}({LEFT_OUT})" if name and text[name.end() :].startswith("(") else LEFT_OUT


def _plain_call(node: ast.Call) -> str:
    if not _is_name(node.func):
        return LEFT_OUT
    arguments = [_plain(argument) for argument in node.args]
    arguments += [f"{k.arg}={_plain(k.value)}" if k.arg else LEFT_OUT for k in node.keywords]
    return f"{ast.unparse(node.func)}({', '.join(arguments)})"


def _plain(node: ast.expr) -> str:
    return ast.unparse(node) if _is_plain(node) else LEFT_OUT


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return len(node.elts) <= _MOST_ITEMS and all(map(_is_value, node.elts))
    return _is_value(node)


def _is_value(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str | bytes) or (
            isinstance(node.value, str) and _WORD.fullmatch(node.value) is not None
        )
    return _is_name(node)


def _is_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
