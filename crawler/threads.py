"""Threads that nobody has to wait for: a crawl that is given up leaves them behind.

Those of `concurrent.futures` are waited for when the program ends, whatever they do: unpacking,
hashing a folder, waiting for git. None of that can be broken off from outside.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from threading import enumerate as all_threads
from typing import Generic, TypeVar

LOOSE = "loose-"
"""How the names of threads begin that nobody waits for."""

T = TypeVar("T")
Task = tuple[Future[T], Callable[[], T]]


def are_left_behind() -> bool:
    """Tell whether a thread that nobody waits for is still at work."""
    return any(thread.name.startswith(LOOSE) for thread in all_threads())


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Block Ctrl-C in this thread; what it starts meanwhile inherits that."""
    if not hasattr(signal, "pthread_sigmask"):  # not on every platform
        yield
        return
    from multiprocessing import resource_tracker

    # It lets the signal through again where it is started, so it must be there before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LooseThreads(Generic[T]):
    """So many threads that carry out calls in the order given; `stop` it at the end."""

    def __init__(self, count: int, name: str) -> None:
        self._tasks: SimpleQueue[Task[T] | None] = SimpleQueue()
        self._count = count
        self._futures: list[Future[T]] = []
        for _ in range(count):
            Thread(target=self._work, name=LOOSE + name, daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Return what will hold the result of the call."""
        future: Future[T] = Future()
        self._futures = [each for each in self._futures if not each.done()]
        self._futures.append(future)
        self._tasks.put((future, call))
        return future

    def stop(self, seconds: float) -> None:
        """Drop the calls that have not begun; wait for the others, but no longer than that."""
        for future in self._futures:
            future.cancel()
        for _ in range(self._count):
            self._tasks.put(None)
        wait([future for future in self._futures if not future.cancelled()], timeout=seconds)

    def _work(self) -> None:
        # What a thread starts inherits this: Ctrl-C in a terminal reaches every process of the
        # group, and those that are ours to end would each say something of it.
        with suppress(AttributeError):  # not on every platform
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while (task := self._tasks.get()) is not None:
            future, call = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
