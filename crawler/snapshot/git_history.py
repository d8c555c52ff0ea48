"""The history of files in a local repository: one `git log` over it, whatever their number.

Renames are followed, also those with changes where the files' content is at hand.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from crawler.errors import SnapshotError
from crawler.history import Commit, FileHistory, file_history, people_of
from crawler.models import Entry
from crawler.snapshot.git_command import GitProcess, start_git

MAX_LOG_BYTES = 256 << 20
MAX_LOG_SECONDS = 120.0
"""Past these, what was read so far counts: the newest commits."""

_CHUNK_BYTES = 1 << 20
_FIELDS = ("%H", "%at", "%an", "%ae", "%B")
_LOG = ("log", "--topo-order", "--no-merges", "--no-show-signature", "--name-status", "-z")
_RENAMES = (("-M", "-l400"), ("-M100%",))
"""How renames are looked for; the second needs no content, which a partial clone lacks."""
_STATUS = re.compile(rb"\n?([ACDMRTUX])\d{0,3}")


def read_histories(
    git_dir: Path, objects: Path, commit: str, files: Mapping[bytes, Entry]
) -> tuple[FileHistory, ...]:
    """Return the histories, up to `commit`, of these files of it, by their raw paths.

    `git_dir` borrows its objects from the folder `objects`. A damaged history gives none.
    """
    for renames in _RENAMES:
        words = (*_LOG, *renames, "--format=" + "".join(f"{field}%x00" for field in _FIELDS))
        try:
            with start_git(git_dir, *words, commit, "--", objects=objects) as git:
                return _read(git, files)
        except SnapshotError:
            continue
    return ()


def _read(git: GitProcess, files: Mapping[bytes, Entry]) -> tuple[FileHistory, ...]:
    """Return what a running log tells of the files.

    Raises:
        SnapshotError: Git failed.
    """
    commits: dict[bytes, list[Commit]] = {path: [] for path in files}
    # A path, as of the commit being read -> the files of today that it became.
    became = {path: [path] for path in files}
    log = _Log(git)
    for logged in log.commits():
        touched = _touched(logged.changes, became)
        if touched:
            commit = logged.commit()
            for path in touched:
                commits[path].append(commit)
    if log.is_whole and git.wait() != 0:
        raise SnapshotError(git.complaint())
    return tuple(
        file_history(entry.path, entry.blob, commits[path], is_whole=log.is_whole)
        for path, entry in files.items()
        if commits[path]
    )


def _touched(changes: Sequence[_Change], became: dict[bytes, list[bytes]]) -> dict[bytes, None]:
    """Return the files that a commit touched; from here on renamed ones go by their old names."""
    touched: dict[bytes, None] = {}
    for change in changes:
        found = became.get(change.path, ())
        touched.update(dict.fromkeys(found))
        if found and change.old_path is not None:
            earlier = became.setdefault(change.old_path, [])
            earlier += [path for path in became.pop(change.path) if path not in earlier]
    return touched


class _Change(NamedTuple):
    """What a commit did to a path; `old_path` is what it was called before, if not the same."""

    path: bytes
    old_path: bytes | None


class _Logged(NamedTuple):
    """One commit of the log."""

    fields: tuple[bytes, ...]
    changes: list[_Change]

    def commit(self) -> Commit:
        _, moment, *texts = self.fields
        name, address, message = (text.decode("utf-8", "replace") for text in texts)
        return Commit(people_of(name, address, message), _moment(moment))


class _Log:
    """The output of `git log`, cut into commits as it comes; `is_whole` until a limit is met."""

    def __init__(self, git: GitProcess) -> None:
        self.is_whole = True
        self._git = git

    def commits(self) -> Iterator[_Logged]:
        words = self._words()
        word = next(words, None)
        while word is not None:
            fields = (word, *islice(words, len(_FIELDS) - 1))
            next(words, None)  # git ends each commit's own fields with one more NUL
            logged = _Logged(fields, [])
            word = next(words, None)
            while word is not None and (status := _STATUS.fullmatch(word)):
                paths = list(islice(words, 2 if status[1] in b"RC" else 1))
                if status[1] != b"C" and paths:
                    logged.changes.append(_Change(paths[-1], paths[0] if paths[1:] else None))
                word = next(words, None)
            if not self.is_whole or len(fields) < len(_FIELDS):
                return
            yield logged

    def _words(self) -> Iterator[bytes]:
        """Yield what stands between NULs."""
        deadline = time.monotonic() + MAX_LOG_SECONDS
        size, rest = 0, b""
        while chunk := self._git.read(_CHUNK_BYTES):
            size += len(chunk)
            *words, rest = (rest + chunk).split(b"\0")
            yield from words
            if size > MAX_LOG_BYTES or time.monotonic() > deadline:
                self.is_whole = False
                return


def _moment(seconds: bytes) -> datetime | None:
    """Return a commit's time; None for one that no calendar has."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
