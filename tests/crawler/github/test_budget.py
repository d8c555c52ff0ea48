from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from crawler.github.budget import RequestBudget
from crawler.github.errors import LimitReached
from tests.crawler.github.conftest import Clock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


def make_budget() -> tuple[RequestBudget, Clock]:
    clock = Clock(NOON)
    return RequestBudget(clock=clock, sleep=clock.sleep), clock


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOON + 9, UTC))}, 9),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOON - 9, UTC))}, 0),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": "-5"}, 60),
        ({"retry-after": "nan"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON + 11)}, 11),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later"}, 60),
        ({"x-ratelimit-remaining": "9", "x-ratelimit-reset": str(NOON + 11)}, 60),
        ({}, 60),
    ],
    ids=lambda value: str(value),
)
def test_how_long_a_limit_lasts(headers, seconds):
    budget, clock = make_budget()
    budget.close_for_limit(headers)
    budget.spend()
    assert clock.now - NOON == seconds


def test_a_longer_wait_is_not_shortened_by_a_later_answer():
    budget, clock = make_budget()
    budget.close_for_limit({"retry-after": "50"})
    budget.close_for_limit({"retry-after": "5"})
    budget.spend()
    assert clock.slept == [50]


def test_a_wait_is_announced_and_a_long_one_tells_the_time():
    said: list[tuple[str, float]] = []
    clock = Clock(NOON)
    budget = RequestBudget(
        clock=clock, sleep=clock.sleep, on_wait=lambda why, seconds: said.append((why, seconds))
    )
    budget.close_for_limit({"retry-after": "5"})
    budget.spend()
    assert said == [("GitHub asks to wait (secondary request limit)", 5)]
    budget.close_for_limit({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON + 1800)})
    with pytest.raises(LimitReached, match="run again after 12:30 UTC on 01 June") as caught:
        budget.spend()
    assert caught.value.retry_at == datetime(2026, 6, 1, 12, 30, tzinfo=UTC)


def test_the_run_goes_on_when_the_hour_is_over():
    budget, clock = make_budget()
    budget.note({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON + 1800)})
    with pytest.raises(LimitReached):
        budget.spend()
    clock.now += 1801
    budget.spend()
    assert budget.spent == 1
