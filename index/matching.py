"""Wishes held against the index, and what came of it stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import duckdb

from index.queries.candidates import find_candidates
from index.table import Table
from index.tables.staging import Staging
from wishlist.duplicates import Duplicate, find_duplicates
from wishlist.match import match
from wishlist.models import Answer, Wish, WishMatch, answer_of

MATCH_COLUMNS = (
    "repo", "number", "title", "answer", "is_news", "id", "score", "reason", "alike", "matches",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedWish:
    """A wish and the kernels that serve it best, the best first.

    `is_news`: it has a kernel now, had none when it was last matched, and this was never said.
    `alike` are other wishes of its repository that seem to ask for the same.
    """

    repo: str
    number: int
    title: str
    matches: tuple[WishMatch, ...]
    is_news: bool
    alike: tuple[int, ...]
    matched_at: datetime

    @property
    def answer(self) -> Answer:
        """What the index has for it, judged by its best match."""
        return answer_of(self.matches)


def match_wishes(
    con: duckdb.DuckDBPyConnection, wishes: Iterable[Wish], *, all_wishes: Sequence[Wish]
) -> Iterator[MatchedWish]:
    """Yield each of the wishes with its matches; `all_wishes` may be duplicates of them."""
    served = {
        (repo, number)
        for repo, number in con.execute(
            "SELECT repo, number FROM wish_matches WHERE served_at IS NOT NULL"
        ).fetchall()
    }
    alike = _alike(all_wishes)
    for wish in wishes:
        matches = match(wish, find_candidates(con, wish))
        found = MatchedWish(
            repo=wish.repo,
            number=wish.number,
            title=wish.title,
            matches=matches,
            is_news=wish.matched_at is not None
            and (wish.repo, wish.number) not in served
            and answer_of(matches) is Answer.EXISTS,
            alike=alike.get((wish.repo, wish.number), ()),
            matched_at=datetime.now(UTC),
        )
        yield found


def save_matches(
    con: duckdb.DuckDBPyConnection, staging: Staging, matched: Iterable[MatchedWish]
) -> None:
    """Store what wishes were matched to; needs a transaction around it.

    That a wish was once served stays known, so that it is news only once.
    """
    staging.load("staged_matches", map(_stored, matched), _STORED)
    con.execute(
        """
        UPDATE staged_matches AS s SET served_at = m.served_at FROM wish_matches AS m
        WHERE m.repo = s.repo AND m.number = s.number AND m.served_at IS NOT NULL
        """
    )
    con.execute(
        "DELETE FROM wish_matches USING staged_matches AS s "
        "WHERE wish_matches.repo = s.repo AND wish_matches.number = s.number"
    )
    con.execute("INSERT INTO wish_matches BY NAME SELECT * FROM staged_matches")


def list_matches(matched: Iterable[MatchedWish]) -> Table:
    """Return one row for each wish, with its best match and with all of them."""
    return Table(columns=MATCH_COLUMNS, rows=tuple(map(_row, matched)))


def _row(found: MatchedWish) -> tuple[object, ...]:
    best = found.matches[0] if found.matches else None
    return (
        found.repo,
        found.number,
        found.title,
        found.answer.value,
        found.is_news,
        best and best.id,
        best and best.score,
        best and best.reason,
        list(found.alike),
        [asdict(each) for each in found.matches],
    )


def _alike(wishes: Sequence[Wish]) -> dict[tuple[str, int], tuple[int, ...]]:
    found: dict[tuple[str, int], list[int]] = {}
    for repo in sorted({wish.repo for wish in wishes}):
        pairs: tuple[Duplicate, ...] = find_duplicates(
            wish for wish in wishes if wish.repo == repo and not wish.status.is_settled
        )
        for pair in pairs:
            found.setdefault((repo, pair.number), []).append(pair.of)
            found.setdefault((repo, pair.of), []).append(pair.number)
    return {wish: tuple(sorted(others)) for wish, others in found.items()}


def _stored(found: MatchedWish) -> dict[str, object]:
    at = found.matched_at.astimezone(UTC).replace(tzinfo=None)
    return {
        "repo": found.repo,
        "number": found.number,
        "matches": [asdict(each) for each in found.matches],
        "matched_at": at,
        "served_at": at if found.answer is Answer.EXISTS else None,
    }


_STORED = {
    "repo": "VARCHAR",
    "number": "INTEGER",
    "matches": "STRUCT(id VARCHAR, score DOUBLE, reason VARCHAR)[]",
    "matched_at": "TIMESTAMP",
    "served_at": "TIMESTAMP",
}
