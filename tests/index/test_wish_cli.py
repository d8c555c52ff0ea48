from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from index.cli.wish import WISH_COMMANDS, command
from index.queries.wishes import DETAILS, RECORD
from index.store import Store
from tests.github_server import Fault, What
from tests.index.samples import crawled, kernel, save
from tests.index.wish_cli import REPO, SECRET, WishCli
from tests.wishlist.written import rendered


def test_help_tells_what_each_command_tells_of_itself(wish_cli: WishCli) -> None:
    assert wish_cli("--help") == 0
    for name, text in WISH_COMMANDS.items():
        assert f"  {name:<5}  {text}" in wish_cli.out
        found = command.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        assert (found.help or "").startswith(f"{text}\n")


def test_sync_list_show(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm", dtypes="bfloat16", why="speed"))
    wish_cli.tracker.ask("softmax, please", None)
    wish_cli.tracker.react(2, "bob")
    wish_cli.tracker.ask("docs", None, labels=["documentation"])
    assert wish_cli("sync", REPO, "--format", "json") == 0
    report = json.loads(wish_cli.out)
    assert (report["changed"], report["requests"]) == ([1, 2], 4)
    assert report["skipped"] == [
        {"number": 3, "reason": "its labels say that it is something else"}
    ]
    assert wish_cli.err.startswith(
        f"{REPO}: 2 wishes new or changed, 1 issue skipped, 0 pull requests left out, 4 requests; "
    )
    assert wish_cli("sync", REPO) == 0
    assert wish_cli.out == ""
    assert wish_cli.err.startswith(f"{REPO}: nothing changed (1 request)")

    assert wish_cli("list") == 0
    lines = wish_cli.out.splitlines()
    assert lines[0].split() == ["number", "priority", "status", "votes", "ops", "title"]
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert lines[1].split()[4:] == ["softmax", "softmax,", "please"]
    assert wish_cli("list", "--format", "json", "--op", "rms_norm") == 0
    (record,) = json.loads(wish_cli.out)
    assert list(record) == list(RECORD)
    assert (record["number"], record["dtypes"], record["matches"]) == (1, ["bfloat16"], [])
    assert record["created_at"] == "2026-03-01T00:01:00Z"
    assert wish_cli("list", "--status", "declined", "--format", "json") == 0
    assert wish_cli.out == "[]\n"

    assert wish_cli("show", "1") == 0
    assert wish_cli.out.startswith(
        f"RMSNorm\nhttps://github.com/{REPO}/issues/1\n\nstatus        open\n"
    )
    assert "\nwhy\n    speed\n" in wish_cli.out
    assert wish_cli("show", f"{REPO}#2", "--format", "json") == 0
    record = json.loads(wish_cli.out)
    assert list(record) == list(DETAILS)
    assert record["notes"] == [{"field": "body", "reason": "it does not follow the form"}]


def test_a_list_of_nothing_says_what_to_do(wish_cli: WishCli) -> None:
    save(wish_cli.db, crawled(kernel()))
    assert wish_cli("list") == 0
    assert wish_cli.out == ""
    assert wish_cli.err == (
        "no wishes yet; `triton-index wish sync OWNER/NAME` fetches them from issues\n"
    )
    wish_cli.tracker.ask("softmax, please", None)
    assert wish_cli("sync", REPO) == 0
    assert wish_cli("list", "--op", "rope", "--status", "declined") == 0
    assert wish_cli.err == "none of 1 wishes has status declined or op rope\n"


def test_a_board_for_a_page(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("softmax @ada | <b> #7", rendered(operation="softmax"))
    assert wish_cli("sync", REPO) == 0
    assert wish_cli("list", "--format", "md") == 0
    head, _, row = wish_cli.out.splitlines()
    assert head == "| priority | title | votes | status | ops | url |"
    assert row.endswith(f"| <https://github.com/{REPO}/issues/1> |")
    assert "softmax &#64;ada \\| &lt;b&gt; \\#7" in row


def test_the_list_is_exported(wish_cli: WishCli, tmp_path: Path) -> None:
    wish_cli.tracker.ask("softmax", rendered(operation="softmax"))
    wish_cli.tracker.ask("gelu", rendered(operation="gelu"))
    wish_cli("sync", REPO)
    wish_cli.tracker.close(2)
    wish_cli("sync", REPO)
    board, whole = tmp_path / "WISHES.md", tmp_path / "wishes.json"
    assert wish_cli.run("export", str(board), "--wishes") == 0
    assert wish_cli.err == f"1 wishes written to {board}\n"
    assert f"| <https://github.com/{REPO}/issues/1> |\n" in board.read_text()
    assert wish_cli.run("export", str(whole), "--wishes") == 0
    assert [record["number"] for record in json.loads(whole.read_text())] == [1, 2]
    for name in ("wishes.parquet", "wishes.table", "wishes"):
        assert wish_cli.run("export", str(tmp_path / name), "--wishes") == 2
        assert "use .json .jsonl .csv .md" in wish_cli.err
        assert not (tmp_path / name).exists()


def test_a_wish_that_is_not_there(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    wish_cli.tracker.ask("softmax", rendered(operation="softmax"))
    wish_cli("sync", REPO)
    assert wish_cli("show", "7") == 1
    assert wish_cli.err == "7: no such wish; `triton-index wish list` shows them\n"
    assert wish_cli("show", "seven") == 2
    assert "no number of a wish" in wish_cli.err
    wish_cli.tracker.delete(1)
    wish_cli("sync", REPO)
    assert wish_cli("show", "1") == 1
    assert wish_cli.err == "1: is gone: deleted\n"
    other = wish_cli.server.world.add("octo/other").tracker
    other.ask("gelu", rendered(operation="gelu"))
    other.ask("gelu", rendered(operation="gelu"))
    wish_cli("sync", "octo/other")
    assert wish_cli("show", "2") == 2
    assert wish_cli.err.splitlines()[:2] == ["- octo/other#2", "- octo/wishes#2"]
    assert wish_cli("show", "octo/other#2") == 0


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "../x", "o/n?x=1", "o/n\n", "-o/n", "o/.."])
def test_a_name_that_is_none(wish_cli: WishCli, name: str) -> None:
    assert wish_cli("sync", "--", name) == 2
    assert len(wish_cli.err.splitlines()) == 1
    assert wish_cli.server.log == []


def test_a_repository_that_is_not_there(wish_cli: WishCli) -> None:
    assert wish_cli("sync", "octo/nothing") == 1
    assert "GitHub has no such repository" in wish_cli.err


def test_the_token_is_kept_to_ourselves(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("softmax", rendered(operation="softmax"))
    wish_cli("sync", REPO)
    assert SECRET not in wish_cli.out + wish_cli.err
    assert SECRET.encode() not in wish_cli.db.read_bytes()
    assert all(served.authorization == f"token {SECRET}" for served in wish_cli.server.log)


def with_match(wish_cli: WishCli, score: float = 0.9, number: int = 1) -> str:
    """Store a kernel that a wish was matched with; return its id."""
    one = kernel("rms_norm_kernel", path="ops/norm.py")
    save(wish_cli.db, crawled(one))
    with Store.open_for_writing(wish_cli.db) as store, store._transaction() as con:
        con.execute("DELETE FROM wish_matches")
        con.execute(
            "INSERT INTO wish_matches (repo, number, matches, matched_at) "
            "VALUES (?, ?, [{id: ?, score: ?, reason: ?}], ?)",
            [REPO, number, one.id, score, "forward only; MIT", datetime(2026, 1, 1)],
        )
    return one.id


def test_what_the_index_has_for_a_wish(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    wish_cli("sync", REPO)
    id = with_match(wish_cli)
    wish_cli("list", "--format", "json")
    (record,) = json.loads(wish_cli.out)
    assert record["matches"] == [{"id": id, "score": 0.9, "reason": "forward only; MIT"}]
    wish_cli("show", "1")
    assert f"in the index  exists\n              {id} (0.90: forward only; MIT)\n" in wish_cli.out
    wish_cli("list")
    assert wish_cli.out.splitlines()[1].split()[4] == "exists"
    with_match(wish_cli, score=0.5)
    wish_cli("list")
    assert wish_cli.out.splitlines()[1].split()[4] == "partly"
    # Who serves a wish that was closed without a word is its best match, if that is good enough.
    wish_cli.tracker.close(1)
    wish_cli("sync", REPO)
    wish_cli("show", "1", "--format", "json")
    assert json.loads(wish_cli.out)["fulfilled_by"] is None
    with_match(wish_cli)
    wish_cli("show", "1", "--format", "json")
    assert json.loads(wish_cli.out)["fulfilled_by"] == id


def test_replies_are_shown_first_and_written_once(wish_cli: WishCli) -> None:
    wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    wish_cli("sync", REPO)
    id = with_match(wish_cli)
    comments = wish_cli.tracker.issues[1].comments
    assert wish_cli("reply") == 0
    assert wish_cli.out.startswith(f"https://github.com/{REPO}/issues/1 (new)\n\n<!--")
    assert id in wish_cli.out
    assert wish_cli.err == "1 to write; nothing is written without --post\n"
    assert comments == []
    assert wish_cli("reply", "--post", "--format", "json") == 0
    (written,) = json.loads(wish_cli.out)
    assert [comment.body for comment in comments] == [written["body"]]
    assert wish_cli("reply", "--post") == 0
    assert (wish_cli.out, wish_cli.err) == ("", "0 of 0 written\n")
    with_match(wish_cli, score=0.5)
    assert wish_cli("reply", "1", "--post") == 0
    assert "(edit)" in wish_cli.out
    assert len(comments) == 1
    assert "do some of" in comments[0].body
    # Our own comment is no demand.
    wish_cli("sync", REPO)
    wish_cli("show", "1", "--format", "json")
    assert json.loads(wish_cli.out)["votes"] == 0


def test_replies_stop_at_the_first_that_github_does_not_take(wish_cli: WishCli) -> None:
    for _ in range(3):
        wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    wish_cli("sync", REPO)
    with_match(wish_cli)
    with Store.open_for_writing(wish_cli.db) as store, store._transaction() as con:
        con.execute("INSERT INTO wish_matches SELECT * REPLACE (2 AS number) FROM wish_matches")
        con.execute(
            "INSERT INTO wish_matches SELECT * REPLACE (3 AS number) FROM wish_matches LIMIT 1"
        )
    blocked = Fault(what=What.FORBIDDEN, on="*/issues/2/comments", times=None)
    wish_cli.server.script(blocked)
    assert wish_cli("reply", "--post") == 1
    assert wish_cli.err.endswith("1 of 3 written\n")
    wish_cli.server.heal()
    assert wish_cli("reply", "--post", "--limit", "1") == 0
    assert wish_cli("reply", "--post") == 0
    assert [len(issue.comments) for issue in wish_cli.tracker.issues.values()] == [1, 1, 1]


def test_replies_need_a_token_and_a_wish(
    wish_cli: WishCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish_cli.tracker.ask("RMSNorm", rendered(operation="RMSNorm"))
    wish_cli("sync", REPO)
    with_match(wish_cli)
    assert wish_cli("reply", "9") == 2
    assert "9: no such wish" in wish_cli.err
    monkeypatch.delenv("GITHUB_TOKEN")
    assert wish_cli("reply", "--post") == 2
    assert "set GITHUB_TOKEN" in wish_cli.err
