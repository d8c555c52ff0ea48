"""From a source to its snapshot; a repository on GitHub is asked first whether it changed.

Everything that can end before content is read ends here: unchanged, gone, empty, failed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from crawler.errors import EmptySnapshotError
from crawler.models import CrawledRepo, KnownRepo, RepoStatus, SourceKind, SourceRepo
from crawler.opened import Opened, left_for_next_run
from crawler.pace import Pace
from crawler.snapshot import open_snapshot

if TYPE_CHECKING:
    from crawler.github.opening import GithubOpener


class Opener:
    """Opens sources; knows the one client of GitHub and the cache of clones.

    Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        cache: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        on_wait: Callable[[str, float], None] = lambda why, seconds: None,
        pace: Pace | None = None,
    ) -> None:
        """Take the cache folder, by default the user's, and where GitHub's address and token are.

        `on_wait` is told why and how long (seconds) before a rate limit is waited out.
        """
        self._pace = pace or Pace()
        granted = self._pace.granted
        self._deadline = None if granted is None else time.monotonic() + granted
        self._cache = cache or user_cache_path("triton-index")
        self._environment = environment
        self._on_wait = on_wait
        self._github: GithubOpener | None = None
        self._lock = Lock()
        self._stop = Event()

    def __enter__(self) -> Opener:
        """Return the opener."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections to GitHub."""
        if self._github is not None:
            self._github.close()

    def stop(self) -> None:
        """Let whatever is waited for on the network fail soon, in whichever thread."""
        self._stop.set()

    def open(
        self, so_far: CrawledRepo, source: SourceRepo, known: KnownRepo | None, *, full: bool
    ) -> Opened | CrawledRepo:
        """Return the opened source, or, where there is nothing to read, how it ended.

        `so_far` is the source as failed, `known` what earlier crawls left of it. Content that is
        unchanged is read again with `full`, if another scanner read it, or if histories are due.

        Raises:
            TritonIndexError: It cannot be opened.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            why = "the time granted to this run is over; run again to go on from here"
            return left_for_next_run(so_far, why)
        is_same = known is not None and known.scanner_version == so_far.scanner_version
        is_done = known is not None and bool(known.commit) and not known.is_history_due
        current = known if is_same and is_done and not full else None
        try:
            if source.kind is SourceKind.GITHUB:
                github = self._github_opener()
                is_current = current is not None
                return github.open(so_far, source, known, is_current=is_current, full=full)
            snapshot = open_snapshot(source)
        except EmptySnapshotError:
            return replace(so_far, status=RepoStatus.EMPTY)
        so_far = replace(so_far, commit=snapshot.commit, version=snapshot.version)
        if current is not None and current.commit == snapshot.commit:
            snapshot.close()
            return replace(so_far, status=RepoStatus.UNCHANGED)
        return Opened(snapshot=snapshot, so_far=so_far)

    def _github_opener(self) -> GithubOpener:
        from crawler.github.opening import GithubOpener

        with self._lock:
            if self._github is None:
                self._github = GithubOpener(
                    self._environment,
                    self._cache,
                    self._pace,
                    on_wait=self._on_wait,
                    stop=self._stop,
                )
            return self._github
