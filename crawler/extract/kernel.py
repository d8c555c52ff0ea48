"""One kernel of a project -> one file that needs nothing but Triton."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from crawler.extract.assembly import Assembly
from crawler.extract.functions import FunctionIncluder
from crawler.extract.layout import written_file
from crawler.extract.project import Project
from crawler.extract.result import Extraction, NeedsError, NotExtractable
from crawler.extract.setting import NotKnownError, parse_setting
from crawler.extract.symbols import Symbols

_ORDINAL = re.compile(r"#(\d+)$")
_CELL = re.compile(r"\[(\d+)\]$")
DEFAULT_TARGET = "cuda:90"


def extract_kernel(
    project: Project,
    path: str,
    qualname: str,
    *,
    triton: str | None = None,
    target: str | None = None,
    launcher: bool = False,
    launchers: Iterable[str] = (),
) -> Extraction | NotExtractable:
    """Return a kernel with all it needs, or why that cannot be had.

    Args:
        project: where it stands.
        path: its file; of a notebook with the cell, as in an id: `a.ipynb[3]`.
        qualname: its name there; `#2` for the second definition of that name.
        triton: the release that branches are resolved for; the newest known without one.
        target: likewise, `cuda:90` or `hip:gfx942`.
        launcher: whether to give the nearest public function with it.
        launchers: what launches it, as its record says (`path::qualname`).

    Raises:
        ValueError: There is no such release or target.
    """
    setting = parse_setting(triton, target or DEFAULT_TARGET)
    symbols = Symbols(project, setting)
    assembly = Assembly(project=project, setting=setting, symbols=symbols)
    try:
        file_path, node = _find(symbols, path, qualname)
        includer = FunctionIncluder(assembly)
        name = includer.function(file_path, node, node.name, is_kernel=True)
        if launcher:
            from crawler.extract.launcher import include_launcher

            include_launcher(includer, file_path, launchers)
        source = written_file(assembly, f"{project.name}:{path}::{qualname}")
    except NeedsError as error:
        return NotExtractable(reason=str(error))
    except NotKnownError as error:
        return NotExtractable(reason=f"needs: {error} (known only to a run)")
    except RecursionError:
        return NotExtractable(reason="needs: a deeper stack (nested too deeply)")
    return Extraction(
        source=source,
        name=name,
        parts=tuple(assembly.parts),
        replaced=tuple(assembly.replaced),
        left_out=tuple(assembly.left_out),
    )


def _find(symbols: Symbols, path: str, qualname: str) -> tuple[str, ast.FunctionDef]:
    """Return the file and the definition that an id names."""
    ordinal = int(match[1]) if (match := _ORDINAL.search(qualname)) else 1
    cell = int(match[1]) if (match := _CELL.search(path)) else None
    file_path = _CELL.sub("", path) if cell is not None else path
    file = symbols.project.file(file_path)
    if file is None:
        raise NeedsError(file_path, "the file cannot be read")
    wanted = _ORDINAL.sub("", qualname)
    found = []
    for name, node in symbols.all_functions(file_path):
        at = [index for first, index in file.cells if first <= node.lineno]
        if name == wanted and (cell is None or (at and at[-1] == cell)):
            found.append(node)
    if len(found) < ordinal:
        raise NeedsError(f"{path}::{qualname}", "not found")
    return file_path, found[ordinal - 1]
