"""How far a crawl has come, on stderr: a bar on a terminal, a line for each source anywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crawler.models import RepoReport
from index.cli.output import note
from index.crawling import CrawlProgress, report_line
from index.plain_text import one_line

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def crawl_progress(sources: int) -> Iterator[CrawlProgress]:
    """Yield what a crawl of so many sources reports to; a terminal gets a bar."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield BarProgress(bars, sources)


class PlainProgress:
    """A line for each source."""

    def reading(self, source: str, done: int, total: int) -> None:
        """Say nothing: files go by too fast for lines."""

    def finished(self, report: RepoReport) -> None:
        """Say how a source ended."""
        note(report_line(report))


class BarProgress:
    """A bar for the sources, one for the files of the one at hand, and a line for each source."""

    def __init__(self, bars: Progress, sources: int) -> None:
        self._bars = bars
        self._sources = bars.add_task("sources", total=sources)
        self._files = bars.add_task("", total=None, visible=False)

    def reading(self, source: str, done: int, total: int) -> None:
        """Move the bar of the files."""
        self._bars.update(
            self._files, description=one_line(source), completed=done, total=total, visible=True
        )

    def finished(self, report: RepoReport) -> None:
        """Say how a source ended and move the bar of the sources."""
        line = one_line(report_line(report))
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._bars.update(self._files, visible=False)
        self._bars.advance(self._sources)
