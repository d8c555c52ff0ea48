"""Articles, papers, videos, tools and people: the list in `data/resources.toml`, searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from index.learning.reading import read_tables
from index.table import Table
from index.text import asked_words, join_terms, term, words

# A word of so many letters is found within a longer one too: `rmsnorm` in `rms_norm`.
LONG_ENOUGH = 5
# What a word in the title counts beside one elsewhere.
IN_TITLE = 3


class Kind(StrEnum):
    """What a resource is."""

    ARTICLE = "article"
    PAPER = "paper"
    VIDEO = "video"
    NOTEBOOK = "notebook"
    PUZZLE = "puzzle"
    TOOL = "tool"
    CONFERENCE = "conference"
    COMMUNITY = "community"
    COURSE = "course"
    BACKEND = "backend"
    INTEGRATION = "integration"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something to learn from.

    `url` is where it lives; `also` are addresses that it had, and other spellings. `stage` is that
    of the learning path which it helps with, 1 to 5; None: it is for all.
    """

    kind: Kind
    title: str
    url: str
    note: str
    stage: int | None = None
    ops: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


@cache
def load_resources() -> tuple[Resource, ...]:
    """Return every resource, in the order of the list."""
    return read_tables("resources.toml", "resource", Resource)


def find_resources(
    resources: Iterable[Resource], query: str, kinds: Sequence[Kind] = ()
) -> tuple[Resource, ...]:
    """Return the resources that have every word of the query, the likeliest first.

    Where none has all, those that have most of them. Without words: all, in the list's order.
    """
    terms = tuple(map(term, asked_words(query)))
    chosen = [one for one in resources if not kinds or one.kind in kinds]
    if not terms:
        return tuple(chosen)
    found = {one.url: _hits(one, terms) for one in chosen}
    most = max((count for count, _ in found.values()), default=0)
    hits = [one for one in chosen if most and found[one.url][0] == most]
    return tuple(sorted(hits, key=lambda one: -found[one.url][1]))


def as_table(resources: Iterable[Resource]) -> Table:
    """Return the fields of the contract, a resource a row."""
    columns = ("kind", "title", "url", "note", "stage", "ops")
    return Table(
        columns=columns,
        rows=tuple((r.kind.value, r.title, r.url, r.note, r.stage, list(r.ops)) for r in resources),
    )


def _hits(resource: Resource, terms: Sequence[str]) -> tuple[int, int]:
    """Return how many of the terms it has, and what they count for."""
    title = _Words.of(resource.title)
    rest = _Words.of(f"{resource.note} {resource.kind} {resource.url} {' '.join(resource.ops)}")
    weights = [IN_TITLE if title.has(one) else 1 if rest.has(one) else 0 for one in terms]
    return sum(map(bool, weights)), sum(weights)


@dataclass(frozen=True, slots=True)
class _Words:
    terms: frozenset[str]
    joined: str

    @classmethod
    def of(cls, text: str) -> _Words:
        found = tuple(map(term, words(text)))
        return cls(frozenset(found), join_terms(found))

    def has(self, asked: str) -> bool:
        return asked in self.terms or (len(asked) >= LONG_ENOUGH and asked in self.joined)
