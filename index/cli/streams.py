"""How a process begins and ends: its streams, its imports, threads that are still at work."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def open_missing_streams() -> None:
    """Let a stream that came closed lead nowhere.

    The next file to be opened, such as an index, would take its number, and Python has none for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a number, open to the end


@contextmanager
def imports_for_good() -> Iterator[None]:
    """Spare the garbage collector what is imported here: it stays as long as the process.

    Looking through it again and again, and once more at exit, is a fifth of a short command's time.
    """
    was_on, n_before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > n_before:
            gc.freeze()
        if was_on:
            gc.enable()


def drop_stdout() -> None:
    """Let what is still to be written to stdout go nowhere: it failed, and would at exit again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave_threads_behind(code: int) -> None:
    """End the process at once if threads are still at work for which nobody waits.

    Taking the interpreter apart under them takes time, and what they hold is told as leaked.
    """
    from crawler.threads import are_left_behind

    if are_left_behind():
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(code)
