"""One request at a time through PyGithub: retried, limited, bounded, and no token in errors.

GitHub asks for requests one after another, so threads share one client and take turns. PyGithub
brings the addresses, the authentication and the redirects; its own retries are off, because they
neither know the budget nor can be resumed.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github

from crawler.github.answers import (
    DONE,
    TELLING,
    Reply,
    UnusableError,
    describe,
    is_limit,
    parsed,
    usable_etag,
)
from crawler.github.budget import RequestBudget
from crawler.github.connection import BoundedConnection
from crawler.github.errors import GithubError
from crawler.github.token import Token
from crawler.pace import ANSWER_SECONDS, SPACING_SECONDS

T = TypeVar("T")

LOG = logging.getLogger(__name__)

# PyGithub prints each redirect on stderr; what matters of it is in the reports.
logging.getLogger("github").setLevel(logging.WARNING)

RETRY_WAITS = (1.0, 4.0)
"""Seconds before the second and third try of a request that got no usable answer."""
MAX_SILENT = 9
"""After so many tries in a row that got no whole answer, GitHub counts as unreachable."""
UPLOAD_HOST = "uploads.github.com"
PUBLIC_HOST = "api.github.com"
UPLOAD_SECONDS = 300.0
"""How long GitHub may be silent while it takes a file in."""
MAX_REFUSED = 3
"""After so many 401 in a row the token counts as bad; more of them would lock it out."""

Verb = Literal["POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A request below the API's root; `body` is sent as JSON, `file` as it is, if not None."""

    verb: Literal["GET"] | Verb
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None = None
    file: Path | None = None


