"""The objects of a git repository, read without the repository's own settings.

They are read from a private, empty repository that borrows the object folder, so nothing the
repository configures (promisor remotes, replacements, grafts, filters) takes part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from crawler.errors import SnapshotError
from crawler.history import FileHistory
from crawler.models import Entry, LostFile, ScanSkip
from crawler.snapshot.git_command import GitProcess, run_git, start_git
from crawler.snapshot.git_history import read_histories
from crawler.snapshot.select import oversize_reason
from crawler.snapshot.trees import blob_id

MAX_DAMAGED = 50
"""Git ends at an object it cannot unpack; past this many the rest is given up."""

_CHUNK_BYTES = 1 << 20


class BorrowedObjects:
    """Reader of an `objects` folder and of the alternates it names; close it after use."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        self._view = tempfile.TemporaryDirectory(prefix="triton-index-")
        self._git_dir = Path(self._view.name)
        for folder in ("objects", "refs"):
            (self._git_dir / folder).mkdir()
        (self._git_dir / "HEAD").write_text("ref: refs/heads/none\n")

    def find_commit(self, name: str) -> str:
        """Return the id of the commit that this id of a commit or tag stands for.

        Raises:
            SnapshotError: The object is missing, damaged, or no commit.
        """
        return self._run("rev-parse", "--verify", name + "^{commit}").decode().strip()

    def list_tree(self, commit: str) -> Iterator[tuple[bytes, bytes, str, int]]:
        """Yield mode, path, id and size of all that a commit holds, links and submodules too.

        The size is 0 where the object is not at hand.

        Raises:
            SnapshotError: A tree is missing or damaged.
        """
        listing = self._run("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        for line in listing.removesuffix(b"\0").split(b"\0") if listing else ():
            facts, _, path = line.partition(b"\t")
            mode, _, name, size = facts.split()
            # A blob that a partial clone lacks has the size `BAD`.
            yield mode, path, name.decode(), int(size) if size.isdigit() else 0

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked; a lost or oversized blob is a skip.

        One git process serves the whole call, and one more for each damaged object.
        """
        waiting = list(entries)
        for _ in range(MAX_DAMAGED):
            done = 0
            for entry, content in self._read_until_damage(waiting):
                done += 1
                yield entry, content
            if done == len(waiting):
                return
            damaged, *waiting = waiting[done:]
            yield damaged, LostFile(path=damaged.path, reason="git cannot unpack its content")
        for entry in waiting:
            yield entry, LostFile(path=entry.path, reason="not read, too much before it is damaged")

    def read_histories(self, commit: str, files: Mapping[bytes, Entry]) -> tuple[FileHistory, ...]:
        """Return the histories, up to `commit`, of these files of it, by their raw paths."""
        return read_histories(self._git_dir, self._objects, commit, files)

    def close(self) -> None:
        """Remove the private repository; the borrowed one is as it was."""
        self._view.cleanup()

    def _run(self, *words: str) -> bytes:
        try:
            return run_git(self._git_dir, *words, objects=self._objects)
        except SnapshotError as error:
            raise SnapshotError(
                f"{self._objects.parent} is damaged or incomplete ({error}); clone it again"
            ) from error

    def _read_until_damage(
        self, entries: Sequence[Entry]
    ) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield entries in order and stop early at the one that git dies of."""
        reasons = [oversize_reason(entry.path, entry.size) for entry in entries]
        asked = [
            entry.blob for entry, reason in zip(entries, reasons, strict=True) if reason is None
        ]
        with start_git(
            self._git_dir, "cat-file", "--batch", lines=asked, objects=self._objects
        ) as git:
            for entry, reason in zip(entries, reasons, strict=True):
                content = (
                    _read_blob(git, entry)
                    if reason is None
                    else ScanSkip(path=entry.path, reason=reason)
                )
                if content is None:
                    return
                yield entry, content


def _read_blob(git: GitProcess, entry: Entry) -> bytes | ScanSkip | None:
    """Return the next object of `cat-file --batch`, why it is left out, or None if git died."""
    header = git.readline().split()
    if header[1:] == [b"missing"]:
        return LostFile(path=entry.path, reason="its content is missing here (a partial clone?)")
    if len(header) != 3:
        return None
    size = int(header[2])
    # The listing had no size for this one; the bytes are on their way all the same.
    if reason := oversize_reason(entry.path, size):
        skip = ScanSkip(path=entry.path, reason=reason)
        return skip if _drain(git, size + 1) else None
    content = git.read(size + 1)[:-1]
    if len(content) < size:
        return None
    # Git trusts the index of a pack: only the content tells whether it is the blob named.
    if blob_id(content) != entry.blob:
        reason = "its content does not match its id (a damaged repository)"
        return LostFile(path=entry.path, reason=reason)
    return content


def _drain(git: GitProcess, size: int) -> bool:
    """Read past this many bytes; return whether all of them came."""
    while size > 0:
        chunk = git.read(min(size, _CHUNK_BYTES))
        if not chunk:
            return False
        size -= len(chunk)
    return True
