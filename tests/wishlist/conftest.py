from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.github.client import GithubClient
from crawler.github.token import Token
from tests.github_server import GithubServer
from tests.wishlist.lists import WishList

SECRET = "ghs_s3cr3t/+&Token"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GithubServer]:
    with GithubServer(tmp_path / "hosted") as server:
        yield server


@pytest.fixture
def client(server: GithubServer) -> Iterator[GithubClient]:
    def no_sleep(seconds: float) -> None:
        """Let a wait be over at once."""

    with GithubClient(
        server.api_url, Token(SECRET), timeout=2, spacing=0, sleep=no_sleep
    ) as client:
        yield client


@pytest.fixture
def wishes(server: GithubServer, client: GithubClient, tmp_path: Path) -> WishList:
    return WishList(server, client, tmp_path / "index.duckdb")
