# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The wish-list as the index keeps it: what a sync found goes in, what it knew comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

import duckdb
import msgspec

from index.tables.staging import Staging
from wishlist.demand import duplicates_by_wish, voters
from wishlist.models import (
    IssueWish,
    KnownWishes,
    PullRequest,
    SyncedWishes,
    SyncState,
)
from wishlist.reply import Comment
from wishlist.state import pulls_by_issue, state_of

T = TypeVar("T")

_TABLES = ("wishes", "wish_pulls", "wish_skips", "wish_matches", "wish_replies")
_OF_ISSUE = tuple(field.name for field in fields(IssueWish))


def known_wishes(con: duckdb.DuckDBPyConnection, repo: str) -> KnownWishes:
    """Return what earlier syncs left of a repository, which is known under former names too."""
    states = _records(
        con,
        SyncState,
        "SELECT * FROM wish_sync WHERE lower(repo) = lower($repo) "
        "OR list_contains(list_transform(former_names, lambda name: lower(name)), lower($repo)) "
        "ORDER BY lower(repo) = lower($repo) DESC LIMIT 1",
        repo=repo,
    )
    if not states:
        return KnownWishes()
    state = states[0]
    others = con.execute(
        "SELECT number FROM wish_skips WHERE repo = ? UNION SELECT number FROM wish_pulls "
        "WHERE repo = ?",
        [state.repo, state.repo],
    ).fetchall()
    return KnownWishes(
        state=state,
        wishes=tuple(_issue_wishes(con, state.repo)),
        others=frozenset(number for (number,) in others),
    )


def save_wishes(con: duckdb.DuckDBPyConnection, staging: Staging, synced: SyncedWishes) -> None:
    """Store what a sync found; needs a transaction around it."""
    if synced.renamed_from is not None:
        for table in (*_TABLES, "wish_sync"):
            con.execute(
                f"UPDATE {table} SET repo = ? WHERE repo = ?", [synced.repo, synced.renamed_from]
            )
    kept = {wish.number for wish in synced.wishes} | {one.number for one in synced.gone}
    others = {skip.number for skip in synced.skips} | {pull.number for pull in synced.pulls}
    numbers = sorted(kept | others)
    _forget(con, "wish_skips", synced.repo, numbers)
    _forget(con, "wish_pulls", synced.repo, numbers)
    _insert(con, staging, "wish_skips", map(asdict, synced.skips))
    _insert(con, staging, "wish_pulls", map(asdict, synced.pulls))
    for one in synced.gone:
        con.execute(
            "UPDATE wishes SET gone = ? WHERE repo = ? AND number = ?",
            [one.reason, synced.repo, one.number],
        )
    _forget(con, "wishes", synced.repo, sorted(others - kept))
    _forget(con, "wishes", synced.repo, [wish.number for wish in synced.wishes])
    _insert(con, staging, "wishes", map(_row, synced.wishes))
    _forget(con, "wish_sync", synced.repo)
    _insert(con, staging, "wish_sync", [_utc_row(asdict(synced.state))])
    _settle(con, staging, synced.repo)


def save_reply(
    con: duckdb.DuckDBPyConnection, repo: str, number: int, comment: Comment, at: datetime
) -> None:
    """Store the one comment that answers a wish; needs a transaction around it."""
    _forget(con, "wish_replies", repo, [number])
    con.execute(
        "INSERT INTO wish_replies VALUES (?, ?, ?, ?, ?)",
        [repo, number, comment.id, comment.body, at],
    )


def _settle(con: duckdb.DuckDBPyConnection, staging: Staging, repo: str) -> None:
    """Work out status, votes and duplicates of all wishes of a repository."""
    wishes = tuple(_issue_wishes(con, repo))
    pulls = pulls_by_issue(
        _records(con, PullRequest, "SELECT * FROM wish_pulls WHERE repo = $repo", repo=repo)
    )
    states = {wish.number: state_of(wish, pulls.get(wish.number, ())) for wish in wishes}
    known = states.keys()
    duplicate_of = {
        number: state.duplicate_of
        for number, state in states.items()
        if state.duplicate_of is not None and state.duplicate_of in known
    }
    repeated = duplicates_by_wish(wishes, duplicate_of)
    rows = (
        {
            "number": wish.number,
            "status": states[wish.number].status,
            "votes": len(voters(wish, repeated.get(wish.number, ()))),
            "duplicate_of": states[wish.number].duplicate_of,
            "pull_requests": [pull.address for pull in states[wish.number].pulls],
            "fulfilled_by": states[wish.number].kernel,
        }
        for wish in wishes
    )
    types = {
        "number": "INTEGER",
        "status": "VARCHAR",
        "votes": "INTEGER",
        "duplicate_of": "INTEGER",
        "pull_requests": "VARCHAR[]",
        "fulfilled_by": "VARCHAR",
    }
    staging.load("settled", rows, types)
    values = ", ".join(f"{name} = s.{name}" for name in types if name != "number")
    con.execute(
        f"UPDATE wishes SET {values} FROM settled AS s "
        "WHERE wishes.repo = $repo AND wishes.number = s.number",
        {"repo": repo},
    )


def _issue_wishes(con: duckdb.DuckDBPyConnection, repo: str) -> Iterable[IssueWish]:
    columns = ", ".join(_OF_ISSUE)
    return _records(
        con,
        IssueWish,
        f"SELECT {columns} FROM wishes WHERE repo = $repo AND gone IS NULL ORDER BY number",
        repo=repo,
    )


def _records(
    con: duckdb.DuckDBPyConnection, kind: type[T], query: str, **values: object
) -> list[T]:
    """Return the rows of a query as records of a type whose fields its columns are."""
    rows = con.execute(query, values).fetchall()
    names = [name for name, *_ in con.description or ()]
    return [
        msgspec.convert({name: _aware(value) for name, value in zip(names, row, strict=True)}, kind)
        for row in rows
    ]


def _insert(
    con: duckdb.DuckDBPyConnection,
    staging: Staging,
    table: str,
    rows: Iterable[Mapping[str, object]],
) -> None:
    described = con.execute(f"DESCRIBE {table}").fetchall()
    types = {str(name): str(kind) for name, kind, *_ in described}
    listed = list(rows)
    if not listed:
        return
    columns = {name: types[name] for name in listed[0]}
    staging.load("staged_wishes", listed, columns)
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM staged_wishes")


def _forget(
    con: duckdb.DuckDBPyConnection, table: str, repo: str, numbers: list[int] | None = None
) -> None:
    values: dict[str, Any] = {"repo": repo}
    chosen = ""
    if numbers is not None:
        chosen = "AND number IN (SELECT unnest($numbers::INTEGER[]))"
        values["numbers"] = numbers
    con.execute(f"DELETE FROM {table} WHERE repo = $repo {chosen}", values)


def _row(wish: IssueWish) -> dict[str, object]:
    return _utc_row(asdict(wish))


def _utc_row(row: dict[str, Any]) -> dict[str, object]:
    """Return the row with moments as the index keeps them: UTC, unmarked."""
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _aware(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
