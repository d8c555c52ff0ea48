"""What is said around one issue, asked of GitHub: reactions, comments, pull requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from crawler.github.answers import Reply
from crawler.github.errors import GithubError
from wishlist.issues import Person, Timeline, parse_comments, parse_reactions, parse_timeline
from wishlist.models import IssueWish
from wishlist.talk import with_reactions, with_talk

PAGE = 100
MOST_PAGES = 5
"""Pages of a listing that are read of one issue."""


class Get(Protocol):
    """How a path is asked for."""

    def __call__(self, path: str, parse: Callable[[str], Any]) -> Reply[Any]:
        """Return the answer to a GET below the API's root."""


def read_details(wish: IssueWish, repo: str, get: Get) -> IssueWish:
    """Return the wish with what is said around it, and nothing due.

    Raises:
        GithubError: an answer cannot be had.
    """
    base = f"/repos/{repo}/issues/{wish.number}"
    people = _read_people(get, f"{base}/reactions") if wish.wanting != 0 else ()
    wish = with_reactions(wish, people)
    if wish.n_comments or wish.is_open:
        talk, is_whole = _read_talk(get, base)
        wish = with_talk(wish, talk, is_whole=is_whole)
    else:
        wish = with_talk(wish, Timeline(comments=(), references=(), n_events=0), is_whole=True)
    return replace(wish, is_due=False)


def _read_people(get: Get, path: str) -> tuple[Person | None, ...]:
    found: list[Person | None] = []
    for number in range(1, MOST_PAGES + 1):
        page = _value(get(f"{path}?per_page={PAGE}&page={number}", parse_reactions))
        found += page or ()
        if page is None or len(page) < PAGE:
            break
    return tuple(found)


def _read_talk(get: Get, base: str) -> tuple[Timeline, bool]:
    """Return the timeline, or where GitHub has none the comments; and whether to the end."""
    for path, parse in ((f"{base}/timeline", parse_timeline), (f"{base}/comments", parse_comments)):
        pages: list[Timeline] = []
        is_whole = False
        for number in range(1, MOST_PAGES + 1):
            page = _value(get(f"{path}?per_page={PAGE}&page={number}", parse))
            if page is None:
                break
            pages.append(page)
            is_whole = page.n_events < PAGE
            if is_whole:
                break
        if pages:
            return _joined(pages), is_whole
    return _joined([]), True


def _joined(pages: list[Timeline]) -> Timeline:
    return Timeline(
        comments=tuple(comment for page in pages for comment in page.comments),
        references=tuple(issue for page in pages for issue in page.references),
        n_events=sum(page.n_events for page in pages),
    )


def _value(reply: Reply[Any]) -> Any:
    """Return what was asked for, None where there is none."""
    if reply.value is None and reply.status not in (404, 410):
        raise GithubError(f"GitHub answers {reply.status} ({reply.message}); run again later")
    return reply.value
