"""What the author of a kernel says of it: its docstring, else the comment that stands above it.

Comments beside parameters and in the body tell of lines, not of the kernel; notes to tools, rules
of dashes and code that was commented out tell nothing.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence

from crawler.scan.written import well_formed

MAX_DOCUMENTATION = 32 << 10
"""Characters of a docstring that are kept; `inspect.cleandoc` is slow on what is far longer."""

MAX_COMMENT_LINES = 200

_NOTE = re.compile(
    r"^[\W_]*(fmt|yapf|noqa|flake8|type|pylint|pyright|mypy|ruff|isort|pragma|nosec|nolint|bandit"
    r"|cspell|codespell|black|clang-format|noinspection|todo|fixme|xxx|hack|spdx[\w-]*|copyright"
    r"|%%|region|endregion)\b(?!\s+\w+\s+(is|are|was)\b)",
    re.IGNORECASE,
)
_NOTE_BEHIND = re.compile(r"\s*#\s*(noqa|type:|pylint|fmt:|nosec|pragma).*$", re.IGNORECASE)
_RULE = re.compile(r"^[\W_]*$")
_CODE = re.compile(
    r"@\w|(async )?def \w+ ?\(|class \w+[:(]|import \w|from [\w.]+ import|return\b|(el)?if .*:$"
    r"|for .* in .*:$|(\w+ ?=[ \w.(]{0,40})?\b(tl|triton|torch)\.\w[\w.]*\(|\w+=\S*[(\[{]"
    r"|[)\]}]+,?$|(print|assert)\b.*\)$"
)


def documentation(
    node: ast.FunctionDef | ast.AsyncFunctionDef, start: int, lines: Sequence[str]
) -> str | None:
    """Return the docstring, else the comment right above the first line, `start`; None for none."""
    docstring = ast.get_docstring(node, clean=False)
    if docstring and docstring.strip():
        return well_formed(inspect.cleandoc(docstring[:MAX_DOCUMENTATION]))
    block = list(_comment_above(lines, start - 2))[::-1]
    if any(_CODE.match(line) for line in block):
        return None
    words = [line for line in block if not _NOTE.match(line) and not _RULE.match(line)]
    return "\n".join(words)[:MAX_DOCUMENTATION].strip() or None


def _comment_above(lines: Sequence[str], index: int) -> Iterator[str]:
    """Yield the lines of the comment that ends at an index, the last first, without their marks."""
    for line in reversed(lines[max(0, index + 1 - MAX_COMMENT_LINES) : index + 1]):
        text = line.strip()
        if not text.startswith("#"):
            return
        yield _NOTE_BEHIND.sub("", text.lstrip("#!").strip())
