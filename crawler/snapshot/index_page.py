"""The list of a package's files as a package index gives it, in JSON or HTML.

Which of the two it is, the first character tells: mirrors mislabel them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from crawler.snapshot.releases import IndexFile

_SHA256 = re.compile(r"[0-9a-f]{64}")
# A name becomes a file in the cache, so it must be no path.
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


def parse_page(address: str, text: str) -> list[IndexFile]:
    """Return the files that a page of the Simple API lists; `address` is where it came from.

    An entry without a usable name is left out.

    Raises:
        ValueError: It is JSON of another shape.
    """
    parse = _parse_json if text.lstrip().startswith("{") else _parse_html
    return [file for file in parse(address, text) if _FILENAME.fullmatch(file.filename)]


def join_address(base: str, link: str) -> str | None:
    """Return the HTTP address that a link on a page leads to, None if it leads to none."""
    try:
        address = urljoin(base, link)
        parts = urlsplit(address)
        # Reading the port checks it.
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return address if is_usable else None


def _parse_json(address: str, text: str) -> Iterator[IndexFile]:
    page = json.loads(text)
    files = page.get("files")
    if not isinstance(files, list):
        raise ValueError("no list of files")
    for entry in files:
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            continue
        if url := join_address(address, entry["url"]):
            hashes, size = entry.get("hashes"), entry.get("size")
            yield IndexFile(
                filename=str(entry.get("filename")),
                url=url,
                sha256=_sha256(hashes.get("sha256") if isinstance(hashes, dict) else None),
                size=size if isinstance(size, int) else None,
                is_yanked=bool(entry.get("yanked")),
            )


def _parse_html(address: str, text: str) -> list[IndexFile]:
    parser = _LinkParser(address)
    parser.feed(text)
    parser.close()
    return parser.files


class _LinkParser(HTMLParser):
    """Collects the links of a PEP 503 page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.files: list[IndexFile] = []
        self._base = address

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = join_address(self._base, values.get("href") or "")
        if tag == "base" and address:
            self._base = address
        if tag != "a" or not address:
            return
        url, fragment = urldefrag(address)
        self.files.append(
            IndexFile(
                filename=unquote(urlsplit(url).path.rpartition("/")[2]),
                url=url,
                sha256=_sha256(fragment.removeprefix("sha256=")),
                # An empty attribute means withdrawn without a reason.
                is_yanked="data-yanked" in values,
            )
        )


def _sha256(value: Any) -> str | None:
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None
