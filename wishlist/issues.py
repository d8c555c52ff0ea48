"""GitHub's issues, comments, reactions and timelines: raw JSON in, checked records out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crawler.github.json_fields import (
    FULL_NAME,
    count,
    json_object,
    json_objects,
    list_or_empty,
    moment,
    optional_line,
)

WANTING = frozenset({"+1", "heart"})
"""The reactions that say that somebody wants something."""
# Who may speak for the repository.
_MAINTAINERS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_BOTS = frozenset({"Bot", "Mannequin"})
_ISSUE_URL = re.compile(r"https?://[^\s/?#]+/([^\s?#]+/[^\s?#]+)/(?:issues|pull)/(\d+)")
_MANY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who wrote or reacted; the id stays through renames."""

    id: int
    login: str
    is_bot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue or pull request. `repo` and `number` are where it is now, by its address.

    `author` is None for a deleted account. `wanting` counts its thumbs-up and hearts, None where
    that is not told. `problems` tell of what could not be read, as (field, reason).
    """

    id: int
    repo: str
    number: int
    url: str
    title: str
    body: str
    author: Person | None
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    is_open: bool
    closed_as: str | None
    is_pull: bool
    is_merged: bool
    wanting: int | None
    n_comments: int
    created_at: datetime
    updated_at: datetime
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment; `is_official` if by somebody who may speak for the repository."""

    id: int
    author: Person | None
    body: str
    is_official: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What happened around an issue: its comments, and what refers to it, in order."""

    comments: tuple[Comment, ...]
    references: tuple[Issue, ...]
    n_events: int


def parse_issues(body: str) -> tuple[Issue | str, ...]:
    """Return the issues of one page of a listing; a string tells of one that cannot be used.

    Raises:
        ValueError: it is no listing at all.
    """
    return tuple(map(_issue_or_why, json_objects(body)))


def parse_issue(body: str) -> Issue:
    """Return the one issue that the body is.

    Raises:
        ValueError: a field that it cannot do without is missing or wrong; names the field.
    """
    return _issue(json_object(body))


def parse_timeline(body: str) -> Timeline:
    """Return what one page of a timeline tells; events of no interest are counted alone."""
    events = json_objects(body)
    comments = [_comment(event) for event in events if event.get("event") == "commented"]
    sources = (event.get("source") for event in events if event.get("event") == "cross-referenced")
    issues = (source.get("issue") for source in sources if isinstance(source, dict))
    found = [_issue_or_why(issue) for issue in issues if isinstance(issue, dict)]
    return Timeline(
        comments=tuple(filter(None, comments)),
        references=tuple(issue for issue in found if isinstance(issue, Issue)),
        n_events=len(events),
    )


def parse_comments(body: str) -> Timeline:
    """Return one page of an issue's comments, as a timeline that knows nothing else."""
    events = json_objects(body)
    comments = tuple(filter(None, map(_comment, events)))
    return Timeline(comments=comments, references=(), n_events=len(events))


def parse_comment(body: str) -> int:
    """Return the id of the comment that the body is."""
    return count(json_object(body), "id")


def parse_reactions(body: str) -> tuple[Person | None, ...]:
    """Return who reacted in a way that says they want it, None for everybody else's reaction."""
    return tuple(
        _person(raw.get("user")) if raw.get("content") in WANTING else None
        for raw in json_objects(body)
    )


def parse_person(body: str) -> Person | None:
    """Return the account that the body is."""
    return _person(json_object(body))


def _issue_or_why(raw: Mapping[str, Any]) -> Issue | str:
    try:
        return _issue(raw)
    except ValueError as error:
        number = raw.get("number")
        return f"issue {number if type(number) is int else '?'}: {error}"


def _issue(raw: Mapping[str, Any]) -> Issue:
    url = raw.get("html_url")
    address = _ISSUE_URL.fullmatch(url) if isinstance(url, str) else None
    if address is None or not FULL_NAME.fullmatch(address[1]):
        raise ValueError("html_url is no address of an issue")
    number = count(raw, "number")
    if not 0 < number == int(address[2]) < 2**31:
        raise ValueError("number is not that of html_url")
    pull = raw.get("pull_request")
    state = raw.get("state")
    if state not in ("open", "closed"):
        raise ValueError("state is neither open nor closed")
    body = raw.get("body")
    title = optional_line(raw.get("title"))
    missing = () if title else (("title", "it has no words"),)
    unread = () if body is None or isinstance(body, str) else (("body", "it is no text"),)
    return Issue(
        id=count(raw, "id"),
        repo=address[1],
        number=number,
        url=address[0],
        title=title or f"issue {number}",
        body=body if isinstance(body, str) else "",
        author=_person(raw.get("user")),
        labels=_labels(raw.get("labels")),
        assignees=tuple(
            person.login for person in map(_person, list_or_empty(raw.get("assignees"))) if person
        ),
        is_open=state == "open",
        closed_as=optional_line(raw.get("state_reason")),
        is_pull=isinstance(pull, dict),
        is_merged=isinstance(pull, dict) and bool(pull.get("merged_at")),
        wanting=_wanting(raw.get("reactions")),
        n_comments=_number(raw.get("comments")),
        created_at=moment(raw, "created_at"),
        updated_at=moment(raw, "updated_at", "created_at"),
        problems=(*missing, *unread),
    )


def _comment(raw: Mapping[str, Any]) -> Comment | None:
    body = raw.get("body")
    if not isinstance(body, str):
        return None
    return Comment(
        id=_number(raw.get("id")),
        author=_person(raw.get("user")),
        body=body,
        is_official=raw.get("author_association") in _MAINTAINERS,
    )


def _person(raw: object) -> Person | None:
    if not isinstance(raw, dict):
        return None
    login = optional_line(raw.get("login"))
    id = raw.get("id")
    if login is None or type(id) is not int or not 0 < id < 2**63:
        return None
    is_bot = raw.get("type") in _BOTS or login.endswith("[bot]")
    return Person(id=id, login=login[:_MANY], is_bot=is_bot)


def _labels(raw: object) -> tuple[str, ...]:
    names = (item.get("name") if isinstance(item, dict) else item for item in list_or_empty(raw))
    return tuple(dict.fromkeys(filter(None, map(optional_line, names))))[:_MANY]


def _wanting(raw: object) -> int | None:
    return sum(_number(raw.get(kind)) for kind in WANTING) if isinstance(raw, dict) else None


def _number(raw: object) -> int:
    return raw if type(raw) is int and 0 <= raw < 2**63 else 0
