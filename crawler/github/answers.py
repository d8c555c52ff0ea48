"""What an answer of GitHub's says, apart from its content: act on it, wait, or try again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import requests

T = TypeVar("T")

DONE = frozenset({200, 201})
TELLING = DONE | {204, 304, 403, 404, 409, 410, 422, 451}
"""Statuses that say something about what was asked for; all others say that GitHub is unwell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(Generic[T]):
    """An answer to act on: 200 or 201 with its parsed value, or 204, 304 and 4xx with none.

    `moved`: a redirect was followed. `requests` were sent for it. `message` is GitHub's word on
    a 4xx.
    """

    status: int
    value: T | None
    etag: str | None
    moved: bool
    requests: int
    message: str = ""


class UnusableError(Exception):
    """One try gave nothing to act on; the text says why."""

    def __init__(self, why: str, *, is_limit: bool = False) -> None:
        super().__init__(why)
        self.is_limit = is_limit


def is_limit(status: int, answered: Mapping[str, str], message: str) -> bool:
    """Tell whether a request was refused because there were too many."""
    if status == 403:
        told = "rate limit" in message.lower() or "abuse" in message.lower()
        return told or "retry-after" in answered or answered.get("x-ratelimit-remaining") == "0"
    return status == 429


def parsed(parse: Callable[[str], T], body: str) -> T:
    """Return what a body says.

    Raises:
        UnusableError: It is not what was asked for.
    """
    try:
        return parse(body)
    except ValueError as error:
        raise UnusableError(f"GitHub's answer cannot be used ({error})") from error


def usable_etag(answered: Mapping[str, str]) -> str | None:
    """Return the ETag if it can be sent back as it is."""
    etag = answered.get("etag", "")
    return etag if re.fullmatch(r"[\x21-\x7e]{1,200}", etag) else None


def describe(error: requests.RequestException) -> str:
    """Return what happened, without the addresses and headers that the error's own text holds."""
    for kind, words in (
        (requests.exceptions.SSLError, "the certificate of GitHub's API is not trusted"),
        (requests.exceptions.ProxyError, "the proxy does not lead to GitHub"),
        (requests.Timeout, "GitHub does not answer in time"),
        (requests.exceptions.ChunkedEncodingError, "GitHub's answer breaks off"),
        (requests.ConnectionError, "GitHub cannot be reached"),
        (requests.TooManyRedirects, "GitHub redirects without end"),
    ):
        if isinstance(error, kind):
            return words
    return "GitHub's answer is out of bounds"
