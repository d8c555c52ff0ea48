"""What in a git directory would keep git waiting: pipes and devices in the place of files.

Opening a pipe that nobody writes waits for ever, and git opens whatever stands where it looks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

MAX_FOLDERS = 100_000
MAX_BORROWED = 16
"""Object folders that may borrow from each other, and settings that include others, in a row."""
_MAX_BYTES = 1 << 20

_TOP = ("HEAD", "config", "config.worktree", "packed-refs", "shallow", "commondir", "gitdir")
_DEEP = ("objects", "refs", "info", "reftable")
_INCLUDED = re.compile(r"(?im)^[ \t]*path[ \t]*=[ \t]*\"?([^\"\r\n]+?)\"?[ \t]*$")


def find_pipe(*git_dirs: Path) -> Path | None:
    """Return something in these git directories that is neither file nor folder, None if all are.

    Looked at is what git reads: settings and what they include, refs, and objects with those that
    they borrow. Links are followed, since git does.
    """
    seen: set[Path] = set()
    roots = [folder / name for folder in git_dirs for name in (*_TOP, *_DEEP)]
    settings = (folder / name for folder in git_dirs for name in ("config", "config.worktree"))
    looked_at = chain((path for root in roots for path in _below(root, seen)), _included(settings))
    return next(filter(_is_pipe, looked_at), None)


def _is_pipe(path: Path) -> bool:
    return os.path.lexists(path) and path.exists() and not path.is_file() and not path.is_dir()


def _below(root: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield a path and all below it, whatever is linked or borrowed; each folder once."""
    waiting = [root]
    borrowed = 0
    while waiting:
        path = waiting.pop()
        if not path.is_dir():
            yield path
            continue
        real = path.resolve()
        if real in seen or len(seen) > MAX_FOLDERS:
            continue
        seen.add(real)
        yield from _files(path, waiting)
        alternates = path / "info" / "alternates"
        if path.name == "objects" and borrowed < MAX_BORROWED and alternates.is_file():
            borrowed += 1
            waiting += (path / line for line in _lines(alternates) if line[:1] != "#")


def _files(folder: Path, waiting: list[Path]) -> Iterator[Path]:
    """Yield what in a folder is no plain file, and put its folders with those still to visit."""
    try:
        with os.scandir(folder) as found:
            for item in found:
                if item.is_dir():
                    waiting.append(Path(item.path))
                elif not item.is_file():
                    yield Path(item.path)
    except OSError:
        return  # git will say what is wrong with it


def _included(settings: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that settings include, and those that these include."""
    waiting = [path for path in settings if path.is_file()]
    for _ in range(MAX_BORROWED):
        found = [
            path.parent / Path(word).expanduser()
            for path in waiting
            for word in _INCLUDED.findall("\n".join(_lines(path)))
        ]
        yield from found
        waiting = [path for path in found if path.is_file()][:MAX_BORROWED]


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return []
    return text.replace("\0", "").splitlines()
