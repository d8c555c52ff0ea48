"""Nothing from an issue reaches a shell, SQL text, a path, or a page unescaped."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from crawler.pace import Pace
from index.cli import main
from index.queries.wishes import BOARD
from index.store import Store
from tests.github_server import GithubServer
from tests.github_server.tracker import Tracker
from tests.index.samples import column, crawled, kernel, save
from tests.index.wish_cli import REPO
from tests.wishlist.written import rendered
from wishlist.vocabulary import Field

EVIL = {
    "SQL": "softmax'); DROP TABLE wishes; DELETE FROM kernel_rows; --",
    "a shell": "softmax $(touch owned) `touch owned`; touch owned | touch owned && touch owned",
    "a path": "../../../../owned softmax",
    "an absolute path": "/owned/softmax",
    "a page": "<script>alert('softmax')</script><img src=x onerror=alert(1)>",
    "Markdown": "softmax [click](javascript:alert(1)) ![x](http://evil.example/p.png) | a | b",
    "a mention": "softmax @everyone @org/team #1 octo/wishes#2 GH-3",
    "a terminal": "softmax \x1b]0;owned\x07\x1b[31m\x9b2J\r\x08",
    "directions": "softmax \u202egnp.exe\u2066\u200b\ufeff",
    "a spreadsheet": "=HYPERLINK(\"http://evil.example\") softmax",
    "format strings": "softmax %s%n {0.__class__} ${HOME} \\x1b[31m",
    "options": "--db=/owned softmax",
    "lone surrogates": "softmax \udfff\ud800",
    "null bytes": "soft\0max softmax\0",
    "blanks": "softmax\u2028\u2029\u0085\x0b\x0c",
}  # fmt: skip


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The index of a wish-list whose issues hold these texts everywhere, and GitHub's address."""
    root = tmp_path_factory.mktemp("hostile")
    db = root / "index.duckdb"
    with pytest.MonkeyPatch.context() as patch, GithubServer(root / "hosted") as server:
        patch.setenv("GITHUB_API_URL", server.api_url)
        patch.setattr("index.wishing.Pace", partial(Pace, spacing=0))
        save(db, crawled(kernel()))
        tracker = server.world.add(REPO).tracker
        for text in EVIL.values():
            write_issues(tracker, text)
        for _ in range(2):
            assert main(["--db", str(db), "wish", "sync", REPO]) == 0
        match_all(db)
        yield db, server.api_url


def write_issues(tracker: Tracker, text: str) -> None:
    """Write an issue that holds the text wherever one can, a free one, and a pull request."""
    body = rendered(**{field.value: f"softmax {text}" for field in Field})
    person = re.sub(r"[^\w-]", "-", text)[:30]
    issue = tracker.ask(text, body, labels=["kernel-request", text], assignees=[person])
    tracker.comment(issue.number, f"+1 {text}", by="bob", association="OWNER")
    tracker.ask("free softmax", text)
    tracker.ask(text, f"Closes #{issue.number} {text}", is_pull=True)


def match_all(db: Path) -> None:
    """Let every wish be served by one kernel, for a reason that holds its title."""
    with Store.open_for_writing(db) as store, store._transaction() as con:
        con.execute(
            "INSERT INTO wish_matches (repo, number, matches, matched_at) SELECT repo, number, "
            "[{id: (SELECT id FROM kernels), score: 0.9, reason: 'for ' || title}], now() "
            "FROM wishes"
        )


class Cli:
    """Runs `wish` on that index and keeps what it said."""

    def __init__(self, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.db = db
        self._capsys = capsys

    def __call__(self, *words: str) -> str:
        self._capsys.readouterr()
        assert main(["--db", str(self.db), "wish", *words]) == 0
        out, err = self._capsys.readouterr()
        assert unprintable(out + err) == []
        return out


@pytest.fixture
def cli(synced: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(synced[0], capsys)


def unprintable(text: str) -> list[str]:
    return [char for char in text if not char.isprintable() and char not in "\n\t\u200b"]


def test_the_index_is_whole_and_nothing_was_run_or_written(synced: tuple[Path, str]) -> None:
    db, _ = synced
    assert column(db, "SELECT count(*) FROM wishes") == [2 * len(EVIL)]
    assert column(db, "SELECT count(*) FROM wish_pulls") == [len(EVIL)]
    assert column(db, "SELECT count(*) FROM kernels") == [1]
    assert {path.name for path in db.parent.iterdir()} == {
        "hosted",
        "index.duckdb",
        "index.duckdb.lock",
    }
    assert not list(Path.cwd().glob("*owned*"))
    assert not Path("/owned").exists()


@pytest.mark.parametrize("style", ["table", "json", "jsonl", "csv", "md"])
def test_no_listing_steers_a_terminal(cli: Cli, style: str) -> None:
    listed = cli("list", "--format", style)
    for number in range(1, 3 * len(EVIL), 3):
        cli("show", str(number), "--format", style)
    if style == "json":
        assert len(json.loads(listed)) == 2 * len(EVIL)
    if style == "csv":
        rows = list(csv.reader(io.StringIO(listed)))
        assert len(rows) == 1 + 2 * len(EVIL)
        assert not [c for row in rows for c in row if c.startswith(("=", "+", "-", "@"))]


def test_a_board_shows_text_and_links_to_issues_alone(cli: Cli) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(cli("list", "--format", "md"))
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == 1 + 2 * len(EVIL)
    cells = sum(token.type in ("td_open", "th_open") for token in tokens)
    assert cells == rows * len(BOARD)
    children = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in children} <= {
        "text",
        "text_special",
        "link_open",
        "link_close",
    }
    links = [str(child.attrs["href"]) for child in children if child.type == "link_open"]
    assert len(links) == 2 * len(EVIL)
    assert all(re.fullmatch(rf"https://github\.com/{REPO}/issues/\d+", link) for link in links)


def test_no_reply_calls_anybody_or_holds_markup_that_is_not_ours(cli: Cli) -> None:
    replies = json.loads(cli("reply", "--limit", "99", "--format", "json"))
    assert len(replies) == 2 * len(EVIL)
    for reply in replies:
        tokens = MarkdownIt("commonmark").parse(reply["body"])
        blocks = [token.content.strip() for token in tokens if token.type == "html_block"]
        assert blocks == ["<!-- triton-index: candidates -->"]
        assert not [token for token in tokens if token.type in ("fence", "heading_open")]
        children = [child for token in tokens for child in token.children or ()]
        kinds = {child.type for child in children}
        assert kinds <= {
            "text",
            "text_special",
            "softbreak",
            "link_open",
            "link_close",
            "code_inline",
        }
        (link,) = (str(child.attrs["href"]) for child in children if child.type == "link_open")
        assert link.startswith("https://github.com/acme/kernels/blob/")
        shown = "".join(child.content for child in children if child.type.startswith("text"))
        assert not re.search(r"@(everyone|org)|#\d|GH-\d|://", shown)
