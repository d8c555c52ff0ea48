"""What an index lacks of a list of sources."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from crawler.models import SourceRepo

NAMED = 12
"""How many of the lacking are named in a sentence; the rest are counted."""


def list_lacking(
    con: duckdb.DuckDBPyConnection, listed: Iterable[SourceRepo]
) -> tuple[SourceRepo, ...]:
    """Return the listed sources that were never read whole, in the order of the list.

    One that is indexed under a former name is not lacking.
    """
    rows = con.execute(
        "SELECT name, coalesce(former_names, []) FROM repos WHERE commit IS NOT NULL "
        "OR version IS NOT NULL"
    ).fetchall()
    known = {name.casefold() for own, former in rows for name in (own, *former)}
    return tuple(
        source
        for source in listed
        if not known.intersection(name.casefold() for name in (source.name, *source.formerly))
    )


def lacking_sentence(lacking: tuple[SourceRepo, ...], of: int) -> str:
    """Return what the index lacks of a list of `of` sources, why, and what brings it."""
    names = [source.name for source in lacking[:NAMED]]
    more = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return (
        f"lacks {len(lacking)} of the {of} listed sources, each listed since it was made or not to "
        f"be had then: {', '.join(names)}{more}; `triton-index crawl NAME` brings one"
    )
