"""A remote git repository, of which only what is read is fetched.

Two fetches at most: the newest commit with its trees and no file (a few per cent of a clone), and
then, in one go, the files that are wanted and not at hand. An unchanged commit costs none, a
change in one file fetches that file alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.history import Histories
from crawler.models import Entry, ScanSkip
from crawler.snapshot.clone_cache import CloneCache, ClonePlace
from crawler.snapshot.git import GitSnapshot
from crawler.snapshot.git_command import run_git, start_git
from crawler.snapshot.git_fetch import FetchError, FetchLimits, Remote, Trouble, fetch, has_refs
from crawler.snapshot.git_objects import BorrowedObjects
from crawler.snapshot.select import Selection

T = TypeVar("T")
AskHistories = Callable[[str, str, Sequence[Entry]], Histories]

RETRY_SECONDS = 3.0
MAX_ABSENT = 20
"""So many wanted files may be missing at the server; more, and its repository is damaged."""

_HEAD = "refs/crawl/head"
_SHA1 = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"(?![-/.])(?!.*(?:\.\.|@\{|//))[^\x00-\x20\x7f~^:?*\[\\]{1,250}")


def open_clone(
    remote: Remote,
    repo: str,
    cache: CloneCache,
    *,
    commit: str | None = None,
    ref: str | None = None,
    selected: Selection | None = None,
    limits: FetchLimits | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> CloneSnapshot:
    """Return the files of `commit`, or where `ref` or the remote's `HEAD` stands now.

    A commit that the server no longer has (a forced push) gives that of `ref` or `HEAD`, so look
    at the snapshot's `commit`. The clone is locked until the snapshot is closed.

    Raises:
        EmptySnapshotError: The repository has no commit.
        SnapshotError: It cannot be reached or read, `ref` is not there, or a limit was reached.
    """
    if ref is not None and not _REF.fullmatch(ref):
        raise SnapshotError(f"{repo}: {ref!r} is no name of a branch, tag or commit")
    fetcher = _Fetcher(remote, repo, limits or FetchLimits(), sleep)
    place = cache.acquire(remote.url)
    try:
        is_reused = place.prepare()
        try:
            return _open(place, fetcher, commit, ref, selected or Selection())
        except SnapshotError as error:
            if not is_reused or _is_final(error):
                raise
        # What was kept is damaged, half written, or was deleted under our hands: once more, afresh.
        place.discard()
        place.prepare()
        return _open(place, fetcher, commit, ref, selected or Selection())
    except BaseException:
        place.release()
        raise


class CloneSnapshot(GitSnapshot):
    """The files of one commit of a remote repository; made by `open_clone`.

    `read` fetches all it is asked for and lacks in one go, so ask for everything at once.
    """

    ask_histories: AskHistories | None = None
    """Who knows the histories that the clone lacks: asked with the repository and the commit."""

    def __init__(
        self,
        commit: str,
        objects: BorrowedObjects,
        selected: Selection,
        place: ClonePlace,
        fetcher: _Fetcher,
    ) -> None:
        super().__init__(fetcher.repo, commit, objects, selected)
        self._place = place
        self._fetcher = fetcher

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked; a lost or oversized blob is a skip.

        Raises:
            SnapshotError: What is not at hand cannot be fetched.
        """
        wanted = list(entries)
        git_dir = self._place.git_dir
        self._fetcher.fetch_blobs(git_dir, _find_missing(git_dir, wanted))
        for entry, content in super().read(wanted):
            if isinstance(content, ScanSkip) and not (git_dir / "objects").is_dir():
                raise SnapshotError(f"{self.repo}: {git_dir} was deleted while in use; run again")
            yield entry, content

    def histories(self, entries: Sequence[Entry]) -> Histories:
        """Return who wrote these files and when, from whoever can be asked."""
        if self.ask_histories is None:
            return Histories()
        return self.ask_histories(self.repo, self.commit, entries)

    def close(self) -> None:
        """Give the clone back to the cache."""
        super().close()
        self._place.release()


