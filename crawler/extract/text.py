"""Pieces of a file with some of their tokens replaced and their indent taken away."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable

from crawler.extract.project import SourceFile

Edit = tuple[int, int, str]
"""Start and end in bytes, and the text to stand there."""


def edited(file: SourceFile, start: int, end: int, edits: Iterable[Edit]) -> str:
    """Return the text between two places with the edits made that lie within."""
    pieces, at = [], start
    for first, last, text in sorted(set(edits)):
        if first < at or last > end:
            continue
        pieces += [file.slice(at, first), text]
        at = last
    pieces.append(file.slice(at, end))
    return "".join(pieces)


def definition_text(
    file: SourceFile, node: ast.FunctionDef | ast.ClassDef, edits: Iterable[Edit]
) -> str:
    """Return a definition without its decorators, at the left margin, as it was written."""
    start = file.offset(node.lineno, node.col_offset)
    _, end = file.span(node)
    rest = file.slice(end, file.offset((node.end_lineno or 0) + 1, 0) - 1)
    if rest.lstrip().startswith("#"):
        end += len(rest.encode())
    return dedented(edited(file, start, end, edits), node.col_offset)


def without_result(file: SourceFile, node: ast.FunctionDef) -> Edit:
    """Return the edit that takes away what a function is said to return."""
    assert node.returns is not None
    start, end = file.span(node.returns)
    before = file.slice(file.offset(node.lineno, node.col_offset), start)
    kept = before[: before.rindex("->")].rstrip()
    return start - len(before[len(kept) :].encode()), end, ""


def dedented(text: str, indent: int) -> str:
    """Return text with `indent` columns less on every line but the first and those in strings."""
    if not indent:
        return text
    inside = _lines_in_strings(text)
    lines = text.split("\n")
    for place, line in enumerate(lines):
        if place and place + 1 not in inside:
            lines[place] = line[min(indent, len(line) - len(line.lstrip())) :]
    return "\n".join(lines)


def _lines_in_strings(text: str) -> set[int]:
    """Return the lines (from 1) that begin within a string."""
    found: set[int] = set()
    started: list[int] = []
    begins = {getattr(tokenize, n, -1) for n in ("FSTRING_START", "TSTRING_START")}
    ends = {getattr(tokenize, n, -1) for n in ("FSTRING_END", "TSTRING_END")}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING:
                found.update(range(token.start[0] + 1, token.end[0] + 1))
            elif token.type in begins:
                started.append(token.start[0])
            elif token.type in ends and started:
                found.update(range(started.pop() + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
