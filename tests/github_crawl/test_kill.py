"""A crawl that is killed, again and again, and gone on with."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from tests.github_crawl import command
from tests.github_crawl.crawls import Crawls, kernel_file
from tests.github_server import Fault, What

KILLS = 20 if os.environ.get("TEST_EVERYTHING") else 5
NAMES = [f"octo/k{number:02}" for number in range(20)]


def test_a_killed_crawl_is_gone_on_with(crawls, tmp_path):
    for number, name in enumerate(NAMES):
        files = {"same.py": kernel_file("same"), "own.py": kernel_file("own", step=number)}
        crawls.server.world.add(name, files)
    moments = random.Random(KILLS)
    finished: set[str] = set()
    for _ in range(KILLS):
        asked = len(crawls.server.log)
        lines = kill_after(crawls, moments.randint(1, 25), moments.uniform(0, 0.2))
        assert_not_fetched_again(crawls, asked, finished)
        finished |= set(re.findall(r"^(?:updated|unchanged): (\S+):", lines, re.MULTILINE))
    assert finished, "some of the crawls must have got somewhere"
    asked = len(crawls.server.log)
    done = command.run(crawls, "crawl", "--jobs", "1", *NAMES)
    assert done.code == 0, done.err
    assert_not_fetched_again(crawls, asked, finished)
    reference = Crawls(crawls.server, tmp_path / "whole.duckdb", tmp_path / "whole")
    reference.run(*NAMES)
    assert crawls.contents() == reference.contents()


def test_an_interrupted_crawl_waits_for_nothing_and_keeps_what_it_has(crawls):
    for name in ("octo/quick", "octo/slow"):
        crawls.server.world.add(name, {"k.py": kernel_file("k")})
    crawls.server.script(Fault(what=What.TIMEOUT, on="*slow*upload-pack", times=None))
    process = command.start(crawls, "crawl", "--jobs", "1", "octo/quick", "octo/slow")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("updated: octo/quick")
    while not any(one.fault for one in crawls.server.log):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, lines = process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(filter(None, lines.splitlines())) == [
        "sources that were finished are kept; run the same again to go on from here",
        "triton-index: interrupted",
    ]
    assert not crawls.db.exists()
    crawls.server.heal()
    asked = len(crawls.server.log)
    done = command.run(crawls, "crawl", "--jobs", "1", "octo/quick", "octo/slow")
    assert done.code == 0, done.err
    assert_not_fetched_again(crawls, asked, {"octo/quick"})
    assert crawls.live() == ["octo/quick:k.py::k", "octo/slow:k.py::k"]


def assert_not_fetched_again(crawls: Crawls, since: int, finished: set[str]) -> None:
    """Check that what was finished before costs one free request more, and no git."""
    for name in finished:
        served = [one for one in crawls.server.log[since:] if f"{name}" in one.path]
        assert [(one.is_api, one.status) for one in served] in ([], [(True, 304)]), name


def kill_after(crawls: Crawls, requests: int, seconds: float) -> str:
    """Crawl, kill the command alone soon after so many requests; return what it had said."""
    process = command.start(crawls, "crawl", "--jobs", "1", *NAMES)
    enough = len(crawls.server.log) + requests
    while process.poll() is None and len(crawls.server.log) < enough:
        time.sleep(0.01)
    time.sleep(seconds)
    children = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    _, lines = process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        if time.monotonic() > deadline:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            pytest.fail("a killed crawl leaves processes behind")
        time.sleep(0.05)
    return lines


def children_of(parent: int) -> list[int]:
    """Return the processes that a process started itself, where the system tells."""
    try:
        tasks = list(Path(f"/proc/{parent}/task").iterdir())
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []
