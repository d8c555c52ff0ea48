"""A package index over HTTP: the list of a package's files, and the files."""

from __future__ import annotations

import hashlib
import io
import time
from typing import IO
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from crawler.deadline import within
from crawler.errors import SnapshotError, SourceError
from crawler.snapshot.index_page import join_address, parse_page
from crawler.snapshot.pip_settings import IndexSettings
from crawler.snapshot.releases import IndexFile
from crawler.snapshot.select import MIB

MAX_PAGE_BYTES = 32 * MIB
MAX_FILE_BYTES = 512 * MIB
MAX_SECONDS = 600.0
"""How long one answer may take in all, however steadily it trickles."""

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 16
_CONNECT_AND_READ_SECONDS = (15.0, 60.0)


class TooLargeError(SnapshotError):
    """A file is larger than what is fetched; another of the same version may do."""


class PackageIndex:
    """Asks the indexes that pip is set to; close it after use."""

    def __init__(self, settings: IndexSettings) -> None:
        if not settings.urls or not all(join_address(url, "") for url in settings.urls):
            raise SnapshotError("pip's index-url is no http or https address; set PIP_INDEX_URL")
        self._urls = settings.urls
        self._credentials = {
            urlsplit(url).hostname: get_auth_from_url(url) for url in settings.urls if "@" in url
        }
        self._verify = settings.ca_bundle or True
        self._session = requests.Session()
        retry = Retry(
            total=_ATTEMPTS - 1,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            # A server could ask for a wait of hours.
            respect_retry_after_header=False,
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def list_files(self, dist: str) -> list[IndexFile]:
        """Return what the first index that knows the package offers of it.

        Raises:
            SourceError: No index knows the package.
            SnapshotError: An index cannot be reached or answers nonsense.
        """
        for url in self._urls:
            page = io.BytesIO()
            address = self._fetch(f"{url}/{dist}/", page, MAX_PAGE_BYTES)
            if address is None:
                continue
            try:
                return parse_page(address, page.getvalue().decode("utf-8", "replace"))
            except (ValueError, RecursionError) as error:
                raise SnapshotError(
                    f"{_show(url)} answers with no list of files; check PIP_INDEX_URL"
                ) from error
        places = ", ".join(map(_show, self._urls))
        raise SourceError(f"pypi:{dist}: no such package at {places}; check the spelling")

    def download(self, file: IndexFile, target: IO[bytes]) -> str:
        """Write the file to an empty target and return its SHA-256 in hex.

        Raises:
            SnapshotError: It cannot be had whole, is too large, or is not what the index names.
        """
        if self._fetch(file.url, target, MAX_FILE_BYTES) is None:
            raise SnapshotError(f"{_show(file.url)} is listed but not there; name another version")
        target.seek(0)
        digest = hashlib.file_digest(target, "sha256").hexdigest()  # type: ignore[arg-type]
        if file.sha256 not in (None, digest):
            raise SnapshotError(
                f"{_show(file.url)} has not the SHA-256 that the index names; crawl again, and "
                "if it stays so do not trust that index"
            )
        return digest

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _fetch(self, url: str, target: IO[bytes], limit: int) -> str | None:
        """Write an answer to the target; return where it came from in the end, None for a 404.

        The session retries until an answer begins; here it is asked for again if it breaks off.
        """
        broken: Exception | None = None
        deadline = time.monotonic() + MAX_SECONDS
        for _ in range(_ATTEMPTS):
            try:
                left = deadline - time.monotonic()
                return within(left, lambda: self._fetch_once(url, target, limit, deadline))
            except TimeoutError as error:
                raise _too_slow(url) from error
            except (requests.RequestException, HTTPError) as error:
                broken = error
        raise SnapshotError(f"{_show(url)} breaks off in the middle; try again later") from broken

    def _fetch_once(self, url: str, target: IO[bytes], limit: int, deadline: float) -> str | None:
        with self._open(url) as response:
            if response.status_code == requests.codes.not_found:
                return None
            if not response.ok:
                raise SnapshotError(f"{_show(url)} answers {_explain(response)}")
            _copy(response, target, limit, deadline)
            return response.url

    def _open(self, url: str) -> requests.Response:
        try:
            return self._session.get(
                url,
                headers={"Accept": _ACCEPT, "Accept-Encoding": "identity"},
                auth=self._credentials.get(urlsplit(url).hostname),
                verify=self._verify,
                timeout=_CONNECT_AND_READ_SECONDS,
                stream=True,
            )
        except (requests.RequestException, OSError) as error:
            reason = "its certificate is not trusted" if "CERTIFICATE" in str(error) else "offline?"
            raise SnapshotError(
                f"{_show(url)} cannot be reached ({reason}); a version read before can be had "
                "without a network as pypi:dist==version"
            ) from error


def _copy(response: requests.Response, target: IO[bytes], limit: int, deadline: float) -> None:
    """Write the body of an answer to the target, over whatever an earlier try left there."""
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isdecimal() and len(announced) < 20 else None
    if length is not None and length > limit:
        raise _too_large(response, limit)
    target.seek(0)
    target.truncate()
    # What has come, however little: a whole chunk of a trickle could take for ever.
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        target.write(chunk)
        if target.tell() > limit:
            raise _too_large(response, limit)
        if time.monotonic() > deadline:
            raise _too_slow(response.url)
    if length is not None and target.tell() < length:
        raise requests.ConnectionError("the body ends early")


def _too_slow(url: str) -> SnapshotError:
    return SnapshotError(
        f"{_show(url)} takes more than {MAX_SECONDS:.0f} seconds; try again on a faster line"
    )


def _too_large(response: requests.Response, limit: int) -> TooLargeError:
    return TooLargeError(f"{_show(response.url)} is larger than {limit // MIB} MiB")


def _explain(response: requests.Response) -> str:
    status = f"{response.status_code} {response.reason}"
    if response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
        return f"{status}; give a user and password in PIP_INDEX_URL or .netrc"
    return f"{status}; try again later"


def _show(url: str) -> str:
    """Return the address without user, password and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
