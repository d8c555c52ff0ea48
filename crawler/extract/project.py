"""The files of a project at one commit, read and parsed when something in them is asked for."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from crawler.models import ScanSkip
from crawler.scan.modules import ModuleMap
from crawler.scan.notebook import join_notebook
from crawler.scan.parse import parse_text, read_source


@dataclass(slots=True, eq=False)
class SourceFile:
    """A parsed file; `cells` are those of a notebook: (first line of the joined text, index)."""

    path: str
    tree: ast.Module
    text: str
    cells: tuple[tuple[int, int], ...] = ()
    _data: bytes = b""
    _starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._data = self.text.encode("utf-8", "surrogatepass")
        starts, place = [0], 0
        for line in self._data.split(b"\n"):
            place += len(line) + 1
            starts.append(place)
        self._starts = starts

    def offset(self, line: int, column: int) -> int:
        """Return the place in bytes of a line (from 1) and a column in bytes."""
        return self._starts[line - 1] + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node stands, in bytes."""
        start = self.offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = self.offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return start, end

    def slice(self, start: int, end: int) -> str:
        """Return the text between two places in bytes."""
        return self._data[start:end].decode("utf-8", "surrogatepass")

    def written(self, node: ast.AST) -> str:
        """Return the text of a node as its author wrote it."""
        return self.slice(*self.span(node))

    def line_of(self, place: int) -> int:
        """Return the line (from 1) in which a place in bytes lies."""
        return bisect_right(self._starts, place)

    def head(self) -> str:
        """Return the comments with which the file begins."""
        kept: list[str] = []
        for line in self.text.split("\n"):
            if line.strip() and not line.startswith("#"):
                break
            kept.append(line)
        return "\n".join(kept).strip("\n")


class Project:
    """A project as extraction sees it.

    `read` gives the bytes of a file, None where there is none; `permalink` the address of lines;
    `license` the SPDX expression of a file, None where it is unknown.
    """

    def __init__(
        self,
        name: str,
        paths: Iterable[str],
        read: Callable[[str], bytes | None],
        *,
        permalink: Callable[[str, int, int], str],
        license: Callable[[str, bytes], str | None],
    ) -> None:
        self.name = name
        self._list = paths
        self._read = read
        self.permalink = permalink
        self._license = license
        self._files: dict[str, SourceFile | None] = {}
        self._licenses: dict[str, str | None] = {}
        self._modules: ModuleMap | None = None

    @property
    def modules(self) -> ModuleMap:
        """The module names of the project."""
        if self._modules is None:
            self._modules = ModuleMap(self._list)
        return self._modules

    def file(self, path: str) -> SourceFile | None:
        """Return a parsed file; None where it cannot be had or read."""
        if path not in self._files:
            self._files[path] = self._parse(path)
        return self._files[path]

    def license(self, path: str) -> str | None:
        """Return the licence of a file that was read."""
        if path not in self._licenses:
            found = self.file(path)
            head = b"" if found is None else found.text[:8192].encode("utf-8", "replace")
            self._licenses[path] = self._license(path, head)
        return self._licenses[path]

    def _parse(self, path: str) -> SourceFile | None:
        data = self._read(path)
        if data is None:
            return None
        cells: tuple[tuple[int, int], ...] = ()
        text: str | ScanSkip
        if path.endswith(".ipynb"):
            notebook = join_notebook(path, data)
            if isinstance(notebook, ScanSkip):
                return None
            text, cells = notebook.text, notebook.cells
        else:
            text = read_source(path, data)
        if isinstance(text, ScanSkip):
            return None
        parsed = parse_text(path, text)
        return None if isinstance(parsed, ScanSkip) else SourceFile(path, parsed.tree, text, cells)
