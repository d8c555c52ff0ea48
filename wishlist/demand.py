"""How much a wish is wanted: who asks, counted as people, and what that makes of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from wishlist.issues import Comment
from wishlist.markdown import prose
from wishlist.models import IssueWish, WishStatus

# Characters of a comment; who wants something says so early.
_LONGEST = 4_000
_YEAR = 365.25 * 24 * 3600
# Somebody is at it: half of what it would be worth to begin.
_UNDER_WAY = frozenset({WishStatus.CLAIMED, WishStatus.IN_PROGRESS})

_ASKS = re.compile(
    r"(?:^|\s)\+1\b|👍|❤|\bme too\b|\bsame here\b|\bditto\b|\bsecond(?:ed|ing)? this\b|\bbump\b"
    r"|\b(?:i|we|us|also|too|really|would|'d|team|still)\s+(?:\w+\s+){0,3}?"
    r"(?:need|want|love|like|benefit|appreciate)\b|\b(?:would|could) (?:\w+\s+){0,2}use\b"
    r"|\b(?:need|want)(?:s|ed)?\s+(?:this|it|that|one)\b"
    r"|\b(?:would|will) be (?:\w+\s+){0,2}(?:useful|helpful|great|nice|awesome|amazing)\b"
    r"|\blooking forward\b|\bany (?:update|progress|news|plans?)\b|\bcount me in\b"
    r"|\bblock(?:ed|ing) (?:on|by|us)\b|我也需要|同求|也需要|お願いします",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:don'?t|do not|does not|doesn'?t|no longer|not|never)\s+(?:\w+\s+){0,2}?"
    r"(?:need|want|use)\b|(?:^|\s)-1\b|👎",
    re.IGNORECASE,
)


def asks_again(text: str) -> bool:
    """Tell whether the author of a comment wants this too; quotes and code are not theirs."""
    own = prose(text[:_LONGEST]).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _ASKS.search(own) is not None and _DECLINES.search(own) is None


def people_asking(comments: Iterable[Comment]) -> tuple[int, ...]:
    """Return who asks again in comments, each once, bots left out."""
    found = (
        comment.author.id
        for comment in comments
        if comment.author and not comment.author.is_bot and asks_again(comment.body)
    )
    return tuple(dict.fromkeys(found))


def voters(wish: IssueWish, duplicates: Iterable[IssueWish] = ()) -> frozenset[int]:
    """Return who wants it besides who asked first; who asked in a duplicate is one of them."""
    found = {*wish.reactors, *wish.askers}
    for other in duplicates:
        found.update(other.reactors, other.askers)
        if other.asker is not None:
            found.add(other.asker)
    return frozenset(found - {wish.asker})


def duplicates_by_wish(
    wishes: Iterable[IssueWish], duplicate_of: Mapping[int, int]
) -> dict[int, tuple[IssueWish, ...]]:
    """Return the duplicates of each wish of one repository, those of its duplicates included.

    Wishes that are each other's duplicates count for one another.
    """
    found: dict[int, list[IssueWish]] = {}
    for wish in wishes:
        seen = {wish.number}
        at = duplicate_of.get(wish.number)
        while at is not None and at not in seen:
            found.setdefault(at, []).append(wish)
            seen.add(at)
            at = duplicate_of.get(at)
    return {number: tuple(each) for number, each in found.items()}


def priority(status: WishStatus, votes: int, created_at: datetime, now: datetime) -> float:
    """Return how much a wish should be served next, 0 if it is settled.

    It is the number of people who want it, who asked included, and the years it has waited, at
    most one: patience breaks ties and outweighs one person at the most. Half of that if somebody
    is at work on it. In steps of a tenth.
    """
    if status.is_settled:
        return 0.0
    waited = max(0.0, (now - created_at).total_seconds() / _YEAR)
    wanted = 1 + votes + min(1.0, waited)
    return round(wanted / 2 if status in _UNDER_WAY else wanted, 1)
