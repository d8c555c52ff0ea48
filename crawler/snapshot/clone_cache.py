"""Bare clones kept between crawls: bounded, locked one by one, and safe to delete at any time.

`FOLDER/<owner>-<name>-<hash of the address>` is a clone and `FOLDER/locks/` holds one lock file
for each. What was used longest ago goes first.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from crawler.errors import SnapshotError
from crawler.snapshot.git_command import run_git

MAX_CACHE_BYTES = 8 << 30
LOCK_SECONDS = 900.0
MAX_PACKS = 80
"""Each fetch leaves a pack, and git looks through all of them; past this a clone starts anew."""

_USED = "last-used"
_DOOMED = "deleted-"


class CloneCache:
    """A folder of clones that holds about `max_bytes` when nobody uses it."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = folder
        self._max_bytes = max_bytes

    def acquire(self, url: str, *, seconds: float = LOCK_SECONDS) -> ClonePlace:
        """Return the place of this address's clone, locked until it is released.

        Raises:
            SnapshotError: The folder cannot be written, or the clone is in use for too long.
        """
        slug = re.sub(r"[^A-Za-z0-9]+", "-", url.removesuffix(".git"))[-60:].strip("-")
        name = f"{slug}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        lock = self._lock(name)
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            held = FileLock(lock, timeout=seconds, thread_local=False)
            held.acquire()
        except Timeout as error:
            raise SnapshotError(
                f"{self.folder / name} is in use by another crawl; run again when that has ended"
            ) from error
        except OSError as error:
            raise SnapshotError(
                f"{self.folder} cannot be written ({error.strerror}); free it or name another cache"
            ) from error
        return ClonePlace(self, self.folder / name, held)

    def trim(self) -> None:
        """Delete the clones used longest ago until the rest is small enough; skip those in use.

        What an interrupted deletion left behind counts as used longest ago.
        """
        clones = sorted(self._clones())
        total = sum(size for _, size, _ in clones)
        for _, size, clone in clones:
            if total <= self._max_bytes:
                return
            lock = FileLock(self._lock(clone.name), timeout=0, thread_local=False)
            try:
                with lock:
                    discard(clone)
                total -= size
            except (Timeout, OSError):
                continue

    def _lock(self, name: str) -> Path:
        return self.folder / "locks" / f"{name}.lock"

    def _clones(self) -> list[tuple[float, int, Path]]:
        """Return when each clone was last used, its size in bytes, and where it is."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        clones = [folder for folder in folders if folder.name != "locks" and folder.is_dir()]
        return [(_last_used(clone), _size(clone), clone) for clone in clones]


class ClonePlace:
    """Where one clone is, or will be; nobody else touches it until it is released."""

    def __init__(self, cache: CloneCache, git_dir: Path, lock: FileLock) -> None:
        self.git_dir = git_dir
        self._cache = cache
        self._lock = lock

    def prepare(self) -> bool:
        """Make sure there is a repository; return whether it was there before.

        Raises:
            SnapshotError: It cannot be made.
        """
        packs = self.git_dir / "objects" / "pack"
        is_there = packs.is_dir() and (self.git_dir / _USED).is_file()
        if is_there and sum(1 for _ in packs.glob("*.pack")) > MAX_PACKS:
            is_there = False
        if not is_there:
            self.discard()
            run_git(self.git_dir, "init", "--quiet", "--bare", "--template=")
            (self.git_dir / "objects" / "pack").mkdir(exist_ok=True)
        (self.git_dir / _USED).touch()
        return is_there

    def discard(self) -> None:
        """Delete the clone, for a fresh start."""
        discard(self.git_dir)

    def release(self) -> None:
        """Let others have it, and keep the cache in bounds."""
        if self._lock.is_locked:
            self._lock.release()
            self._cache.trim()


def discard(clone: Path) -> None:
    """Delete a clone; a git that still writes to it cannot disturb its successor."""
    doomed = clone.with_name(f"{_DOOMED}{uuid.uuid4().hex}")
    try:
        clone.rename(doomed)
    except FileNotFoundError:
        return
    (doomed / _USED).unlink(missing_ok=True)
    shutil.rmtree(doomed, ignore_errors=True)


def _last_used(clone: Path) -> float:
    """Return when the clone was last used, zero if that is not known."""
    try:
        return (clone / _USED).stat().st_mtime
    except OSError:
        return 0.0


def _size(clone: Path) -> int:
    total = 0
    for folder, _, files in os.walk(clone):
        for file in files:
            try:
                total += (Path(folder) / file).stat().st_size
            except OSError:
                continue
    return total
