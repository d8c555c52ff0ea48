"""How a crawl waits, for answers, limits and git, and how much it may take in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.github.budget import PATIENCE_SECONDS
from crawler.snapshot.git_fetch import FetchLimits

ANSWER_SECONDS = 20.0
"""How long GitHub may take to begin an answer."""
SPACING_SECONDS = 0.1
"""GitHub counts 900 reads a minute as abuse; this stays below, whoever else uses the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times in seconds, right for GitHub as they stand.

    An answer may take `answer` to begin, requests are `spacing` apart, a limit is waited out if
    that takes no longer than `patience`, and a fetch keeps to `fetch`. All waiting between tries
    is done by `sleep`, if there is one; else it ends early when the crawl is stopped.

    After `requests` to GitHub, or `granted` seconds, no further source is opened: what is left is
    for the next run. Without them, GitHub's own limit is the only one.
    """

    answer: float = ANSWER_SECONDS
    spacing: float = SPACING_SECONDS
    patience: float = PATIENCE_SECONDS
    fetch: FetchLimits = field(default_factory=FetchLimits)
    sleep: Callable[[float], object] | None = None
    requests: int | None = None
    granted: float | None = None
