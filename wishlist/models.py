"""What people wish for, and what there is for it."""

from __future__ import annotations

from collections.abc import Iterable
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
class LinkedPull:
    """A pull request for a wish: its address, `owner/name#7`, and what became of it."""

    address: str
    is_open: bool
    is_merged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueWish:
    """What one issue says by itself. Votes, status and priority follow from all issues together.

    People are GitHub's numeric ids. `wanting` and `n_comments` are the counts that GitHub gave
    with the issue; `is_due`: its reactions and comments are still to be read. `said_*` is what
    somebody who may speak for the repository wrote in a comment.
    """

    repo: str
    number: int
    issue_id: int
    url: str
    title: str
    asker: int | None
    is_open: bool
    closed_as: str | None
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    operation: str | None
    ops: tuple[str, ...]
    passes: tuple[Pass, ...]
    dtypes: tuple[str, ...]
    hardware: tuple[str, ...]
    reference: str | None
    features: tuple[str, ...]
    shapes: str | None
    why: str | None
    offers_help: bool
    wanting: int | None
    n_comments: int
    reactors: tuple[int, ...] = ()
    askers: tuple[int, ...] = ()
    pulls: tuple[LinkedPull, ...] = ()
    said_duplicate_of: int | None = None
    said_kernel: str | None = None
    is_due: bool = False
    notes: tuple[WishNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WishSkip:
    """An issue that is no wish, and why (one line)."""

    repo: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request of a wish-list's own repository: what it says it closes, and its kernel."""

    repo: str
    number: int
    closes: tuple[int, ...]
    is_open: bool
    is_merged: bool
    kernel: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneWish:
    """An issue that is not in its repository any more: deleted, or transferred, where to."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """What one sync leaves for the next.

    `etag` is that of the look that the next one begins with. `newest` is when the last known
    change was made, `swept_at` when every issue was last listed. `rules` read the issues.
    """

    repo: str
    etag: str | None
    newest: datetime | None
    swept_at: datetime | None
    rules: str
    former_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWishes:
    """What earlier syncs left of a repository; `others` are its issues that are no wishes."""

    state: SyncState | None = None
    wishes: tuple[IssueWish, ...] = ()
    others: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedWishes:
    """What one sync found: new and changed wishes, and what is no wish (any more).

    `state` is to be stored with them, all or none. `problems` are lines on what could not be
    read; `stopped` says why the rest is left for the next run.
    """

    repo: str
    state: SyncState
    wishes: tuple[IssueWish, ...] = ()
    skips: tuple[WishSkip, ...] = ()
    pulls: tuple[PullRequest, ...] = ()
    gone: tuple[GoneWish, ...] = ()
    problems: tuple[str, ...] = ()
    requests: int = 0
    is_changed: bool = False
    renamed_from: str | None = None
    stopped: str | None = None


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
        return None if self.matched_at is None else answer_of(self.matches)


def answer_of(matches: Iterable[WishMatch]) -> Answer:
    """Return what the index has for a wish, judged by the best of these matches."""
    best = max((match.score for match in matches), default=0.0)
    if best >= EXISTS_SCORE:
        return Answer.EXISTS
    return Answer.PARTLY if best >= PARTLY_SCORE else Answer.MISSING
