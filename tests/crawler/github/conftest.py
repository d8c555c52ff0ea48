from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.github.budget import RequestBudget
from crawler.github.client import GithubClient
from crawler.github.token import Token
from tests.github_server import GithubServer

SECRET = "ghs_s3cr3t/+&Token"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GithubServer]:
    with GithubServer(tmp_path / "hosted") as server:
        yield server


@pytest.fixture
def clock(server: GithubServer) -> Clock:
    return Clock(server.reset_at - 3600.0)


MakeClient = Callable[..., GithubClient]


@pytest.fixture
def make_client(server: GithubServer, clock: Clock) -> Iterator[MakeClient]:
    """Make clients that sleep on a clock of the test's, and close them after it."""
    made: list[GithubClient] = []

    def make(*, allowance: int | None = None, token: str | None = SECRET) -> GithubClient:
        budget = RequestBudget(allowance=allowance, clock=clock, sleep=clock.sleep)
        client = GithubClient(
            server.api_url,
            Token(token) if token else None,
            budget=budget,
            timeout=0.3,
            spacing=0,
            sleep=clock.sleep,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
