"""Scans files in worker processes, so that no file can hang, crash or fill up a crawl.

Parsers are native code: a hostile file may exhaust a stack, the memory, or minutes, and none of it
can be stopped from within. A worker that dies or reaches a limit costs the files of its batch,
which are then scanned one by one, so that only the culprit is left out. That says something of
this run and nothing of the file's bytes, so such a result is never kept (`Unscanned`).
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError, wait
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from types import TracebackType

from pebble import ProcessExpired, ProcessPool

from crawler.errors import TritonIndexError
from crawler.scan import scan_file
from crawler.scan.result import Unscanned, encode_result, to_result
from crawler.threads import no_interrupt

BATCH_SECONDS = 1.0
FILE_SECONDS = 3.0
"""How much of a processor's time one file may take: among others, and then, once more, alone.

A kernel file takes milliseconds. Time of the processor, so that a busy machine loses nothing.
"""
WORKER_BYTES = 2 << 30
"""How much memory a worker may ask for; the largest file there is takes a fifth of it."""
STALLED_SECONDS = 60.0
"""After so long by the clock a worker counts as stuck, whatever the processor did meanwhile."""

BATCH_BYTES = 1 << 20
BATCH_FILES = 64

_POLL_SECONDS = 0.1
_HAS_TIMER = hasattr(signal, "setitimer")


class ScanStoppedError(TritonIndexError):
    """The crawl is being given up, so nothing more is scanned."""


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


def scan_batch(tasks: Sequence[ScanTask], seconds: float = 0.0) -> list[Scanned]:
    """Return (key, encoded result) of each file; runs in a worker.

    A file that takes more than so many seconds of the processor ends the process; 0 for no limit.
    """
    # Scanning leaves almost no cycles behind, and looking for them takes a tenth of its time.
    gc.disable()
    found = []
    for task in tasks:
        _limit_time(seconds)
        found.append((task.key, encode_result(to_result(scan_file(task.path, task.data)))))
    _limit_time(0)
    gc.collect(1)  # what is young: the scanner's own modules need no looking through
    return found


def _limit_time(seconds: float) -> None:
    if _HAS_TIMER:
        signal.setitimer(signal.ITIMER_PROF, seconds)


def prepare_worker(memory: int) -> None:
    """Set the limits of a worker: what it may ask for, and that signals end it at once.

    A handler in Python would wait until native code returns.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _HAS_TIMER:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with suppress(ImportError, ValueError, OSError):  # not on every platform
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = memory if most == resource.RLIM_INFINITY else min(memory, most)
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


class ScanPool:
    """A pool of scanning processes, started when first needed; many threads may share it."""

    def __init__(
        self,
        jobs: int | None = None,
        *,
        batch_seconds: float = BATCH_SECONDS,
        file_seconds: float = FILE_SECONDS,
        memory: int = WORKER_BYTES,
    ) -> None:
        """Prepare a pool of `jobs` processes, by default one for each processor.

        Times are those of the processor, a file's among others and alone; `memory` is in bytes.
        """
        self.jobs = jobs or default_jobs()
        self.batch_seconds = batch_seconds
        self.file_seconds = file_seconds
        self.memory = memory
        self._pool: ProcessPool | None = None
        self._starting = Lock()
        self._stopped = Event()

    def __enter__(self) -> ScanPool:
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes; at once if the crawl is being given up."""
        if kind is not None:
            self.stop()
        elif self._pool is not None:
            self._pool.close()  # type: ignore[no-untyped-call]
            self._pool.join()

    def stop(self) -> None:
        """End the processes at once; whoever waits for a scan is told so."""
        self._stopped.set()
        with self._starting:
            if self._pool is not None:
                self._pool.stop()  # type: ignore[no-untyped-call]
                self._pool.join()

    def scan(self, tasks: Iterable[ScanTask]) -> Iterator[Scanned]:
        """Yield (key, encoded result) of every task, in no particular order.

        Raises:
            ScanStoppedError: The pool was stopped.
        """
        running: dict[Future[list[Scanned]], list[ScanTask]] = {}
        retry: list[ScanTask] = []
        for batch in batches_of(tasks):
            running[self._submit(batch, self.batch_seconds)] = batch
            if len(running) >= 4 * self.jobs:
                yield from self._collect(running, retry)
        while running:
            yield from self._collect(running, retry)
        alone = [(task, self._submit([task], self.file_seconds)) for task in retry]
        for task, future in alone:
            yield self._scanned_alone(task, future)

    def _submit(self, batch: list[ScanTask], seconds: float) -> Future[list[Scanned]]:
        wall = STALLED_SECONDS if _HAS_TIMER else seconds * len(batch)
        with self._starting:
            if self._stopped.is_set():
                raise ScanStoppedError("the crawl was stopped; run again to go on from here")
            # One whose processes were all killed from outside takes nothing more.
            if self._pool is None or not self._pool.active:
                self._pool = self._started()
            future: Future[list[Scanned]] = self._pool.schedule(
                scan_batch, args=(batch, seconds), timeout=wall
            )
        return future

    def _started(self) -> ProcessPool:
        """Return a pool whose processes hear nothing of Ctrl-C: they are ours to end."""
        with no_interrupt():
            # Spawned, not forked: a fork would copy the locks of the threads that fetch.
            pool = ProcessPool(
                max_workers=self.jobs,
                context=multiprocessing.get_context("spawn"),
                initializer=prepare_worker,
                initargs=(self.memory,),
            )
            _ = pool.active  # starts it, here, where the signal is blocked
        return pool

    def _wait(self, futures: Iterable[Future[list[Scanned]]]) -> set[Future[list[Scanned]]]:
        """Return those of the futures that are done, once there are any."""
        waiting = list(futures)
        while not self._stopped.is_set():
            done, _ = wait(waiting, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
            if done:
                return done
        raise ScanStoppedError("the crawl was stopped; run again to go on from here")

    def _collect(
        self, running: dict[Future[list[Scanned]], list[ScanTask]], retry: list[ScanTask]
    ) -> Iterator[Scanned]:
        for future in self._wait(running):
            batch = running.pop(future)
            try:
                found = future.result()
            except Exception:
                retry.extend(batch)
            else:
                yield from found

    def _scanned_alone(self, task: ScanTask, future: Future[list[Scanned]]) -> Scanned:
        self._wait([future])
        try:
            return future.result()[0]
        except TimeoutError:
            reason = self._too_long()
        except ProcessExpired as error:
            reason = self._how_it_ended(error.exitcode)
        except MemoryError:
            reason = f"needs more than {self.memory >> 20} MiB to scan"
        except Exception as error:
            reason = f"could not be scanned: {type(error).__name__}"
        return task.key, encode_result(Unscanned(reason))

    def _how_it_ended(self, exitcode: int) -> str:
        if _HAS_TIMER and exitcode == -signal.SIGPROF:
            return self._too_long()
        # So the system ends what takes too much memory, and a person what they want to end.
        if exitcode in (-signal.SIGTERM, -signal.SIGINT, -9):
            return "its scan was killed"
        return "crashed the parser"

    def _too_long(self) -> str:
        return f"took longer than {self.file_seconds:g} s to scan"


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
