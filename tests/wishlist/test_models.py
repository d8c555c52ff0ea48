from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from tests.wishlist.samples import wish
from wishlist.models import EXISTS_SCORE, PARTLY_SCORE, Answer, Wish, WishMatch

# The wish record that users are promised, in its order.
PROMISED = """
    number url title ops status votes passes dtypes hardware reference created_at updated_at
    priority matches duplicate_of
""".split()


def test_the_record_comes_first_and_in_the_promised_order() -> None:
    assert [field.name for field in fields(Wish)][: len(PROMISED)] == PROMISED


@pytest.mark.parametrize(
    ("scores", "answer"),
    [
        ((), Answer.MISSING),
        ((PARTLY_SCORE - 0.01,), Answer.MISSING),
        ((PARTLY_SCORE,), Answer.PARTLY),
        ((0.1, EXISTS_SCORE), Answer.EXISTS),
    ],
)
def test_the_best_match_decides_the_answer(scores: tuple[float, ...], answer: Answer) -> None:
    matches = tuple(WishMatch(id="a/b:c.py::k", score=score, reason="") for score in scores)
    matched = wish(matches=matches, matched_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert matched.answer is answer
    assert replace(matched, matched_at=None).answer is None
