"""The words that the page's search knows, small enough to be sent to whoever opens it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

import duckdb

from crawler.enrich.op_vocabulary import op_vocabulary
from index.queries import spelling, wording
from index.text import COMMON_WORDS, JOINT, LONGEST_WORD, SHORT_FORMS, STOP_WORDS, term


def written_words(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """Return the words that somebody wrote, the names of ops, and the rules of reading."""
    return {
        **_words(con, "n > 0"),
        "aliases": dict(con.execute("SELECT phrase, term FROM search_aliases").fetchall()),
        "shortForms": SHORT_FORMS,
        "stop": sorted(STOP_WORDS),
        "common": sorted(COMMON_WORDS),
        "phrases": _phrases(),
        "noise": sorted(op_vocabulary().book.noise),
        "knobs": {
            "LONGEST_WORD": LONGEST_WORD,
            **{name: getattr(wording, name) for name in _OF_WORDING},
            **{name: getattr(spelling, name) for name in _OF_SPELLING},
        },
    }


def joined_words(con: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """Return the joined spellings of what names hold apart, which few questions need."""
    return _words(con, "n = 0")


def spelled_as(word: str, wanted: str) -> str:
    """Return how the term of a word follows from it, in as few characters as can be.

    Nothing: it is the word. A digit (base 36) and letters: so many letters of it are cut and these
    put in their place. A point and digits: the lengths of its parts, each compared by its own term.
    Else the term itself after an equals sign.
    """
    if wanted == word:
        return ""
    parts = wanted.split(JOINT)
    if len(parts) == 1:
        pairs = zip(word, wanted, strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        cut = len(word) - kept
        return f"{_DIGITS[cut]}{wanted[kept:]}" if cut < len(_DIGITS) else f"={wanted}"
    sizes = _sizes(word, parts)
    if sizes is not None and max(sizes) < len(_DIGITS):
        return "." + "".join(_DIGITS[size] for size in sizes)
    return f"={wanted}"


def _words(con: duckdb.DuckDBPyConnection, which: str) -> dict[str, object]:
    rows = con.execute(
        f"SELECT word, term, n FROM search_words WHERE {which} ORDER BY word"  # noqa: S608 (ours)
    ).fetchall()
    return {
        "words": " ".join(word for word, _, _ in rows),
        "spelled": " ".join(spelled_as(word, wanted) for word, wanted, _ in rows),
        "counts": [n for _, _, n in rows] if any(n for _, _, n in rows) else [],
    }


def _sizes(word: str, parts: Sequence[str]) -> tuple[int, ...] | None:
    """Return the lengths of the pieces of a word that have these terms, None if it has none."""
    if not parts:
        return () if not word else None
    for size in range(1, len(word) - len(parts) + 2):
        if term(word[:size]) == parts[0]:
            rest = _sizes(word[size:], parts[1:])
            if rest is not None:
                return (size, *rest)
    return None


def _phrases() -> list[list[str]]:
    """Return the phrases that name ops: the plain, the plain that are companions, the strong."""
    found: dict[tuple[bool, bool], set[str]] = {}
    book = op_vocabulary().book
    for phrase in book.phrases():
        found.setdefault((phrase.plain, phrase.plain and phrase.companion), set()).add(phrase.text)
    kinds: Iterable[tuple[bool, bool]] = ((True, False), (True, True), (False, False))
    return [sorted(found.get(kind, ())) for kind in kinds]


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_OF_WORDING = ("MAX_WORDS", "LONGEST_JOINED", "LONGEST_NAME")
_OF_SPELLING = ("NEAR_ENOUGH", "SHORTEST_SLIP", "LONG_WORD")
