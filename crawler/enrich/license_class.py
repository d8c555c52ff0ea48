"""What a licence asks of whoever passes code on: an SPDX expression -> its class. Pure.

Of alternatives (`OR`) the mildest counts, since the user may choose; of licences that hold together
(`AND`) the strictest does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache

_WORD = re.compile(r"[()]|[^\s()]+")
# Brackets deeper than these are nobody's licence.
_DEEPEST = 50

_PERMISSIVE = frozenset(
    "0bsd afl-3.0 apache-1.1 apache-2.0 artistic-2.0 blueoak-1.0.0 bsd-1-clause bsd-2-clause "
    "bsd-2-clause-patent bsd-3-clause bsd-3-clause-clear bsd-3-clause-lbnl bsd-4-clause bsl-1.0 "
    "cc-by-3.0 cc-by-4.0 cc0-1.0 ecl-2.0 isc libpng mit mit-0 mit-cmu mulanpsl-2.0 ncsa "
    "postgresql psf-2.0 python-2.0 unlicense upl-1.0 wtfpl x11 zlib bsd-source-code".split()
)
_WEAK = re.compile(r"(?:lgpl|mpl|epl|cddl|cpl|ms-rl|artistic-1)-?.*")
_STRONG = re.compile(r"(?:a?gpl|cc-by-sa|eupl|osl|cecill-2.1|cecill-2.0|qpl)-.*")
# What is added to a licence so that code may be linked without taking it over.
_LINKING = re.compile(
    r".*(?:classpath|linking|gcc|runtime|font|bison|autoconf|libtool|llvm|openssl|swi|universal-foss"
    r"|qt-gpl|ecos|fltk|freertos|gnat|i2p|nokia|wxwindows|u-boot|macros|bootloader).*"
)


class LicenseClass(IntEnum):
    """From the mildest to the strictest."""

    PERMISSIVE = 1
    WEAK_COPYLEFT = 2
    COPYLEFT = 3

    @property
    def word(self) -> str:
        """Return the class as it is written in a filter."""
        return self.name.lower().replace("_", "-")


ANY_OPEN = "any-open"
CLASS_WORDS = (*(each.word for each in LicenseClass), ANY_OPEN)
"""What a filter takes: the classes, and all of them together."""


@lru_cache(maxsize=4096)
def license_class(expression: str) -> LicenseClass | None:
    """Return the class of an SPDX expression; None where it is not open, not known or malformed."""
    words = _WORD.findall(expression)
    rest = iter((*words, ""))
    try:
        found, last = _alternatives(rest, next(rest), 0)
    except (ValueError, StopIteration):
        return None
    return found if last == "" else None


def is_in_class(expression: str, word: str) -> bool:
    """Tell whether a licence is of the class that a filter names."""
    found = license_class(expression)
    return found is not None and word.lower() in (found.word, ANY_OPEN)


def _alternatives(rest: Iterator[str], word: str, depth: int) -> tuple[LicenseClass | None, str]:
    found, word = _together(rest, word, depth)
    options = [found]
    while word.upper() == "OR":
        found, word = _together(rest, next(rest), depth)
        options.append(found)
    return min((each for each in options if each is not None), default=None), word


def _together(rest: Iterator[str], word: str, depth: int) -> tuple[LicenseClass | None, str]:
    found, word = _one(rest, word, depth)
    parts = [found]
    while word.upper() == "AND":
        found, word = _one(rest, next(rest), depth)
        parts.append(found)
    known = [each for each in parts if each is not None]
    return (max(known) if len(known) == len(parts) else None), word


def _one(rest: Iterator[str], word: str, depth: int) -> tuple[LicenseClass | None, str]:
    if word == "(" and depth < _DEEPEST:
        found, word = _alternatives(rest, next(rest), depth + 1)
        if word != ")":
            raise ValueError("a bracket is not closed")
        return found, next(rest)
    if not word or word in "()" or word.upper() in ("AND", "OR", "WITH"):
        raise ValueError("a licence is missing")
    found = _class_of(word.lower().removesuffix("+"))
    word = next(rest)
    if word.upper() == "WITH":
        exception = next(rest).lower()
        if found is LicenseClass.COPYLEFT and _LINKING.fullmatch(exception):
            found = LicenseClass.WEAK_COPYLEFT
        word = next(rest)
    return found, word


def _class_of(name: str) -> LicenseClass | None:
    if name in _PERMISSIVE:
        return LicenseClass.PERMISSIVE
    if _WEAK.fullmatch(name):
        return LicenseClass.WEAK_COPYLEFT
    return LicenseClass.COPYLEFT if _STRONG.fullmatch(name) else None