class _Fetcher:
    """Fetches for one repository; a failure that may pass is tried a second time."""

    def __init__(
        self, remote: Remote, repo: str, limits: FetchLimits, sleep: Callable[[float], object]
    ) -> None:
        self.repo = repo
        self._remote = remote
        self._limits = limits
        self._sleep = sleep

    def fetch_head(self, git_dir: Path, commit: str | None, ref: str | None) -> None:
        """Fetch the commit and its trees, or those of `ref` or `HEAD` where it is gone."""
        word = ref or "HEAD"
        if commit and self._has_fetched(git_dir, commit):
            return
        if self._has_fetched(git_dir, word):
            return
        # Somebody who named a commit saw one: then the server only seems empty.
        if commit is None and not self._ask(lambda: has_refs(git_dir, self._remote, self._limits)):
            raise EmptySnapshotError(f"{self.repo}: it has no commit yet; nothing to scan")
        # To git a page for people, too, is a server without that ref; it may be gone by now.
        if not self._has_fetched(git_dir, word):
            what = f"has no branch, tag or commit {ref!r}" if ref else "has no default branch"
            raise FetchError(
                f"{self.repo}: {self._remote.url} {what}; name another ref", Trouble.ABSENT
            )

    def _has_fetched(self, git_dir: Path, word: str) -> bool:
        """Fetch one commit with its trees; return whether the server has it."""
        try:
            self._fetch(git_dir, "--depth=1", "origin", f"+{word}:{_HEAD}")
        except FetchError as error:
            if error.trouble is not Trouble.ABSENT:
                raise
            return False
        return True

    def fetch_blobs(self, git_dir: Path, blobs: set[str]) -> None:
        """Fetch these blobs at once; those that the server has lost stay missing."""
        for _ in range(MAX_ABSENT):
            if not blobs:
                return
            try:
                self._fetch(git_dir, "--stdin", "origin", lines=sorted(blobs))
                return
            except FetchError as error:
                lost = blobs & set(_SHA1.findall(str(error)))
                if error.trouble is not Trouble.ABSENT or not lost:
                    raise
                blobs = blobs - lost
        raise SnapshotError(f"{self.repo}: {self._remote.url} lacks more than {MAX_ABSENT} files")

    def _fetch(self, git_dir: Path, *words: str, lines: Sequence[str] = ()) -> None:
        # Blobs share no history with anything, so there is nothing to negotiate.
        settings = {"fetch.negotiationAlgorithm": "noop"} if lines else {}
        self._ask(
            lambda: fetch(
                git_dir, self._remote, *words, lines=lines, settings=settings, limits=self._limits
            )
        )

    def _ask(self, ask: Callable[[], T]) -> T:
        """Return the server's answer; an error names the repository, the address and a way out."""
        try:
            try:
                return ask()
            except FetchError as error:
                if error.trouble is not Trouble.PASSING:
                    raise
            self._sleep(RETRY_SECONDS)
            return ask()
        except FetchError as error:
            raise FetchError(
                f"{self.repo}: cannot fetch {self._remote.url} ({error}); {_ADVICE[error.trouble]}",
                error.trouble,
            ) from error


_ADVICE = {
    Trouble.PASSING: "check the network, or run again later",
    Trouble.REFUSED: "it may be gone or private, or the token may not read it",
    Trouble.ABSENT: "it may have been changed just now; run again",
    Trouble.TOO_MUCH: "exclude large files, or run again on a faster network",
    Trouble.UNKNOWN: "run again",
}


def _open(
    place: ClonePlace, fetcher: _Fetcher, commit: str | None, ref: str | None, selected: Selection
) -> CloneSnapshot:
    git_dir = place.git_dir
    if commit is None or _held_commit(git_dir) != commit:
        fetcher.fetch_head(git_dir, commit, ref)
    objects = BorrowedObjects(git_dir / "objects")
    try:
        found = objects.find_commit(_held_commit(git_dir))
        snapshot = CloneSnapshot(found, objects, selected, place, fetcher)
        # A clone that cannot be listed must be found out while it can still be made anew.
        snapshot.entries()
    except BaseException:
        objects.close()
        raise
    return snapshot


def _is_final(error: SnapshotError) -> bool:
    """Return whether a fresh clone would meet the same."""
    if isinstance(error, FetchError):
        return error.trouble is not Trouble.UNKNOWN
    return isinstance(error, EmptySnapshotError)


def _held_commit(git_dir: Path) -> str:
    """Return the object that was fetched whole last, empty if none was."""
    return run_git(git_dir, "for-each-ref", "--format=%(objectname)", _HEAD).decode().strip()


def _find_missing(git_dir: Path, entries: Sequence[Entry]) -> set[str]:
    """Return those blobs of the entries that the clone lacks."""
    blobs = sorted({entry.blob for entry in entries})
    if not blobs:
        return set()
    check = ("cat-file", "--batch-check=%(objectname)")
    with start_git(git_dir, *check, lines=blobs) as git:
        return {blob for blob in blobs if git.readline().endswith(b" missing\n")}
