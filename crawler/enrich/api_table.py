"""Which release of Triton has which name and keyword: the table in `crawler/data`.

A set of releases is an integer whose bit `i` stands for `ApiTable.releases[i]`, so that many uses
are combined with `&` and `|`. The file is JSON with one name a line:

    "trans": ["2.0.0-", {"2.0.0-2.3.1": "input", "3.0.0-": "input *dims"}]

A range `a-b` is closed, `a-` goes on to the newest release. The signatures are as
`crawler.enrich.signatures` reads them; a name with a range alone is no function, or one whose
parameters cannot be known. Under the name "" stands the module itself, under "*" anything else in a
module that is not read. `scripts/triton_api_table.py` makes the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crawler.enrich.signatures import Signature, parse_signature

ANYTHING = "*"
TABLE_NAME = "triton_api.json"
_DATA = Path(__file__).parents[1] / "data"
Row = str | list[str | dict[str, str]]
_MODULE = re.compile(r'^ "([^"]*)": (\{\n.*?^ \})', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ApiSymbol:
    """A name of Triton's: the releases that have it and, for a function, how each is called."""

    releases: int
    signatures: tuple[tuple[int, str], ...] = ()
    """Sets of releases that share no member, each with the line of its signature."""

    def with_keyword(self, keyword: str) -> int:
        """Return the releases in which the name takes this keyword; all where that is unknown."""
        return self._where(lambda signature: signature.accepts_keyword(keyword))

    def with_places(self, n_positional: int) -> int:
        """Return the releases in which the name takes as many positional arguments."""
        return self._where(lambda signature: not signature.excess(n_positional))

    def without(self, n_positional: int, keywords: Sequence[str]) -> tuple[int, str | None]:
        """Return the releases to which a call gives all that they require, and what others lack."""
        missing: str | None = None
        found = self._unknown()
        for releases, text in self.signatures:
            signature = parse_signature(text)
            lacking = None if signature is None else signature.missing(n_positional, keywords)
            if lacking is None:
                found |= releases
            else:
                missing = missing or lacking
        return found, missing

    def places(self, index: int) -> Iterator[tuple[int, str]]:
        """Yield what the parameter at a position is called: releases, name."""
        for releases, text in self.signatures:
            signature = parse_signature(text)
            name = signature.place(index) if signature is not None else None
            if name is not None:
                yield releases, name

    def _where(self, accepts: Callable[[Signature], bool]) -> int:
        found = self._unknown()
        for releases, text in self.signatures:
            signature = parse_signature(text)
            if signature is None or accepts(signature):
                found |= releases
        return found

    def _unknown(self) -> int:
        known = 0
        for releases, _ in self.signatures:
            known |= releases
        return self.releases & ~known


class ApiTable:
    """The names of Triton's modules over its releases, oldest first."""

    def __init__(self, releases: tuple[str, ...], modules: Mapping[str, Mapping[str, Row]]) -> None:
        self.releases = releases
        self.all = (1 << len(releases)) - 1
        """The set of every release."""
        self._modules = modules
        self._place = {release: place for place, release in enumerate(releases)}

    def modules(self) -> Iterator[tuple[str, str, ApiSymbol]]:
        """Yield every row: module, name in it ("" for itself), and what is known of it."""
        for module, rows in self._modules.items():
            for name in rows:
                yield module, name, self._symbol(rows[name])

    def is_module(self, name: str) -> bool:
        """Tell whether a full name is a module that is listed."""
        return name in self._modules

    def names_in(self, module: str) -> Iterator[tuple[str, ApiSymbol]]:
        """Yield the names of one module, without itself, and what is known of each."""
        for name, row in self._modules.get(module, {}).items():
            if name not in ("", ANYTHING):
                yield name, self._symbol(row)

    def find(self, name: str) -> tuple[str, ApiSymbol] | None:
        """Return the longest part of a dotted name that the table knows, and what it knows.

        `triton.language.float32.primitive_bitwidth` gives `triton.language.float32`. A name that
        no release ever had gives None, even where its module is known.
        """
        module = name
        while module and module not in self._modules:
            module = module.rpartition(".")[0]
        if not module:
            return None
        rows, rest = self._modules[module], name[len(module) + 1 :]
        if not rest:
            return module, self._symbol(rows[""])
        while rest and rest not in rows:
            rest = rest.rpartition(".")[0]
        if rest:
            return f"{module}.{rest}", self._symbol(rows[rest])
        if module.rpartition(".")[2] in rows:
            # What its package imports of the same name hides it: `triton.runtime.driver`.
            return module, self._symbol(rows[""])
        return (f"{module}.{ANYTHING}", self._symbol(rows[ANYTHING])) if ANYTHING in rows else None

    def since(self, release: str) -> int:
        """Return the set of a release and all later ones."""
        return self.all & ~((1 << self._place[release]) - 1)

    def until(self, release: str) -> int:
        """Return the set of a release and all earlier ones."""
        return (1 << (self._place[release] + 1)) - 1

    def parse_ranges(self, text: str) -> int:
        """Return the set of releases that `2.1.0-2.3.1, 3.4.0-` means."""
        found = 0
        for part in text.split(", "):
            first, dash, last = part.partition("-")
            start = self._place[first]
            end = self._place[last] if last else (len(self.releases) - 1 if dash else start)
            found |= (1 << (end + 1)) - (1 << start)
        return found

    def format_ranges(self, found: int) -> str:
        """Return a set of releases as text; what `parse_ranges` reads."""
        parts, start = [], None
        for place in range(len(self.releases) + 1):
            has = place < len(self.releases) and found >> place & 1
            if has and start is None:
                start = place
            elif not has and start is not None:
                parts.append(self._range(start, place - 1))
                start = None
        return ", ".join(parts)

    def _range(self, start: int, end: int) -> str:
        first = self.releases[start]
        if end == len(self.releases) - 1:
            return f"{first}-"
        return first if start == end else f"{first}-{self.releases[end]}"

    def _symbol(self, row: Row) -> ApiSymbol:
        if isinstance(row, str):
            return ApiSymbol(self.parse_ranges(row))
        ranges, signatures = row
        assert isinstance(ranges, str) and isinstance(signatures, dict)
        return ApiSymbol(
            self.parse_ranges(ranges),
            tuple((self.parse_ranges(within), text) for within, text in signatures.items()),
        )


class _LateModules(Mapping[str, Mapping[str, Row]]):
    """The modules in a table's text, each read when it is first asked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._read: dict[str, Mapping[str, Row]] = {}

    def __getitem__(self, module: str) -> Mapping[str, Row]:
        if module not in self._read:
            self._read[module] = json.loads(self._texts[module])
        return self._read[module]

    def __contains__(self, module: object) -> bool:
        return module in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def parse_table(text: str) -> ApiTable:
    """Return the table that a file of this text holds."""
    releases = json.loads(text[text.index("[") : text.index("]") + 1])
    texts = {found[1]: found[2] for found in _MODULE.finditer(text)}
    return ApiTable(tuple(releases), _LateModules(texts))


@cache
def load_table() -> ApiTable:
    """Return the bundled table; read once a process, when it is first needed."""
    return parse_table((_DATA / TABLE_NAME).read_text("utf-8"))
