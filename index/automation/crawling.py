"""A crawl that goes on from the published index, within what the runner and the token give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crawler.models import SourceRepo
from crawler.pace import Pace
from index.automation.actions import Job
from index.automation.base import fetch_base
from index.automation.summary import crawl_summary
from index.cli.output import note
from index.cli.progress import crawl_progress
from index.crawling import crawl_into, summary
from index.files.published import INDEX_NAME
from index.store import Store


def crawl_from_published(
    job: Job, folder: Path, sources: Sequence[SourceRepo], *, minutes: float, requests: int
) -> str:
    """Leave a crawled index in `folder`, and return what to show of the crawl.

    Raises:
        GithubError: The releases cannot be listed.
        PublishedError: The published index cannot be reached now.
        StoreError: The index cannot be written.
    """
    index = folder / INDEX_NAME
    base = fetch_base(job, index, with_scans=True)
    for line in base.notes:
        note(line)
    pace = Pace(requests=requests, granted=60 * minutes)
    with Store.open_for_writing(index) as store, crawl_progress(len(sources)) as progress:
        report = crawl_into(
            store,
            sources,
            jobs=None,
            full=False,
            progress=progress,
            cache=folder / "cache",
            pace=pace,
        )
    note(summary(report))
    return crawl_summary(base, report)
