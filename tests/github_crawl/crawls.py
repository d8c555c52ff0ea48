"""Whole crawls of the GitHub-shaped server into an index, and what is then in the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from crawler.models import CrawlReport, RepoReport, SourceRepo
from crawler.pace import Pace
from crawler.snapshot.git_fetch import FetchLimits
from crawler.sources import parse_sources
from index.crawling import crawl_into, report_line
from index.store import Store
from tests.github_server import GithubServer

SECRET = "ghs_s3cr3t/+&Token"

# All but dates and what tells of runs. An ETag of metadata tells of the server's port too.
TABLES = {
    "kernel_rows": "* EXCLUDE (first_seen, last_seen) REPLACE (removed_at IS NULL AS removed_at)",
    "repos": """
        * EXCLUDE (github, first_crawled_at, last_crawled_at, last_seen_at, status, files_parsed),
        json_merge_patch(github, '{"described_at": null, "metadata_etag": null}'),
        github->>'metadata_etag' IS NULL
    """,
    "skips": "*",
    "repo_blobs": "*",
    "scan_cache": "*",
    "file_history": "*",
    "search_documents": "*",
    "search_postings": "*",
}


def kernel_file(*names: str, step: int = 1) -> str:
    """Return a Python file with these kernels; `step` tells one version of them from another."""
    head = "import triton\nimport triton.language as tl\n"
    return head + "".join(
        f"\n\n@triton.jit\ndef {name}(x_ptr, BLOCK: tl.constexpr):\n"
        f"    offsets = tl.arange(0, BLOCK)\n"
        f"    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets) + {step})\n"
        for name in names
    )


@dataclass
class Listener:
    """Keeps what a crawl says of its progress."""

    lines: list[str] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    on_finished: Callable[[RepoReport], None] = lambda report: None

    def reading(self, source: str, done: int, total: int) -> None:
        pass

    def waiting(self, why: str, seconds: float) -> None:
        self.waits.append((why, seconds))

    def broken(self, source: str, error: Exception) -> None:
        pass

    def finished(self, report: RepoReport) -> None:
        self.lines.append(report_line(report))
        self.on_finished(report)


def no_sleep(seconds: float) -> None:
    """Let a wait be over at once."""


@dataclass
class Crawls:
    """Crawls one server into one index, in no time: waits are over at once."""

    server: GithubServer
    db: Path
    cache: Path
    pace: Pace = field(
        default_factory=lambda: Pace(
            answer=0.3, spacing=0, sleep=no_sleep, fetch=FetchLimits(silent_seconds=1)
        )
    )

    def run(
        self, *sources: str | SourceRepo, full: bool = False, listener: Listener | None = None
    ) -> CrawlReport:
        """Crawl these sources, publish, and return the report."""
        words = [word for word in sources if isinstance(word, str)]
        listed = [source for source in sources if isinstance(source, SourceRepo)]
        with Store.open_for_writing(self.db) as store:
            return crawl_into(
                store,
                [*parse_sources(words), *listed],
                jobs=1,
                full=full,
                progress=listener or Listener(),
                cache=self.cache,
                pace=self.pace,
            )

    def one(self, source: str | SourceRepo, *, full: bool = False) -> RepoReport:
        """Crawl one source and return what became of it."""
        (report,) = self.run(source, full=full).repos
        return report

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a query gives from the published index."""
        with duckdb.connect(self.db, read_only=True) as con:
            return con.execute(query).fetchall()

    def live(self) -> list[str]:
        """Return the ids of the live kernels."""
        found = self.rows("SELECT id FROM kernels WHERE removed_at IS NULL ORDER BY id")
        return [id for (id,) in found]

    def contents(self) -> dict[str, list[str]]:
        """Return every row of the index but dates and what tells of runs."""
        return {
            table: sorted(map(repr, self.rows(f"SELECT {columns} FROM {table}")))
            for table, columns in TABLES.items()
        }


def requests_of(reports: Iterable[RepoReport]) -> int:
    """Return how many requests the reports tell of."""
    return sum(report.requests for report in reports)
