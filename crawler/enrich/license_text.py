"""Licence texts -> SPDX ids.

A text that is a known licence, give or take a name and a few words, is recognised by `identify`,
by edit distance to the texts themselves. What that leaves (several licences in one file, notices
in a file's header, licences that it does not know) is told by the phrases that no other licence
has. A text that is only like a licence, such as MIT with a ban on commercial use, is unknown.
"""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

MAX_TEXT = 200_000
"""How much of a licence file is read, in characters."""
MAX_TAG = 200

_COMMENT_SIGNS = re.compile(r"(?m)^[ \t]*(?:#+|//+|\*+/?|/\*+|;+|--|\.\.|%+|>+)[ \t]?")
_NO_WORD = re.compile(r"[\s\"'`*_=<>\[\]]+")
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n]{1,200})")
_TAG_END = re.compile(r"\s*(?:\*/|-->|\"\"\"|'''|\"|').*$|[\s.,;]+$")
_RESTRICTS = re.compile(
    r"non-?commercial|commercial use is (?:not|prohibited)|research purposes only|commons clause"
)
_BORROWS = re.compile(
    r"(?:original (?:source )?(?:code|work|implementation|version)|portions? of"
    r"|(?:contains|incorporates|includes|uses) (?:\w+ )?code)[^.]*$"
)
"""What makes the licence named next that of a part, not of the file."""
_PERMISSIVE = frozenset(["0BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"])
_GNU = re.compile(r"(A?GPL|LGPL)-\d\.\d")


class _Phrase(NamedTuple):
    """A licence by what its text says, and by what it does not."""

    license: str
    says: str
    lacks: str | None = None


_GRANT = "permission is hereby granted, free of charge, to any person obtaining a copy"
_MIT_NOTICE = "copyright notice and this permission notice"
_BSD = "redistribution and use in source and binary forms"
_ENDORSE = r"neither the names? of|may not be used to endorse|names? of its contributors"
_ISC_GRANT = (
    r"permission to use, copy, modify, and(?:/or)? distribute this software for any purpose "
    r"with or without fee is hereby granted"
)
_UNDER = r"under (?:the )?(?:terms of )?(?:the )?"
_LATER = r"or (?:\(at your option\) )?any later version"


def _gnu(name: str, title: str, number: str) -> tuple[_Phrase, _Phrase]:
    says = rf"{title}.{{0,120}}?version {number}(?!\.?\d)"
    later = rf"{says}.{{0,80}}?{_LATER}"
    return _Phrase(f"{name}-or-later", later), _Phrase(f"{name}-only", says, later)


