"""From a source to its snapshot; a repository on GitHub is asked first whether it changed.

Everything that can end before content is read ends here: unchanged, gone, empty, failed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from crawler.errors import EmptySnapshotError, TritonIndexError
from crawler.github.states import (
    Changed,
    Failed,
    GithubState,
    Gone,
    GoneReason,
    Outcome,
    Unchanged,
)
from crawler.models import (
    CrawledRepo,
    KnownRepo,
    RepoStatus,
    Snapshot,
    SourceKind,
    SourceRepo,
)
from crawler.pace import Pace
from crawler.snapshot import open_snapshot
from crawler.snapshot.select import select_files

if TYPE_CHECKING:
    from crawler.github.client import GithubClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source whose content is there to be read; `so_far` is what is known of it without that."""

    snapshot: Snapshot
    so_far: CrawledRepo


class Opener:
    """Opens sources; holds the one client of GitHub and the cache of clones.

    Safe to use from several threads. Once GitHub's limit is reached, the rest of the sources there
    are left for the next run without another request.
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
        self._cache = cache or user_cache_path("triton-index")
        self._environment = environment
        self._on_wait = on_wait
        self._client: GithubClient | None = None
        self._lock = Lock()
        self._stopped: str | None = None

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
        if self._client is not None:
            self._client.close()

    def open(
        self, so_far: CrawledRepo, source: SourceRepo, known: KnownRepo | None, *, full: bool
    ) -> Opened | CrawledRepo:
        """Return the opened source, or, where there is nothing to read, how it ended.

        `so_far` is the source as failed, `known` what earlier crawls left of it. Content that is
        unchanged is read again with `full`, or if another scanner read it.
        """
        is_current = known is not None and known.scanner_version == so_far.scanner_version
        current = known if is_current and not full else None
        try:
            if source.kind is SourceKind.GITHUB:
                return self._open_github(so_far, source, known, current, full=full)
            snapshot = open_snapshot(source)
        except EmptySnapshotError:
            return replace(so_far, status=RepoStatus.EMPTY)
        except TritonIndexError as error:
            return replace(so_far, error=str(error))
        so_far = replace(so_far, commit=snapshot.commit, version=snapshot.version)
        if current is not None and current.commit == snapshot.commit:
            snapshot.close()
            return replace(so_far, status=RepoStatus.UNCHANGED)
        return Opened(snapshot=snapshot, so_far=so_far)

    def _open_github(
        self,
        so_far: CrawledRepo,
        source: SourceRepo,
        known: KnownRepo | None,
        current: KnownRepo | None,
        *,
        full: bool,
    ) -> Opened | CrawledRepo:
        if self._stopped is not None:
            return replace(so_far, error=f"{source.name}: left for the next run: {self._stopped}")
        client = self._connect()
        state = known.github if known is not None else None
        if state is not None and current is None:
            # Which repository it is stays known; its content must come as if never seen.
            state = replace(state, head=None, ref="")
        found = _look(client, source, state, full=full)
        so_far = replace(so_far, requests=found.requests)
        match found:
            case Gone():
                return replace(so_far, status=RepoStatus.GONE, error=found.message)
            case Failed():
                if found.stops:
                    self._stopped = found.message.removeprefix(f"{source.name}: ")
                return replace(so_far, error=found.message)
            case Unchanged():
                return replace(
                    so_far,
                    status=RepoStatus.UNCHANGED if found.state.head else RepoStatus.EMPTY,
                    name=found.state.name,
                    commit=found.state.head,
                    renamed_from=found.renamed_from,
                    github=found.state,
                    metadata=found.metadata,
                )
        named = replace(
            so_far,
            name=found.metadata.name,
            renamed_from=found.renamed_from,
            metadata=found.metadata,
        )
        if current is not None and current.commit == found.head:
            # Crawled before from a clone: GitHub's own word on this commit was all that lacked.
            return replace(
                named, status=RepoStatus.UNCHANGED, commit=found.head, github=found.state
            )
        return self._fetch(source, client, found, named, failed=so_far)

    def _fetch(
        self,
        source: SourceRepo,
        client: GithubClient,
        found: Changed,
        named: CrawledRepo,
        *,
        failed: CrawledRepo,
    ) -> Opened | CrawledRepo:
        from crawler.github.content import content_remote
        from crawler.github.probe import state_after
        from crawler.snapshot.clone import open_clone
        from crawler.snapshot.clone_cache import CloneCache

        try:
            snapshot = open_clone(
                content_remote(client, found.metadata),
                named.name,
                CloneCache(self._cache / "clones"),
                commit=found.head,
                ref=source.ref,
                selected=select_files(source.include, source.exclude),
                limits=self._pace.fetch,
                sleep=self._pace.sleep,
            )
        except EmptySnapshotError:
            return replace(named, status=RepoStatus.EMPTY, github=state_after(found, None))
        except TritonIndexError as error:
            # Nothing of this look is stored: the next must find the repository changed again.
            return replace(failed, error=str(error))
        state = state_after(found, snapshot.commit)
        return Opened(
            snapshot=snapshot, so_far=replace(named, commit=snapshot.commit, github=state)
        )

    def _connect(self) -> GithubClient:
        from crawler.github.budget import RequestBudget
        from crawler.github.client import GithubClient
        from crawler.github.token import read_api_url, read_token

        with self._lock:
            if self._client is None:
                token = read_token(self._environment)
                url = read_api_url(self._environment, token)
                pace = self._pace
                budget = RequestBudget(
                    patience=pace.patience, sleep=pace.sleep, on_wait=self._on_wait
                )
                self._client = GithubClient(
                    url,
                    token,
                    budget=budget,
                    timeout=pace.answer,
                    spacing=pace.spacing,
                    sleep=pace.sleep,
                )
            return self._client


def _look(
    client: GithubClient, source: SourceRepo, state: GithubState | None, *, full: bool
) -> Outcome:
    """Return what became of a repository; only a full crawl takes another of its name for it."""
    from crawler.github.probe import probe_repository

    found = probe_repository(client, source.name, state=state, ref=source.ref)
    is_replaced = isinstance(found, Gone) and found.reason is GoneReason.REPLACED
    if state is None or not full or not is_replaced:
        return found
    successor = probe_repository(client, state.name, ref=source.ref)
    return replace(successor, requests=found.requests + successor.requests)
