"""A git repository on this machine: no checkout, no write, no network.

Of the repository's own settings only those that tell where `HEAD` and the refs lie are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.history import Histories
from crawler.models import Entry, ScanSkip
from crawler.snapshot.git_command import SilentGitError, run_git
from crawler.snapshot.git_objects import BorrowedObjects
from crawler.snapshot.git_pipes import find_pipe
from crawler.snapshot.names import line_address, name_fault, readable_name
from crawler.snapshot.select import Selection

_REGULAR_FILE = b"100"
_SHA1 = re.compile(r"[0-9a-f]{40}")


class GitSnapshot:
    """The files of one commit of a local repository; made by `open_git`."""

    version: str | None = None

    def __init__(
        self,
        repo: str,
        commit: str,
        objects: BorrowedObjects,
        selected: Selection,
        *,
        has_history: bool = False,
    ) -> None:
        self.repo = repo
        self.commit = commit
        self._has_history = has_history
        self.skipped: tuple[ScanSkip, ...] = ()
        self._objects = objects
        self._selected = selected
        self._raw_paths: dict[str, bytes] = {}
        self._entries: tuple[Entry, ...] | None = None

    def entries(self) -> Sequence[Entry]:
        """Return every regular file worth reading, sorted by path; see `Snapshot.entries`.

        Raises:
            SnapshotError: A tree is missing or damaged.
        """
        if self._entries is None:
            self._entries = self._list_entries()
        return self._entries

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked; a lost or oversized blob is a skip."""
        return self._objects.read(entries)

    def permalink(self, path: str, start_line: int, end_line: int) -> str:
        """Return the address of these lines at this commit."""
        raw = self._raw_paths.get(path) or path.encode()
        return line_address(self.repo, self.commit, raw, (start_line, end_line))

    def histories(self, entries: Sequence[Entry]) -> Histories:
        """Return who wrote these files and when; nothing from a shallow clone."""
        if not self._has_history or not entries:
            return Histories()
        files = {self._raw_paths.get(e.path) or e.path.encode(): e for e in entries}
        return Histories(files=self._objects.read_histories(self.commit, files))

    def close(self) -> None:
        """Remove what reading needed; the repository itself was never touched."""
        self._objects.close()

    def _list_entries(self) -> tuple[Entry, ...]:
        found: dict[str, Entry] = {}
        skipped: list[ScanSkip] = []
        try:
            for mode, raw_path, blob, size in self._objects.list_tree(self.commit):
                path = readable_name(raw_path)
                if not mode.startswith(_REGULAR_FILE) or not self._selected(path):
                    continue
                fault = name_fault(raw_path.decode("utf-8", "surrogateescape"))
                if path in found or fault:
                    reason = fault or "a second file of this name"
                    skipped.append(ScanSkip(path=path, reason=reason))
                    continue
                found[path] = Entry(path=path, blob=blob, size=size)
                if path.encode() != raw_path:
                    self._raw_paths[path] = raw_path
        except SnapshotError as error:
            raise SnapshotError(f"{self.repo}: {error}") from error
        self.skipped = tuple(skipped)
        return tuple(found[path] for path in sorted(found))


def open_git(
    path: Path, repo: str, *, ref: str | None = None, selected: Selection | None = None
) -> GitSnapshot:
    """Return the snapshot of a checkout or bare repository at `ref`, else at its `HEAD`.

    Raises:
        EmptySnapshotError: The repository has no commit.
        SnapshotError: The folder is no repository, the ref is unknown, or git cannot read it.
    """
    git_dir = find_git_dir(path)
    if git_dir is None:
        if not path.exists():
            raise SnapshotError(f"{repo}: there is no folder {path}; give the root of a clone")
        raise SnapshotError(f"{repo}: {path} is no git repository; give the root of a clone")
    common = _common_dir(git_dir)
    if pipe := find_pipe(git_dir, common):
        raise SnapshotError(f"{repo}: {pipe} is a pipe or a device, which git would wait for")
    name = _resolve_ref(git_dir, repo, ref)
    if not _SHA1.fullmatch(name):
        raise SnapshotError(f"{repo}: {path} names its objects by SHA-256; only SHA-1 is read")
    objects = BorrowedObjects(common / "objects")
    try:
        return GitSnapshot(
            repo,
            objects.find_commit(name),
            objects,
            selected or Selection(),
            has_history=not (common / "shallow").exists(),
        )
    except SnapshotError as error:
        objects.close()
        raise SnapshotError(f"{repo}: {error}") from error


def find_git_dir(folder: Path) -> Path | None:
    """Return the git directory of which this folder is the root, or which it is itself.

    A folder inside a checkout has none of its own. The `.git` file of a worktree or submodule is
    followed.
    """
    dot_git = folder / ".git"
    if dot_git.is_file():
        word, colon, target = _first_line(dot_git).partition("gitdir: ")
        dot_git = folder / target if colon and not word else dot_git
    for candidate in (dot_git, folder):
        if (candidate / "HEAD").is_file() and (_common_dir(candidate) / "objects").is_dir():
            return candidate.absolute()
    return None


def read_origin(git_dir: Path) -> str | None:
    """Return the URL of the remote `origin`, None without one; it may hold credentials."""
    if find_pipe(git_dir, _common_dir(git_dir)):
        return None
    try:
        raw = run_git(git_dir, "config", "--local", "--no-includes", "--get", "remote.origin.url")
    except SnapshotError:
        return None
    return readable_name(raw.removesuffix(b"\n"))


def _common_dir(git_dir: Path) -> Path:
    """Return where the objects lie: a worktree's git directory only points there."""
    pointer = git_dir / "commondir"
    return git_dir / _first_line(pointer) if pointer.is_file() else git_dir


def _first_line(file: Path) -> str:
    with file.open("rb") as stream:
        return stream.readline(4096).rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _resolve_ref(git_dir: Path, repo: str, ref: str | None) -> str:
    """Return the id of the object that the ref, or `HEAD`, names."""
    try:
        word = ref or "HEAD"
        return run_git(git_dir, "rev-parse", "--verify", "--end-of-options", word).decode().strip()
    except SilentGitError as error:
        raise SnapshotError(f"{repo}: git cannot read {git_dir} ({error})") from error
    except SnapshotError as error:
        try:
            has_refs = bool(run_git(git_dir, "for-each-ref", "--count=1"))
        except SnapshotError:
            raise SnapshotError(f"{repo}: git cannot read {git_dir} ({error})") from error
    if not has_refs:
        raise EmptySnapshotError(f"{repo}: {git_dir} has no commit yet; nothing to scan")
    if ref is not None:
        raise SnapshotError(f"{repo}: {git_dir} has no branch, tag or commit {ref!r}")
    head = _first_line(git_dir / "HEAD").removeprefix("ref: ")
    raise SnapshotError(f"{repo}: HEAD of {git_dir} names {head!r}, which is not there; set HEAD")