_TEXTS = (
    _Phrase("MIT", rf"{_GRANT}.{{0,900}}?{_MIT_NOTICE}"),
    _Phrase("MIT-0", _GRANT, _MIT_NOTICE),
    _Phrase("Apache-2.0", r"apache license,? version 2\.0, january 2004"),
    _Phrase("BSD-4-Clause", rf"{_BSD}.{{0,900}}?all advertising materials mentioning"),
    _Phrase("BSD-3-Clause", rf"{_BSD}.{{0,1500}}?(?:{_ENDORSE})", "all advertising materials"),
    _Phrase("BSD-2-Clause", _BSD, _ENDORSE),
    _Phrase("ISC", rf"{_ISC_GRANT}, provided"),
    _Phrase("0BSD", rf"{_ISC_GRANT}\."),
    _Phrase("AGPL-3.0-only", r"gnu affero general public license version 3, 19 november 2007"),
    _Phrase("LGPL-3.0-only", r"gnu lesser general public license version 3, 29 june 2007"),
    _Phrase("GPL-3.0-only", r"gnu general public license version 3, 29 june 2007"),
    _Phrase("LGPL-2.1-only", r"gnu lesser general public license version 2\.1, february 1999"),
    _Phrase("GPL-2.0-only", r"gnu general public license version 2, june 1991"),
    _Phrase("MPL-2.0", r"mozilla public license,? version 2\.0 1\. definitions"),
    _Phrase("Unlicense", "this is free and unencumbered software released into the public domain"),
    _Phrase("CC0-1.0", r"cc0 1\.0 universal"),
    _Phrase("CC-BY-NC-SA-4.0", r"attribution-noncommercial-sharealike 4\.0 international"),
    _Phrase("CC-BY-NC-ND-4.0", r"attribution-noncommercial-noderivatives 4\.0 international"),
    _Phrase("CC-BY-NC-4.0", r"attribution-noncommercial 4\.0 international"),
    _Phrase("CC-BY-SA-4.0", r"attribution-sharealike 4\.0 international"),
    _Phrase("CC-BY-4.0", r"attribution 4\.0 international"),
    _Phrase("BSL-1.0", r"boost software license - version 1\.0"),
    _Phrase("FSL-1.1-MIT", r"functional source license, version 1\.1, mit future license"),
    _Phrase("FSL-1.1-ALv2", r"functional source license, version 1\.1, (?:apache|alv2)"),
    _Phrase("BUSL-1.1", r"business source license 1\.1"),
    _Phrase("PolyForm-Noncommercial-1.0.0", r"polyform noncommercial license 1\.0\.0"),
    _Phrase("LicenseRef-NVIDIA-Source-Code", "nvidia source code license"),
    _Phrase("LicenseRef-OpenRAIL", r"open ?rail|responsible ai license"),
    _Phrase("LicenseRef-Llama-Community", r"llama [\d.]+ (?:version release|community license)"),
)
"""How the texts of licences begin or what marks them; of several in a file the first counts."""

_NOTICES = (
    _Phrase("MIT", rf"{_GRANT}.{{0,900}}?{_MIT_NOTICE}"),
    _Phrase(
        "MIT", r"(?:licensed|released|distributed) under (?:the )?(?:terms of )?(?:the )?mit\b"
    ),
    _Phrase("MIT", r"under the terms of the mit license"),
    _Phrase("Apache-2.0", r"under the apache license,? (?:version 2\.0|2\.0|v2)"),
    _Phrase("Apache-2.0", r"apache\.org/licenses/license-2\.0"),
    _Phrase("Apache-2.0", r"(?:licensed|released) under (?:the )?apache[- ]2\.0"),
    _Phrase("BSD-3-Clause", rf"{_BSD}.{{0,1500}}?(?:{_ENDORSE})"),
    _Phrase("BSD-2-Clause", _BSD, _ENDORSE),
    _Phrase("BSD-3-Clause", rf"{_UNDER}bsd[- ]3(?:-clause)?\b"),
    _Phrase("BSD-3-Clause", rf"{_UNDER}3-clause bsd"),
    _Phrase("BSD-2-Clause", rf"{_UNDER}bsd[- ]2(?:-clause)?\b"),
    _Phrase("MPL-2.0", r"terms of the mozilla public license, v\. 2\.0"),
    _Phrase("LicenseRef-NVIDIA-Proprietary", r"retain all intellectual property and proprietary"),
    _Phrase("LicenseRef-NVIDIA-Source-Code", "nvidia source code license"),
    *_gnu("AGPL-3.0", "gnu affero general public license", r"3(?:\.0)?"),
    *_gnu("LGPL-3.0", "gnu lesser general public license", r"3(?:\.0)?"),
    *_gnu("LGPL-2.1", "gnu lesser general public license", r"2\.1"),
    *_gnu("GPL-3.0", "gnu general public license", r"3(?:\.0)?"),
    *_gnu("GPL-2.0", "gnu general public license", r"2(?:\.0)?"),
)
"""How the head of a source file names its licence; one that only points elsewhere is not here."""


def recognize_text(text: str) -> str | None:
    """Return the SPDX id of the licence that a licence file holds, the first of several."""
    return _recognize(text[:MAX_TEXT])


