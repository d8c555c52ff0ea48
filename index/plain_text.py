"""Text from anywhere, made harmless for a terminal or a page. Pure."""

from __future__ import annotations

import re
import unicodedata

# Controls but tab and line feed, directions, separators: nothing a terminal should act upon.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return the text with everything that would steer a terminal spelled out."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """Return the text on a single line, harmless for a terminal."""
    return printable(" ".join(text.split()))


def display_width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """Return the text in at most `width` columns, an ellipsis where it was cut."""
    if display_width(text) <= width:
        return text
    kept = text[: width - 1]
    while display_width(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"
