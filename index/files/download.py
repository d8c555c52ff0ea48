"""A file over HTTPS, bounded in size and time, with its SHA-256."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from crawler.errors import TritonIndexError
from crawler.github.token import is_loopback

Progress = Callable[[int, int | None], None]
"""Is told how many bytes have come, and of how many where that is known."""

MAX_HOPS = 5
_CHUNK_BYTES = 1 << 18


class DownloadError(TritonIndexError):
    """A file cannot be had; the text names its address.

    `is_missing`: there is none. `may_pass`: the same address may give it another time.
    """

    def __init__(self, message: str, *, is_missing: bool = False, may_pass: bool = False) -> None:
        super().__init__(message)
        self.is_missing = is_missing
        self.may_pass = may_pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the next bytes, for the whole file.

    `waits` come before the second, third ... try of a file that broke off.
    """

    connect: float = 10.0
    silence: float = 30.0
    whole: float = 3600.0
    waits: tuple[float, ...] = (1.0, 4.0)


def check_address(address: str) -> str | None:
    """Return what is wrong with an address to download from, None if it may be used.

    It is https, or http on this machine; a user and password in it would end up in messages.
    """
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return "no address"
    if not address.isprintable() or " " in address or not parts.hostname:
        return "no address"
    if parts.username is not None or parts.password is not None:
        return "an address with a user or password in it"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(address)):
        return "not https"
    return None


def download(
    address: str,
    target: IO[bytes],
    *,
    limit: int,
    patience: Patience,
    on_progress: Progress = lambda done, total: None,
) -> str:
    """Write at most `limit` bytes from an address to an empty target; return their SHA-256 in hex.

    What breaks off, or a server that is unwell, is asked again.

    Raises:
        DownloadError: It cannot be had whole, is too large, or takes too long.
    """
    deadline = time.monotonic() + patience.whole
    for wait in (*patience.waits, None):
        try:
            return _Try(address, target, limit, patience, deadline, on_progress).run()
        except _BrokenError as broken:
            problem = broken
        if wait is None or time.monotonic() + wait > deadline:
            break
        time.sleep(wait)
    raise DownloadError(f"{_show(address)} {problem}; try again later", may_pass=True)


class _BrokenError(Exception):
    """One try came to nothing, and another may not."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One try to download one file."""

    address: str
    target: IO[bytes]
    limit: int
    patience: Patience
    deadline: float
    on_progress: Progress

    def run(self) -> str:
        """Return the SHA-256 of what was written."""
        with requests.Session() as session:
            # Nothing of the user's .netrc is for this server, let alone for where it redirects.
            session.auth = _no_credentials
            try:
                with self._open(session) as response:
                    return self._copy(response)
            except requests.Timeout as error:
                raise self._late() from error
            except requests.RequestException as error:
                why = (
                    "its certificate is not trusted" if "CERTIFICATE" in str(error) else "offline?"
                )
                raise DownloadError(
                    f"{_show(self.address)} cannot be reached ({why}); try again later",
                    may_pass=True,
                ) from error
            except urllib3.exceptions.TimeoutError as error:
                raise self._late() from error
            except urllib3.exceptions.HTTPError as error:
                raise _BrokenError("breaks off in the middle") from error

    def _open(self, session: requests.Session) -> requests.Response:
        address = self.address
        for _ in range(MAX_HOPS):
            response = session.get(
                address,
                headers={"Accept-Encoding": "identity", "User-Agent": "triton-index"},
                timeout=(self.patience.connect, self.patience.silence),
                allow_redirects=False,
                stream=True,
            )
            if not response.is_redirect:
                return self._judged(response)
            response.close()
            address = urljoin(address, response.headers["Location"])
            is_foreign = urlsplit(address).scheme != "https" and not is_loopback(self.address)
            if is_foreign or check_address(address) is not None:
                raise DownloadError(
                    f"{_show(self.address)} redirects to an address that is not https; "
                    "do not trust it"
                )
        raise DownloadError(f"{_show(self.address)} redirects without end; check the address")

    def _judged(self, response: requests.Response) -> requests.Response:
        """Return an answer that has the file."""
        status = response.status_code
        if status == requests.codes.ok:
            return response
        response.close()
        if status >= 500 or status == requests.codes.too_many_requests:
            raise _BrokenError(f"answers {status}")
        is_missing = status in (requests.codes.not_found, requests.codes.gone)
        raise DownloadError(
            f"{_show(self.address)} answers {status}; check the address", is_missing=is_missing
        )

    def _copy(self, response: requests.Response) -> str:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() and len(length) < 20 else None
        if total is not None and total > self.limit:
            raise self._too_large()
        self.target.seek(0)
        self.target.truncate()
        digest = hashlib.sha256()
        done = 0
        # What has come, however little: a whole chunk of a trickle could take for ever.
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            done += len(chunk)
            if done > self.limit:
                raise self._too_large()
            if time.monotonic() > self.deadline:
                raise DownloadError(
                    f"{_show(self.address)} takes more than {self.patience.whole:.0f} seconds; "
                    "try again on a faster line",
                    may_pass=True,
                )
            digest.update(chunk)
            self.target.write(chunk)
            self.on_progress(done, total)
        if total is not None and done != total:
            raise _BrokenError("breaks off in the middle")
        return digest.hexdigest()

    def _too_large(self) -> DownloadError:
        size = f"{self.limit / (1 << 20):,.1f} MiB"
        return DownloadError(f"{_show(self.address)} is larger than {size}; check the address")

    def _late(self) -> DownloadError:
        message = f"{_show(self.address)} does not answer in time; try again later"
        return DownloadError(message, may_pass=True)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _show(address: str) -> str:
    """Return the address without query: a redirect's may hold a signature."""
    return address.partition("?")[0]
