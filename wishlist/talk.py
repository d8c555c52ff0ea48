"""What is said around an issue: who asks again, what it repeats, who works on it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from wishlist.demand import people_asking
from wishlist.issues import Issue, Person, Timeline
from wishlist.markdown import clean_body
from wishlist.models import IssueWish, LinkedPull, WishNote
from wishlist.reading import closed_by, named_kernel

T = TypeVar("T")

_DUPLICATE = re.compile(
    r"\bdup(?:licates?|e)? of\s+(?:(?:https?://[^\s/]+/)?([\w.-]+/[\w.-]+)(?:#|/issues/)|#)(\d{1,9})\b",
    re.IGNORECASE,
)


def with_reactions(wish: IssueWish, people: Iterable[Person | None]) -> IssueWish:
    """Return the wish with those who reacted: people, each once, bots left out."""
    found = (person.id for person in people if person is not None and not person.is_bot)
    return replace(wish, reactors=tuple(dict.fromkeys(found)))


def with_talk(wish: IssueWish, talk: Timeline, *, is_whole: bool) -> IssueWish:
    """Return the wish with what its timeline says; without its end, that is noted."""
    notes = [note for note in wish.notes if note.field != "comments"]
    if not is_whole:
        reason = f"only the first {talk.n_events} events around it are read"
        notes.append(WishNote(field="comments", reason=reason))
    official = [clean_body(comment.body) for comment in talk.comments if comment.is_official]
    return replace(
        wish,
        askers=people_asking(talk.comments),
        pulls=tuple(_linked(wish, talk.references)),
        said_duplicate_of=_last(_duplicated(text, wish) for text in official),
        said_kernel=_last(map(named_kernel, official)),
        notes=tuple(notes),
    )


def _linked(wish: IssueWish, references: Iterable[Issue]) -> Iterator[LinkedPull]:
    """Yield the pull requests that say they close the issue; a mention alone is none."""
    found = {f"{pull.repo}#{pull.number}": pull for pull in references if pull.is_pull}
    for address, pull in found.items():
        if wish.number in closed_by(pull, wish.repo):
            yield LinkedPull(address=address, is_open=pull.is_open, is_merged=pull.is_merged)


def _duplicated(text: str, wish: IssueWish) -> int | None:
    """Return the wish of the same repository that this one is said to repeat."""
    for repo, number in _DUPLICATE.findall(text):
        if (repo or wish.repo).lower() == wish.repo.lower() and int(number) != wish.number:
            return int(number)
    return None


def _last(found: Iterable[T | None]) -> T | None:
    return next((one for one in reversed(tuple(found)) if one is not None), None)
