"""Which files of a source are listed: one rule for every transport.

Listed are Python files and notebooks, which may hold kernels, and the files that tell of licence,
requirements and purpose. Everything else stays unread wherever it lies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MIB = 1 << 20
MAX_NOTEBOOK_BYTES = 64 * MIB
"""Notebooks carry pictures, so they may be larger than any text written by hand."""
MAX_TEXT_BYTES = 8 * MIB

_SOURCE_SUFFIXES = (".py", ".ipynb")
_METADATA_NAME = re.compile(
    r"""
    pyproject\.toml | setup\.cfg | setup\.py | PKG-INFO
    | requirements[^/]*\.txt
    | (?:licen[cs]e|copying|notice|readme) (?:[-._][^/]*)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_METADATA_PATH = re.compile(
    r"(?:^|/)(?:[^/]+\.dist-info/METADATA|LICENSES/[^/]+|requirements/[^/]+\.txt)$"
)


def is_source(path: str) -> bool:
    """Return whether a kernel may stand in the file of this name."""
    return path.endswith(_SOURCE_SUFFIXES)


def is_metadata(path: str) -> bool:
    """Return whether the file of this name tells of licence, requirements or purpose."""
    name = path.rpartition("/")[2]
    return bool(_METADATA_NAME.fullmatch(name) or _METADATA_PATH.search(path))


def size_limit(path: str) -> int:
    """Return how many bytes the file of this name may have to be read."""
    return MAX_NOTEBOOK_BYTES if path.endswith(".ipynb") else MAX_TEXT_BYTES


def oversize_reason(path: str, size: int) -> str | None:
    """Return why a file of this size is not read, None if it may be."""
    limit = size_limit(path)
    if size <= limit:
        return None
    return f"too large: {size / MIB:.1f} MiB, the limit is {limit // MIB} MiB"


@dataclass(frozen=True, slots=True)
class Selection:
    """The choice of files for one source; calling it with a path tells whether it is listed."""

    include: Callable[[str], bool] | None = None
    exclude: Callable[[str], bool] | None = None

    def __call__(self, path: str) -> bool:
        """Return whether the file is listed; `include` narrows sources, `exclude` everything."""
        if not is_metadata(path):
            if not is_source(path):
                return False
            if self.include is not None and not self.include(path):
                return False
        return self.exclude is None or not self.exclude(path)


def select_files(include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Selection:
    """Return the choice of files for these patterns, written as in a `.gitignore`.

    Without `include` every file is taken; a licence or requirement file always is, unless
    `exclude` names it.
    """
    return Selection(include=_matcher(include), exclude=_matcher(exclude))


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool] | None:
    if not patterns:
        return None
    from pathspec import GitIgnoreSpec  # few sources need it

    return GitIgnoreSpec.from_lines(patterns).match_file
