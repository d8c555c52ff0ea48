"""The licence that a project states in its manifest: pyproject.toml, setup.cfg, setup.py, metadata.

It is asked where no licence file stands beside the manifest. A statement that names a family and
no licence (`BSD License`, `Other/Proprietary`) says nothing.
"""

from __future__ import annotations

import ast
import configparser
import tomllib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import Any

from crawler.enrich.license_text import normalize_expression, recognize_text

MAX_BYTES = 1 << 20
_CLASSIFIER = "License :: "
_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "zlib/libpng License": "Zlib",
}
"""The last part of a classifier -> SPDX; one that leaves version or kind open is not here."""
_GROUPS = frozenset({"OSI Approved"})
"""Classifiers of a whole group, which say nothing beside a finer one."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one manifest says: the words of its `license` field, and its classifiers."""

    license: str = ""
    classifiers: tuple[str, ...] = ()


def read_stated_licenses(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the licence that each folder's manifests state, by folder ("" for the root).

    Manifests of one folder that state different licences state none.

    Args:
        files: manifests by path; what is no manifest, or malformed, is passed over.
    """
    found: dict[str, set[str]] = {}
    for path, data in files.items():
        folder, _, name = path.rpartition("/")
        read = _READERS.get(name)
        if read is None or len(data) > MAX_BYTES:
            continue
        license_ = _license(_read(read, data.decode("utf-8", "replace")))
        if license_ is not None:
            found.setdefault(folder, set()).add(license_)
    return {folder: stated.pop() for folder, stated in found.items() if len(stated) == 1}


def classified_license(classifiers: Iterable[str]) -> str | None:
    """Return the licence that trove classifiers name; None for none, several or an open one."""
    named = {
        text.rpartition(" :: ")[2].strip()
        for text in classifiers
        if text.strip().startswith(_CLASSIFIER)
    } - _GROUPS
    return _CLASSIFIED.get(named.pop()) if len(named) == 1 else None


def _license(statement: _Statement) -> str | None:
    """Return what is stated; a field and classifiers that contradict each other state nothing."""
    text = statement.license
    own = normalize_expression(text) or (recognize_text(text) if "\n" in text else None)
    classified = classified_license(statement.classifiers)
    has_others = any(text.strip().startswith(_CLASSIFIER) for text in statement.classifiers)
    if own is None:
        return None if text.strip() and classified is None else classified
    return own if classified in (None, own) or not has_others else None


def _read(read: Any, text: str) -> _Statement:
    try:
        found: _Statement = read(text)
    except (
        SyntaxError,
        ValueError,
        TypeError,
        configparser.Error,
        RecursionError,
        MemoryError,
    ):
        return _Statement()
    return found


def _pyproject(text: str) -> _Statement:
    data = tomllib.loads(text)
    project = data.get("project") or {}
    poetry = (data.get("tool") or {}).get("poetry") or {}
    return _Statement(
        _words(project.get("license")) or _words(poetry.get("license")),
        (*_strings(project.get("classifiers")), *_strings(poetry.get("classifiers"))),
    )


def _words(field: Any) -> str:
    """Return a `license` field's words: an expression, or the `text` of a table."""
    if isinstance(field, dict):
        field = field.get("text")
    return field if isinstance(field, str) else ""


def _strings(listed: Any) -> Iterator[str]:
    return (text for text in listed or () if isinstance(text, str))


def _setup_cfg(text: str) -> _Statement:
    config = configparser.RawConfigParser(strict=False)
    config.read_string(text)
    lines = config.get("metadata", "classifiers", fallback="").splitlines()
    return _Statement(config.get("metadata", "license", fallback=""), tuple(lines))


def _setup_py(text: str) -> _Statement:
    """Read the `license` argument of `setup(...)`, and classifiers wherever they are written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    licenses = {
        keyword.value.value
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup"
        for keyword in node.keywords
        if keyword.arg == "license"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
    classifiers = tuple(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(_CLASSIFIER)
    )
    return _Statement(licenses.pop() if len(licenses) == 1 else "", classifiers)


def _metadata(text: str) -> _Statement:
    headers = HeaderParser().parsestr(text)
    stated = headers.get("License-Expression") or headers.get("License") or ""
    classifiers = tuple(str(each) for each in headers.get_all("Classifier") or ())
    return _Statement(str(stated), classifiers)


_READERS = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "PKG-INFO": _metadata,
}
