"""A snapshot -> all that is stored of it.

files worth a parse -> facts (from the cache where the blob is known) -> linked kernels -> records
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crawler.errors import SnapshotError
from crawler.history import Histories
from crawler.models import (
    CachedScan,
    CrawledRepo,
    Document,
    DocumentKind,
    Entry,
    KnownState,
    LostFile,
    RepoStatus,
    ScanSkip,
    Snapshot,
)
from crawler.pool import ScanPool, ScanTask
from crawler.records import kernel_records, operation_records
from crawler.scan import (
    FileFacts,
    is_aside,
    link_source,
    may_hold_kernels,
    offered_names,
    operation_names,
    scan_version,
)
from crawler.scan.result import (
    Gated,
    Parsed,
    ScanResult,
    Unreadable,
    Unscanned,
    concerns,
    decode_result,
    encode_result,
    held_back,
)
from crawler.snapshot.select import is_metadata, is_source

MAX_FILES = 50_000
"""Files of one source that are read, in the order of their paths; the largest seen has 12,000."""
MAX_KERNELS = 20_000
"""Kernels of one source, likewise; the largest seen has 6,000."""
MAX_CALLERS_READ = 400
"""Files of one source that are read for what they call alone; libraries have up to 200."""
MAX_DOCUMENTS = 500
MAX_DOCUMENT_BYTES = 128 << 10

_INCOMPLETE = "+incomplete"
"""Marks what a source was read with as another scanner's: the next crawl reads it again."""

_TELLING = re.compile(
    r"licen[cs]e|spdx|copyright|generated|github\.com|credit"
    r"|\b(?:adapted|adopted|borrowed|copied|derived|modified|ported|taken|based)\b",
    re.IGNORECASE,
)
"""What a head must mention to be kept: nothing else is asked of it."""

Progress = Callable[[str, int, int], None]
"""Called with (source, files done, files to scan) while a source is read."""


