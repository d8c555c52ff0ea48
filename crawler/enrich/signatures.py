"""How a function of Triton's may be called in a release: what its parameters are, as one line.

`input other acc= *dims out_dtype= **`: names in order, `=` after one that may be left out, `/`
after those that are given by position alone, `*` or `*name` before those that are given by keyword
alone, `**` where any keyword is taken. What the compiler passes itself is left out. `?` is a
function of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

UNKNOWN = "?"
ANY_KEYWORD = "**"


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function: names in order, and which of them a call has to give."""

    positional: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    takes_any_place: bool = False
    takes_any_keyword: bool = False

    def accepts_keyword(self, keyword: str) -> bool:
        """Tell whether a call may give this keyword."""
        return self.takes_any_keyword or keyword in self.keywords

    def excess(self, n_positional: int) -> bool:
        """Tell whether a call gives more by position than there is room for."""
        return not self.takes_any_place and n_positional > len(self.positional)

    def missing(self, n_positional: int, keywords: Sequence[str]) -> str | None:
        """Return the first parameter that a call has to give and does not."""
        given = {*self.positional[:n_positional], *keywords}
        every = (*self.positional, *sorted(self.required))
        return next((n for n in every if n in self.required and n not in given), None)

    def place(self, index: int) -> str | None:
        """Return the name of the parameter that takes a positional argument, None if none does."""
        return self.positional[index] if index < len(self.positional) else None


@cache
def parse_signature(text: str) -> Signature | None:
    """Return the signature that a line means; None where it is not known."""
    if text == UNKNOWN:
        return None
    positional: list[str] = []
    required: set[str] = set()
    by_position_alone: set[str] = set()
    by_keyword: list[str] = []
    takes_any_place = takes_any_keyword = is_keyword_part = False
    for part in text.split():
        if part == ANY_KEYWORD:
            takes_any_keyword = True
        elif part == "/":
            by_position_alone.update(positional)
        elif part.startswith("*"):
            takes_any_place, is_keyword_part = len(part) > 1, True
        else:
            name = part.removesuffix("=")
            (by_keyword if is_keyword_part else positional).append(name)
            if name == part:
                required.add(name)
    return Signature(
        positional=tuple(positional),
        required=frozenset(required),
        keywords=frozenset({*positional, *by_keyword} - by_position_alone),
        takes_any_place=takes_any_place,
        takes_any_keyword=takes_any_keyword,
    )
