"""The rules of a check: an id, what it is about, and, of a hazard, a function that finds it.

A hazard is one module here and one entry in `HAZARDS`. Its function is given one kernel and sees
only what an index keeps of it, so that the same rule fills the column `hazards` there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crawler.check.findings import API, UNKNOWN_API
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


NAMES: tuple[Rule, ...] = (
    Rule(id=API, summary="a name, keyword or form of a call that some release of Triton lacks"),
    Rule(id=UNKNOWN_API, summary="a name or keyword that no release has: a slip, or a dialect's"),
)
HAZARDS: tuple[Rule, ...] = ()
RULES = (*NAMES, *HAZARDS)