class GithubClient:
    """The only way to GitHub's REST interface; close it, or use it in a `with` block.

    `sleep` is called with seconds between tries; `timeout` is how many seconds an answer may take
    to begin; `spacing` is the least time in seconds between two requests. Once `stop` is set, no
    request is sent any more.
    """

    def __init__(
        self,
        api_url: str,
        token: Token | None = None,
        *,
        budget: RequestBudget | None = None,
        timeout: float = ANSWER_SECONDS,
        spacing: float = SPACING_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
        stop: threading.Event | None = None,
    ) -> None:
        self.api_url = api_url
        self.token = token
        self.budget = budget or RequestBudget()
        self._sleep = sleep
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._silent = 0
        self._refused = 0
        parts = urlsplit(api_url)
        self._connection = BoundedConnection(
            parts.scheme, parts.hostname or "", parts.port, timeout
        )
        self._github = Github(
            auth=Auth.Token(token.reveal()) if token else None,
            base_url=api_url,
            user_agent="triton-index",
            retry=None,
            seconds_between_requests=spacing,
        )

    def __enter__(self) -> GithubClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        self._github.close()

    def get(
        self,
        path: str,
        parse: Callable[[str], T],
        *,
        etag: str | None = None,
        accept: str = "application/vnd.github+json",
    ) -> Reply[T]:
        """Return the answer to a GET below the API's root, a 304 if it still is that of `etag`.

        `parse` turns the body of a 200 into its value and raises ValueError if it is no such
        thing, which counts as a failed try.

        Raises:
            LimitReached: No request may be sent before a time too far away.
            GithubError: No usable answer after all tries, or the token is refused.
        """
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        return self._persist(_Question(verb="GET", path=path, headers=headers), parse)

    def send(
        self,
        verb: Verb,
        path: str,
        parse: Callable[[str], T],
        *,
        body: Mapping[str, Any] | None = None,
    ) -> Reply[T]:
        """Return the answer to a request that changes something below the API's root.

        A POST that may have been carried out is not repeated: look first whether it was.

        Raises:
            LimitReached: No request may be sent before a time too far away.
            GithubError: No usable answer after all tries, or the token is refused.
        """
        headers = {"Accept": "application/vnd.github+json"}
        return self._persist(_Question(verb=verb, path=path, headers=headers, body=body), parse)

    def upload(self, address: str, file: Path, parse: Callable[[str], T]) -> Reply[T]:
        """Return the answer to a POST of a file to an address that the API named for that.

        Raises:
            LimitReached: No request may be sent before a time too far away.
            GithubError: The address is none of GitHub's, no usable answer, or the token is refused.
        """
        parts = urlsplit(address)
        api = urlsplit(self.api_url)
        own = {(api.scheme, api.hostname, api.port)}
        if api.hostname == PUBLIC_HOST:
            own.add(("https", UPLOAD_HOST, None))
        if (parts.scheme, parts.hostname, parts.port) not in own:
            # The token goes with it.
            raise GithubError("GitHub names an upload address on another host; do not trust it")
        headers = {"Accept": "application/vnd.github+json"}
        question = _Question(verb="POST", path=address, headers=headers, file=file)
        connection = BoundedConnection(
            parts.scheme, parts.hostname or "", parts.port, UPLOAD_SECONDS
        )
        try:
            return self._persist(question, parse, connection)
        finally:
            connection.close()

    def _persist(
        self,
        question: _Question,
        parse: Callable[[str], T],
        connection: BoundedConnection | None = None,
    ) -> Reply[T]:
        """Ask until there is an answer to act on, or no more tries."""
        connection = connection or self._connection
        sent = 0
        for wait in (*RETRY_WAITS, None):
            with self._lock:
                connection.hops = 0
                try:
                    reply = self._ask(question, parse, connection)
                    return replace(reply, requests=sent + connection.hops)
                except UnusableError as error:
                    problem = error
                except GithubError as error:
                    error.requests = sent + connection.hops
                    raise
                sent += connection.hops
            if question.verb == "POST" and not problem.is_limit:
                break
            if wait is not None and not problem.is_limit:
                # After a limit the budget knows how long to wait, and whether to.
                self._sleep(wait)
        failure = GithubError(f"{problem}; run again later")
        failure.requests = sent
        raise failure

    def _ask(
        self, question: _Question, parse: Callable[[str], T], connection: BoundedConnection
    ) -> Reply[T]:
        self._refuse_hopeless()
        self.budget.spend()
        # That may have taken a while.
        self._refuse_stopped()
        try:
            status, answered, body = self._exchange(question, connection)
        except requests.RequestException as error:
            self._silent += 1
            raise UnusableError(describe(error)) from error
        except RuntimeError as error:
            # PyGithub's word for a redirect to another scheme or host, or to itself.
            raise GithubError("GitHub redirects out of its API; check GITHUB_API_URL") from error
        finally:
            self.budget.spent += max(0, connection.hops - 1)
        LOG.debug("%s %s: %d", question.verb, question.path, status)
        self._silent = 0
        message = self._message(body) if status >= 400 else ""
        self._judge(status, answered, message)
        return Reply(
            status=status,
            value=parsed(parse, body) if status in DONE else None,
            etag=usable_etag(answered),
            moved=connection.hops > 1,
            requests=0,
            message=message,
        )

    def _exchange(
        self, question: _Question, connection: BoundedConnection
    ) -> tuple[int, dict[str, Any], str]:
        """Return the status, the headers (names in lower case) and the body of one answer."""
        requester, headers = self._github.requester, dict(question.headers)
        if question.file is not None:
            return requester.requestBlob(
                question.verb,
                question.path,
                headers=headers,
                input=str(question.file),
                cnx=connection,
            )
        return requester.requestJson(
            question.verb, question.path, headers=headers, input=question.body, cnx=connection
        )

    def _refuse_hopeless(self) -> None:
        """Raise when earlier answers make another request pointless."""
        self._refuse_stopped()
        if self._refused >= MAX_REFUSED:
            raise GithubError(self._refusal(), stops=True)
        if self._silent >= MAX_SILENT:
            raise GithubError(
                "GitHub cannot be reached; check the network and run again to go on", stops=True
            )

    def _refuse_stopped(self) -> None:
        if self._stop.is_set():
            raise GithubError("the crawl was stopped; run again to go on from here", stops=True)

    def _judge(self, status: int, answered: Mapping[str, str], message: str) -> None:
        """Return if the answer says something about what was asked for, and raise if not."""
        if status == 401:
            self._refused += 1
            raise GithubError(self._refusal(), stops=self._refused >= MAX_REFUSED)
        self._refused = 0
        if is_limit(status, answered, message):
            self.budget.close_for_limit(answered)
            raise UnusableError(f"GitHub limits requests ({status})", is_limit=True)
        self.budget.note(answered)
        if status == 304 and self.token is not None:
            self.budget.refund()
        if status not in TELLING:
            raise UnusableError(f"GitHub answers {status}" + (f" ({message})" if message else ""))

    def _refusal(self) -> str:
        if self.token is None:
            return "GitHub asks for a token (401); set GITHUB_TOKEN"
        return "GitHub refuses the token (401); make a new one, or unset GITHUB_TOKEN"

    def _message(self, body: str) -> str:
        """Return GitHub's word on an error, on one line, empty if there is none."""
        try:
            message = json.loads(body)["message"]
        except (ValueError, TypeError, KeyError):
            return ""
        line = " ".join(re.sub(r"[^\x20-\x7e]", " ", str(message)).split())[:200]
        return self.token.redact(line) if self.token else line
