from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github_server import GithubServer
from tests.index.automation.jobs import Jobs


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GithubServer]:
    with GithubServer(tmp_path / "hosted") as server:
        yield server


@pytest.fixture
def jobs(server: GithubServer, tmp_path: Path) -> Jobs:
    """A repository of an index that lists four repositories with three kernels each."""
    jobs = Jobs(server, tmp_path / "jobs")
    jobs.folder.mkdir()
    jobs.list_sources("acme/a", "acme/b", "acme/c", "acme/d")
    return jobs
