from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github_crawl.crawls import SECRET, Crawls
from tests.github_server import GithubServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GithubServer]:
    """A GitHub that the environment leads to, with a token for it."""
    with GithubServer(tmp_path / "hosted") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api_url)
        monkeypatch.setenv("GITHUB_TOKEN", SECRET)
        yield server


@pytest.fixture
def crawls(server: GithubServer, tmp_path: Path) -> Crawls:
    return Crawls(server, tmp_path / "index.duckdb", tmp_path / "triton-index")
