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
_WHILE = re.compile(r"\bwhile ([^\n:]{1,160}):")
_PROGRAMS = re.compile(r"(\w{1,40}) *= *(\w{1,8}\.num_programs\()")
_RANGE_STEP = re.compile(
    r"range\([^\n()]{1,120}(?:\([^\n()]{0,60}\)[^\n()]{0,60})?, *(\w{1,40})\s*\)"
)
_STEP = re.compile(r"(\w{1,40}) *(?:\+=|= *\1 *\+) *([^\n]{1,120})")
_PROGRAM_WORD = re.compile(r"num_programs\(|\bNUM_(?:SMS?|PROGRAMS?|CTAS?)\b", re.IGNORECASE)
_TAKEN = re.compile(r"(\w{1,40}) *= *\w{1,8}\.atomic_add\([^\n]{1,120}, *1\b")
_ACCESS = re.compile(r"\b(?:tl|gl|language)\.(load|store|atomic_(?!cas)\w{1,12})\(")
MAX_ACCESSES = 400
MAX_CALL = 1_000
"""Accesses looked at, and characters of each: real ones are a few lines."""
_ROW_AFTER = re.compile(
    r"\b(\w{1,40})\[:, None\]\)? *>= *\(?(?:\w{1,40} *\+ *)?(\w{1,40})\[None, :\]"
)
_COLUMN_BEFORE = re.compile(
    r"\b(\w{1,40})\[None, :\]\)? *<= *\(?(?:\w{1,40} *\+ *)?(\w{1,40})\[:, None\]"
)
_PLACES = re.compile(r"(\w{1,40}) *= *[^\n]{0,120}\barange\(")
_PLACE_WORD = re.compile(r"offs|pos|idx|range|rows?$|cols?$", re.IGNORECASE)
_WINDOW = re.compile(
    r"(?=[^\n]{0,300}\[:, None\])(?=[^\n]{0,300}\[None, :\])[^\n]{0,300}[<>]", re.IGNORECASE
)


def loops_over_programs(source: str) -> bool:
    """Return whether a loop runs from the program's number in steps of all programs.

    A `while` loop does so where it asks for a number that grows by that step, or that is taken
    from a counter which all programs share.
    """
    if _PROGRAM_LOOP.search(source) or _counts_programs(source):
        return True
    steps = {name for name, _ in _PROGRAMS.findall(source)}
    return bool(steps) and any(step in steps for step in _RANGE_STEP.findall(source))


def _counts_programs(source: str) -> bool:
    if "while " not in source:
        return False
    text = _COMMENT.sub("", source)
    asked = {name for test in _WHILE.findall(text) for name in _WORD.findall(test)}
    steps = {name for name, _ in _PROGRAMS.findall(text)}
    for name, step in _STEP.findall(text):
        words = set(_WORD.findall(step))
        if name in asked and (words & steps or _PROGRAM_WORD.search(step)):
            return True
    return any(name in asked for name in _TAKEN.findall(text))


def masks_by_position(source: str) -> bool:
    """Return whether a load or store is given its mask by position: `load(x, mask, other)`."""
    for number, match in enumerate(_ACCESS.finditer(source)):
        if number == MAX_ACCESSES:
            return False
        wanted = 2 if match[1] == "load" else 3
        if _positional(source, match.end()) >= wanted:
            return True
    return False


def _positional(source: str, start: int) -> int:
    """Return how many arguments by position a call has whose bracket was opened before `start`."""
    depth, found, is_empty, is_named = 1, 0, True, False
    for place in range(start, min(start + MAX_CALL, len(source))):
        letter = source[place]
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        if depth == 0 or (depth == 1 and letter == ","):
            found += not is_empty and not is_named
            is_empty, is_named = True, False
            if depth == 0:
                return found
        elif letter == "#" or letter in "'\"":
            return 0  # text in the way: better no answer than a wrong one
        elif not letter.isspace():
            is_empty = False
            pair = source[place - 1 : place + 1] + source[place + 1 : place + 2]
            is_named |= (
                depth == 1
                and letter == "="
                and not any(c in pair.replace("=", "", 1) for c in "=<>!")
            )
    return 0


def hides_the_future(source: str) -> bool:
    """Return whether rows are compared with columns so that none sees what comes after it."""
    if "dot(" not in source:
        return False
    text = _COMMENT.sub("", source)
    pairs = [(row, column) for row, column in _ROW_AFTER.findall(text)]
    pairs += [(row, column) for column, row in _COLUMN_BEFORE.findall(text)]
    places = set(_PLACES.findall(text)) if pairs else set()
    return any(_is_place(row, places) and _is_place(column, places) for row, column in pairs)


def _is_place(name: str, places: set[str]) -> bool:
    return name in places or _PLACE_WORD.search(name) is not None


def masks_by_window(source: str) -> bool:
    """Return whether rows and columns are compared at the distance of a window."""
    lines = (line for line in source.split("\n") if "window" in line.lower())
    return any(_WINDOW.search(_COMMENT.sub("", line)) for line in lines)


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
    for check in (
        hides_the_future,
        loops_over_programs,
        masks_by_position,
        masks_by_window,
        rescales_by_running_max,
        uses_second_axis,
        uses_third_axis,
    )
}
