"""What people wish for, and what there is for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WishStatus(StrEnum):
    """What became of a wish."""

    OPEN = "open"
    CLAIMED = "claimed"
    """Somebody is assigned."""
    IN_PROGRESS = "in_progress"
    """A pull request for it is open."""
    FULFILLED = "fulfilled"
    DECLINED = "declined"
    DUPLICATE = "duplicate"

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do for it."""
        return self in (WishStatus.FULFILLED, WishStatus.DECLINED, WishStatus.DUPLICATE)


class Pass(StrEnum):
    """A direction in which an operation is computed."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Answer(StrEnum):
    """What the index has for a wish, judged by its best match."""

    EXISTS = "exists"
    PARTLY = "partly"
    MISSING = "missing"


EXISTS_SCORE = 0.75
"""A best match of this score or more is what was wished for."""
PARTLY_SCORE = 0.4
"""One of this score or more is some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishMatch:
    """A kernel that may serve a wish: its id, how well (0 to 1), and why, in plain words."""

    id: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WishNote:
    """A part of a wish that could not be read, or not as it was written; `field` names it."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A wish for a kernel, as the list has it; the first fields are the record that is shown.

    Text is as written, in plain lines; `reference` and `shapes` may have several. `ops`, `dtypes`
    and `features` are words of the crawler's vocabularies. `votes` counts the distinct people who
    want it besides who asked first, those of its duplicates included. `matches` are the best
    first. Moments are UTC.
    """

    number: int
    url: str
    title: str
    ops: tuple[str, ...]
    status: WishStatus
    votes: int
    passes: tuple[Pass, ...]
    dtypes: tuple[str, ...]
    hardware: tuple[str, ...]
    reference: str | None
    created_at: datetime
    updated_at: datetime
    priority: float
    matches: tuple[WishMatch, ...]
    duplicate_of: int | None
    repo: str
    """`owner/name` of the repository whose issue it is."""
    operation: str | None
    """What is wished for, as written in the form; None where the issue does not follow it."""
    features: tuple[str, ...]
    shapes: str | None
    why: str | None
    offers_help: bool
    assignees: tuple[str, ...]
    pull_requests: tuple[str, ...]
    """Addresses of the pull requests for it, `owner/name#7`."""
    fulfilled_by: str | None
    """Id of the kernel that serves it, where a maintainer or a pull request names one."""
    matched_at: datetime | None
    """When it was last held against the index, None if never."""
    notes: tuple[WishNote, ...]

    @property
    def answer(self) -> Answer | None:
        """What the index has for it, None before it was held against the index."""
        if self.matched_at is None:
            return None
        best = max((match.score for match in self.matches), default=0.0)
        if best >= EXISTS_SCORE:
            return Answer.EXISTS
        return Answer.PARTLY if best >= PARTLY_SCORE else Answer.MISSING
