"""What people read of a run: tables in Markdown, in which nothing from outside is markup."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import duckdb

from crawler.models import CrawlReport
from crawler.opened import is_left_for_next_run
from index.show.render import write_md
from index.table import Table

if TYPE_CHECKING:
    from index.automation.base import Base
    from index.automation.publication import Publication

# A page of the Actions takes one megabyte.
MAX_ROWS = 50

_COUNTS = {
    "kernels": "SELECT count(*) FROM kernel_rows WHERE removed_at IS NULL",
    "kernels that were removed": "SELECT count(*) FROM kernel_rows WHERE removed_at IS NOT NULL",
    "sources": "SELECT count(*) FROM repos",
    "files with kernels": "SELECT count(DISTINCT (repo, path)) FROM kernel_rows "
    "WHERE removed_at IS NULL",
}


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    out = io.StringIO()
    write_md(table, out)
    return out.getvalue()


def contents_table(new: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection | None) -> Table:
    """Return how much a new index holds of what, beside the one before."""
    rows = []
    for what, query in _COUNTS.items():
        count = int(new.execute(query).fetchall()[0][0])
        before = None if old is None else int(old.execute(query).fetchall()[0][0])
        rows.append((what, count, before))
    return Table(columns=("what", "now", "before"), rows=tuple(rows))


def crawl_summary(base: Base, report: CrawlReport) -> str:
    """Return what a crawl did, for the page of the run."""
    left = sum(is_left_for_next_run(repo.error) for repo in report.repos)
    statuses = Counter(str(repo.status) for repo in report.repos)
    totals = [
        ("sources", len(report.repos)),
        *((f"sources {status}", number) for status, number in sorted(statuses.items())),
        ("sources left for the next run", left),
        ("kernels added", sum(repo.added for repo in report.repos)),
        ("kernels changed", sum(repo.changed for repo in report.repos)),
        ("kernels removed", sum(repo.removed for repo in report.repos)),
        ("files parsed", sum(repo.files_parsed for repo in report.repos)),
        ("requests to GitHub", sum(repo.requests for repo in report.repos)),
        ("seconds", round(report.seconds)),
    ]
    trouble = [
        (repo.repo, str(repo.status), repo.error)
        for repo in report.repos
        if repo.error is not None and not is_left_for_next_run(repo.error)
    ]
    parts = [
        "## Crawl",
        _list([f"begun from {base.origin}" + (f" {base.tag}" if base.tag else ""), *base.notes]),
        markdown(Table(columns=("what", "number"), rows=tuple(totals))),
    ]
    if trouble:
        shown = Table(columns=("source", "status", "why"), rows=tuple(trouble[:MAX_ROWS]))
        parts += [f"### {len(trouble)} sources in trouble", markdown(shown)]
    return "\n\n".join(parts)


def publication_summary(done: Publication) -> str:
    """Return what became of a crawled index, for the page of the run."""
    parts = ["## Publication", _list([f"{done.verdict}: {done.tag or 'no release'}", *done.notes])]
    if done.reasons:
        parts += ["### Doubts", _list(done.reasons)]
    if done.files:
        table = Table(columns=("file", "bytes"), rows=done.files)
        parts += ["### Files", markdown(table)]
    return "\n\n".join(parts)


def trouble_text(reasons: tuple[str, ...], tag: str | None, address: str) -> str:
    """Return the text of the issue that says why nothing is published."""
    stays = f"The index of release {tag} stays in place." if tag else "No index is published."
    return "\n\n".join(
        [
            "The last crawl gave no index that could be published:",
            _list(reasons),
            f"{stays} The log: {address}",
            "Where the doubts are unfounded, for instance after a change of the scanner, run the "
            "workflow `crawl` by hand with `accept` ticked. This issue is rewritten by every run "
            "and closed by the first that publishes again.",
        ]
    )


def _list(lines: tuple[str, ...] | list[str]) -> str:
    """Return a list in Markdown, made by the same hand that makes the tables' cells safe."""
    return markdown(Table(columns=("notes",), rows=tuple((line,) for line in lines)))
