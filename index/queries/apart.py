"""A call in a process of its own, which can be ended: for what neither memory nor time would stop.

A database counts what its operators hold, not what one value weighs, and looks at no clock while it
makes one.
"""

from __future__ import annotations

import math
import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from crawler.errors import TritonIndexError
from crawler.threads import no_interrupt

_DONE, _NEWS, _FAULT = range(3)


class EndedApartError(Exception):
    """The process ended without an answer: for want of memory, or by a fault of native code."""


class TooMuchError(Exception):
    """The call gives more than is taken from it."""


def yield_apart(
    call: Callable[..., Iterator[Any]],
    *arguments: object,
    seconds: float,
    memory: int,
    most_bytes: int,
) -> Iterator[Any]:
    """Yield what the generator function `call`, which is imported by its name, yields elsewhere.

    It may take so many seconds in all and bytes of memory, and give so many bytes. Its own errors
    are raised here if they are of this program.

    Raises:
        TimeoutError: its time is over.
        TooMuchError: it gives too much.
        EndedApartError: it ended without an answer.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    work = (theirs, call, arguments, memory, seconds)
    child = context.Process(target=_serve, args=work, daemon=True)
    deadline = time.monotonic() + seconds
    with ours:
        with theirs, no_interrupt():
            child.start()
        try:
            yield from _received(ours, deadline, most_bytes)
        finally:
            child.kill()
            child.join()


def _received(ours: Connection, deadline: float, most_bytes: int) -> Iterator[Any]:
    left = most_bytes
    while True:
        if not ours.poll(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        try:
            data = ours.recv_bytes()
        except EOFError as error:
            raise EndedApartError from error
        left -= len(data)
        if left < 0:
            raise TooMuchError
        kind, value = pickle.loads(data)  # noqa: S301 - of our own process
        if kind == _DONE:
            return
        if kind == _FAULT:
            raise value
        yield value


def _serve(
    theirs: Connection,
    call: Callable[..., Iterator[Any]],
    arguments: tuple[object, ...],
    memory: int,
    seconds: float,
) -> None:
    """Send what the call yields; runs in the other process, which is ended from outside."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(memory, seconds)
    try:
        for value in call(*arguments):
            theirs.send_bytes(pickle.dumps((_NEWS, value), protocol=5))
        answer: tuple[int, object] = (_DONE, None)
    except TritonIndexError as error:
        answer = (_FAULT, error)
    except MemoryError:
        return
    theirs.send_bytes(pickle.dumps(answer))


def _limit(memory: int, seconds: float) -> None:
    """Bound what the process may take, so that it ends even if nobody is left to end it."""
    with suppress(ImportError):  # not on every platform
        import resource

        # Data rather than addresses: each thread reserves many of those and uses few.
        time_of_all = math.ceil(seconds * multiprocessing.cpu_count())
        for kind, value in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CPU, time_of_all)):
            _, most = resource.getrlimit(kind)
            limit = value if most == resource.RLIM_INFINITY else min(value, most)
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (limit, most))
