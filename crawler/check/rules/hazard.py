"""A rule, and what it finds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crawler.check.rules.code import KernelCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """What a rule finds in a kernel. Lines are those of the kernel's file, columns 1-based."""

    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    name: str | None = None
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule; `find` is None for the rules on names, which need no code of their own here.

    `is_default` tells whether it is on unless asked for: only where nearly all it says is right.
    """

    id: str
    summary: str
    is_default: bool = True
    find: Callable[[KernelCode], Iterable[Hazard]] | None = None


def hazard_at(node: ast.expr, message: str, *, instead: str | None = None) -> Hazard:
    """Return a hazard that stands where an expression does."""
    return Hazard(
        line=node.lineno,
        column=node.col_offset + 1,
        end_line=node.end_lineno or node.lineno,
        end_column=(node.end_col_offset or node.col_offset) + 1,
        message=message,
        instead=instead,
    )
