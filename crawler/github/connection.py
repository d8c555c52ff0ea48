"""PyGithub's connection with bounds: bodies, redirects and times end, and requests are counted."""

from __future__ import annotations

import time

import requests
from github.Requester import HTTPSRequestsConnectionClass, RequestsResponse
from urllib3.exceptions import HTTPError, ProtocolError

from crawler.deadline import within

# A page of 100 issues, each with a body of 65,536 characters of four bytes, is below this.
MAX_BODY_BYTES = 32 << 20
MAX_BODY_SECONDS = 60.0
UPLOAD_SECONDS = 3600.0
"""How long a file may take to be sent and taken in."""
MAX_HOPS = 4


class BoundedResponse(RequestsResponse):
    """A whole answer in memory, in the shape that PyGithub reads."""

    def __init__(self, response: requests.Response, body: bytes) -> None:
        super().__init__(response)
        self._body = body

    def read(self) -> str:
        """Return the body as text."""
        return self._body.decode("utf-8", "replace")


class BoundedConnection(HTTPSRequestsConnectionClass):
    """A connection to the API's host, over TLS unless `scheme` says otherwise.

    `hops` counts the requests sent since it was last set to zero: one, and one a redirect.
    `timeout` is how many seconds the host may be silent.
    """

    def __init__(self, scheme: str, host: str, port: int | None, timeout: float) -> None:
        super().__init__(host, port or {"http": 80}.get(scheme, 443))
        self.protocol = scheme
        self.hops = 0
        self._timeout = timeout

    def getresponse(self) -> BoundedResponse:
        """Send the request that was prepared, and return its answer.

        Raises:
            requests.RequestException: No answer, one that breaks off, or one out of bounds.
        """
        if self.hops >= MAX_HOPS:
            raise requests.TooManyRedirects("redirected without end")
        self.hops += 1
        is_upload = hasattr(self.input, "read")
        seconds = UPLOAD_SECONDS if is_upload else self._timeout + MAX_BODY_SECONDS
        try:
            return within(seconds, self._exchange)
        except TimeoutError as error:
            # Whoever is left behind still holds the old one.
            self.session = type(self)(self.protocol, self.host, self.port, self._timeout).session
            raise requests.Timeout(f"an answer of more than {seconds:g} seconds") from error

    def _exchange(self) -> BoundedResponse:
        with self.session.request(
            self.verb,
            f"{self.protocol}://{self.host}:{self.port}{self.url}",
            headers=self.headers,
            data=self.input,
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            return BoundedResponse(response, _read_body(response))


def _read_body(response: requests.Response) -> bytes:
    body = bytearray()
    deadline = time.monotonic() + MAX_BODY_SECONDS
    while chunk := _read_some(response):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise requests.RequestException(f"an answer of more than {MAX_BODY_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise requests.Timeout(f"an answer of more than {MAX_BODY_SECONDS:g} seconds")
    return bytes(body)


def _read_some(response: requests.Response) -> bytes:
    """Return what has come of a body, however little: a whole chunk of a trickle takes for ever."""
    try:
        return bytes(response.raw.read1(1 << 16, decode_content=True))
    except ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except HTTPError as error:
        raise requests.ConnectionError(error) from error
