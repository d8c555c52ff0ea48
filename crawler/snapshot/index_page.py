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


def _parse_json(address: str, text: str) -> Iterator[IndexFile]:
    page = json.loads(text)
    files = page.get("files")
    if not isinstance(files, list):
        raise ValueError("no list of files")
    for entry in files:
        if isinstance(entry, dict) and isinstance(entry.get("url"), str):
            hashes, size = entry.get("hashes"), entry.get("size")
            yield IndexFile(
                filename=str(entry.get("filename")),
                url=urljoin(address, entry["url"]),
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
        link = values.get("href")
        if tag == "base" and link:
            self._base = urljoin(self._base, link)
        if tag != "a" or not link:
            return
        url, fragment = urldefrag(urljoin(self._base, link))
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
