"""A remote git repository, of which only what is read is fetched.

Two fetches at most: the newest commit with its trees and no file (a few per cent of a clone), and
then, in one go, the files that are wanted and not at hand. An unchanged commit costs none, a
change in one file fetches that file alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.models import Entry, ScanSkip
from crawler.snapshot.clone_cache import CloneCache, ClonePlace
from crawler.snapshot.git import GitSnapshot
from crawler.snapshot.git_command import run_git, start_git
from crawler.snapshot.git_fetch import FetchError, FetchLimits, Remote, Trouble, fetch, has_refs
from crawler.snapshot.git_objects import BorrowedObjects
from crawler.snapshot.select import Selection

RETRY_SECONDS = 3.0
MAX_ABSENT = 20
"""So many wanted files may be missing at the server; more, and its repository is damaged."""

_HEAD = "refs/crawl/head"
_SHA1 = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"(?![-/.])[A-Za-z0-9._/@#%+=,-]{1,250}")


def open_clone(
    remote: Remote,
    repo: str,
    cache: CloneCache,
    *,
    commit: str | None = None,
    ref: str | None = None,
    selected: Selection | None = None,
    limits: FetchLimits | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> CloneSnapshot:
    """Return the files of `commit`, or where `ref` or the remote's `HEAD` stands now.

    A commit that the server no longer has (a forced push) gives that of `ref` or `HEAD`, so look
    at the snapshot's `commit`. The clone is locked until the snapshot is closed.

    Raises:
        EmptySnapshotError: The repository has no commit.
        SnapshotError: It cannot be reached or read, `ref` is not there, or a limit was reached.
    """
    if ref is not None and (not _REF.fullmatch(ref) or ".." in ref):
        raise SnapshotError(f"{repo}: {ref!r} is no name of a branch, tag or commit")
    fetcher = _Fetcher(remote, repo, limits or FetchLimits(), sleep)
    place = cache.acquire(remote.url)
    try:
        is_reused = place.prepare()
        try:
            return _open(place, fetcher, commit, ref, selected or Selection())
        except (EmptySnapshotError, FetchError) as error:
            if not is_reused or getattr(error, "trouble", None) is not Trouble.UNKNOWN:
                raise
        except SnapshotError:
            if not is_reused:
                raise
        # What was kept is damaged, half written or deleted under our hands: once more, afresh.
        place.discard()
        place.prepare()
        return _open(place, fetcher, commit, ref, selected or Selection())
    except BaseException:
        place.release()
        raise
