"""A plain folder: what stands in it now, links not followed, with ids as git would give them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crawler.errors import SnapshotError
from crawler.history import Histories
from crawler.models import Entry, LostFile, ScanSkip
from crawler.snapshot.names import line_address, readable_name
from crawler.snapshot.select import Selection, oversize_reason, size_limit
from crawler.snapshot.trees import blob_id, tree_id

MAX_VISITED = 1_000_000
"""How many names a walk may meet before the folder counts as given by mistake (`/`, a disk)."""
MAX_TOTAL_BYTES = 4 << 30

_LEFT_OUT = frozenset(
    {
        ".eggs",
        ".git",
        ".hg",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        "__pycache__",
        "node_modules",
        "site-packages",
        "venv",
    }
)
"""Folders that hold history, caches or other people's installed packages."""


class FolderSnapshot:
    """The files of a folder, read and hashed once when made by `open_folder`.

    `commit` is the git tree id of the listed files, so equal content has an equal id.
    """

    version: str | None = None

    def __init__(self, repo: str, root: Path, selected: Selection) -> None:
        self.repo = repo
        self._root = os.fsencode(root)
        self._raw_paths: dict[str, bytes] = {}
        self._skipped: list[ScanSkip] = []
        self._entries = tuple(sorted(self._list_entries(selected), key=lambda entry: entry.path))
        self.skipped = tuple(sorted(self._skipped, key=lambda skip: skip.path))
        self.commit = tree_id({self._raw_paths[entry.path]: entry.blob for entry in self._entries})

    def entries(self) -> Sequence[Entry]:
        """Return every regular file worth reading, sorted by path; see `Snapshot.entries`."""
        return self._entries

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked.

        A file that has gone, or is not what was listed, is a skip.
        """
        for entry in entries:
            content = self._read_file(self._raw_paths[entry.path], entry.path)
            if isinstance(content, bytes) and blob_id(content) != entry.blob:
                reason = "changed while it was read; crawl again"
                content = LostFile(path=entry.path, reason=reason)
            yield entry, content

    def permalink(self, path: str, start_line: int, end_line: int) -> str:
        """Return the address of these lines in this state of the folder."""
        return line_address(self.repo, self.commit, self._raw_paths[path], (start_line, end_line))

    def histories(self, entries: Sequence[Entry]) -> Histories:
        """Return nothing: a folder has no history."""
        return Histories()

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _list_entries(self, selected: Selection) -> Iterator[Entry]:
        total = 0
        for raw_path in self._walk():
            path = readable_name(raw_path)
            if not selected(path):
                continue
            content = self._read_file(raw_path, path)
            if path in self._raw_paths:
                content = ScanSkip(path=path, reason="a second file of this name")
            if isinstance(content, ScanSkip):
                self._skipped.append(content)
                continue
            total += len(content)
            if total > MAX_TOTAL_BYTES:
                raise SnapshotError(
                    f"{self.repo}: {os.fsdecode(self._root)} holds more than "
                    f"{MAX_TOTAL_BYTES >> 30} GiB of sources; name a folder further down"
                )
            self._raw_paths[path] = raw_path
            yield Entry(path=path, blob=blob_id(content), size=len(content))

    def _walk(self) -> Iterator[bytes]:
        """Yield the path, below the root, of every regular file."""
        waiting = [b""]
        visited = 0
        while waiting:
            folder = waiting.pop()
            for item in self._scan(folder):
                visited += 1
                if visited > MAX_VISITED:
                    raise SnapshotError(
                        f"{self.repo}: {os.fsdecode(self._root)} holds more than {MAX_VISITED:,} "
                        "files; name a folder further down"
                    )
                path = os.path.join(folder, item.name)  # noqa: PTH118 - names are bytes here
                if item.is_dir(follow_symlinks=False):
                    if os.fsdecode(item.name) not in _LEFT_OUT:
                        waiting.append(path)
                elif item.is_file(follow_symlinks=False):
                    yield path

    def _scan(self, folder: bytes) -> Sequence[os.DirEntry[bytes]]:
        """Return what stands in a folder; nothing for an environment or an unreadable folder."""
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:  # noqa: PTH118 - bytes
                items = list(found)
        except OSError as error:
            if not folder:
                raise
            path = readable_name(folder) + "/"
            self._skipped.append(LostFile(path=path, reason=_reason(error)))
            return ()
        # A virtual environment under any name holds installed packages, not the project's own.
        return () if any(item.name == b"pyvenv.cfg" for item in items) else items

    def _read_file(self, raw_path: bytes, path: str) -> bytes | ScanSkip:
        """Return the content of a regular file, or why it cannot be read."""
        try:
            # Without O_NOFOLLOW and O_NONBLOCK, a file swapped for a link or a pipe since it was
            # listed would lead elsewhere or never end.
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(os.path.join(self._root, raw_path), flags)  # noqa: PTH118 - bytes
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
                state = os.fstat(descriptor)
                if not stat.S_ISREG(state.st_mode):
                    return LostFile(path=path, reason="no regular file any more")
                if reason := oversize_reason(path, state.st_size):
                    return ScanSkip(path=path, reason=reason)
                content = file.read(size_limit(path) + 1)
        except OSError as error:
            return LostFile(path=path, reason=_reason(error))
        reason = oversize_reason(path, len(content))
        return content if reason is None else ScanSkip(path=path, reason=reason)


def open_folder(path: Path, repo: str, *, selected: Selection | None = None) -> FolderSnapshot:
    """Return the snapshot of a folder as it stands.

    Raises:
        SnapshotError: There is no such folder, or it is too large to be meant.
    """
    try:
        return FolderSnapshot(repo, path, selected or Selection())
    except OSError as error:
        raise SnapshotError(f"{repo}: {path}: {_reason(error)}; give a readable folder") from error


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
