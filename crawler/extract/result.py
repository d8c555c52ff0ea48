"""What an extraction gives: one file of source and what it was made of, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PartKind(StrEnum):
    """What a part of the file is."""

    CONSTANT = "constant"
    DEVICE_FUNCTION = "device_function"
    CONSTEXPR_FUNCTION = "constexpr_function"
    KERNEL = "kernel"
    LAUNCHER = "launcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One definition of the file: where it comes from, and under which licence (SPDX or None)."""

    name: str
    permalink: str
    license: str | None
    kind: PartKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A self-contained file; `name` is what the kernel is called in it.

    `replaced` and `left_out` tell what differs from the project, one line each. The releases, which
    are worked out when they are asked for, are the first and the last that have all the file uses;
    a `triton_max` of None is the newest known.
    """

    source: str
    name: str
    parts: tuple[Part, ...]
    replaced: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def triton_min(self) -> str | None:
        """The first release; None where no release has everything."""
        return self._releases()[0]

    @property
    def triton_max(self) -> str | None:
        """The last release."""
        return self._releases()[1]

    def _releases(self) -> tuple[str | None, str | None]:
        # Imported late: to read the file once more takes as long as to make it.
        from crawler.extract.releases import releases_of

        return releases_of(self.source, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExtractable:
    """Why a kernel cannot be given whole: `needs: project.utils.foo (not found)`."""

    reason: str


class NeedsError(Exception):
    """Something that cannot stand in the file is needed; the message names it and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"needs: {name} ({why})")
