"""Wishes and issues made by hand."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from wishlist.issues import Issue, Person
from wishlist.models import IssueWish, Wish, WishStatus

REPO = "octo/wishes"
ASKED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def wish(number: int = 1, **facts: Any) -> Wish:
    """Return an open wish for an RMS norm; `facts` replaces some of it."""
    defaults: dict[str, Any] = {
        "number": number,
        "url": f"https://github.com/{REPO}/issues/{number}",
        "title": "RMS norm",
        "ops": ("rms_norm",),
        "status": WishStatus.OPEN,
        "votes": 0,
        "passes": (),
        "dtypes": (),
        "hardware": (),
        "reference": None,
        "created_at": ASKED_AT,
        "updated_at": ASKED_AT,
        "priority": 1.0,
        "matches": (),
        "duplicate_of": None,
        "repo": REPO,
        "operation": None,
        "features": (),
        "shapes": None,
        "why": None,
        "offers_help": False,
        "assignees": (),
        "pull_requests": (),
        "fulfilled_by": None,
        "matched_at": None,
        "notes": (),
    }
    return Wish(**(defaults | facts))


def issue(number: int = 1, **facts: Any) -> Issue:
    """Return an open issue; `facts` replaces some of it."""
    repo = facts.get("repo", REPO)
    defaults: dict[str, Any] = {
        "id": 1000 + number,
        "repo": repo,
        "number": number,
        "url": f"https://github.com/{repo}/issues/{number}",
        "title": "RMS norm",
        "body": "",
        "author": Person(id=1, login="ada", is_bot=False),
        "labels": (),
        "assignees": (),
        "is_open": True,
        "closed_as": None,
        "is_pull": False,
        "is_merged": False,
        "wanting": 0,
        "n_comments": 0,
        "created_at": ASKED_AT,
        "updated_at": ASKED_AT,
    }
    return Issue(**(defaults | facts))


def issue_wish(number: int = 1, **facts: Any) -> IssueWish:
    """Return what an open issue says by itself; `facts` replaces some of it."""
    shared = {field.name for field in fields(IssueWish)} & {field.name for field in fields(Wish)}
    whole = wish(number)
    defaults: dict[str, Any] = {name: getattr(whole, name) for name in shared} | {
        "issue_id": 1000 + number,
        "asker": 1,
        "is_open": True,
        "closed_as": None,
        "labels": (),
        "wanting": 0,
        "n_comments": 0,
    }
    return IssueWish(**(defaults | facts))
