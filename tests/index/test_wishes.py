from __future__ import annotations

from dataclasses import fields

from index.wishes import BOARD, DETAILS, RECORD
from wishlist.models import Wish


def test_the_record_is_the_head_of_the_type_and_nothing_else_is_shown() -> None:
    names = tuple(field.name for field in fields(Wish))
    assert names[: len(RECORD)] == RECORD
    assert {*BOARD, *RECORD} <= {*DETAILS} == {*names, "answer"}
