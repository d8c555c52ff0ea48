"""How a publication of the index ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of a crawled index."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How a publication ended: `tag` is that of the release that readers now see, if any.

    `reasons` are why it was refused, `notes` what else should be known.
    """

    verdict: Verdict
    tag: str | None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    """Names and sizes in bytes."""
