"""Values of filters as people write them -> as the index has them, and those that it has not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import duckdb

from crawler.enrich.hardware import backend_names
from crawler.enrich.license_class import CLASS_WORDS
from index.queries.filters import Filters, known_releases

MOST_OFFERED = 3

# What a value is called, and where the index has those that it knows.
_FIELDS = {
    "ops": ("op", "SELECT DISTINCT unnest(ops) FROM kernel_rows"),
    "tags": ("tag", "SELECT DISTINCT unnest(tags) FROM kernel_rows"),
    "features": ("feature", "SELECT DISTINCT unnest(features) FROM kernel_rows"),
    "dtypes": ("dtype", "SELECT DISTINCT unnest(dtypes) FROM kernel_rows"),
    "repos": ("source", "SELECT name FROM repos"),
    # Expressions as written, and the licences that they are made of.
    "licenses": (
        "licence",
        "WITH l AS (SELECT DISTINCT license FROM kernel_rows WHERE license IS NOT NULL) "
        "FROM l UNION FROM (SELECT unnest(regexp_split_to_array(license, '[ ()]+')) AS part "
        "FROM l) WHERE part NOT IN ('', 'AND', 'OR', 'WITH')",
    ),
    "hardware": ("hardware", "SELECT DISTINCT unnest(hardware) FROM kernel_rows"),
}
# What stands for values rather than being one.
_ALWAYS = {"licenses": CLASS_WORDS, "hardware": ("any", *backend_names())}
_BETWEEN_WORDS = re.compile(r"[-_ .]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownValue:
    """A value that no kernel has: what kind of thing it was to be, and what is spelled like it."""

    kind: str
    value: str
    near: tuple[str, ...]


def read_filters(
    con: duckdb.DuckDBPyConnection, filters: Filters
) -> tuple[Filters, tuple[UnknownValue, ...]]:
    """Return the filters with their values as the index spells them, and the values it has not.

    `RMSNorm` is `rms_norm` and `bf16` is `bfloat16`; what is not known stays as it was written.
    """
    read: dict[str, Any] = {}
    unknown: list[UnknownValue] = []
    for field, (kind, query) in _FIELDS.items():
        values: tuple[str, ...] = getattr(filters, field)
        if not values:
            continue
        found_in = (value for (value,) in con.execute(query).fetchall())
        known = _by_spelling((*_ALWAYS.get(field, ()), *found_in))
        found = [(value, _known_as(value, field, known)) for value in values]
        read[field] = tuple(spelled or value for value, spelled in found)
        unknown += (
            UnknownValue(kind=kind, value=value, near=_near(value, known))
            for value, spelled in found
            if spelled is None
        )
    return replace(filters, **read), (*unknown, *_unknown_release(con, filters.triton))


def _unknown_release(con: duckdb.DuckDBPyConnection, wanted: str | None) -> Iterator[UnknownValue]:
    """Yield the release that is asked for if it is newer than all that are known."""
    from packaging.version import InvalidVersion, Version

    try:
        release = Version(wanted or "0")
    except InvalidVersion:  # said where it is used
        return
    known = known_releases(con)
    if wanted is not None and release > Version(known[-1]):
        by_name = [text.removesuffix(".0") for text in reversed(known)]
        near = get_close_matches(wanted, by_name, 1) or by_name[:1]
        yield UnknownValue(kind="Triton release", value=wanted, near=tuple(near))


def _by_spelling(values: Iterable[str]) -> dict[str, str]:
    """Return the values by how they are compared; a source also by its name without its owner."""
    exact: dict[str, str] = {}
    for value in values:
        exact[value.casefold()] = value
        short = re.split("[/:]", value)[-1]
        exact.setdefault(short.casefold(), short)
    # What is spelled exactly so comes before what is spelled alike.
    return {_folded(value): value for value in exact.values()} | exact


def _known_as(value: str, field: str, known: Mapping[str, str]) -> str | None:
    found = known.get(value.casefold()) or known.get(_folded(value))
    if found is None and field == "dtypes":
        from crawler.enrich.dtypes import dtype_of_word

        found = known.get(_folded(dtype_of_word(value.lower()) or ""))
    return found


def _near(value: str, known: Mapping[str, str]) -> tuple[str, ...]:
    folded = {_folded(each): each for each in known.values()}
    return tuple(folded[near] for near in get_close_matches(_folded(value), folded, MOST_OFFERED))


def _folded(value: str) -> str:
    return _BETWEEN_WORDS.sub("", value.casefold())
