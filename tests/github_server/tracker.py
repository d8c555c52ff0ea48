"""The issues of a hosted repository, and what people do to them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, tzinfo=UTC)
_ids = itertools.count(5_000_001)


@dataclass(slots=True, kw_only=True)
class HostedComment:
    """A comment; `association` is what its author is to the repository."""

    id: int
    author: str
    body: str
    created_at: datetime
    updated_at: datetime
    association: str = "NONE"


@dataclass(slots=True, kw_only=True)
class HostedIssue:
    """An issue, or a pull request where `is_pull`. People are logins; one with [bot] is a bot."""

    id: int
    number: int
    title: str
    body: str | None
    author: str | None
    created_at: datetime
    updated_at: datetime
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    is_open: bool = True
    state_reason: str | None = None
    closed_at: datetime | None = None
    is_pull: bool = False
    merged_at: datetime | None = None
    reactions: list[tuple[str, str]] = field(default_factory=list)
    comments: list[HostedComment] = field(default_factory=list)
    mentioned_by: list[tuple[str, int]] = field(default_factory=list)
    """Repository and number of the issues and pull requests that refer to it."""
    moved_to: tuple[int, int] | None = None
    """Id of a repository and the number there."""
    is_deleted: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it still is an issue of its repository."""
        return not self.is_deleted and self.moved_to is None


@dataclass(slots=True)
class Tracker:
    """Issues by number. Whatever is done to one a person can see is done a minute later."""

    issues: dict[int, HostedIssue] = field(default_factory=dict)
    now: datetime = START

    def ask(
        self, title: str, body: str | None = None, *, by: str | None = "ada", **facts: object
    ) -> HostedIssue:
        """Open an issue; `facts` are further fields of it."""
        now = self._later()
        known = {"created_at": now, "updated_at": now, "title": title, "body": body, "author": by}
        number = len(self.issues) + 1
        issue = HostedIssue(id=next(_ids), number=number, **(known | facts))  # type: ignore[arg-type]
        self.issues[issue.number] = issue
        return issue

    def edit(self, number: int, **facts: object) -> HostedIssue:
        """Change fields of an issue."""
        issue = self.issues[number]
        for name, value in facts.items():
            setattr(issue, name, value)
        issue.updated_at = self._later()
        return issue

    def close(self, number: int, reason: str = "completed") -> None:
        """Close an issue for a reason that GitHub knows."""
        issue = self.edit(number, is_open=False, state_reason=reason)
        issue.closed_at = issue.updated_at

    def reopen(self, number: int) -> None:
        """Open a closed issue again."""
        self.edit(number, is_open=True, state_reason="reopened", closed_at=None)

    def comment(
        self, number: int, body: str, *, by: str = "bob", association: str = "NONE"
    ) -> HostedComment:
        """Comment on an issue."""
        issue = self.edit(number)
        made = HostedComment(
            id=next(_ids),
            author=by,
            body=body,
            created_at=issue.updated_at,
            updated_at=issue.updated_at,
            association=association,
        )
        issue.comments.append(made)
        return made

    def react(self, number: int, by: str, content: str = "+1") -> None:
        """React to an issue, which touches none of its dates."""
        self.issues[number].reactions.append((by, content))

    def refer(self, number: int, repo: str, source: int) -> None:
        """Let another issue or pull request refer to this one."""
        self.edit(number).mentioned_by.append((repo, source))

    def delete(self, number: int) -> None:
        """Delete an issue for good; no date tells of it."""
        self.issues[number].is_deleted = True

    def find_comment(self, id: int) -> HostedComment | None:
        """Return the comment of that id on any issue that is here."""
        here = (issue for issue in self.issues.values() if issue.is_here)
        return next((c for issue in here for c in issue.comments if c.id == id), None)

    def _later(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now
