"""Questions to the wish-list: all wishes, or one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec

from index.errors import QueryError
from index.queries.export import export_table
from index.queries.fields import WISH_FIELDS
from index.table import Table
from wishlist.demand import priority
from wishlist.models import EXISTS_SCORE, Wish, WishStatus

RECORD = tuple(WISH_FIELDS)
"""The record that is listed of a wish; see `wishlist.models.Wish`."""
BOARD = ("priority", "title", "votes", "status", "answer", "ops", "url")
"""What a page shows of the list."""
DETAILS = (*(field.name for field in fields(Wish)), "answer")
"""All that is shown of one."""


def load_wishes(con: duckdb.DuckDBPyConnection, *, now: datetime | None = None) -> tuple[Wish, ...]:
    """Return every wish that is not gone, the most wanted first, as of `now`.

    A fulfilled wish that nobody named a kernel for is served by its best match, if that is what
    was wished for.
    """
    rows = con.execute(
        """
        SELECT w.* EXCLUDE (gone), coalesce(m.matches, []) AS matches, m.matched_at
        FROM wishes AS w LEFT JOIN wish_matches AS m USING (repo, number)
        WHERE w.gone IS NULL
        """
    ).fetchall()
    names = [name for name, *_ in con.description or ()]
    moment = now or datetime.now(UTC)
    found = (_wish(dict(zip(names, row, strict=True)), moment) for row in rows)
    return tuple(sorted(found, key=lambda wish: (-wish.priority, wish.repo, wish.number)))


def find_wishes(wishes: Sequence[Wish], wanted: str) -> tuple[Wish, ...]:
    """Return the wishes that `12`, `#12` or `owner/name#12` names.

    Raises:
        QueryError: it is no such thing.
    """
    repo, _, number = wanted.rpartition("#")
    if not (number.isascii() and number.isdecimal()):
        raise QueryError(f"{wanted}: no number of a wish; `triton-index wish list` shows them")
    return tuple(
        wish
        for wish in wishes
        if wish.number == int(number) and repo.lower() in ("", wish.repo.lower())
    )


def gone_reason(con: duckdb.DuckDBPyConnection, wanted: str) -> str | None:
    """Return what became of a wish that is not in its repository any more, None if unknown."""
    repo, _, number = wanted.rpartition("#")
    rows = con.execute(
        "SELECT gone FROM wishes WHERE gone IS NOT NULL AND number = TRY_CAST($number AS INTEGER) "
        "AND lower($repo) IN ('', lower(repo))",
        {"repo": repo, "number": number},
    ).fetchall()
    return str(rows[0][0]) if rows else None


def list_wishes(wishes: Sequence[Wish], columns: Sequence[str] = RECORD) -> Table:
    """Return these wishes as a table; the columns are fields of the wish, or `answer`."""
    plain = [msgspec.to_builtins(wish, builtin_types=(datetime,)) for wish in wishes]
    rows = (
        tuple(_value(wish, record, column) for column in columns)
        for wish, record in zip(wishes, plain, strict=True)
    )
    return Table(columns=tuple(columns), rows=tuple(rows))


def export_wishes(con: duckdb.DuckDBPyConnection, dest: Path) -> int:
    """Write the wish-list to `dest` and return how many wishes.

    Markdown is a board of those that are not settled, the rest holds every wish.
    """
    wishes = load_wishes(con)
    is_board = dest.suffix.lower() == ".md"
    if is_board:
        wishes = tuple(wish for wish in wishes if not wish.status.is_settled)
    export_table(list_wishes(wishes, BOARD if is_board else RECORD), dest)
    return len(wishes)


def _value(wish: Wish, record: dict[str, object], column: str) -> object:
    if column == "answer":
        return wish.answer and wish.answer.value
    value = record[column]
    return list(value) if isinstance(value, tuple) else value


def _wish(row: dict[str, object], now: datetime) -> Wish:
    facts = {field.name: row[field.name] for field in fields(Wish) if field.name in row}
    facts |= {
        name: value.replace(tzinfo=UTC)
        for name, value in facts.items()
        if isinstance(value, datetime)
    }
    wish = msgspec.convert(facts | {"priority": 0.0}, Wish)
    wanted = priority(wish.status, wish.votes, wish.created_at, now)
    served_by = wish.fulfilled_by
    if wish.status is WishStatus.FULFILLED and served_by is None:
        best = max(wish.matches, key=lambda match: match.score, default=None)
        served_by = best.id if best and best.score >= EXISTS_SCORE else None
    return replace(wish, priority=wanted, fulfilled_by=served_by)
