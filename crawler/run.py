"""The loop of a crawl: sources in, one `CrawledRepo` each out. It never prints and never stores.

source -> snapshot -> files worth a parse -> facts (from the cache where the blob is known)
       -> linked kernels -> records
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from crawler.errors import TritonIndexError
from crawler.models import (
    CachedScan,
    CrawledRepo,
    Entry,
    KnownState,
    RepoStatus,
    ScanSkip,
    Snapshot,
    SourceRepo,
)
from crawler.opening import Opened, Opener
from crawler.pool import ScanPool, ScanTask
from crawler.records import kernel_records
from crawler.scan import (
    SCANNER_VERSION,
    FileFacts,
    decorator_names,
    link_snapshot,
    may_hold_kernels,
    renamed_jits,
)
from crawler.scan.result import Gated, Parsed, ScanResult, Unreadable, decode_result, encode_result
from crawler.snapshot.select import is_source
from crawler.sources import source_word

FETCHERS = 4
"""Sources fetched at a time: enough to hide the network, few enough to be polite."""

Progress = Callable[[str, int, int], None]
"""Called with (source, files done, files to scan) while a source is read."""


def crawl(
    sources: Sequence[SourceRepo],
    *,
    known: KnownState,
    jobs: int | None = None,
    full: bool = False,
    on_progress: Progress | None = None,
    on_wait: Callable[[str, float], None] = lambda why, seconds: None,
    cache: Path | None = None,
) -> Iterator[CrawledRepo]:
    """Yield what each source gives, those first that were not looked at for longest.

    Several sources are fetched at a time and scanned in `jobs` processes; they are yielded one by
    one in an order that does not depend on which was faster. A source that fails is reported as
    such and the others go on. With `full`, nothing that earlier crawls left behind is used.
    """
    with ScanPool(jobs) as pool, Opener(cache=cache, on_wait=on_wait) as opener:
        crawler = _Crawler(known, pool, opener, full=full, on_progress=on_progress)
        threads = ThreadPoolExecutor(max_workers=FETCHERS, thread_name_prefix="crawl")
        waiting: deque[Future[CrawledRepo]] = deque()
        try:
            for source in _longest_unseen_first(sources, known):
                waiting.append(threads.submit(crawler.crawl, source))
                # A few sources ahead of the consumer, no more: their content is in memory.
                if len(waiting) > 2 * FETCHERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            threads.shutdown(cancel_futures=True)


def _longest_unseen_first(sources: Sequence[SourceRepo], known: KnownState) -> Iterator[SourceRepo]:
    """Yield the sources so that a crawl cut short by a rate limit is gone on with by the next."""
    never = datetime.min.replace(tzinfo=UTC)

    def seen(source: SourceRepo) -> datetime:
        before = known.repo(source.name)
        return before.crawled_at or never if before is not None else never

    yield from sorted(sources, key=seen)


@dataclass(frozen=True, slots=True)
class _Crawler:
    """Crawls one source after another, in several threads at once."""

    known: KnownState
    pool: ScanPool
    opener: Opener
    full: bool
    on_progress: Progress | None

    def crawl(self, source: SourceRepo) -> CrawledRepo:
        """Return what one source gives; whatever goes wrong is a status with its reason."""
        version = scanner_version(source)
        try:
            known = None if self.full else self.known.repo(source.name)
            opened = self.opener.open(source, known, version)
            return opened if isinstance(opened, CrawledRepo) else self.read(opened)
        except Exception as error:
            reason = str(error) if isinstance(error, TritonIndexError) else repr(error)
            return CrawledRepo(
                name=source.name,
                location=source_word(source),
                status=RepoStatus.FAILED,
                scanner_version=version,
                error=reason,
            )

    def read(self, opened: Opened) -> CrawledRepo:
        """Return the kernels of an opened source."""
        with closing(opened.snapshot):
            reading = _Reading(
                opened.snapshot, self.known, self.pool, full=self.full, on_progress=self.on_progress
            )
            return reading.crawled(opened.so_far)


def scanner_version(source: SourceRepo) -> str:
    """Return what, besides the commit, decides the records of a source: scanner and file choice."""
    if not source.include and not source.exclude:
        return SCANNER_VERSION
    choice = repr((sorted(source.include), sorted(source.exclude)))
    return f"{SCANNER_VERSION}+{hashlib.sha256(choice.encode()).hexdigest()[:12]}"


@dataclass(slots=True, eq=False)
class _Reading:
    """One snapshot being read."""

    snapshot: Snapshot
    known: KnownState
    pool: ScanPool
    full: bool
    on_progress: Progress | None
    results: dict[str, ScanResult] = field(default_factory=dict)
    fresh: dict[str, CachedScan] = field(default_factory=dict)
    unread: list[ScanSkip] = field(default_factory=list)
    parsed: int = 0

    def crawled(self, so_far: CrawledRepo) -> CrawledRepo:
        entries = [entry for entry in self.snapshot.entries() if is_source(entry.path)]
        keys = {scan_key(entry) for entry in entries}
        if not self.full:
            cached = self.known.scans(sorted(keys), SCANNER_VERSION)
            self.results = _decoded(cached)
        self.read([entry for entry in entries if scan_key(entry) not in self.results])
        self.read_renamed(entries)
        facts = self.facts(entries)
        kernels = kernel_records(self.snapshot, link_snapshot(facts))
        return replace(
            so_far,
            status=RepoStatus.UPDATED if entries else RepoStatus.EMPTY,
            files_seen=len(entries),
            files_parsed=self.parsed,
            kernels=kernels,
            skipped=(*self.snapshot.skipped, *self.unread, *self.skips(entries)),
            scans=tuple(self.fresh[key] for key in sorted(self.fresh)),
            blobs=tuple(sorted(keys)),
        )

    def read(self, entries: Sequence[Entry], *, gated: bool = True) -> None:
        """Read and scan entries; the byte gate holds back what cannot matter."""
        for key, data in self.pool.scan(self.tasks(entries, gated=gated)):
            result = decode_result(data)
            if result is not None:
                self.keep(key, result, data)
                self.parsed += 1

    def tasks(self, entries: Sequence[Entry], *, gated: bool) -> Iterator[ScanTask]:
        # Equal files are read once: the last entry of a blob stands for all.
        wanted = sorted({scan_key(e): e for e in entries}.values(), key=lambda e: e.path)
        for done, (entry, data) in enumerate(self.snapshot.read(wanted), start=1):
            if self.on_progress is not None:
                self.on_progress(self.snapshot.repo, done, len(wanted))
            if isinstance(data, ScanSkip):
                self.unread.append(data)
            elif gated and not may_hold_kernels(data):
                result = Gated(tuple(sorted(decorator_names(data))))
                self.keep(scan_key(entry), result, encode_result(result))
            else:
                yield ScanTask(scan_key(entry), entry.path, data)

    def keep(self, key: str, result: ScanResult, data: bytes) -> None:
        self.results[key] = result
        self.fresh[key] = CachedScan(blob=key, facts=data)

    def read_renamed(self, entries: Sequence[Entry]) -> None:
        """Read what the gate held back but uses a name under which the project offers jit."""
        names = renamed_jits(self.facts(entries))
        if not names:
            return
        held_back = []
        for entry in entries:
            result = self.results.get(scan_key(entry))
            if isinstance(result, Gated) and names.intersection(result.decorators):
                held_back.append(entry)
        if held_back:
            self.read(held_back, gated=False)

    def facts(self, entries: Sequence[Entry]) -> Mapping[str, FileFacts]:
        found = ((entry.path, self.results.get(scan_key(entry))) for entry in entries)
        return {path: result.facts for path, result in found if isinstance(result, Parsed)}

    def skips(self, entries: Sequence[Entry]) -> Iterator[ScanSkip]:
        for entry in entries:
            match self.results.get(scan_key(entry)):
                case Unreadable(reason=reason):
                    yield ScanSkip(path=entry.path, reason=reason)
                case Parsed(facts=facts):
                    for cell, reason in facts.skipped:
                        yield ScanSkip(path=f"{entry.path}[{cell}]", reason=reason)


def scan_key(entry: Entry) -> str:
    """Return the key of an entry's cached scan: its blob, told apart by kind of file."""
    return f"{entry.blob}.ipynb" if entry.path.endswith(".ipynb") else entry.blob


def _decoded(cached: Mapping[str, bytes]) -> dict[str, ScanResult]:
    found = {key: decode_result(data) for key, data in cached.items()}
    return {key: result for key, result in found.items() if result is not None}
