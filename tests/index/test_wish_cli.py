from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.cli import main
from index.cli.wish import WISH_COMMANDS, command
from index.wishes import DETAILS, RECORD
from tests.github_server import GithubServer
from tests.github_server.tracker import Tracker
from tests.wishlist.written import rendered

REPO = "octo/wishes"
SECRET = "ghs_s3cr3t/+&Token"


class Cli:
    """Runs the command line on one index, against one GitHub, and keeps what it said."""

    def __init__(self, db: Path, server: GithubServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.db = db
        self.server = server
        self.tracker: Tracker = server.world.add(REPO).tracker
        self._capsys = capsys

    def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["--db", str(self.db), "wish", *words])
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def cli(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cli]:
    with GithubServer(tmp_path / "hosted") as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api_url)
        monkeypatch.setenv("GITHUB_TOKEN", SECRET)
        yield Cli(db, server, capsys)


def test_help_tells_what_each_command_tells_of_itself(cli: Cli) -> None:
    assert cli("--help") == 0
    for name, text in WISH_COMMANDS.items():
        assert f"  {name:<4}  {text}" in cli.out
        found = command.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        assert (found.help or "").startswith(f"{text}\n")


def test_sync_list_show(cli: Cli) -> None:
    cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm", dtypes="bfloat16", why="speed"))
    cli.tracker.ask("softmax, please", None)
    cli.tracker.react(2, "bob")
    cli.tracker.ask("docs", None, labels=["documentation"])
    assert cli("sync", REPO, "--format", "json") == 0
    report = json.loads(cli.out)
    assert (report["changed"], report["requests"]) == ([1, 2], 4)
    assert report["skipped"] == [
        {"number": 3, "reason": "its labels say that it is something else"}
    ]
    assert cli.err.startswith(
        f"{REPO}: 2 wishes new or changed, 1 issue skipped, 0 pull requests left out, 4 requests; "
    )
    assert cli("sync", REPO) == 0
    assert cli.out == ""
    assert cli.err.startswith(f"{REPO}: nothing changed (1 request)")

    assert cli("list") == 0
    lines = cli.out.splitlines()
    assert lines[0].split() == ["number", "priority", "status", "votes", "ops", "title"]
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert cli("list", "--format", "json", "--op", "rms_norm") == 0
    (record,) = json.loads(cli.out)
    assert list(record) == list(RECORD)
    assert (record["number"], record["dtypes"], record["matches"]) == (1, ["bfloat16"], [])
    assert record["created_at"] == "2026-03-01T00:01:00Z"
    assert cli("list", "--status", "declined", "--format", "json") == 0
    assert cli.out == "[]\n"

    assert cli("show", "1") == 0
    assert cli.out.startswith(
        f"RMSNorm\nhttps://github.com/{REPO}/issues/1\n\nstatus        open\n"
    )
    assert "\nwhy\n    speed\n" in cli.out
    assert cli("show", f"{REPO}#2", "--format", "json") == 0
    record = json.loads(cli.out)
    assert list(record) == list(DETAILS)
    assert record["notes"] == [{"field": "body", "reason": "it does not follow the form"}]


def test_a_board_for_a_page(cli: Cli) -> None:
    cli.tracker.ask("softmax @ada | <b> #7", rendered(operation="softmax"))
    assert cli("sync", REPO) == 0
    assert cli("list", "--format", "md") == 0
    head, _, row = cli.out.splitlines()
    assert head == "| priority | title | votes | status | ops | url |"
    assert row.endswith(f"| <https://github.com/{REPO}/issues/1> |")
    assert "softmax &#64;ada \\| &lt;b&gt; \\#7" in row


def test_a_wish_that_is_not_there(cli: Cli) -> None:
    cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    cli.tracker.ask("softmax", rendered(operation="softmax"))
    cli("sync", REPO)
    assert cli("show", "7") == 1
    assert cli.err == "7: no such wish; `triton-index wish list` shows them\n"
    assert cli("show", "seven") == 2
    assert "no number of a wish" in cli.err
    cli.tracker.delete(1)
    cli("sync", REPO)
    assert cli("show", "1") == 1
    assert cli.err == "1: is gone: deleted\n"
    other = cli.server.world.add("octo/other").tracker
    other.ask("gelu", rendered(operation="gelu"))
    other.ask("gelu", rendered(operation="gelu"))
    cli("sync", "octo/other")
    assert cli("show", "2") == 2
    assert cli.err.splitlines()[:2] == ["- octo/other#2", "- octo/wishes#2"]
    assert cli("show", "octo/other#2") == 0


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "../x", "o/n?x=1", "o/n\n", "-o/n", "o/.."])
def test_a_name_that_is_none(cli: Cli, name: str) -> None:
    assert cli("sync", "--", name) == 2
    assert len(cli.err.splitlines()) == 1
    assert cli.server.log == []


def test_a_repository_that_is_not_there(cli: Cli) -> None:
    assert cli("sync", "octo/nothing") == 1
    assert "GitHub has no such repository" in cli.err


def test_the_token_is_kept_to_ourselves(cli: Cli) -> None:
    cli.tracker.ask("softmax", rendered(operation="softmax"))
    cli("sync", REPO)
    assert SECRET not in cli.out + cli.err
    assert SECRET.encode() not in cli.db.read_bytes()
    assert all(served.authorization == f"token {SECRET}" for served in cli.server.log)
