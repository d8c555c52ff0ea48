"""The answers of a form's fields, in words of the vocabularies. Pure.

Each reader returns what it recognised and, for every part that it did not, a line that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from crawler.enrich.dtypes import DTYPES, dtype_of_word
from wishlist.models import Pass
from wishlist.vocabulary import fold, wish_vocabulary

T = TypeVar("T")

# What the form or a person writes where there is nothing to say.
_NOTHING = frozenset({"", "no response", "none", "n a", "na", "not applicable", "tbd", "unknown"})
_LONGEST_NOTHING = 20
_CHECKBOX = re.compile(r"^\s*[-*+]\s+\[([ xX])\]\s*(.*)$")
_ITEM = re.compile(r"[,;|\n\u3001\uff0c\uff1b/&]|\band\b|\bor\b|\bund\b|\bet\b", re.IGNORECASE)
_NOT = r"(?:no|not|without|except|excluding|skip|ohne|sans|sin)"
_NEGATED = re.compile(rf"\b{_NOT}\s+(?:the\s+|a\s+|any\s+|need\s+for\s+)*(?=\w)", re.IGNORECASE)
_SPELLINGS = {"single": "float32", "double": "float64", "fp": "", "tf32": "float32"}
# Words of hardware that a sentence may have without any in mind.
_COMMON_HARDWARE = frozenset({"ada", "arc", "ascend", "all", "any", "every", "whatever"})
# Words that a sentence may have without any number format in mind.
_COMMON = frozenset({"half", "s4", "f4", "s8", "i8", "single", "double"})
_LONGEST_PHRASE = 3
MOST_NOTES = 10
LONGEST_QUOTE = 60


def is_blank(text: str) -> bool:
    """Tell whether an answer says nothing: `_No response_`, `N/A`, a dash."""
    plain = text.strip()
    return len(plain) <= _LONGEST_NOTHING and fold(plain) in _NOTHING


def read_passes(text: str) -> tuple[tuple[Pass, ...], tuple[str, ...]]:
    """Return the passes that are asked for, forward first; "no backward" takes one away."""
    words = wish_vocabulary().passes
    wanted: set[Pass] = set()
    refused: set[Pass] = set()
    unread: list[str] = []
    for item in _items(text):
        parts = _NEGATED.split(item)
        asked = _meanings(fold(parts[0]), words)
        not_asked = [_meanings(fold(part), words) for part in parts[1:]]
        for passes in asked:
            wanted.update(passes)
        for passes in (each for found in not_asked for each in found):
            refused.update(passes)
        if not asked and not any(not_asked):
            unread.append(item)
    found = tuple(one for one in Pass if one in wanted - refused)
    return found, tuple(_unread(unread, "names neither the forward nor the backward pass"))


def read_dtypes(text: str, *, is_prose: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the number formats that are named, in the order of the crawler's vocabulary."""
    found: set[str] = set()
    unread: list[str] = []
    for item in _items(text):
        words = re.findall(r"[a-z0-9]+", item.lower())
        named = {_dtype(word) for word in words if not (is_prose and word in _COMMON)} - {None}
        found.update(filter(None, named))
        if not named:
            unread.append(item)
    if any(name.startswith("float8") for name in found):
        found.add("float8")
    known = tuple(dtype for dtype in DTYPES if dtype in found)
    return known, tuple(_unread(unread, "is no number format that the index tells apart"))


def read_hardware(text: str, *, is_prose: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the families of accelerators that are named; `any` is none of them."""
    vocabulary = wish_vocabulary()
    words = {
        word: family
        for word, family in vocabulary.hardware.items()
        if not (is_prose and word in _COMMON_HARDWARE)
    }
    found: set[str] = set()
    unread: list[str] = []
    for item in _items(text):
        named = _meanings(fold(item), words)
        found.update(named)
        if not named:
            unread.append(item)
    known = tuple(name for name in vocabulary.families if name in found and name != "any")
    return known, tuple(_unread(unread, "is no hardware that the list knows"))


def read_help(text: str) -> bool:
    """Tell whether somebody offers to help: a ticked box, or a yes."""
    if _has_boxes(text):
        return any(_items(text))
    return (
        re.match(
            r"\W*(y|yes|yep|sure|happy to|i can|i could|i would|gladly|ja|oui|si|sí|да|是|可以)\b",
            text,
            re.IGNORECASE,
        )
        is not None
    )


def read_features(text: str) -> tuple[str, ...]:
    """Return the features of the crawler's vocabulary that the text names."""
    return tuple(dict.fromkeys(_meanings(fold(text), wish_vocabulary().features)))


def _items(text: str) -> Iterator[str]:
    """Yield the parts of an answer; of check boxes, those that are ticked."""
    boxes = [_CHECKBOX.match(line) for line in text.split("\n")]
    lines = [box[2] for box in boxes if box and box[1] != " "] if any(boxes) else [text]
    for line in lines:
        for item in _ITEM.split(line):
            if not is_blank(item):
                yield " ".join(item.split())


def _has_boxes(text: str) -> bool:
    return any(_CHECKBOX.match(line) for line in text.split("\n"))


def _meanings(text: str, words: Mapping[str, T]) -> list[T]:
    """Return what the words of a folded text stand for, the longest phrases first in each place."""
    split = text.split()
    found: list[T] = []
    position = 0
    while position < len(split):
        for size in range(min(_LONGEST_PHRASE, len(split) - position), 0, -1):
            phrase = " ".join(split[position : position + size])
            if phrase in words:
                found.append(words[phrase])
                position += size
                break
        else:
            position += 1
    return found


def _dtype(word: str) -> str | None:
    """Return the format, "" for one that is known and told of nowhere, None for any other word."""
    if word.startswith(("e4m3", "e5m2")):
        return "float8"
    spelled = _SPELLINGS.get(word)
    return spelled if spelled is not None else dtype_of_word(word)


def _unread(items: Sequence[str], why: str) -> Iterator[str]:
    for item in items[:MOST_NOTES]:
        quoted = item if len(item) <= LONGEST_QUOTE else f"{item[:LONGEST_QUOTE]}…"
        yield f"{quoted!r} {why}"
    if len(items) > MOST_NOTES:
        yield f"{len(items) - MOST_NOTES} more parts like these"
