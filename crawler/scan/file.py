"""Bytes of one file -> its facts, or why there are none."""

from __future__ import annotations

import msgspec

from crawler.models import ScanSkip
from crawler.scan.collect import MAX_KERNELS, TooManyKernelsError, Watch, collect_facts
from crawler.scan.facts import FileFacts
from crawler.scan.notebook import join_notebook
from crawler.scan.parse import ParsedSource, parse_text, read_source
from crawler.scan.scope import EntangledError
from crawler.stages import stage_version

MAX_DEFINITIONS = 20_000
"""Times that a file may say `def`; told without a parse, which takes seconds for that many."""


def scan_version() -> str:
    """Return what changes whenever the same bytes may give other facts: blobs are read again."""
    return stage_version("crawler.scan")


def scan_file(
    path: str, data: bytes, *, whole_with_libcst: bool = False, watch: Watch | None = None
) -> FileFacts | ScanSkip:
    """Return the facts of one `.py` or `.ipynb` file, or a skip that says why there are none.

    Args:
        path: where the file stands; its suffix tells what it is.
        data: its bytes.
        whole_with_libcst: read the whole file through libcst instead of Python's parser. It is
            several times slower and gives the same facts; benchmarks and tests hold it to that.
        watch: called with the tree, the lines and the survey of a file that has facts.
    """
    skipped: tuple[tuple[int, str], ...] = ()
    cells: tuple[tuple[int, int], ...] = ()
    text: str | ScanSkip
    if path.endswith(".ipynb"):
        notebook = join_notebook(path, data)
        if isinstance(notebook, ScanSkip):
            return notebook
        text, cells, skipped = notebook.text, notebook.cells, notebook.skipped
    else:
        text = read_source(path, data)
        if isinstance(text, ScanSkip):
            return text
    if text.count("def ") > MAX_DEFINITIONS:
        return ScanSkip(path=path, reason=f"defines more than {MAX_DEFINITIONS:,} functions")
    parsed = _parse_whole(path, text) if whole_with_libcst else parse_text(path, text)
    if isinstance(parsed, ScanSkip):
        return parsed
    try:
        facts = collect_facts(parsed.tree, parsed.lines, watch)
    except EntangledError:
        return ScanSkip(path=path, reason="its names lead to one another in too many ways")
    except TooManyKernelsError:
        return ScanSkip(path=path, reason=f"holds more than {MAX_KERNELS:,} kernels")
    return (
        msgspec.structs.replace(facts, cells=cells, skipped=skipped) if cells or skipped else facts
    )


def _parse_whole(path: str, text: str) -> ParsedSource | ScanSkip:
    # Imported here: nobody but who compares the two needs it for files that Python can read.
    from crawler.scan.cst_to_ast import parse_with_libcst

    tree = parse_with_libcst(text)
    if tree is None:
        return ScanSkip(path=path, reason="syntax error")
    return ParsedSource(tree, text.split("\n"))
