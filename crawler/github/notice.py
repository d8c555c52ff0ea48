"""One issue that a program keeps: opened when there is something to tell, rewritten, closed.

It is found again by a marker that readers do not see and by a label, which only people with
rights on the repository can set: the marker alone, anybody could write into an issue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.github.json_fields import count, json_object, json_objects

MAX_BODY = 60_000
"""GitHub takes 65,536 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeIssue:
    """The issue as it stands."""

    number: int
    is_open: bool


class Notice:
    """The one issue about one thing, in one repository.

    Every method raises GithubError where GitHub does not do what it is asked for.
    """

    def __init__(self, client: GithubClient, repo: str, *, label: str, marker: str) -> None:
        self._client = client
        self._root = f"/repos/{repo}/issues"
        self._repo = repo
        self._label = label
        self._marker = f"<!-- {marker} -->"

    def tell(self, title: str, text: str) -> int:
        """Return the number of the issue that now says this, open; the same one each time."""
        body: dict[str, object] = {"title": title, "body": self._body(text), "state": "open"}
        issue = self.find()
        if issue is None:
            made = {"title": title, "body": self._body(text), "labels": [self._label]}
            reply = self._client.send("POST", self._root, parse_number, body=made)
        else:
            path = f"{self._root}/{issue.number}"
            reply = self._client.send("PATCH", path, parse_number, body=body)
        return self._done(reply.value, reply.status, reply.message)

    def settle(self, text: str) -> int | None:
        """Close the issue if it is open, saying this in it; return its number, else None."""
        issue = self.find()
        if issue is None or not issue.is_open:
            return None
        body = {"body": self._body(text), "state": "closed", "state_reason": "completed"}
        path = f"{self._root}/{issue.number}"
        reply = self._client.send("PATCH", path, parse_number, body=body)
        return self._done(reply.value, reply.status, reply.message)

    def find(self) -> NoticeIssue | None:
        """Return the issue, an open one before a closed one; None if there never was one."""
        query = f"?labels={quote(self._label)}&state=all&per_page=100"
        reply = self._client.get(f"{self._root}{query}", json_objects)
        if reply.value is None:
            raise self._refusal(reply.status, reply.message)
        found = [
            NoticeIssue(number=count(raw, "number"), is_open=raw.get("state") == "open")
            for raw in reply.value
            if self._is_ours(raw)
        ]
        return min(found, key=lambda issue: (not issue.is_open, issue.number), default=None)

    def _is_ours(self, raw: Mapping[str, Any]) -> bool:
        body = raw.get("body")
        is_marked = isinstance(body, str) and body.startswith(self._marker)
        return is_marked and "pull_request" not in raw

    def _body(self, text: str) -> str:
        return f"{self._marker}\n{text}"[:MAX_BODY]

    def _done(self, number: int | None, status: int, message: str) -> int:
        if number is None:
            raise self._refusal(status, message)
        return number

    def _refusal(self, status: int, message: str) -> GithubError:
        return GithubError(
            f"{self._repo}: GitHub does not let the issue {self._label!r} be written: {status} "
            f"({message}); the token needs `issues: write`, and issues must be turned on"
        )


def parse_number(body: str) -> int:
    """Return the number of the issue that an answer describes.

    Raises:
        ValueError: It is none; names the field.
    """
    return count(json_object(body), "number")
