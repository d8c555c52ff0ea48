from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from index.database import connect_for_writing, migrate
from index.queries.wishes import BOARD, DETAILS, RECORD
from tests.index.samples import column
from wishlist.models import IssueWish, Wish


def test_the_record_is_the_head_of_the_type_and_nothing_else_is_shown() -> None:
    names = tuple(field.name for field in fields(Wish))
    assert names[: len(RECORD)] == RECORD
    assert {*BOARD, *RECORD} <= {*DETAILS} == {*names, "answer"}


def test_columns_stand_in_the_order_of_the_fields(db: Path) -> None:
    with connect_for_writing(db) as con:
        migrate(con, since=0)
    columns = column(db, "SELECT column_name FROM (DESCRIBE wishes)")
    # Who serves it, how well and how soon is worked out when it is asked for.
    stored = [f.name for f in fields(Wish) if f.name not in ("priority", "matches", "matched_at")]
    assert columns[: len(stored)] == stored
    by_itself = [f.name for f in fields(IssueWish) if f.name not in stored]
    assert columns[len(stored) :] == [*by_itself, "gone"]
