"""A crawl, from sources to a published index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol, cast

from crawler.cluster import Cluster
from crawler.models import CrawledRepo, CrawlReport, RepoReport, RepoStatus, SourceRepo
from crawler.pace import Pace
from crawler.run import crawl
from index.store import Store

_FAILURES = frozenset({RepoStatus.FAILED, RepoStatus.GONE})


class CrawlProgress(Protocol):
    """Who is told how far a crawl has come."""

    def reading(self, source: str, done: int, total: int) -> None:
        """Tell how many files of a source have been read, of how many; from any thread."""

    def waiting(self, why: str, seconds: float) -> None:
        """Tell that the crawl waits, why and how long; from any thread."""

    def broken(self, source: str, error: Exception) -> None:
        """Tell what went wrong with a source; from any thread."""

    def finished(self, report: RepoReport) -> None:
        """Tell how a source ended."""


def crawl_into(
    store: Store,
    sources: Sequence[SourceRepo],
    *,
    jobs: int | None,
    full: bool,
    progress: CrawlProgress,
    cache: Path | None = None,
    pace: Pace | None = None,
    cluster: Cluster | None = None,
) -> CrawlReport:
    """Crawl the sources, save each as it comes, and return the report on all.

    `cache` is the folder for clones, by default the user's. With a `cluster` its workers crawl,
    and this process alone writes.

    Raises:
        StoreError: the index cannot be written; what was saved before is safe.
    """
    run = store.begin_run()
    reports = []
    found = crawl(
        sources,
        known=store,
        jobs=jobs,
        full=full,
        on_progress=progress.reading,
        on_wait=progress.waiting,
        on_fault=progress.broken,
        cache=cache,
        pace=pace,
        cluster=cluster,
    )
    # Closed at once when it is cut short: its threads still ask the store.
    with closing(cast("Generator[CrawledRepo]", found)):
        for crawled in found:
            report = store.save(crawled, run)
            reports.append(report)
            progress.finished(report)
    return store.finish_run(run, reports)


def has_failures(report: CrawlReport) -> bool:
    """Tell whether a source could not be crawled."""
    return any(repo.status in _FAILURES for repo in report.repos)


def summary(report: CrawlReport) -> str:
    """Return one line on a whole crawl."""
    repos = report.repos
    failed = sum(repo.status in _FAILURES for repo in repos)
    skipped = sum(len(repo.skipped) for repo in repos)
    parts = [
        f"{_count(len(repos), 'source')} in {report.seconds:.1f} s",
        f"{failed} failed" if failed else "",
        f"{sum(repo.kernels for repo in repos):,} kernels ({_changes(*repos)})",
        f"{sum(repo.files_parsed for repo in repos):,} files parsed",
        f"{_count(skipped, 'file')} skipped" if skipped else "",
    ]
    return ", ".join(filter(None, parts))


def report_line(report: RepoReport) -> str:
    """Return one line on the crawl of one source."""
    if report.error is not None:
        return f"{report.status}: {report.repo}: {report.error.removeprefix(f'{report.repo}: ')}"
    parts = [f"{report.status}: {report.repo}: {report.kernels:,} kernels"]
    changes = _changes(report)
    parts += [f" ({changes})"] if changes != _changes() else []
    parts += [f", formerly {report.renamed_from}"] if report.renamed_from else []
    if report.skipped:
        parts.append(f", {_count(len(report.skipped), 'file')} skipped")
        reason, number = Counter(skip.reason for skip in report.skipped).most_common(1)[0]
        parts.append(f", {number:,} of them:" if number < len(report.skipped) else ":")
        parts.append(f" {reason}")
    return "".join(parts)


def _changes(*reports: RepoReport) -> str:
    added, changed, removed = (
        sum(getattr(report, what) for report in reports) for what in ("added", "changed", "removed")
    )
    return f"{added:,} added, {changed:,} changed, {removed:,} removed"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
