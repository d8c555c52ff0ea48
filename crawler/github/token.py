"""The token and the addresses it may go to. It is never printed, stored or put on a command line.

Git gets it through `GIT_CONFIG_*` in its environment, as a header for one origin only.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urlsplit

from crawler.errors import SourceError

PUBLIC_API = "https://api.github.com"
HIDDEN = "[token]"


class Token:
    """A GitHub token that shows itself to nobody who does not ask for it."""

    __slots__ = ("_forms", "_value")

    def __init__(self, value: str) -> None:
        if not re.fullmatch(r"[\x21-\x7e]{1,1024}", value):
            raise SourceError(
                "GITHUB_TOKEN is no token: it holds blanks, line breaks or non-ASCII characters; "
                "set it anew or unset it"
            )
        self._value = value
        # Longest first: the basic form contains nothing of the plain one, the quoted one may.
        forms = {value, quote(value, safe=""), self.basic()}
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def __repr__(self) -> str:
        return f"Token({HIDDEN})"

    def reveal(self) -> str:
        """Return the token itself, for a request's header."""
        return self._value

    def basic(self) -> str:
        """Return the token as HTTP basic authentication carries it, which git needs."""
        return base64.b64encode(f"x-access-token:{self._value}".encode()).decode()

    def redact(self, text: str) -> str:
        """Return the text with every form of the token replaced."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text


def read_token(environ: Mapping[str, str]) -> Token | None:
    """Return the token of `GITHUB_TOKEN`, None when unset or empty.

    Raises:
        SourceError: The variable holds something that cannot be a token.
    """
    value = environ.get("GITHUB_TOKEN", "").strip()
    return Token(value) if value else None


def read_api_url(environ: Mapping[str, str], token: Token | None) -> str:
    """Return the root of the REST interface, `GITHUB_API_URL` or the public one, without a slash.

    Raises:
        SourceError: The variable is no plain http(s) address, or the token would go out in clear.
    """
    url = environ.get("GITHUB_API_URL", "").strip().rstrip("/") or PUBLIC_API
    parts = _split(url)
    if parts is None or parts.username or parts.password or parts.query or parts.fragment:
        raise SourceError(
            "GITHUB_API_URL is no address of an API: write it like https://host/api/v3, without "
            "credentials or query"
        )
    if token is not None and parts.scheme != "https" and not is_loopback(url):
        raise SourceError(
            "GITHUB_API_URL is not https, and the token is not sent in clear: use https, or unset "
            "GITHUB_TOKEN"
        )
    return url


def check_clone_url(clone_url: str, api_url: str) -> str | None:
    """Return what is wrong with the clone address that an API answered, None if it may be used.

    Any https address will do. Plain http only on the API's own host when that is plain http too,
    and a folder or another port of this machine only when the API is on this machine.
    """
    if is_loopback(api_url) and (clone_url.startswith("file:///") or is_loopback(clone_url)):
        return None
    parts, api = _split(clone_url), _split(api_url)
    if parts is None or api is None or parts.username or parts.password:
        return "the clone address is no plain http(s) address"
    if parts.scheme == "https" or (api.scheme == "http" and parts.hostname == api.hostname):
        return None
    return "the clone address is not https"


def git_credentials(token: Token | None, api_url: str, clone_url: str) -> dict[str, str]:
    """Return the git settings (name -> value) that authorise a fetch, none for a foreign host."""
    parts, api = _split(clone_url), _split(api_url)
    if token is None or parts is None or api is None or parts.hostname is None:
        return {}
    own_host = parts.hostname == (api.hostname or "").removeprefix("api.")
    secure = parts.scheme == "https" == api.scheme
    if not own_host or not (secure or is_loopback(clone_url)):
        return {}
    origin = f"{parts.scheme}://{parts.netloc}/"
    return {f"http.{origin}.extraHeader": f"Authorization: Basic {token.basic()}"}


def is_loopback(url: str) -> bool:
    """Return whether the address leads to this machine."""
    parts = _split(url)
    host = (parts and parts.hostname) or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    plain = re.fullmatch(r"[\x21-\x7e]+", url) and parts.scheme in ("http", "https")
    return parts if plain and parts.hostname else None
