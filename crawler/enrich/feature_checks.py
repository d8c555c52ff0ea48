"""The rules of features that must look at the code itself.

Each takes the text of a kernel and says whether the feature is there. The patterns are bounded, so
that no text of a stranger's can make them slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_COMMENT = re.compile(r"#[^\n]*")
_PROGRAM_LOOP = re.compile(
    r"range\(\s*(?:\w{1,8}\.program_id\(|(?:\w{0,20}_)?pid(?:_\w{0,20})?\s*,)[^\n:]{0,160},"
    r"|range\([^\n]{0,160}\b(?:num_programs\(|NUM_SMS?\b|num_sms?\b|NUM_PROGRAMS?\b)",
)
# m_new = maximum(m, ...) and later exp(m - m_new), whatever they are called.
_RUNNING_MAX = re.compile(r"\s*(\w{1,40}) *= *\w{1,8}\.maximum\((.{1,160})")
_RESCALE = re.compile(r"exp[2f]?\(\s*\(?\s*(\w{1,40})(?:\[[^\]\n]{0,30}\])? *- *(\w{1,40})\b")
_AXIS = re.compile(r"program_id\(\s*(?:axis\s*=\s*)?([0-2])")
_LOOP = re.compile(r"(?:for|while) ")
_COPY = re.compile(r"\s*(\w{1,40}) *= *(\w{1,40})\s*(?:#|$)")
_WORD = re.compile(r"\w+")


def loops_over_programs(source: str) -> bool:
    """Return whether a loop runs from the program's number in steps of all programs."""
    return bool(_PROGRAM_LOOP.search(source))


def rescales_by_running_max(source: str) -> bool:
    """Return whether `exp(old - new)` scales by the growth of a maximum kept through a loop."""
    if "exp" not in source or "max" not in source or not _LOOP.search(source):
        return False
    text = _COMMENT.sub("", source)
    olds: dict[str, set[str]] = {}
    copies: set[tuple[str, str]] = set()
    for line in text.split("\n"):
        running = _RUNNING_MAX.match(line)
        if running is not None:
            olds.setdefault(running[1], set()).update(_WORD.findall(running[2]))
        copy = _COPY.match(line)
        if copy is not None:
            copies.add((copy[1], copy[2]))
    return any(
        old in olds[new] or (old, new) in copies
        for old, new in _RESCALE.findall(text)
        if new in olds
    )


def uses_second_axis(source: str) -> bool:
    """Return whether the program asks for its place along axis 1."""
    return "1" in _AXIS.findall(source)


def uses_third_axis(source: str) -> bool:
    """Return whether the program asks for its place along axis 2."""
    return "2" in _AXIS.findall(source)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    check.__name__: check
    for check in (loops_over_programs, rescales_by_running_max, uses_second_axis, uses_third_axis)
}
