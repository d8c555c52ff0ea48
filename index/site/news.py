"""What the crawls brought, the latest first: a page and an Atom feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import urljoin

import duckdb

from index.site.folder import SiteFolder
from index.site.kernels import Kernels
from index.site.pages import Page, render

MOST_RUNS = 30
MOST_NAMED = 40
FEED = "feed.atom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One crawl that changed something: counts by kind and source, and some of the new kernels."""

    id: str
    at: datetime
    counts: dict[str, int]
    by_repo: Sequence[tuple[str, dict[str, int]]]
    added: Sequence[str]

    @property
    def headline(self) -> str:
        """What it did in a few words."""
        said = [f"{n:,} {kind}" for kind, n in sorted(self.counts.items())]
        sources = f"{len(self.by_repo):,} source{'' if len(self.by_repo) == 1 else 's'}"
        return f"{', '.join(said)} in {sources}"


def write_news(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels, base_url: str | None
) -> None:
    """Write the page and the feed; with `base_url` the feed's links lead somewhere."""
    runs = _runs(con)
    page = Page(
        address="new.html",
        title="What is new among Triton kernels",
        about="What each crawl added, changed and found gone.",
    )
    folder.page(page.address, render("new.html", page, runs=runs, repos=kernels.by_repo))
    folder.write(FEED, _feed(runs, base_url))


def _runs(con: duckdb.DuckDBPyConnection) -> list[Run]:
    found: dict[str, tuple[datetime, dict[str, int], dict[str, dict[str, int]]]] = {}
    for run, at, repo, kind, n in con.execute(_CHANGES, [MOST_RUNS]).fetchall():
        _, counts, by_repo = found.setdefault(run, (at, {}, {}))
        counts[kind] = counts.get(kind, 0) + n
        by_repo.setdefault(repo, {})[kind] = n
    return [
        Run(
            id=run,
            at=at,
            counts=counts,
            by_repo=sorted(by_repo.items(), key=lambda item: (-sum(item[1].values()), item[0])),
            added=[id for (id,) in con.execute(_ADDED, [run, MOST_NAMED]).fetchall()],
        )
        for run, (at, counts, by_repo) in found.items()
    ]


def _feed(runs: Sequence[Run], base_url: str | None) -> str:
    home = base_url or ""
    updated = _moment(runs[0].at) if runs else "1970-01-01T00:00:00Z"
    entries = "".join(_entry(run, home) for run in runs)
    itself = f'<link rel="self" href="{escape(urljoin(home, FEED))}"/>' if home else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom">'
        "<title>triton-index: what is new</title>"
        "<id>tag:triton-index,2026:news</id>"
        f'{itself}<link href="{escape(urljoin(home, "new.html"))}"/>'
        f"<updated>{updated}</updated><author><name>triton-index</name></author>{entries}</feed>\n"
    )


def _entry(run: Run, home: str) -> str:
    link = urljoin(home, f"new.html#{run.id}")
    lines = [f"{repo}: {', '.join(f'{n} {k}' for k, n in kinds.items())}"
             for repo, kinds in run.by_repo[:MOST_NAMED]]  # fmt: skip
    return (
        f"<entry><title>{escape(run.headline)}</title>"
        f"<id>tag:triton-index,2026:{escape(run.id)}</id><updated>{_moment(run.at)}</updated>"
        f'<link href="{escape(link)}"/><content type="text">{escape(chr(10).join(lines))}'
        "</content></entry>"
    )


def _moment(at: datetime) -> str:
    return f"{at.replace(microsecond=0, tzinfo=None).isoformat()}Z"


_CHANGES = """
WITH latest AS (
    SELECT run_id, started_at FROM runs
    WHERE run_id IN (SELECT run_id FROM changes) ORDER BY started_at DESC, run_id DESC LIMIT ?
)
SELECT run_id, started_at, repo, kind, count(*)
FROM changes JOIN latest USING (run_id) GROUP BY ALL
ORDER BY started_at DESC, run_id DESC, repo, kind
"""

_ADDED = """
SELECT c.id FROM changes AS c JOIN kernels AS k USING (id)
WHERE c.run_id = ? AND c.kind = 'added' AND k.removed_at IS NULL AND k.is_test IS NOT TRUE
ORDER BY k.standing DESC, c.id LIMIT ?
"""
