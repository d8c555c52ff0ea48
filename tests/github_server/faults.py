"""What can go wrong between a crawl and GitHub, as data: on which request, and what happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatch

from tests.github_server.rest import Answer, failure


class What(StrEnum):
    """A way in which one answer fails."""

    TIMEOUT = "no answer until the client gives up"
    RESET = "the connection is reset in the middle of the body"
    TRUNCATED = "the body ends early"
    UNAUTHORIZED = "401, bad credentials"
    PRIMARY_LIMIT = "403, the hour's requests are used up"
    SECONDARY_LIMIT = "403, too many requests in a short time"
    FORBIDDEN = "403, not allowed"
    NOT_FOUND = "404"
    CONFLICT = "409"
    TOO_MANY = "429"
    BLOCKED = "451, taken down"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    INVALID_JSON = "200 with half a JSON document"
    HTML = "200 with a page for people"
    REDIRECT_LOOP = "301 to and fro"
    ELSEWHERE = "301 to another host"
    GARBAGE = "the right type, a useless value"


STATUS = {
    What.UNAUTHORIZED: (401, "Bad credentials"),
    What.PRIMARY_LIMIT: (403, "API rate limit exceeded for installation."),
    What.SECONDARY_LIMIT: (403, "You have exceeded a secondary rate limit. Please wait."),
    What.FORBIDDEN: (403, "Resource not accessible by integration"),
    What.NOT_FOUND: (404, "Not Found"),
    What.CONFLICT: (409, "Git Repository is empty."),
    What.TOO_MANY: (429, "Too Many Requests"),
    What.BLOCKED: (451, "Repository access blocked"),
    What.SERVER_ERROR: (500, "Server Error"),
    What.BAD_GATEWAY: (502, "Bad Gateway"),
}


@dataclass(slots=True, kw_only=True)
class Fault:
    """`what` goes wrong on the `first`-th request whose path matches `on`, and `times` in all.

    `before` changes the world just before the request is answered: with it and without `what`
    the answer itself is healthy. `retry_after` and `reset_in` are seconds.
    """

    what: What | None = None
    on: str = "*"
    first: int = 1
    times: int | None = 1
    retry_after: int | None = None
    reset_in: int = 3600
    before: Callable[[], object] | None = None
    seen: int = field(default=0, init=False)

    def strikes(self, path: str) -> bool:
        """Count the request if it matches; return whether this is one that goes wrong."""
        if not fnmatch(path, self.on):
            return False
        self.seen += 1
        late = self.seen - self.first
        return late >= 0 and (self.times is None or late < self.times)


def refuse(fault: Fault, what: What, limit: int) -> Answer:
    """Return the error answer of a fault that is in `STATUS`."""
    status, message = STATUS[what]
    headers: dict[str, str] = {}
    if what is What.PRIMARY_LIMIT:
        reset = str(int(time.time()) + fault.reset_in)
        headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
        headers["X-RateLimit-Reset"] = reset
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    return failure(status, message, headers)


def spoil(answer: Answer, what: What | None, address: str) -> Answer:
    """Return the answer as a fault leaves it; what breaks on the wire is left to the wire."""
    match what:
        case What.INVALID_JSON:
            return replace(answer, status=200, body=b'{"id": 1, "full_')
        case What.GARBAGE:
            return replace(answer, status=200, body=b'{"id": "one", "clone_url": 5}')
        case What.HTML:
            page = b"<!DOCTYPE html><title>Unicorn!</title>"
            return Answer(status=200, body=page, media_type="text/html; charset=utf-8")
        case What.REDIRECT_LOOP:
            return Answer(status=301, body=b"{}", headers={"Location": f"{address}x"})
        case What.ELSEWHERE:
            elsewhere = "http://localhost:9/api/v3/repositories/1"
            return Answer(status=301, body=b"{}", headers={"Location": elsewhere})
        case _:
            return answer
