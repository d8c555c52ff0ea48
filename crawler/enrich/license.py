"""The licence of a file: by its own header, the licence file above it, or the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.parser import HeaderParser

from crawler.enrich.folders import folders_above
from crawler.enrich.license_text import (
    Notices,
    normalize_expression,
    read_tag,
    recognize_notices,
    recognize_text,
)
from crawler.enrich.stated_license import classified_license

HEAD_BYTES = 4096
"""How much of a file is asked for its header."""

_PLAIN = re.compile(r"(?:licen[cs]e|unlicense)(?:\.(?:txt|md|rst))?", re.IGNORECASE)
_LESSER = re.compile(r"copying\.lesser", re.IGNORECASE)
_COPYING = re.compile(r"copying(?:\.(?:txt|md|rst))?", re.IGNORECASE)
_NAMED = re.compile(r"(?:licen[cs]e|copying)[-._](?P<which>[^/]+)", re.IGNORECASE)
_OTHERS = re.compile(r"third|part(?:y|ies)|vendor|header|template|notice|\.py$", re.IGNORECASE)
_PACKAGED = re.compile(r"[^/]+\.dist-info/(?:(?:licenses|license_files)/)?[^/]+$")


def file_license(
    path: str, head: bytes, licenses: Mapping[str, bytes], repo_license: str | None = None
) -> str | None:
    """Return the SPDX expression of the licence of one file, None where it is not known.

    Args:
        path: the file.
        head: its first `HEAD_BYTES` or more.
        licenses: the licence files of the snapshot by path (and a wheel's METADATA).
        repo_license: what is known of the whole repository, as an SPDX id.
    """
    return nearest_license(path, head, read_licenses(licenses), repo_license)


def read_licenses(licenses: Mapping[str, bytes]) -> dict[str, str | None]:
    """Return the licence that each folder's files grant, by folder ("" for the root).

    None says that there is a licence file and that its text is not recognised. Licences that a
    folder offers side by side (`LICENSE-MIT`, `LICENSE-APACHE`) are joined by OR.
    """
    folders: dict[str, dict[str, bytes]] = {}
    for path in sorted(licenses):
        packaged = _PACKAGED.search(path)
        folder = path[: packaged.start()].rstrip("/") if packaged else path.rpartition("/")[0]
        name = path.rpartition("/")[2]
        folders.setdefault(folder, {}).setdefault(name, licenses[path])
    found = {folder: _granted(files) for folder, files in folders.items()}
    return {folder: granted[0] for folder, granted in found.items() if granted}


def nearest_license(
    path: str, head: bytes, found: Mapping[str, str | None], repo_license: str | None = None
) -> str | None:
    """Return the licence of a file by its head and by what `read_licenses` gave."""
    own, borrowed, is_restricted = header_licenses(path, head)
    if is_restricted:
        return None
    if own is None:
        own = _license_above(path, found, normalize_expression(repo_license or ""))
    if borrowed is None or borrowed in (own or "").split(" AND "):
        return own
    return None if own is None else " AND ".join(sorted([_grouped(own), borrowed]))


def header_licenses(path: str, head: bytes) -> Notices:
    """Return the licences that the head of a source file names: by SPDX tag, else in words."""
    if path.endswith(".ipynb"):
        return Notices(None, None)
    comments = _leading_comments(head[:HEAD_BYTES].decode("utf-8", "replace"))
    tag = read_tag(comments)
    return recognize_notices(comments) if tag is None else Notices(tag, None)


def _license_above(path: str, found: Mapping[str, str | None], whole: str | None) -> str | None:
    folder = next((folder for folder in folders_above(path) if folder in found), "")
    # What is known of the whole repository was told from the files at its root, by someone.
    return found.get(folder) or (None if folder else whole)


def _grouped(expression: str) -> str:
    return f"({expression})" if " OR " in expression else expression


def _leading_comments(text: str) -> str:
    """Return the comments and the docstring with which a Python file begins."""
    kept, quotes = [], ""
    for line in text.lstrip("\ufeff").splitlines():
        stripped = line.strip()
        if quotes:
            kept.append(line)
            quotes = "" if quotes in stripped else quotes
        elif stripped.startswith(("#", "//", "/*", "*")) or not stripped:
            kept.append(line)
        elif match := re.match(r"[rRuUbB]?(\"\"\"|''')", stripped):
            kept.append(line)
            quotes = "" if match[1] in stripped[match.end() :] else match[1]
        else:
            break
    return "\n".join(kept)


def _granted(files: Mapping[str, bytes]) -> list[str | None]:
    """Return the licence that one folder's files grant in a list; empty without a licence file."""
    seen: list[str | None] = []
    for pattern in (_PLAIN, _LESSER, _COPYING):
        for name, data in files.items():
            if pattern.fullmatch(name):
                license_ = recognize_text(data.decode("utf-8", "replace"))
                if license_ is not None:
                    return [license_]
                seen.append(None)
    offered: set[str] = set()
    for name, data in files.items():
        match = _NAMED.fullmatch(name)
        if match is None or _OTHERS.search(match["which"]) or _is_plain(name):
            continue
        license_ = recognize_text(data.decode("utf-8", "replace"))
        seen.append(license_)
        if license_ is not None:
            offered.add(license_)
    if offered:
        return [" OR ".join(sorted(offered, key=lambda each: (each != "MIT", each)))]
    stated = _metadata_license(files.get("METADATA", b""))
    return [stated] if stated is not None else seen[:1]


def _is_plain(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in (_PLAIN, _LESSER, _COPYING))


def _metadata_license(metadata: bytes) -> str | None:
    """Return the licence that a distribution's metadata states."""
    headers = HeaderParser().parsestr(metadata.decode("utf-8", "replace"))
    for key in ("License-Expression", "License"):
        expression = normalize_expression(str(headers.get(key) or ""))
        if expression is not None:
            return expression
    return classified_license(str(each) for each in headers.get_all("Classifier") or ())
