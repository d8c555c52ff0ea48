"""Wishes that ask for the same kernel. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from wishlist.asking import Asking, Word, asking, op_weights
from wishlist.candidates import PLAIN_DTYPES
from wishlist.models import Wish

DUPLICATE_SCORE = 0.5
"""Two wishes that are as alike as this ask for the same."""

# How much of the likeness the words decide, where ops are known.
WORDS_SHARE = 0.85
# What is left of it where the one asks for what the other does not.
OTHER_PASSES, MORE_PASSES, OTHER_DTYPES, MORE_DTYPES, OTHER_FEATURE = 0.4, 0.85, 0.4, 0.8, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Two wishes for the same: `number` was written later than `of`; why, in plain words."""

    number: int
    of: int
    score: float
    reason: str


def find_duplicates(wishes: Iterable[Wish]) -> tuple[Duplicate, ...]:
    """Return the pairs of wishes that ask for the same kernel, the likest first."""
    found = []
    for first, second in _pairs(wishes):
        score, reason = likeness(asking(first), asking(second))
        if score >= DUPLICATE_SCORE:
            found.append(
                Duplicate(number=second.number, of=first.number, score=score, reason=reason)
            )
    return tuple(sorted(found, key=lambda pair: (-pair.score, pair.of, pair.number)))


def _pairs(wishes: Iterable[Wish]) -> Iterator[tuple[Wish, Wish]]:
    """Yield the pairs, the earlier wish first, that have anything in common: an op or a word."""
    sharing: dict[str, list[Wish]] = {}
    for wish in sorted(wishes, key=lambda wish: wish.number):
        asked = asking(wish)
        for key in asked.ops or (word.stem for word in (*asked.op_words, *asked.words)):
            sharing.setdefault(key, []).append(wish)
    numbers: set[tuple[int, int]] = set()
    for first, second in (pair for found in sharing.values() for pair in combinations(found, 2)):
        if (first.number, second.number) not in numbers:
            numbers.add((first.number, second.number))
            yield first, second


def likeness(first: Asking, second: Asking) -> tuple[float, str]:
    """Return how alike two wishes are, from 0 to 1, and what they have in common."""
    ops = set(first.ops) & set(second.ops)
    either = set(first.ops) | set(second.ops)
    words = _share_of_words(first, second)
    weights = op_weights(either)
    score = 1 - WORDS_SHARE * (1 - words) if either else words
    score *= sum(weights[op] for op in ops) / sum(weights.values()) if either else 1.0
    for share in (
        _of_passes(first, second),
        _of_dtypes(first, second),
        OTHER_FEATURE ** len(set(first.features) ^ set(second.features)),
    ):
        score *= share
    shown = ", ".join(sorted(ops)) or "the same words"
    return round(score, 3), f"{shown}; {round(100 * words)}% of the words"


def _share_of_words(first: Asking, second: Asking) -> float:
    """Return the share of the words, by weight, that both have; op words count by their op."""
    ours, theirs = _weights(first), _weights(second)
    both = sum(min(ours[word], theirs[word]) for word in ours.keys() & theirs.keys())
    all_of_them = sum(
        max(ours.get(w, 0.0), theirs.get(w, 0.0)) for w in ours.keys() | theirs.keys()
    )
    return both / all_of_them if all_of_them else 0.0


def _weights(asked: Asking) -> dict[str, float]:
    named = op_weights(asked.ops)
    words: tuple[Word, ...] = asked.words if asked.ops else (*asked.op_words, *asked.words)
    return named | {word.stem: word.weight for word in words}


def _of_passes(first: Asking, second: Asking) -> float:
    if first.passes == second.passes:
        return 1.0
    return MORE_PASSES if first.passes & second.passes else OTHER_PASSES


def _of_dtypes(first: Asking, second: Asking) -> float:
    ours, theirs = (set(asked.dtypes) - PLAIN_DTYPES for asked in (first, second))
    if ours == theirs:
        return 1.0
    return MORE_DTYPES if not ours or not theirs or ours & theirs else OTHER_DTYPES
