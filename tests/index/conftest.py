from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.questions import Answer, ask, load_questions
from crawler.pace import Pace
from index.database import open_index
from index.files.location import BUNDLE
from index.files.unpacking import unpacked_bundle
from tests.github_server import GithubServer
from tests.index.site.browser import started_browser
from tests.index.site.sites import save_small_world, write_site
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


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index that comes with the package, unpacked once for all who read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return unpacked_bundle(BUNDLE, lambda text: None)


@pytest.fixture(scope="session")
def answers(bundled: Path) -> Sequence[Answer]:
    """What the index that comes with the package answers to each of the questions."""
    with open_index(bundled) as con:
        return tuple(ask(con, load_questions()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser; see `tests.index.site.browser`."""
    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a handful of kernels."""
    folder = tmp_path_factory.mktemp("site")
    save_small_world(folder / "index.duckdb")
    write_site(folder / "index.duckdb", folder / "site", base_url="https://example.org/index/")
    return folder / "site"
