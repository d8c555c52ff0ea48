"""A Jupyter notebook -> one Python source, with the place of each cell in it.

Names reach from cell to cell, so the code cells are read as one module in the order they stand.
Lines that only IPython understands become comments; a cell that is still no Python is left out.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crawler.models import ScanSkip
from crawler.scan.parse import parse_text

MAX_NOTEBOOK_BYTES = 32 << 20
"""Notebooks carry their outputs, pictures included; the code in them is small."""

MAX_CELLS = 5_000

_MAGIC = re.compile(r"^([ \t]*)(%{1,2}[A-Za-z_].*|!.*|\?{1,2}[\w.%]+|[\w.%]+\?{1,2})$")
_ASSIGNED_MAGIC = re.compile(r"^([ \t]*[\w, .]+=[ \t]*)(?:%[A-Za-z_]|!).*$")
_BODY_OF_CELL = re.compile(r"^%%(time|timeit|capture|prun|px)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedNotebook:
    """The code of a notebook; `cells` are (first line in `text`, cell index), in order."""

    text: str
    cells: tuple[tuple[int, int], ...]
    skipped: tuple[tuple[int, str], ...]


def join_notebook(path: str, data: bytes) -> JoinedNotebook | ScanSkip:
    """Return the joined code of a notebook, or a skip where it is no readable notebook."""
    if len(data) > MAX_NOTEBOOK_BYTES:
        return ScanSkip(path=path, reason=f"larger than {MAX_NOTEBOOK_BYTES >> 20} MiB")
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        return ScanSkip(path=path, reason="not a notebook: no valid JSON")
    sources = _code_cells(notebook)
    if sources is None:
        return ScanSkip(path=path, reason="not a notebook: no list of cells")
    lines: list[str] = []
    cells: list[tuple[int, int]] = []
    skipped: list[tuple[int, str]] = []
    for index, source in sources:
        code = _python_of(source)
        if "jit" not in code and "import" not in code and "[" not in code:
            continue
        parsed = parse_text(path, code)
        if isinstance(parsed, ScanSkip):
            skipped.append((index, parsed.reason))
            continue
        cells.append((len(lines) + 1, index))
        lines.extend(code.split("\n"))
    return JoinedNotebook(text="\n".join(lines), cells=tuple(cells), skipped=tuple(skipped))


def cell_at(cells: Sequence[tuple[int, int]], line: int) -> tuple[int | None, int]:
    """Return the cell that a line of a joined notebook is in, and the lines before that cell."""
    found: tuple[int | None, int] = (None, 0)
    for first, cell in cells:
        if first > line:
            break
        found = (cell, first - 1)
    return found


def _code_cells(notebook: Any) -> list[tuple[int, str]] | None:
    """Return (index, source) of the code cells; notebooks before format 4 kept them in sheets."""
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        lists = (sheet.get("cells") for sheet in sheets)
        cells = [cell for found in lists if isinstance(found, list) for cell in found]
    if not isinstance(cells, list):
        return None
    return list(_sources(cells[:MAX_CELLS]))


def _sources(cells: list[Any]) -> Iterator[tuple[int, str]]:
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if isinstance(source, str) and "\0" not in source:
            yield index, source.replace("\r\n", "\n").replace("\r", "\n")


def _python_of(source: str) -> str:
    """Return the Python in a cell; what only IPython understands becomes a comment or `None`."""
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if not _BODY_OF_CELL.match(lines[first]):
            return "\n".join("# " + line for line in lines)
        lines[first] = f"pass  # {lines[first]}"
        source = "\n".join(lines)
    return source if _is_python(source) else "\n".join(_python_lines(lines))


def _is_python(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _python_lines(lines: Iterable[str]) -> Iterator[str]:
    is_continued = False
    for line in lines:
        assigned = _ASSIGNED_MAGIC.match(line)
        magic = _MAGIC.match(line)
        if is_continued:
            yield f"# {line}"
        elif assigned:
            yield assigned[1] + "None"
        elif magic:
            yield f"{magic[1]}pass  # {magic[2]}"
        else:
            yield line
        is_magic = is_continued or assigned is not None or magic is not None
        is_continued = is_magic and line.endswith("\\")
