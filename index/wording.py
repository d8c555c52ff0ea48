"""The words of a question, matched to the words that the index knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from index.text import COMMON_WORDS, JOINT, STOP_WORDS, term, words

_T = TypeVar("_T")

MAX_WORDS = 32
LONGEST_JOINED = 3
# How alike (Jaro-Winkler, 0 to 1) a word must be to be offered for one that nobody wrote.
NEAR_ENOUGH = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One thing that is asked for; `is_common`: any answer will do without it."""

    term: str
    is_common: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The terms that a joined word is made of; empty for a plain one."""
        parts = tuple(self.term.split(JOINT))
        return parts if len(parts) > 1 else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A question as the index understands it; `unknown` words occur in no kernel."""

    concepts: tuple[Concept, ...] = ()
    unknown: tuple[str, ...] = ()


def understand(con: duckdb.DuckDBPyConnection, query: str) -> Wording:
    """Return what a question asks for.

    Neighbouring words that the index knows as one are one; a joined word that it only knows
    apart is several. So all spellings of a question have one wording.
    """
    asked = words(query)[:MAX_WORDS]
    if not STOP_WORDS.issuperset(asked):
        asked = [word for word in asked if word not in STOP_WORDS]
    vocabulary = _Vocabulary(con, asked)
    found: list[Concept] = []
    unknown: list[str] = []
    for run in _runs(asked, lambda run: vocabulary.has("".join(run))):
        word = "".join(run)
        terms = vocabulary.terms(word)
        found += (Concept(term=each, is_common=word in COMMON_WORDS) for each in terms)
        if not terms:
            unknown.append(word)
    compounds = _compounds(con, found)
    merged = (
        run[0] if len(run) == 1 else Concept(term=_key(run))
        for run in _runs(found, lambda run: _key(run) in compounds)
    )
    concepts = {concept.term: concept for concept in merged}
    return Wording(concepts=tuple(concepts.values()), unknown=tuple(dict.fromkeys(unknown)))


def suggest(con: duckdb.DuckDBPyConnection, word: str) -> list[str]:
    """Return the words of the index that are spelled most like this one, at most three."""
    rows = con.execute(
        """
        SELECT word, damerau_levenshtein(word, $word) AS distance FROM search_words
        WHERE len(word) > 2 AND jaro_winkler_similarity(word, $word) >= $near
            AND distance <= greatest(1, len($word) // 3)
        ORDER BY distance, jaro_winkler_similarity(word, $word) DESC, n DESC, word
        LIMIT 3
        """,
        {"word": word, "near": NEAR_ENOUGH},
    ).fetchall()
    return [str(near) for near, distance in rows if distance == rows[0][1]]


class _Vocabulary:
    """What the index knows of the words of one question and of their joined spellings."""

    def __init__(self, con: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> None:
        spellings = {"".join(run) for run in _windows(asked)}
        stems = {term(word) for word in spellings}
        rows = con.execute(
            "SELECT word, term, n FROM search_words "
            "WHERE word IN (SELECT unnest($spellings)) OR term IN (SELECT unnest($stems))",
            {"spellings": sorted(spellings | stems), "stems": sorted(stems)},
        ).fetchall()
        self._joint = {str(word): str(term) for word, term, n in rows if n > 0}
        self._apart = {str(word): str(term) for word, term, n in rows if n == 0}
        self._terms = frozenset(self._joint.values())

    def has(self, word: str) -> bool:
        """Tell whether somebody wrote this word as one, in this form or another."""
        return word in self._joint or term(word) in self._joint or term(word) in self._terms

    def terms(self, word: str) -> tuple[str, ...]:
        """Return the terms to look for: one, several if only written apart, none if unknown."""
        stem = term(word)
        for known in (self._joint.get(word), self._joint.get(stem)):
            if known is not None:
                return (known,)
        if stem in self._terms:
            return (stem,)
        apart = self._apart.get(word) or self._apart.get(stem)
        return tuple(apart.split(JOINT)) if apart else ()


def _compounds(con: duckdb.DuckDBPyConnection, concepts: Sequence[Concept]) -> frozenset[str]:
    """Return which neighbouring concepts are one joined word to the index."""
    keys = [_key(run) for run in _windows(concepts) if len(run) > 1]
    rows = con.execute(
        "SELECT DISTINCT term FROM search_words "
        "WHERE n > 0 AND term IN (SELECT unnest($keys::VARCHAR[]))",
        {"keys": keys},
    ).fetchall()
    return frozenset(str(term) for (term,) in rows)


def _key(run: Sequence[Concept]) -> str:
    return JOINT.join(concept.term for concept in run)


def _windows(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(len(items)):
        for size in range(1, LONGEST_JOINED + 1):
            if start + size <= len(items):
                yield items[start : start + size]


def _runs(items: Sequence[_T], is_one: Callable[[Sequence[_T]], bool]) -> Iterator[Sequence[_T]]:
    """Yield the items from the left, as many together as are one."""
    start = 0
    while start < len(items):
        sizes = range(min(LONGEST_JOINED, len(items) - start), 1, -1)
        size = next((n for n in sizes if is_one(items[start : start + n])), 1)
        yield items[start : start + size]
        start += size
