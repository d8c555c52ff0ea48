"""A limit on the whole of a call, for what has only limits on its parts.

A server that sends a byte a minute keeps every limit on silence, in its headers as well as in its
body, and looking up a name has no limit at all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from threading import Thread
from typing import TypeVar

from crawler.threads import LOOSE

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns; it runs in a thread, which is left behind when its time is over.

    So it must own what it works on: nothing of it may be used again after a TimeoutError.

    Raises:
        TimeoutError: It has not returned within that many seconds.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True, name=f"{LOOSE}call").start()
    try:
        return done.result(seconds)
    except TimeoutError:
        if done.done():
            raise  # its own
        raise TimeoutError(f"not done within {seconds:g} seconds") from None
