"""Bytes of files in, jit functions out: pure, nothing that is read is imported or run."""

from __future__ import annotations

import msgspec

from crawler.models import ScanSkip
from crawler.scan.collect import collect_facts
from crawler.scan.cst_to_ast import parse_with_libcst
from crawler.scan.facts import SCANNER_VERSION, FileFacts
from crawler.scan.gate import decorator_names, may_hold_kernels
from crawler.scan.link import link_snapshot, renamed_jits
from crawler.scan.notebook import join_notebook
from crawler.scan.parse import ParsedSource, decode_source, parse_source, parse_text

__all__ = [
    "SCANNER_VERSION",
    "FileFacts",
    "decorator_names",
    "link_snapshot",
    "may_hold_kernels",
    "renamed_jits",
    "scan_file",
]


def scan_file(path: str, data: bytes, *, whole_with_libcst: bool = False) -> FileFacts | ScanSkip:
    """Return the facts of one `.py` or `.ipynb` file, or a skip that says why there are none.

    Args:
        path: where the file stands; its suffix tells what it is.
        data: its bytes.
        whole_with_libcst: read the whole file through libcst instead of Python's parser. It is
            several times slower and gives the same facts; benchmarks and tests hold it to that.
    """
    if path.endswith(".ipynb"):
        notebook = join_notebook(path, data)
        if isinstance(notebook, ScanSkip):
            return notebook
        facts = _facts(path, notebook.text, whole_with_libcst=whole_with_libcst)
        if isinstance(facts, ScanSkip):
            return facts
        return msgspec.structs.replace(facts, cells=notebook.cells, skipped=notebook.skipped)
    if whole_with_libcst:
        text = decode_source(data)
        return _facts(path, text or "", whole_with_libcst=True)
    parsed = parse_source(path, data)
    return parsed if isinstance(parsed, ScanSkip) else collect_facts(parsed.tree, parsed.lines)


def _facts(path: str, text: str, *, whole_with_libcst: bool) -> FileFacts | ScanSkip:
    parsed: ParsedSource | ScanSkip
    if whole_with_libcst:
        tree = parse_with_libcst(text)
        if tree is None:
            return ScanSkip(path=path, reason="syntax error")
        parsed = ParsedSource(tree, text.split("\n"))
    else:
        parsed = parse_text(path, text)
    return parsed if isinstance(parsed, ScanSkip) else collect_facts(parsed.tree, parsed.lines)
