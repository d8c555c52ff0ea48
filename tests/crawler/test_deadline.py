"""Whole answers are bounded in time, however steadily they trickle."""

from __future__ import annotations

from threading import Event

import pytest

from crawler.deadline import within
from crawler.errors import SnapshotError
from crawler.github import connection
from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.snapshot import package_index
from crawler.snapshot.package_index import PackageIndex
from crawler.snapshot.pip_settings import IndexSettings
from tests.crawler.trickle import DRIPS, trickling


def test_a_call_gives_what_it_gives_or_raises() -> None:
    assert within(60, lambda: 1) == 1
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)


def test_a_call_that_does_not_end_is_left_behind() -> None:
    over = Event()
    with pytest.raises(TimeoutError, match=r"not done within 0\.1 seconds"):
        within(0.1, over.wait)
    over.set()


def test_a_time_out_of_the_call_itself_is_its_own() -> None:
    def fail() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        within(60, fail)


@pytest.mark.parametrize(("begin", "drip"), DRIPS.values(), ids=DRIPS.keys())
def test_a_package_index_that_trickles_is_given_up(
    monkeypatch: pytest.MonkeyPatch, begin: bytes, drip: bytes
) -> None:
    monkeypatch.setattr(package_index, "MAX_SECONDS", 0.5)
    with trickling(begin, drip) as address:
        index = PackageIndex(IndexSettings(urls=(address,)))
        with pytest.raises(SnapshotError, match=r"takes more than \d seconds"):
            index.list_files("p")
        index.close()


@pytest.mark.parametrize(("begin", "drip"), DRIPS.values(), ids=DRIPS.keys())
def test_a_github_that_trickles_is_given_up(
    monkeypatch: pytest.MonkeyPatch, begin: bytes, drip: bytes
) -> None:
    monkeypatch.setattr(connection, "MAX_BODY_SECONDS", 0.2)
    waits: list[float] = []
    with (
        trickling(begin, drip) as address,
        GithubClient(address, timeout=0.2, spacing=0, sleep=waits.append) as client,
        pytest.raises(GithubError, match="GitHub does not answer in time"),
    ):
        client.get("/repos/o/n", str)
    assert len(waits) == 2, "asked again, each time anew"
