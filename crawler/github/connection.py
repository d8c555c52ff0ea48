"""PyGithub's connection with bounds: bodies, redirects and times end, and requests are counted."""

from __future__ import annotations

import time

import requests
from github.Requester import HTTPSRequestsConnectionClass, RequestsResponse

# A page of 100 issues, each with a body of 65,536 characters of four bytes, is below this.
MAX_BODY_BYTES = 32 << 20
MAX_BODY_SECONDS = 60.0
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
    for chunk in response.iter_content(1 << 16):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise requests.RequestException(f"an answer of more than {MAX_BODY_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise requests.Timeout(f"an answer of more than {MAX_BODY_SECONDS:.0f} seconds")
    return bytes(body)