class Notices(NamedTuple):
    """SPDX expressions of the licences that the head of a source file names."""

    own: str | None
    """Of the file itself."""
    borrowed: str | None
    """Of code that the file says to contain, beside the file's own licence whatever that is."""
    is_restricted: bool = False
    """Whether a permissive licence is named and commercial use is banned: unknown, then."""


def recognize_notices(text: str) -> Notices:
    """Return the licences that the head of a source file names in words."""
    plain = _plain(text)
    own: set[str] = set()
    borrowed: set[str] = set()
    for phrase in _NOTICES:
        match = None if _says(phrase.lacks, plain) else re.search(phrase.says, plain)
        if match is not None:
            before = plain[max(0, match.start() - 200) : match.start()]
            (borrowed if _BORROWS.search(before) else own).add(phrase.license)
    if (own | borrowed) & _PERMISSIVE and _RESTRICTS.search(plain):
        return Notices(None, None, is_restricted=True)
    return Notices(" AND ".join(sorted(own)) or None, " AND ".join(sorted(borrowed - own)) or None)


def read_tag(text: str) -> str | None:
    """Return the SPDX expression of the `SPDX-License-Identifier` lines, joined by AND."""
    found = [normalize_expression(_TAG_END.sub("", tag)) for tag in _TAG.findall(text)]
    known = list(dict.fromkeys(each for each in found if each is not None))
    if len(known) > 1:
        known = [f"({each})" if " OR " in each else each for each in known]
    return " AND ".join(known) or None


def normalize_expression(text: str) -> str | None:
    """Return an SPDX expression in its canonical spelling, None for what is no such expression."""
    text = text.strip()
    if not text or len(text) > MAX_TAG or text.upper() in ("NOASSERTION", "NONE", "OTHER"):
        return None
    try:
        expression = str(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, RecursionError, SyntaxError, ValueError):
        return _ALIASES.get(re.sub(r"[^a-z0-9]+", " ", text.lower()).strip())
    return _exact(expression)


_ALIASES = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache license v2 0": "Apache-2.0",
    "apache 2 0 license": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2": "BSD-2-Clause",
    "bsd 2 clause license": "BSD-2-Clause",
    "bsd 3": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "mit license": "MIT",
    "the mit license": "MIT",
}
"""What people write where an SPDX id is meant."""


def _exact(expression: str) -> str:
    """Return an expression with the GNU ids that say neither `only` nor `or-later` made `only`.

    A licence's text alone does not grant later versions.
    """
    words = expression.split(" ")
    return " ".join(f"{word}-only" if _GNU.fullmatch(word) else word for word in words)


@lru_cache(maxsize=512)
def _recognize(text: str) -> str | None:
    plain = _plain(text)
    if not plain:
        return None
    found = None if _RESTRICTS.search(plain) else _by_distance(text)
    if found is None:
        phrases = ((re.search(p.says, plain), p) for p in _TEXTS if not _says(p.lacks, plain))
        matches = [(match.start(), p.license) for match, p in phrases if match is not None]
        found = (
            min(matches, key=lambda each: each[0])[1] if matches else recognize_notices(text).own
        )
        if found in _PERMISSIVE and _RESTRICTS.search(plain):
            return None
    return None if found is None else _exact(found)


def _by_distance(text: str) -> str | None:
    from identify.identify import license_id  # only a crawl needs it

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "LICENSE"
        file.write_text(_COMMENT_SIGNS.sub("", text), "utf-8", "replace")
        return license_id(str(file))


def _plain(text: str) -> str:
    """Return a text in lower case on one line, without comment signs and quotation marks."""
    return _NO_WORD.sub(" ", _COMMENT_SIGNS.sub("", text)).strip().lower()


def _says(pattern: str | None, text: str) -> bool:
    return pattern is not None and re.search(pattern, text) is not None
