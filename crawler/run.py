"""The loop of a crawl: sources in, one `CrawledRepo` each out. It never prints and never stores.

source -> snapshot (`opening`) -> records (`reading`)
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from crawler.cluster import Cluster, crawl_on, tasks_of
from crawler.errors import TritonIndexError
from crawler.models import CrawledRepo, KnownRepo, KnownState, RepoStatus, SourceRepo
from crawler.opened import Opened
from crawler.opening import Opener
from crawler.pace import Pace
from crawler.pool import ScanPool
from crawler.reading import Progress, read_snapshot
from crawler.scan import scan_version
from crawler.sources import source_word
from crawler.threads import LooseThreads
from crawler.timing import logged_time

LOG = logging.getLogger(__name__)

FETCHERS = 4
"""Sources fetched at a time: enough to hide the network, few enough to be polite."""
GRACE_SECONDS = 0.3
"""How long a crawl that is given up waits for what it was doing: a person waits too."""

OnFault = Callable[[str, Exception], object]
"""Is told the source and the error of whatever goes wrong in a crawl, from any thread."""


def crawl(
    sources: Sequence[SourceRepo],
    *,
    known: KnownState,
    jobs: int | None = None,
    full: bool = False,
    on_progress: Progress | None = None,
    on_wait: Callable[[str, float], None] = lambda why, seconds: None,
    on_fault: OnFault = lambda source, error: None,
    cache: Path | None = None,
    pace: Pace | None = None,
    cluster: Cluster | None = None,
) -> Iterator[CrawledRepo]:
    """Yield what each source gives, those first that were not looked at for longest.

    Several sources are fetched at a time and scanned in `jobs` processes; they are yielded one by
    one in an order that does not depend on which was faster. A source that fails is reported as
    such and the others go on. With `full`, nothing that earlier crawls left behind is used but
    which repository each name stood for. `cache` is the folder for clones.

    On a `cluster` each source is crawled by a worker, with the worker's own cache, processes and
    token; they are yielded as they come, and of their files nothing is told.
    """
    if cluster is not None:
        ordered = _longest_unseen_first(sources, known)
        yield from crawl_on(
            cluster,
            tasks_of(ordered, known, find_known=_find_known, full=full),
            failed=lambda source, why: replace(_as_failed(source), error=why),
            on_wait=on_wait,
        )
        return
    with ScanPool(jobs) as pool, Opener(cache=cache, on_wait=on_wait, pace=pace) as opener:
        crawler = _Crawler(known, pool, opener, full, on_progress, on_fault)
        threads: LooseThreads[CrawledRepo] = LooseThreads(FETCHERS, "crawl")
        waiting: deque[Future[CrawledRepo]] = deque()
        try:
            for source in _longest_unseen_first(sources, known):
                waiting.append(threads.submit(partial(crawler.crawl, source)))
                # A few sources ahead of the consumer, no more: their content is in memory.
                if len(waiting) > 2 * FETCHERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            # Given up: whatever is under way ends soon, or is left behind.
            opener.stop()
            pool.stop()
            raise
        finally:
            threads.stop(GRACE_SECONDS)


def _longest_unseen_first(sources: Sequence[SourceRepo], known: KnownState) -> Iterator[SourceRepo]:
    """Yield the sources so that a crawl cut short by a rate limit is gone on with by the next."""
    never = datetime.min.replace(tzinfo=UTC)

    def seen(source: SourceRepo) -> datetime:
        before = _find_known(source, known)
        return before.crawled_at or never if before is not None else never

    yield from sorted(sources, key=seen)


def _find_known(source: SourceRepo, known: KnownState) -> KnownRepo | None:
    """Return what is known of a source by its name, or else by one that it had before."""
    found = map(known.repo, (source.name, *source.formerly))
    return next((repo for repo in found if repo is not None), None)


@dataclass(frozen=True, slots=True)
class _Crawler:
    """Crawls one source after another, in several threads at once."""

    known: KnownState
    pool: ScanPool
    opener: Opener
    full: bool
    on_progress: Progress | None
    on_fault: OnFault

    def crawl(self, source: SourceRepo) -> CrawledRepo:
        """Return what one source gives; whatever goes wrong is a status with its reason."""
        failed = _as_failed(source)
        try:
            known = _find_known(source, self.known)
            opened = self.opener.open(failed, source, known, full=self.full)
            if isinstance(opened, CrawledRepo):
                return opened
            # Only what a look cost outlives a failure: the next must find all of it new again.
            failed = replace(failed, requests=opened.so_far.requests)
            return self.read(opened)
        except Exception as error:
            self.on_fault(source.name, error)
            if not isinstance(error, TritonIndexError):
                return replace(failed, error=repr(error))
            return replace(failed, error=str(error), requests=max(failed.requests, error.requests))

    def read(self, opened: Opened) -> CrawledRepo:
        """Return the kernels of an opened source."""
        with closing(opened.snapshot), logged_time(LOG, f"{opened.so_far.name}: read"):
            return read_snapshot(
                opened.snapshot,
                opened.so_far,
                known=self.known,
                pool=self.pool,
                full=self.full,
                on_progress=self.on_progress,
            )


def _as_failed(source: SourceRepo) -> CrawledRepo:
    """Return the record of a source of which nothing is known yet."""
    return CrawledRepo(
        name=source.name,
        location=source_word(source),
        status=RepoStatus.FAILED,
        scanner_version=scanner_version(source),
        marks=source.marks,
        fork_of=source.fork_of,
    )


def scanner_version(source: SourceRepo) -> str:
    """Return what, besides the commit, decides the records of a source: scanner and file choice."""
    if not source.include and not source.exclude:
        return scan_version()
    choice = repr((sorted(source.include), sorted(source.exclude)))
    return f"{scan_version()}+{hashlib.sha256(choice.encode()).hexdigest()[:12]}"
