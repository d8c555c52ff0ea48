"""Scans files in worker processes, so that no file can hang or crash a crawl.

Parsers are native code: a hostile file may exhaust a stack or take minutes, and neither can be
stopped from within. A worker that dies or runs over its time costs the files of its batch, which
are then scanned one by one, so that only the culprit is skipped.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError, wait
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from crawler.scan import scan_file
from crawler.scan.result import Unreadable, encode_result, to_result

FILE_SECONDS = 20
"""A kernel file takes milliseconds, a whole batch a second or two; what takes this long is not
worth waiting for."""

BATCH_BYTES = 1 << 20
BATCH_FILES = 64


@dataclass(frozen=True, slots=True)
class ScanTask:
    """A file to scan: the key of its result, its path, its bytes."""

    key: str
    path: str
    data: bytes


Scanned = tuple[str, bytes]


def default_jobs() -> int:
    """Return how many processes may really run at once here."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1


def scan_batch(tasks: Sequence[ScanTask]) -> list[Scanned]:
    """Return (key, encoded result) of each file; runs in a worker."""
    # Scanning leaves almost no cycles behind, and looking for them takes a tenth of its time.
    gc.disable()
    found = [
        (task.key, encode_result(to_result(scan_file(task.path, task.data)))) for task in tasks
    ]
    gc.collect(1)  # what is young: the scanner's own modules need no looking through
    return found


class ScanPool:
    """A pool of scanning processes, started when first needed; many threads may share it."""

    def __init__(self, jobs: int | None = None, *, file_seconds: float = FILE_SECONDS) -> None:
        """Prepare a pool of `jobs` processes, by default one for each processor."""
        self.jobs = jobs or default_jobs()
        self.file_seconds = file_seconds
        self._pool: ProcessPool | None = None
        self._starting = Lock()

    def __enter__(self) -> ScanPool:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the processes; at once if the crawl is being given up."""
        if self._pool is not None:
            if kind is None:
                self._pool.close()  # type: ignore[no-untyped-call]
            else:
                self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()

    def scan(self, tasks: Iterable[ScanTask]) -> Iterator[Scanned]:
        """Yield (key, encoded result) of every task, in no particular order."""
        running: dict[Future[list[Scanned]], list[ScanTask]] = {}
        retry: list[ScanTask] = []
        for batch in batches_of(tasks):
            running[self._submit(batch)] = batch
            if len(running) >= 4 * self.jobs:
                yield from self._collect(running, retry)
        while running:
            yield from self._collect(running, retry)
        alone = [(task, self._submit([task])) for task in retry]
        for task, future in alone:
            yield self._scanned_alone(task, future)

    def _submit(self, batch: list[ScanTask]) -> Future[list[Scanned]]:
        with self._starting:
            if self._pool is None:
                # Spawned, not forked: a fork would copy the locks of the threads that fetch.
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPool(max_workers=self.jobs, context=context)
        future: Future[list[Scanned]] = self._pool.schedule(
            scan_batch, args=(batch,), timeout=self.file_seconds
        )
        return future

    def _collect(
        self, running: dict[Future[list[Scanned]], list[ScanTask]], retry: list[ScanTask]
    ) -> Iterator[Scanned]:
        done, _ = wait(running, return_when="FIRST_COMPLETED")
        for future in done:
            batch = running.pop(future)
            try:
                yield from future.result()
            except Exception:
                retry.extend(batch)

    def _scanned_alone(self, task: ScanTask, future: Future[list[Scanned]]) -> Scanned:
        try:
            return future.result()[0]
        except TimeoutError:
            reason = f"took longer than {self.file_seconds} s to scan"
        except ProcessExpired:
            reason = "crashed the parser"
        except Exception as error:
            reason = f"could not be scanned: {type(error).__name__}"
        return task.key, encode_result(Unreadable(reason))


def batches_of(tasks: Iterable[ScanTask]) -> Iterator[list[ScanTask]]:
    """Yield the tasks in batches that are worth sending to a process."""
    batch: list[ScanTask] = []
    size = 0
    for task in tasks:
        batch.append(task)
        size += len(task.data)
        if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
