"""File names as the index keeps them, and the addresses made of them.

A file name is any bytes; a name in the index is text on one line that every database, JSON
reader and terminal takes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_NAME = 512
MAX_DEPTH = 64

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def readable_name(raw: bytes) -> str:
    r"""Return the name as text: bytes that are no UTF-8 and control characters become `\x..`."""
    return _CONTROLS.sub(_escape, raw.decode("utf-8", "backslashreplace"))


def readable_text(text: str) -> str:
    """Return text from outside, such as an error message that quotes a name, on one safe line."""
    return readable_name(text.encode("utf-8", "surrogateescape"))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def name_fault(name: str) -> str | None:
    """Return why an archive's member name is not taken, None if it may be.

    It must lead to a place below the folder the archive stands for, and not absurdly far down.
    """
    parts = name.replace("\\", "/").split("/")
    if {"", ".", ".."} & set(parts) or ":" in name or "\0" in name:
        return "unsafe name, it leads out of the archive"
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH:
        return f"its name has more than {MAX_NAME} characters or {MAX_DEPTH} levels"
    return None


def line_address(
    repo: str,
    commit: str,
    raw_path: bytes,
    lines: tuple[int, int],
    *,
    version: str | None = None,
) -> str:
    """Return where these lines stand, first to last, ending in `#L<first>-L<last>`.

    A GitHub repository gives a URL; a package `pypi:dist==version/path`; a folder without an
    origin `local/folder@commit/path`. The path is percent-encoded from its bytes.
    """
    path = quote(raw_path, safe="/")
    if repo.startswith("pypi:"):
        place = f"{repo}=={version}/{path}"
    elif repo.startswith("local/"):
        place = f"{repo}@{commit}/{path}"
    else:
        place = f"https://github.com/{repo}/blob/{commit}/{path}"
    return f"{place}#L{lines[0]}-L{lines[1]}"
