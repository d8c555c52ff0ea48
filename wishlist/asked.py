"""The ops that a wish is for, told from the words of its title and fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crawler.enrich.op_vocabulary import OpVocabulary, op_vocabulary
from crawler.enrich.words import words_of
from wishlist.answers import read_features
from wishlist.markdown import prose
from wishlist.models import WishNote
from wishlist.opening import without_opening
from wishlist.vocabulary import wish_vocabulary

_PREFIX = re.compile(
    r"^\s*(?:\[[^\]]{0,40}\]|(?:kernel|feature|op|operator)?\s*(?:request|wish|rfc)\s*:)\s*", re.I
)
_DOTTED = re.compile(r"\b(?:[A-Za-z_]\w*(?:\.|::))+([A-Za-z_]\w*)")
# The last part of the full name of an aten operator: `aten::add.Tensor`.
_OVERLOAD = re.compile(r"(?<=\w)\.(?:default|out|Tensor|Scalar|int|dim)\b")
_CLAUSE = re.compile(r"[,;|\n+/]|\b(?:and|plus)\b|(?<=\w)[.:!?](?=\s|$)")
_DEFINED = re.compile(r"^\s*def\s+(\w+)", re.MULTILINE)
_CALLED = re.compile(r"\b(?:torch|F|nn|functional|aten|ops|special|linalg)(?:\.\w+)*\.(\w+)\s*\(")
_LONGEST = 2_000
_MOST_CLAUSES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOps:
    """Ops that were recognised, the first named first, and what was not understood."""

    ops: tuple[str, ...]
    notes: tuple[WishNote, ...] = ()


def ops_asked_for(
    title: str, operation: str | None, reference: str | None, rest: str = ""
) -> AskedOps:
    """Return the ops of a wish: as its operation says, else its title, its reference, its text."""
    notes: list[WishNote] = []
    if operation:
        found = ops_in_words(operation)
        if found:
            return AskedOps(ops=found)
        reason = f"{operation[:60]!r} names no op of the vocabulary"
        notes.append(WishNote(field="operation", reason=reason))
    for ops in (
        ops_in_words(without_opening(_PREFIX.sub("", title))),
        ops_in_code(reference or ""),
        ops_in_words(_first_lines(rest)),
    ):
        if ops:
            return AskedOps(ops=ops, notes=tuple(notes))
    return AskedOps(ops=(), notes=tuple(notes))


def ops_in_words(text: str) -> tuple[str, ...]:
    """Return the ops that a few words name: all of them together, else clause by clause."""
    plain = _DOTTED.sub(r" \1 ", _OVERLOAD.sub("", text[:_LONGEST]))
    return _read(plain) or tuple(
        dict.fromkeys(op for clause in _CLAUSE.split(plain)[:_MOST_CLAUSES] for op in _read(clause))
    )


def ops_in_code(code: str) -> tuple[str, ...]:
    """Return the op that a reference computes: by the functions it defines, else by the one call.

    A reference that calls several ops is made of them; none of them is what it computes.
    """
    defined = [_read(name) for name in _DEFINED.findall(code[:_LONGEST])]
    for ops in filter(None, reversed(defined)):
        return ops
    called = dict.fromkeys(filter(None, map(_read, _CALLED.findall(code[:_LONGEST]))))
    return next(iter(called)) if len(called) == 1 else ()


def _read(text: str) -> tuple[str, ...]:
    vocabulary = op_vocabulary()
    asking = wish_vocabulary().asking
    words = [word for word in _words(text) if word not in asking]
    # "fused" may be part of an op's name, or only how somebody wants it.
    named = _named(words, vocabulary)
    bare = _named([word for word in words if word != "fused"], vocabulary)
    chosen = bare if 0 < len(bare) < len(named) else named
    # A block table beside attention says that it is paged.
    beside = (word for feature in read_features(text) for word in feature.split("_"))
    return _completed(chosen, frozenset((*words, *beside)), vocabulary)


def _named(words: Iterable[str], vocabulary: OpVocabulary) -> tuple[str, ...]:
    reading = vocabulary.book.read(words)
    return tuple(dict.fromkeys(phrase.meaning for phrase in reading.strong or reading.plain))


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text; a token that is one word of the vocabulary stays one (RoPE).

    So does one that its capitals would part into crumbs (RoI).
    """
    book = op_vocabulary().book
    for token in re.findall(r"[\w-]+", text):
        whole = token.lower()
        alone = book.read((whole,))
        words = words_of(token)
        has_crumbs = token.isalpha() and len(words) > 1 and min(map(len, words)) == 1
        yield from (whole,) if alone.strong or alone.plain or has_crumbs else words


def _completed(
    named: Iterable[str], words: frozenset[str], vocabulary: OpVocabulary
) -> tuple[str, ...]:
    """Return these ops with those that words beside them make of them, and all they imply."""
    found = list(named)
    for base in tuple(dict.fromkeys(op for name in found for op in vocabulary.with_implied(name))):
        options = vocabulary.refinements.get(base, ())
        found.extend(op for op, beside in options if not beside.isdisjoint(words))
    implied = dict.fromkeys(op for name in found for op in vocabulary.with_implied(name))
    hidden = {other for op in implied for other in vocabulary.ops[op].hides}
    kept = [op for op in implied if op not in hidden]
    specific = [op for op in kept if not vocabulary.ops[op].vague]
    return tuple(specific or kept)


def _first_lines(text: str) -> str:
    """Return the first paragraph of what a person wrote."""
    paragraphs = (part.strip() for part in re.split(r"\n\s*\n", prose(text)))
    return next(filter(None, paragraphs), "")[:_LONGEST]
