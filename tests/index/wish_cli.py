"""The `wish` commands on one index, against one GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.cli import main
from tests.github_server import GithubServer
from tests.github_server.tracker import Tracker

REPO = "octo/wishes"
SECRET = "ghs_s3cr3t/+&Token"


class WishCli:
    """Runs the command line and keeps what it said."""

    def __init__(self, db: Path, server: GithubServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.db = db
        self.server = server
        self.tracker: Tracker = server.world.add(REPO).tracker
        self._capsys = capsys

    def __call__(self, *words: str) -> int:
        return self.run("wish", *words)

    def run(self, *words: str) -> int:
        """Run any command."""
        self._capsys.readouterr()
        code = main(["--db", str(self.db), *words])
        self.out, self.err = self._capsys.readouterr()
        return code
