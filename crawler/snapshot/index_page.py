"""The list of a package's files as a package index gives it, in JSON or HTML.

Which of the two it is, the first character tells: mirrors mislabel them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from itertools import islice
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from crawler.snapshot.releases import IndexFile

_SHA256 = re.compile(r"[0-9a-f]{64}")
# A name becomes a file in the cache, so it must be no path.
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}")

MAX_LINKS = 50_000
"""Files that a page may list; the largest project of all has about 20,000."""
MARKS_A_LINK = 6
"""Signs that open a tag or an object, at most, for each file."""

# What stands in quotes may hold any sign. Nothing is tried twice, and nothing is long.
_TAG = re.compile(
    r"""<(a|base)\s((?: [^<>"']{1,2000}+ | "[^"]{0,2000}+" | '[^']{0,2000}+' ){1,40}+)>""",
    re.IGNORECASE | re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""([^\s=>"'/]++) (?: \s*+=\s*+ (?: "([^"]*+)" | '([^']*+)' | ([^\s"'>]++) ) )?+""",
    re.VERBOSE,
)


def parse_page(address: str, text: str) -> list[IndexFile]:
    """Return the files that a page of the Simple API lists; `address` is where it came from.

    An entry without a usable name is left out.

    Raises:
        ValueError: It is JSON of another shape, or lists too many.
    """
    # Counted before it is parsed, which takes a minute and a gigabyte for millions.
    if max(text.count("<"), text.count("{")) > MARKS_A_LINK * MAX_LINKS:
        raise ValueError(f"lists more than {MAX_LINKS:,} files")
    parse = _parse_json if text.lstrip().startswith("{") else _parse_html
    files = list(islice(parse(address, text), MAX_LINKS + 1))
    if len(files) > MAX_LINKS:
        raise ValueError(f"lists more than {MAX_LINKS:,} files")
    return [file for file in files if _FILENAME.fullmatch(file.filename)]


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


def _parse_html(address: str, text: str) -> Iterator[IndexFile]:
    """Yield the links of a PEP 503 page.

    Read by what a tag looks like: Python's own parser takes ten times as long, and a time that
    grows with the square of what is left open.
    """
    base = address
    for tag in _TAG.finditer(text):
        values = {
            name.lower(): unescape(double or single or bare)
            for name, double, single, bare in _ATTRIBUTE.findall(tag[2])
        }
        link = join_address(base, values.get("href") or "")
        if link is None:
            continue
        if tag[1].lower() == "base":
            base = link
            continue
        url, fragment = urldefrag(link)
        yield IndexFile(
            filename=unquote(urlsplit(url).path.rpartition("/")[2]),
            url=url,
            sha256=_sha256(fragment.removeprefix("sha256=")),
            # An empty attribute means withdrawn without a reason.
            is_yanked="data-yanked" in values,
        )


def _sha256(value: Any) -> str | None:
    return value if isinstance(value, str) and _SHA256.fullmatch(value) else None
