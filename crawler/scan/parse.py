"""Bytes of a Python file -> syntax tree, or the reason why there is none.

Python's own parser is an order of magnitude faster than any other, but it reads only the grammar of
the interpreter that runs it. What it rejects is read by libcst, which knows newer grammars, and
converted (`cst_to_ast`), so that everything after this module sees one kind of tree.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from dataclasses import dataclass

from crawler.models import ScanSkip

MAX_SOURCE_BYTES = 4 << 20
"""Fourteen times the largest hand-written kernel file seen; a parse stays within seconds."""

MAX_CST_DEPTH = 100
"""Brackets and indents within which libcst's recursive parser is safe on a thread's stack."""

MAX_CST_CHAIN = 1_000
"""Operators and brackets between two commas, likewise: `a + a ...` and `a()() ...` nest too."""

_NESTING = re.compile(
    r"[(\[{)\]},\n]|[-+*/%@&|^~.<>=]+|\b(?:not|and|or|if|elif|lambda|await|in|is)\b"
)


@dataclass(frozen=True, slots=True)
class ParsedSource:
    """A tree and the text it was read from; `lines` keep no line ends, tree lines are 1-based."""

    tree: ast.Module
    lines: list[str]


def decode_source(data: bytes) -> str | None:
    """Return the text as Python would decode it, with plain line feeds; None if it is not text."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        if b"coding" in data[:400]:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        else:
            text = data.decode("utf-8")
    except (SyntaxError, LookupError, UnicodeError):
        return None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def parse_source(path: str, data: bytes) -> ParsedSource | ScanSkip:
    """Return the tree of a Python file, or a skip that says why it has none."""
    text = read_source(path, data)
    return text if isinstance(text, ScanSkip) else parse_text(path, text)


def read_source(path: str, data: bytes) -> str | ScanSkip:
    """Return the text of a Python file, or a skip that says why it is none."""
    if len(data) > MAX_SOURCE_BYTES:
        return ScanSkip(path=path, reason=f"larger than {MAX_SOURCE_BYTES >> 20} MiB")
    if b"\0" in data:
        return ScanSkip(path=path, reason="contains null bytes")
    text = decode_source(data)
    if text is None:
        return ScanSkip(path=path, reason="not text in its declared encoding")
    return text


def parse_text(path: str, text: str) -> ParsedSource | ScanSkip:
    """Return the tree of Python source text, or a skip that says why it has none.

    Raises:
        MemoryError: There is not enough of it here, which says nothing of the text.
    """
    try:
        with warnings.catch_warnings():
            # Invalid escapes in other people's strings are not ours to report.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (RecursionError, MemoryError) as error:
        # Python's parser has one error for text that nests too deeply and for want of memory,
        # and only the first says something of the text.
        if isinstance(error, MemoryError) and is_short_of_memory():
            raise
        return ScanSkip(path=path, reason="nested too deeply to parse")
    except (SyntaxError, ValueError) as error:
        newer = parse_newer_grammar(text)
        if newer is None:
            return ScanSkip(path=path, reason=_describe(error))
        tree = newer
    return ParsedSource(tree, text.split("\n"))


def is_short_of_memory() -> bool:
    """Tell whether this process has come near what it may ask for, where it has such a limit."""
    try:
        import resource
    except ImportError:  # not on every platform
        return False
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    unit = 1 if sys.platform == "darwin" else 1 << 10
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return limit != resource.RLIM_INFINITY and used > limit // 4


def parse_newer_grammar(text: str) -> ast.Module | None:
    """Return the tree that libcst reads, None where libcst rejects the text too."""
    if not is_safe_for_libcst(text):
        return None
    # Imported here: most runs never need it, and it costs more than the rest of the scanner.
    from crawler.scan.cst_to_ast import parse_with_libcst

    return parse_with_libcst(text)


def is_safe_for_libcst(text: str) -> bool:
    """Tell whether libcst's recursive parser can read this text without exhausting the stack.

    Brackets inside strings are counted too, so this is a filter and no proof: scans run in
    worker processes, whose death costs one file.
    """
    depth = chain = elifs = 0
    for match in _NESTING.finditer(text):
        mark = match[0]
        if mark in "([{":
            depth += 1
            chain += 1
        elif mark in ")]}":
            depth = max(depth - 1, 0)
        elif mark == "," or (mark == "\n" and depth == 0):
            chain = 0
        elif mark == "elif":
            elifs += 1
        elif mark != "\n":
            chain += 1
        if depth > MAX_CST_DEPTH or max(chain, elifs) > MAX_CST_CHAIN:
            return False
    indents = (len(line) - len(line.lstrip(" \t")) for line in text.split("\n"))
    return max(indents) <= 4 * MAX_CST_DEPTH


def _describe(error: SyntaxError | ValueError) -> str:
    if isinstance(error, SyntaxError):
        where = f" (line {error.lineno})" if error.lineno else ""
        return f"syntax error{where}: {error.msg}"
    return "syntax error: " + str(error).splitlines()[0]