def read_snapshot(
    snapshot: Snapshot,
    so_far: CrawledRepo,
    *,
    known: KnownState,
    pool: ScanPool,
    full: bool = False,
    on_progress: Progress | None = None,
) -> CrawledRepo:
    """Return `so_far` with all that the snapshot gives; with `full`, no cached scan is used."""
    reading = _Reading(snapshot, known, pool, full=full, on_progress=on_progress)
    return reading.crawled(so_far)


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
    documents: list[Document] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    """Why the content of a blob could not be had, by the key of its scan."""
    parsed: int = 0

    def crawled(self, so_far: CrawledRepo) -> CrawledRepo:
        sources = [entry for entry in self.snapshot.entries() if is_source(entry.path)]
        entries, beyond = sources[:MAX_FILES], sources[MAX_FILES:]
        keys = {scan_key(entry) for entry in entries}
        if not self.full:
            cached = self.known.scans(sorted(keys), scan_version())
            self.results = _decoded(cached)
        unknown = [entry for entry in entries if scan_key(entry) not in self.results]
        documents = [entry for entry in self.snapshot.entries() if is_document(entry)]
        self.read(unknown, documents=documents[:MAX_DOCUMENTS])
        self.read_held_back(entries)
        is_incomplete = self.is_incomplete(entries)
        self.read_callers(entries)
        facts, crowded = _first_kernels(self.facts(entries))
        linked = link_source(facts, paths=[e.path for e in entries])
        kernels = kernel_records(self.snapshot, linked.kernels)
        skipped = (
            *self.snapshot.skipped,
            *self.skips(entries),
            *_left_out(crowded, f"more than {MAX_KERNELS:,} kernels in one source"),
            *_left_out([e.path for e in beyond], f"more than {MAX_FILES:,} files in one source"),
        )
        # What was not read may be what makes kernels of the functions of other files.
        is_unsure = is_incomplete or any(isinstance(skip, LostFile) for skip in skipped)
        kept = {skip.path for skip in skipped} | {*crowded, *(e.path for e in beyond)}
        if is_unsure:
            kept |= {entry.path for entry in entries}
        histories = self.histories(entries, {kernel.path for kernel in kernels})
        return replace(
            so_far,
            status=RepoStatus.UPDATED if entries else RepoStatus.EMPTY,
            files_seen=len(sources),
            files_parsed=self.parsed,
            kernels=kernels,
            operations=operation_records(self.snapshot, linked.operations),
            skipped=skipped,
            kept=tuple(sorted(kept)),
            scanner_version=so_far.scanner_version + (_INCOMPLETE if is_incomplete else ""),
            scans=tuple(self.fresh[key] for key in sorted(self.fresh)),
            documents=(*self.documents, *_heads(facts)),
            histories=histories.files,
            is_history_due=histories.is_cut_short,
            blobs=tuple(sorted(keys)),
            requests=so_far.requests + histories.requests,
        )

    def read(
        self, entries: Sequence[Entry], *, documents: Sequence[Entry] = (), gated: bool = True
    ) -> None:
        """Read and scan entries; the byte gate holds back what cannot matter.

        Documents are read with them, since a remote source gives all that it is asked at once.
        """
        for key, data in self.pool.scan(self.tasks(entries, documents, gated=gated)):
            result = decode_result(data)
            if result is not None:
                self.keep(key, result, data)
                self.parsed += not isinstance(result, Unscanned)

    def tasks(
        self, entries: Sequence[Entry], documents: Sequence[Entry], *, gated: bool
    ) -> Iterator[ScanTask]:
        # Equal files are read once: the last entry of a blob stands for all.
        to_scan = {entry.path for entry in {scan_key(e): e for e in entries}.values()}
        paths = to_scan | {entry.path for entry in documents}
        wanted = [entry for entry in self.snapshot.entries() if entry.path in paths]
        for done, (entry, data) in enumerate(self.snapshot.read(wanted), start=1):
            if self.on_progress is not None:
                self.on_progress(self.snapshot.repo, done, len(wanted))
            if isinstance(data, bytes) and is_document(entry):
                text = data[:MAX_DOCUMENT_BYTES]
                document = Document(path=entry.path, kind=DocumentKind.FILE, text=text)
                self.documents.append(document)
            if entry.path not in to_scan:
                continue
            if isinstance(data, LostFile):
                self.lost[scan_key(entry)] = data.reason
                self.results[scan_key(entry)] = Unscanned(data.reason)
            elif isinstance(data, ScanSkip):
                self.results[scan_key(entry)] = Unreadable(data.reason)
            elif gated and not may_hold_kernels(data):
                result = held_back(data)
                self.keep(scan_key(entry), result, encode_result(result))
            else:
                yield ScanTask(scan_key(entry), entry.path, data)

    def keep(self, key: str, result: ScanResult, data: bytes) -> None:
        self.results[key] = result
        if not isinstance(result, Unscanned):
            self.fresh[key] = CachedScan(blob=key, facts=data)

    def is_incomplete(self, entries: Sequence[Entry]) -> bool:
        """Tell whether a file is still to be read.

        Raises:
            SnapshotError: The content of none of them can be had.
        """
        keys = {scan_key(entry) for entry in entries}
        if self.lost and keys == self.lost.keys():
            reason = next(iter(self.lost.values()))
            files = f"{len(entries):,} files" if len(entries) > 1 else "file"
            raise SnapshotError(
                f"{self.snapshot.repo}: nothing of its {files} can be read ({reason}); make it "
                "whole and run again"
            )
        return any(isinstance(self.results.get(key), Unscanned) for key in keys)

    def read_held_back(self, entries: Sequence[Entry]) -> None:
        """Read what the gate held back but imports or applies a name that matters here.

        A file may get its jit under any name, and hand on kernels, without a word that the gate
        knows. What is read may offer more names, so this goes on until nothing is left.
        """
        asked: set[str] = set()
        while True:
            offered = offered_names(self.facts(entries))
            wanted = []
            for entry in entries:
                key = scan_key(entry)
                result = self.results.get(key)
                if isinstance(result, Gated) and key not in asked and concerns(result, offered):
                    wanted.append(entry)
            if not wanted:
                return
            asked.update(map(scan_key, wanted))
            self.read(wanted, gated=False)

    def read_callers(self, entries: Sequence[Entry]) -> None:
        """Read what the gate held back but imports an operation: modules and functions above it.

        One round is enough: what only stands above those is a model.
        """
        names = operation_names(self.facts(entries))
        results = ((entry, self.results.get(scan_key(entry))) for entry in entries)
        wanted = [
            entry
            for entry, result in results
            if isinstance(result, Gated)
            and not names.isdisjoint(result.imports)
            and not is_aside(entry.path)
        ]
        self.read(wanted[:MAX_CALLERS_READ], gated=False)

    def histories(self, entries: Sequence[Entry], paths: Container[str]) -> Histories:
        """Return the histories of those of the files that changed; nothing is known of go first."""
        known = {} if self.full else self.known.histories(self.snapshot.repo)
        wanted = [e for e in entries if e.path in paths and known.get(e.path) != e.blob]
        return self.snapshot.histories(sorted(wanted, key=lambda e: (e.path in known, e.path)))

    def facts(self, entries: Sequence[Entry]) -> Mapping[str, FileFacts]:
        found = ((entry.path, self.results.get(scan_key(entry))) for entry in entries)
        return {path: result.facts for path, result in found if isinstance(result, Parsed)}

    def skips(self, entries: Sequence[Entry]) -> Iterator[ScanSkip]:
        for entry in entries:
            match self.results.get(scan_key(entry)):
                case Unreadable(reason=reason) | Unscanned(reason=reason):
                    yield ScanSkip(path=entry.path, reason=reason)
                case Parsed(facts=facts):
                    for cell, reason in facts.skipped:
                        yield ScanSkip(path=f"{entry.path}[{cell}]", reason=reason)


