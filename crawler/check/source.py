"""One file of a check: its facts, what its host code uses, and where in its text a use stands."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from crawler.check.host import HostUse, host_uses
from crawler.models import ScanSkip
from crawler.scan import scan_file
from crawler.scan.facts import FileFacts
from crawler.scan.notebook import cell_at
from crawler.scan.parse import parse_text
from crawler.scan.survey import Survey

_Named = ast.Call | ast.Attribute | ast.Name | ast.alias


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file as people count: 1-based, the end just behind the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(eq=False)
class CheckedFile:
    """A file that could be read. Lines are those of the file, or of the joined notebook."""

    path: str
    facts: FileFacts
    host: list[HostUse]
    lines: Sequence[str] = field(repr=False)

    def address(self, line: int) -> tuple[str, int]:
        """Return how a line is named: path and line, of a notebook with the cell."""
        cell, offset = cell_at(self.facts.cells, line)
        return (self.path if cell is None else f"{self.path}[{cell}]"), line - offset

    def text(self, line: int) -> str:
        """Return the text of a line, nothing beyond the end."""
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""

    def span(self, place: tuple[int, int], symbol: str) -> Span:
        """Return where the name or the keyword stands that a use at `place` is about.

        `symbol` is a dotted name or `name(keyword)`; columns of `place` are bytes, as Python's.
        """
        name, _, given = symbol.partition("(")
        keyword = given.removesuffix(")")
        nodes = self._named.get(place, ())
        for node in nodes:
            if isinstance(node, ast.Call) and keyword:
                for one in node.keywords:
                    if one.arg == keyword:
                        start = self._column(one.lineno, one.col_offset)
                        return Span(one.lineno, start, one.lineno, start + len(keyword))
        last = name.rpartition(".")[2]
        ends = [n for n in nodes if isinstance(n, ast.Attribute) and n.attr == last]
        calls = [n.func for n in nodes if isinstance(n, ast.Call)]
        chosen = next(iter([*ends, *calls, *nodes]), None)
        line, offset = place
        start = self._column(line, offset)
        if chosen is None or chosen.end_lineno is None or chosen.end_col_offset is None:
            return Span(line, start, line, start + 1)
        end = self._column(chosen.end_lineno, chosen.end_col_offset)
        if isinstance(chosen, ast.Attribute) and not _is_dotted(chosen):
            # A method of something longer: the something is not what is looked for.
            return Span(chosen.end_lineno, end - len(chosen.attr), chosen.end_lineno, end)
        return Span(line, start, chosen.end_lineno, end)

    def _column(self, line: int, offset: int) -> int:
        return len(self.text(line).encode()[:offset].decode("utf-8", "ignore")) + 1

    @cached_property
    def _named(self) -> dict[tuple[int, int], list[_Named]]:
        """What begins at each place; read only for files with findings."""
        found: dict[tuple[int, int], list[_Named]] = {}
        parsed = parse_text(self.path, "\n".join(self.lines))
        for node in () if isinstance(parsed, ScanSkip) else ast.walk(parsed.tree):
            if isinstance(node, _Named):
                found.setdefault((node.lineno, node.col_offset), []).append(node)
        return found


def read_file(path: str, data: bytes) -> CheckedFile | ScanSkip:
    """Return what a check needs of a `.py` or `.ipynb` file, or why it cannot be read."""
    host: list[HostUse] = []
    lines: list[str] = []

    def watch(tree: ast.Module, text: Sequence[str], survey: Survey) -> None:
        host.extend(host_uses(tree, survey))
        lines.extend(text)

    facts = scan_file(path, data, watch=watch)
    return facts if isinstance(facts, ScanSkip) else CheckedFile(path, facts, host, lines)


def _is_dotted(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
