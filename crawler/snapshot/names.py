"""File names as the index keeps them, and the addresses made of them.

A file name is any bytes; a name in the index is text on one line that every database, JSON
reader and terminal takes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

MAX_NAME = 512
MAX_DEPTH = 64

# What HFS+ leaves out of a name when it compares it.
_INVISIBLE = re.compile(r"[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
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
    """Return why the name of a file in an archive or a git tree is not taken, None if it may be.

    It must lead to a place below the folder that the source stands for, and not absurdly far
    down; no part of it may be git's own folder, which no checkout has a file in.
    """
    parts = name.replace("\\", "/").split("/")
    if {"", ".", ".."} & set(parts) or ":" in name or "\0" in name:
        return "unsafe name, it leads out of its source"
    if any(_is_git_folder(part) for part in parts):
        return "unsafe name, it stands in git's own folder"
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH:
        return f"its name has more than {MAX_NAME} characters or {MAX_DEPTH} levels"
    return None


def _is_git_folder(part: str) -> bool:
    """Tell whether some file system takes a name for `.git`: case, short names, invisible signs."""
    plain = _INVISIBLE.sub("", part).rstrip(" .").lower()
    return plain in (".git", "git~1")


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
