"""Threads for which nobody waits."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event

import pytest

from crawler.threads import LooseThreads, are_left_behind


def test_calls_are_carried_out_and_their_errors_told() -> None:
    threads: LooseThreads[int] = LooseThreads(2, "test")
    assert [threads.submit(lambda n=n: n * n).result() for n in range(5)] == [0, 1, 4, 9, 16]
    failed = threads.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result()
    threads.stop(60)
    while are_left_behind():
        pass


def test_what_has_not_begun_is_dropped_and_what_has_is_left_behind() -> None:
    begun, over = Event(), Event()

    def wait() -> bool:
        begun.set()
        return over.wait()

    threads: LooseThreads[bool] = LooseThreads(1, "test")
    stuck, never = threads.submit(wait), threads.submit(wait)
    begun.wait()
    threads.stop(0)
    assert not stuck.done()
    assert are_left_behind()
    with pytest.raises(CancelledError):
        never.result()
    over.set()
    assert stuck.result()


STUCK = """
import sys, threading
from crawler.threads import LooseThreads
from index.cli import run_command
import click

@click.command()
def command():
    threads = LooseThreads(1, "test")
    threads.submit(threading.Event().wait)
    print("stuck", flush=True)
    threading.Event().wait()

sys.exit(run_command(command, [], program="test"))
"""


def test_an_interrupted_command_leaves_them_behind() -> None:
    process = subprocess.Popen(
        (sys.executable, "-c", STUCK),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        # A job of a shell's background has it ignored, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGINT)
    _, lines = process.communicate(timeout=60)
    assert (process.returncode, lines.strip()) == (130, "test: interrupted")
