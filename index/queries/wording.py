"""The words of a question, matched to the words that the index knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import duckdb

from index.queries.spelling import meant_word
from index.text import COMMON_WORDS, JOINT, asked_words, join_terms, phrase_key, term
from wishlist.opening import without_namespaces, without_opening

_T = TypeVar("_T")

MAX_WORDS = 32
LONGEST_JOINED = 3
LONGEST_NAME = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One thing that is asked for; `is_common`: any answer will do without it."""

    term: str
    is_common: bool = False
    literal: tuple[str, ...] = ()
    """Where another name of an op was asked for by it: the terms of that name, which do as well."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The terms that will do together; of a plain word none, of a joined one its parts."""
        parts = tuple(self.term.split(JOINT))
        return self.literal or (parts if len(parts) > 1 else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A question as the index understands it.

    `unknown` words occur in no kernel and are like none that do; those of `read_as` are taken for
    one that does.
    """

    concepts: tuple[Concept, ...] = ()
    unknown: tuple[str, ...] = ()
    read_as: tuple[tuple[str, str], ...] = ()


def understand(con: duckdb.DuckDBPyConnection, query: str) -> Wording:
    """Return what a question asks for.

    Neighbouring words that the index knows as one are one; a joined word that it only knows
    apart is several. So all spellings of a question have one wording.
    """
    asked = asked_words(without_opening(without_namespaces(query)))[:MAX_WORDS]
    names = _op_names(con, asked)
    reader = _Reader(con, asked)
    found: list[Concept] = []
    plain: list[str] = []
    for run in _runs(asked, lambda run: phrase_key(run) in names, longest=LONGEST_NAME):
        key = phrase_key(run)
        if key == join_terms([names.get(key, key)]):
            plain += run
        else:
            found += reader.read(plain)
            literal = [concept.term for concept in reader.read(run, is_name=True)]
            found.append(Concept(term=names[key], literal=tuple(dict.fromkeys(literal))))
            plain = []
    found += reader.read(plain)
    concepts = {concept.term: concept for concept in found}
    if reader.unknown and all(c.is_common or c.term in reader.guessed for c in concepts.values()):
        # One word is like nothing here, and the others are slips at best: of another field.
        strange = [word for word in asked if word in {*reader.unknown, *reader.read_as}]
        return Wording(unknown=tuple(dict.fromkeys(strange)))
    return Wording(
        concepts=tuple(concepts.values()),
        unknown=tuple(dict.fromkeys(reader.unknown)),
        read_as=tuple(reader.read_as.items()),
    )


class _Reader:
    """Reads words as the index knows them; keeps what it does not know."""

    def __init__(self, con: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> None:
        self.unknown: list[str] = []
        self.read_as: dict[str, str] = {}
        self.guessed: set[str] = set()
        self._con = con
        self._vocabulary = _Vocabulary(con, asked)

    def read(self, asked: Sequence[str], *, is_name: bool = False) -> list[Concept]:
        """Return what neighbouring words ask for; those of a name need not occur anywhere."""
        found: list[Concept] = []
        for run in _runs(asked, lambda run: self._vocabulary.has("".join(run))):
            word = "".join(run)
            found += (
                Concept(term=each, is_common=word in COMMON_WORDS)
                for each in self._vocabulary.terms(word) or (() if is_name else self._guess(word))
            )
        compounds = _compounds(self._con, found)
        return [
            run[0] if len(run) == 1 else Concept(term=_key(run))
            for run in _runs(found, lambda run: _key(run) in compounds)
        ]

    def _guess(self, word: str) -> tuple[str, ...]:
        """Return the terms of the word that one which nobody wrote is taken for."""
        meant = meant_word(self._con, word)
        if meant is None:
            self.unknown.append(word)
            return ()
        self.read_as[word] = meant
        terms = _Vocabulary(self._con, [meant]).terms(meant)
        self.guessed.update(terms)
        return terms


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


def _op_names(con: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> dict[str, str]:
    """Return which phrases of the question are names of an op, with the term of its own."""
    phrases = {phrase_key(run) for run in _windows(asked, longest=LONGEST_NAME)}
    rows = con.execute(
        "SELECT phrase, term FROM search_aliases WHERE phrase IN (SELECT unnest($phrases))",
        {"phrases": sorted(phrases)},
    ).fetchall()
    return dict(rows)


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


def _windows(items: Sequence[_T], *, longest: int = LONGEST_JOINED) -> Iterator[Sequence[_T]]:
    for start in range(len(items)):
        for size in range(1, longest + 1):
            if start + size <= len(items):
                yield items[start : start + size]


def _runs(
    items: Sequence[_T],
    is_one: Callable[[Sequence[_T]], bool],
    *,
    longest: int = LONGEST_JOINED,
) -> Iterator[Sequence[_T]]:
    """Yield the items from the left, as many together as are one."""
    start = 0
    while start < len(items):
        sizes = range(min(longest, len(items) - start), 1, -1)
        size = next((n for n in sizes if is_one(items[start : start + n])), 1)
        yield items[start : start + size]
        start += size
