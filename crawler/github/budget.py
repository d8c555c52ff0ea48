"""When the next request may be sent: GitHub's limits, and one of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.github.errors import LimitReached

PATIENCE_SECONDS = 90.0
"""A shorter wait is waited out; a longer one ends the run, which resumes where it stopped."""
SECONDARY_WAIT_SECONDS = 60.0
"""What GitHub asks for after a secondary limit that names no time; doubled each time it recurs."""


class RequestBudget:
    """How many requests may be sent and when.

    `allowance` is how many requests this run may spend, None for as many as GitHub grants; an
    answer that GitHub does not charge (304 to an authorised request) costs nothing. `on_wait` is
    told why and how long (seconds) before each wait. One thread at a time may use it.
    """

    def __init__(
        self,
        *,
        allowance: int | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        on_wait: Callable[[str, float], None] = lambda why, seconds: None,
    ) -> None:
        self.spent = 0
        self.remaining: int | None = None
        """What GitHub grants until the hour is over, by its own last word; None if it gave none."""
        self._allowance = allowance
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._on_wait = on_wait
        self._closed_until = 0.0
        self._why = ""
        self._secondary_hits = 0

    def spend(self) -> None:
        """Take one request out of the budget, after waiting if that is short.

        Raises:
            LimitReached: The allowance is spent, or the wait would be too long.
        """
        if self._allowance is not None and self.spent >= self._allowance:
            raise LimitReached(
                f"the {self._allowance} requests granted to this run are spent; "
                "run again to go on from here"
            )
        seconds = self._closed_until - self._clock()
        if seconds > self._patience:
            until = datetime.fromtimestamp(self._closed_until, UTC)
            raise LimitReached(
                f"{self._why}; run again after {until:%H:%M} UTC on {until:%d %B}", retry_at=until
            )
        if seconds > 0:
            self._on_wait(self._why, seconds)
            self._sleep(seconds)
        self.spent += 1

    def is_closed(self) -> bool:
        """Tell whether a limit lets no request go at this moment."""
        is_spent = self._allowance is not None and self.spent >= self._allowance
        return is_spent or self._closed_until > self._clock()

    def has_more_than(self, reserve: int) -> bool:
        """Tell whether GitHub grants more than this many requests until the hour is over."""
        return self.remaining is not None and self.remaining > reserve

    def refund(self) -> None:
        """Give one request back: GitHub did not charge it."""
        self.spent -= 1

    def note(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of a healthy answer (names in lower case)."""
        self._secondary_hits = 0
        remaining = _number(headers.get("x-ratelimit-remaining"))
        if remaining is not None:
            self.remaining = int(remaining)
        reset = _number(headers.get("x-ratelimit-reset"))
        if remaining == 0 and reset is not None:
            self._close(reset, "GitHub's hourly request limit is reached")

    def close_for_limit(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer that refused a request because of a limit."""
        reset = _number(headers.get("x-ratelimit-reset"))
        after = self._retry_after(headers.get("retry-after"))
        if after is not None:
            self._close(self._clock() + after, "GitHub asks to wait (secondary request limit)")
        elif headers.get("x-ratelimit-remaining") == "0" and reset is not None:
            self._close(reset, "GitHub's hourly request limit is reached")
        else:
            wait = SECONDARY_WAIT_SECONDS * 2**self._secondary_hits
            self._secondary_hits += 1
            self._close(self._clock() + wait, "GitHub asks to wait (secondary request limit)")

    def _close(self, until: float, why: str) -> None:
        if until > self._closed_until:
            self._closed_until, self._why = until, why

    def _retry_after(self, value: str | None) -> float | None:
        """Return the seconds that a `Retry-After` asks for: a number, or a date."""
        seconds = _number(value)
        if seconds is not None or value is None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - self._clock())
        except ValueError:
            return None


def _number(value: str | None) -> float | None:
    """Return a header's non-negative number, None if it is none or beyond any date."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < 2**33 else None
