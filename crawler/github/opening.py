"""A repository on GitHub: one look at the API, and its content through git if anything changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

from crawler.errors import EmptySnapshotError, TritonIndexError
from crawler.github.budget import RequestBudget
from crawler.github.client import GithubClient
from crawler.github.content import content_remote
from crawler.github.history import ask_histories
from crawler.github.probe import probe_repository, state_after
from crawler.github.token import read_api_url, read_token
from crawler.models import CrawledRepo, KnownRepo, RepoStatus, SourceRepo
from crawler.opened import Opened, left_for_next_run
from crawler.pace import Pace
from crawler.snapshot.clone import CloneSnapshot, open_clone
from crawler.snapshot.clone_cache import CloneCache
from crawler.snapshot.select import select_files
from crawler.states import (
    Changed,
    Failed,
    GithubState,
    Gone,
    GoneReason,
    Outcome,
    Unchanged,
)


class GithubOpener:
    """Opens repositories on GitHub; safe to use from several threads.

    Once GitHub's limit is reached, the rest is left for the next run without another request.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        cache: Path,
        pace: Pace,
        *,
        on_wait: Callable[[str, float], None],
        stop: Event,
    ) -> None:
        """Take where GitHub's address and token are, and the folder of the caches.

        Raises:
            SourceError: The address or the token cannot be used.
        """
        self._sleep = pace.sleep or stop.wait
        self._limits = replace(pace.fetch, stop=stop)
        self._clones = CloneCache(cache / "clones")
        self._stopped: str | None = None
        token = read_token(environment)
        self._client = GithubClient(
            read_api_url(environment, token),
            token,
            budget=RequestBudget(
                allowance=pace.requests,
                patience=pace.patience,
                sleep=self._sleep,
                on_wait=on_wait,
            ),
            timeout=pace.answer,
            spacing=pace.spacing,
            sleep=self._sleep,
            stop=stop,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def open(
        self,
        so_far: CrawledRepo,
        source: SourceRepo,
        known: KnownRepo | None,
        *,
        is_current: bool,
        full: bool,
    ) -> Opened | CrawledRepo:
        """Return the opened repository, or how it ended; `so_far` is how it would end as failed.

        Content that is unchanged since it was `known` is only worth reading unless `is_current`.
        """
        if self._stopped is not None:
            return self._leave(so_far)
        state = known.github if known is not None else None
        if state is not None and not is_current:
            # Which repository it is stays known; its content must come as if never seen.
            state = replace(state, head=None, ref="")
        found = self._look(source, state, full=full)
        so_far = replace(so_far, requests=found.requests)
        match found:
            case Gone():
                return replace(so_far, status=RepoStatus.GONE, error=found.message)
            case Failed():
                return self._fail(so_far, found)
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
        if is_current and known is not None and known.commit == found.head:
            # Crawled before from a clone: GitHub's own word on this commit was all that lacked.
            return replace(_described(so_far, found, found.head), status=RepoStatus.UNCHANGED)
        return self._fetch(so_far, source, found, is_known=state is not None)

    def _look(self, source: SourceRepo, state: GithubState | None, *, full: bool) -> Outcome:
        """Return what became of a repository; a full crawl takes another of its name for it."""
        found = probe_repository(self._client, source.name, state=state, ref=source.ref)
        is_replaced = isinstance(found, Gone) and found.reason is GoneReason.REPLACED
        if state is None or not full or not is_replaced:
            return found
        successor = probe_repository(self._client, state.name, ref=source.ref)
        return replace(successor, requests=found.requests + successor.requests)

    def _fetch(
        self, so_far: CrawledRepo, source: SourceRepo, found: Changed, *, is_known: bool
    ) -> Opened | CrawledRepo:
        """Return the content; of a look that gives none, nothing but its cost is kept."""
        snapshot = None
        try:
            snapshot = self._clone(source, found)
        except EmptySnapshotError:
            pass
        except TritonIndexError as error:
            error.requests = so_far.requests
            raise
        commit = snapshot.commit if snapshot is not None else None
        if is_known and commit != found.head:
            # A forced push came in between, or another repository has just taken the name.
            again = self._look(source, replace(found.state, head=commit, ref=""), full=False)
            so_far = replace(so_far, requests=so_far.requests + again.requests)
            if isinstance(again, Gone | Failed):
                if snapshot is not None:
                    snapshot.close()
                return replace(so_far, error=again.message)
        described = _described(so_far, found, commit)
        if snapshot is None:
            return replace(described, status=RepoStatus.EMPTY)
        return Opened(snapshot=snapshot, so_far=described)

    def _clone(self, source: SourceRepo, found: Changed) -> CloneSnapshot:
        snapshot = open_clone(
            content_remote(self._client, found.metadata),
            found.metadata.name,
            self._clones,
            commit=found.head,
            ref=source.ref,
            selected=select_files(source.include, source.exclude),
            limits=self._limits,
            sleep=self._sleep,
        )
        snapshot.ask_histories = partial(ask_histories, self._client)
        return snapshot

    def _fail(self, so_far: CrawledRepo, found: Failed) -> CrawledRepo:
        if found.stops:
            self._stopped = found.message.removeprefix(f"{so_far.name}: ")
            return self._leave(so_far)
        return replace(so_far, error=found.message)

    def _leave(self, so_far: CrawledRepo) -> CrawledRepo:
        return left_for_next_run(so_far, self._stopped or "")


def _described(so_far: CrawledRepo, found: Changed, commit: str | None) -> CrawledRepo:
    """Return a source with what GitHub says of it, to be stored with the content of `commit`."""
    return replace(
        so_far,
        name=found.metadata.name,
        commit=commit,
        renamed_from=found.renamed_from,
        github=state_after(found, commit),
        metadata=found.metadata,
    )
