"""How far a crawl has come, on stderr: a bar on a terminal, a line for each source anywhere."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from crawler.models import RepoReport
from index.cli.output import note, say_waiting, waiting_line
from index.crawling import CrawlProgress, report_line
from index.plain_text import one_line, printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

Tell = Callable[[int, int | None], None]
"""Is told how many are done, of how many where that is known."""


@contextmanager
def crawl_progress(sources: int, *, debug: bool = False) -> Iterator[CrawlProgress]:
    """Yield what a crawl of so many sources reports to; a terminal gets a bar.

    With `debug`, it shows the traceback of whatever goes wrong with a source.
    """
    if not sys.stderr.isatty():
        yield PlainProgress(debug=debug)
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
        yield BarProgress(bars, sources, debug=debug)


def download_progress() -> AbstractContextManager[Tell]:
    """Yield what is told how many bytes of a file have come, of how many; silent off a terminal."""

    def columns() -> Iterable[ProgressColumn]:
        from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn

        return BarColumn(), DownloadColumn(), TransferSpeedColumn()

    return _one_bar(columns)


def counting_progress() -> AbstractContextManager[Tell]:
    """Yield what is told how many are done, of how many; a bar on a terminal, else silent."""

    def columns() -> Iterable[ProgressColumn]:
        from rich.progress import BarColumn, MofNCompleteColumn

        return BarColumn(), MofNCompleteColumn()

    return _one_bar(columns)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something goes on, and for how long; silent off one."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bars.add_task(what, total=None)
        yield


@contextmanager
def _one_bar(columns: Callable[[], Iterable[ProgressColumn]]) -> Iterator[Tell]:
    """Yield what moves a bar of these columns, which are made for a terminal alone."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class PlainProgress:
    """A line for each source."""

    def __init__(self, *, debug: bool) -> None:
        self._debug = debug

    def reading(self, source: str, done: int, total: int) -> None:
        """Say nothing: files go by too fast for lines."""

    def waiting(self, why: str, seconds: float) -> None:
        """Say that the crawl waits."""
        say_waiting(why, seconds)

    def broken(self, source: str, error: Exception) -> None:
        """Show where, to whoever wants to know."""
        if self._debug:
            sys.stderr.write(_traceback(error))

    def finished(self, report: RepoReport) -> None:
        """Say how a source ended."""
        note(report_line(report))


class BarProgress:
    """A bar for the sources, one for each that is being read, and a line for each that was."""

    def __init__(self, bars: Progress, sources: int, *, debug: bool) -> None:
        self._bars = bars
        self._debug = debug
        self._sources = bars.add_task("sources", total=sources)
        self._files: dict[str, TaskID] = {}
        self._turn = Lock()

    def reading(self, source: str, done: int, total: int) -> None:
        """Move the bar of a source; it goes when all its files are read."""
        with self._turn:
            if source not in self._files:
                self._files[source] = self._bars.add_task(one_line(source), total=total)
            self._bars.update(self._files[source], completed=done, total=total)
            if done >= total:
                self._bars.remove_task(self._files.pop(source))

    def waiting(self, why: str, seconds: float) -> None:
        """Say that the crawl waits."""
        self._say(waiting_line(why, seconds))

    def broken(self, source: str, error: Exception) -> None:
        """Show where, to whoever wants to know."""
        if self._debug:
            self._bars.console.print(_traceback(error), markup=False, highlight=False)

    def finished(self, report: RepoReport) -> None:
        """Say how a source ended and move the bar of the sources."""
        self._say(report_line(report))
        self._bars.advance(self._sources)

    def _say(self, line: str) -> None:
        self._bars.console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def _traceback(error: Exception) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "".join(f"{printable(line)}\n" for line in lines)
