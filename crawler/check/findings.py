"""What a check finds, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

API = "api"
UNKNOWN_API = "unknown-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place that someone should look at.

    `line` and `column` are 1-based; in a notebook `path` carries the cell, as ids of kernels do.
    `since` and `until` are the first and last release that have `name`, None beyond the ends of
    what is known; both are None for a hazard, and for what no release has.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    """Just behind the last character."""
    rule: str
    message: str
    name: str | None = None
    since: str | None = None
    until: str | None = None
    instead: str | None = None
    kernel: str | None = None
    dialect: str | None = None
    releases: int | None = None
    """Of names: the releases that have it, a set of `ApiTable`'s."""

    @property
    def file(self) -> str:
        """The path without the cell of a notebook."""
        head, mark, _ = self.path.partition(".ipynb[")
        return f"{head}.ipynb" if mark else self.path

    @property
    def cell(self) -> int | None:
        """The cell of a notebook, None in other files."""
        _, mark, cell = self.path.partition(".ipynb[")
        return int(cell.rstrip("]")) if mark else None

    @property
    def is_of_releases(self) -> bool:
        """Tell whether it is about names of Triton's, not a hazard."""
        return self.releases is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedKernel:
    """A kernel with the releases that have all it uses; `triton_max` as in the index."""

    path: str
    qualname: str
    line: int
    triton_min: str | None
    triton_max: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The answer of a check: kernels and findings in the order of files and lines.

    The range is that of all code together. Both ends are None where no release has everything.
    `skipped` are files that could not be read, with why; `n_files` those that may hold kernels.
    """

    kernels: tuple[CheckedKernel, ...] = ()
    findings: tuple[Finding, ...] = ()
    triton_min: str | None = None
    triton_max: str | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    n_files: int = 0


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings sorted by place, each once."""
    every = dict.fromkeys(findings)
    return tuple(sorted(every, key=lambda f: (f.path, f.line, f.column, f.rule, f.name or "")))
