from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from crawler.pace import Pace
from tests.github_server import GithubServer
from tests.index.wish_cli import SECRET, WishCli


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The path of an index that is not there yet."""
    return tmp_path / "index.duckdb"


@pytest.fixture
def wish_cli(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[WishCli]:
    with GithubServer(tmp_path / "hosted") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api_url)
        monkeypatch.setenv("GITHUB_TOKEN", SECRET)
        monkeypatch.setattr("index.wishing.Pace", partial(Pace, spacing=0))
        yield WishCli(db, server, capsys)
