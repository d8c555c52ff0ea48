"""Kinds of a kernel's parameters: what annotations and the body of one file tell of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator

from crawler.models import ParamKind
from crawler.scan.facts import Unknown, Value
from crawler.scan.flow import Flow, is_named_pointer
from crawler.scan.scope import Scope, to_value

_SCALAR = re.compile(
    r"^(\w+\.)?(u?int\d*|float\d*|bfloat16|bool|u?i\d+|[bf]p?\d+|bf16)( ?\| ?None)?$"
)
_OPTIONAL = re.compile(r"^(?:\w+\.)?(?:Optional|Union)\[(.*)\]$")


def annotated_kind(annotation: str | None) -> ParamKind | None:
    """Return the kind that an annotation, as written, says by itself; None for no kind."""
    text = (annotation or "").strip("'\"")
    inner = _OPTIONAL.match(text)
    words = [word.strip() for word in (inner[1] if inner else text).split(",")]
    if "constexpr" in text:
        return ParamKind.CONSTEXPR
    if text.startswith("*") or "pointer" in text.lower():
        return ParamKind.POINTER
    if "descriptor" in text.lower():
        return ParamKind.DESCRIPTOR
    if all(_SCALAR.match(word) or (inner and word == "None") for word in words):
        return ParamKind.SCALAR
    return None


def kind_of(name: str, annotated: ParamKind | None, flow: Flow) -> ParamKind:
    """Return what one file tells of a parameter; `flow` is settled."""
    if annotated is ParamKind.CONSTEXPR:
        return annotated
    is_pointer, is_descriptor = name in flow.pointers, name in flow.descriptors
    if is_pointer and (is_descriptor or name in flow.methods):
        return ParamKind.UNKNOWN
    if is_pointer:
        return ParamKind.POINTER
    if is_descriptor:
        return ParamKind.DESCRIPTOR
    if annotated is not None:
        return annotated
    if is_named_pointer(name) and name not in flow.numbers and name not in flow.methods:
        return ParamKind.POINTER
    return ParamKind.UNKNOWN


def annotations_of(
    arguments: ast.arguments, unknown: Container[str], scope: Scope
) -> Iterator[tuple[str, Value]]:
    """Yield what annotations stand for that are names of the project or of packages.

    Args:
        arguments: the parameters as parsed.
        unknown: the names of those without a kind.
        scope: where the function is defined.
    """
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        annotation = argument.annotation
        if argument.arg in unknown and isinstance(annotation, (ast.Name, ast.Attribute)):
            value = to_value(annotation, scope, None)
            if not isinstance(value, Unknown):
                yield argument.arg, value