def _first_kernels(
    facts: Mapping[str, FileFacts],
) -> tuple[Mapping[str, FileFacts], Sequence[str]]:
    """Return the files whose kernels together are not too many, and the paths of the others."""
    taken: dict[str, FileFacts] = {}
    crowded: list[str] = []
    total = 0
    for path, found in facts.items():
        kernels = sum(function.kernel is not None for function in found.functions)
        if total + kernels > MAX_KERNELS:
            crowded.append(path)
            continue
        total += kernels
        taken[path] = found
    return taken, crowded


def _left_out(paths: Sequence[str], reason: str) -> Iterator[ScanSkip]:
    """Yield one skip for files that a limit on their number leaves out; they may be very many."""
    if paths:
        others = f", {len(paths) - 1:,} files after it too" if len(paths) > 1 else ""
        yield ScanSkip(path=paths[0], reason=f"left out{others}: {reason}")


def is_document(entry: Entry) -> bool:
    """Tell whether a file says something of the source that the index keeps; prose does not."""
    name = entry.path.rpartition("/")[2].lower()
    return is_metadata(entry.path) and not name.startswith(("readme", "notice"))


def _heads(facts: Mapping[str, FileFacts]) -> Iterator[Document]:
    for path in sorted(facts):
        head = facts[path].head
        if _TELLING.search(head):
            yield Document(path=path, kind=DocumentKind.HEAD, text=head.encode("utf-8", "replace"))


def scan_key(entry: Entry) -> str:
    """Return the key of an entry's cached scan: its blob, told apart by kind of file."""
    return f"{entry.blob}.ipynb" if entry.path.endswith(".ipynb") else entry.blob


def _decoded(cached: Mapping[str, bytes]) -> dict[str, ScanResult]:
    found = {key: decode_result(data) for key, data in cached.items()}
    return {key: result for key, result in found.items() if result is not None}
