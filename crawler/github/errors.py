"""How a request to GitHub fails; each text is one line for a person, without the token."""

from __future__ import annotations

from datetime import datetime

from crawler.errors import TritonIndexError


class GithubError(TritonIndexError):
    """A request got no usable answer. `requests` were sent for it; see `states.Failed`."""

    def __init__(
        self, message: str, *, stops: bool = False, retry_at: datetime | None = None
    ) -> None:
        super().__init__(message)
        self.stops = stops
        self.retry_at = retry_at
        self.requests = 0


class LimitReached(GithubError):  # noqa: N818 - no mistake of anybody's
    """GitHub's limit, or our own, allows no further request before `retry_at`."""

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message, stops=True, retry_at=retry_at)
