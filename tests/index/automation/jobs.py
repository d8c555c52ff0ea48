"""Jobs of the workflows, run as in GitHub Actions, against the server of the tests."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb

from index.automation.__main__ import automation
from index.cli import run_command
from index.files.published import INDEX_NAME, PublishedIndex
from tests.github_crawl.command import Done
from tests.github_crawl.crawls import SECRET, kernel_file
from tests.github_server import GithubServer, HostedRepo
from tests.github_server.releases import HostedRelease, releases_of

OWN = "octo/index"


@dataclass
class Jobs:
    """The repository of an index, the sources that it lists, and a machine to run its jobs on."""

    server: GithubServer
    folder: Path
    machine: int = 0
    bundle: Path = Path("no-bundle")

    def __post_init__(self) -> None:
        self.own = self.server.world.add(OWN, {"README.md": "index"})
        self.server.world.viewer = "github-actions[bot]"
        self.sources = self.folder / "sources.toml"

    def list_sources(self, *names: str) -> None:
        """List these repositories; those that are not there yet come with three kernels."""
        self.sources.write_text(
            "".join(
                f'[[repo]]\nname = "{name}"\ngroup = "libraries"\nnote = "For tests."\n\n'
                for name in names
            )
        )
        for name in names:
            if self.server.world.find(name) is None:
                files = {f"k{n}.py": kernel_file(f"k{n}") for n in range(3)}
                self.server.world.add(name, files)

    def hosted(self, name: str) -> HostedRepo:
        """Return a repository of the server."""
        repo = self.server.world.find(name)
        assert repo is not None
        return repo

    @property
    def work(self) -> Path:
        """The folder that the jobs of one run share, as an artifact carries it."""
        return self.folder / f"machine-{self.machine}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that GitHub Actions sets for a step."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        return kept | {
            "GITHUB_API_URL": self.server.api_url,
            "GITHUB_OUTPUT": str(self.work / "output"),
            "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": OWN,
            "GITHUB_RUN_ID": "77",
            "GITHUB_SERVER_URL": self.server.origin,
            "GITHUB_SHA": self.own.head or "",
            "GITHUB_STEP_SUMMARY": str(self.work / "summary.md"),
            "GITHUB_TOKEN": SECRET,
            "XDG_CACHE_HOME": str(self.folder / "user-cache"),
        }

    def run(self, *words: str) -> Done:
        """Run one step in this process; its exit code, stdout and stderr."""
        self.work.mkdir(parents=True, exist_ok=True)
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch("index.files.location.BUNDLE", self.bundle),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run_command(automation, words, program="automation")
        return Done(code, out.getvalue(), err.getvalue())

    def crawl(self, *options: str) -> Done:
        """Begin a run on a machine of its own, and crawl."""
        self.machine += 1
        sources = ("--sources", str(self.sources))
        return self.run("crawl", str(self.work), *sources, *options)

    def publish(self, *options: str) -> Done:
        """Publish what was crawled."""
        return self.run("publish", str(self.work), "--sources", str(self.sources), *options)

    def crawl_and_publish(self) -> Done:
        """Do both; the crawl must not fail."""
        done = self.crawl()
        assert done.code == 0, done.err
        return self.publish()

    @property
    def index(self) -> Path:
        """The index that the run crawled."""
        return self.work / INDEX_NAME

    @property
    def summary(self) -> str:
        """What the page of the run shows."""
        return (self.work / "summary.md").read_text()

    def releases(self) -> list[HostedRelease]:
        """Return the releases, the newest first."""
        return releases_of(self.own)

    def fetch(self) -> Path:
        """Return the published index as a reader gets it."""
        address = f"{self.server.origin}/{OWN}/releases/latest/download"
        target = self.folder / "fetched.duckdb"
        published = PublishedIndex(address)
        published.fetch(INDEX_NAME, target, published.sums())
        return target

    def live(self) -> list[str]:
        """Return the ids of the live kernels that readers get."""
        query = "SELECT id FROM kernels WHERE removed_at IS NULL ORDER BY id"
        return [id for (id,) in rows(self.fetch(), query)]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query gives from an index."""
    with duckdb.connect(path, read_only=True) as con:
        return con.execute(query).fetchall()
