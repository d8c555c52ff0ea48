from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.models import Role
from index.cli import main
from index.database import open_index
from index.matching import MATCH_COLUMNS
from index.queries.candidates import find_candidates
from index.store import Store
from tests.index.samples import crawled, kernel, rows, save
from tests.wishlist.listed import issue_wish
from tests.wishlist.samples import REPO, wish
from wishlist.models import IssueWish, Pass, SyncedWishes, SyncState

SOFTMAX = kernel("softmax_kernel", path="softmax.py")
SOFTMAX_ID = "acme/kernels:softmax.py::softmax_kernel"

Match = Callable[..., dict[int, dict[str, Any]]]


def ask(db: Path, *wishes: IssueWish) -> None:
    """Store these wishes as all that a repository has."""
    state = SyncState(repo=REPO, etag=None, newest=None, swept_at=None, rules="1")
    with Store.open_for_writing(db) as store:
        store.save_wishes(SyncedWishes(repo=REPO, state=state, wishes=wishes))


@pytest.fixture
def wish_match(db: Path, capsys: pytest.CaptureFixture[str]) -> Match:
    def run(*words: str) -> dict[int, dict[str, Any]]:
        capsys.readouterr()
        assert main(["--db", str(db), "wish", "match", "--format", "json", *words]) == 0
        found = json.loads(capsys.readouterr().out)
        return {row["number"]: row for row in found}

    return run


def test_each_open_wish_gets_its_kernels_and_an_answer(db: Path, wish_match: Match) -> None:
    save(db, crawled(SOFTMAX))
    ask(
        db,
        issue_wish(1, "Softmax of long rows"),
        issue_wish(2, "Softmax", "### Operation\n\nsoftmax\n\n### Passes\n\nbackward\n"),
        issue_wish(3, "Farthest point sampling"),
    )
    found = wish_match()
    assert {number: row["answer"] for number, row in found.items()} == {
        1: "exists",
        2: "partly",
        3: "missing",
    }
    assert tuple(found[1]) == MATCH_COLUMNS
    assert found[1]["id"] == SOFTMAX_ID
    assert "no backward" in found[2]["reason"]
    assert found[3]["id"] is None
    assert found[3]["matches"] == []


def test_list_and_show_know_what_was_matched(
    db: Path, wish_match: Match, capsys: pytest.CaptureFixture[str]
) -> None:
    save(db, crawled(SOFTMAX))
    ask(db, issue_wish(1, "softmax kernel"))
    wish_match()
    assert main(["--db", str(db), "wish", "show", "1", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["answer"], shown["matches"][0]["id"]) == ("exists", SOFTMAX_ID)


def test_a_kernel_that_a_crawl_brings_is_news_once(
    db: Path, wish_match: Match, capsys: pytest.CaptureFixture[str]
) -> None:
    save(db, crawled(kernel("add_kernel")))
    ask(db, issue_wish(1, "softmax kernel"))
    assert not wish_match()[1]["is_news"]
    save(db, crawled(kernel("add_kernel"), SOFTMAX))
    assert main(["--db", str(db), "wish", "match"]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"new: {REPO}#1 is served by {SOFTMAX_ID} (softmax; ")
    assert not wish_match()[1]["is_news"]
    # Gone and back again: known already.
    save(db, crawled(kernel("add_kernel")))
    assert wish_match()[1]["answer"] == "missing"
    save(db, crawled(kernel("add_kernel"), SOFTMAX))
    found = wish_match()[1]
    assert (found["answer"], found["is_news"]) == ("exists", False)


def test_what_exists_at_first_sight_is_no_news(db: Path, wish_match: Match) -> None:
    save(db, crawled(SOFTMAX))
    ask(db, issue_wish(1, "softmax kernel"))
    assert [wish_match()[1]["is_news"] for _ in range(2)] == [False, False]


def test_wishes_for_the_same_name_each_other(db: Path, wish_match: Match) -> None:
    save(db, crawled(SOFTMAX))
    ask(
        db,
        issue_wish(1, "Soft-DTW loss"),
        issue_wish(2, "softmax kernel"),
        issue_wish(3, "soft DTW loss, please"),
    )
    found = wish_match()
    assert {number: row["alike"] for number, row in found.items()} == {1: [3], 2: [], 3: [1]}
    assert list(wish_match("3")) == [3]
    assert wish_match(f"{REPO}#3")[3]["alike"] == [1]


def test_settled_wishes_are_matched_only_by_number(db: Path, wish_match: Match) -> None:
    save(db, crawled(SOFTMAX))
    settled = issue_wish(1, "softmax kernel")
    ask(db, settled, issue_wish(2, "softmax again"))
    with Store.open_for_writing(db) as store, store._transaction() as con:
        con.execute("UPDATE wishes SET status = 'declined' WHERE number = 1")
    assert list(wish_match()) == [2]
    assert list(wish_match("1")) == [1]


def test_no_such_wish(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(db, crawled(SOFTMAX))
    assert main(["--db", str(db), "wish", "match", "7"]) == 1
    assert capsys.readouterr().err == "7: no such wish; `triton-index wish list` shows them\n"
    assert main(["--db", str(db), "wish", "match"]) == 0
    assert "no open wish" in capsys.readouterr().err


@pytest.mark.parametrize(
    "title",
    [
        "'; DROP TABLE wishes; --",
        "softmax' OR 1=1 --",
        "$required softmax ${x} $(id)",
        "\x1b[31msoftmax\x1b[0m \u202e",
        "softmax " * 2_000,
        "`rm -rf` <script>softmax</script> | a | b |",
    ],
)
def test_a_hostile_title_is_only_words(
    db: Path, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(db, crawled(SOFTMAX))
    ask(db, issue_wish(1, title))
    for style in ("table", "md", "csv"):
        assert main(["--db", str(db), "wish", "match", "--format", style]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out and "\u202e" not in out
        assert style != "md" or "<script>" not in out
    assert rows(db, "SELECT count(*) FROM wish_matches") == [(1,)]


def test_candidates_know_their_directions(db: Path) -> None:
    save(
        db,
        crawled(
            kernel("softmax_fwd", path="pair.py"),
            kernel("softmax_bwd", path="pair.py"),
            kernel("softmax_alone", path="alone.py"),
            kernel("softmax_part", path="alone.py", role=Role.DEVICE_FUNCTION),
        ),
    )
    with open_index(db) as con:
        found = {each.name: each for each in find_candidates(con, wish(ops=("softmax",)))}
    assert found["softmax_fwd"].passes == set(Pass)
    assert found["softmax_bwd"].direction is Pass.BACKWARD
    assert found["softmax_alone"].passes == {Pass.FORWARD}


def test_moments_are_kept_in_utc(db: Path, wish_match: Match) -> None:
    save(db, crawled(SOFTMAX))
    ask(db, issue_wish(1, "softmax kernel"))
    before = datetime.now(UTC).replace(tzinfo=None)
    wish_match()
    ((matched_at, served_at),) = rows(db, "SELECT matched_at, served_at FROM wish_matches")
    assert before <= matched_at == served_at


def test_gaps_count_the_people_who_wish(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(db, crawled(SOFTMAX))
    ask(db, issue_wish(3, "CTC loss"), issue_wish(5, "CTC loss with backward"))
    assert main(["--db", str(db), "gaps", "--limit", "0", "--format", "json"]) == 0
    found = {row["operator"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["ctc_loss"]["wishes"] == [3, 5]
    assert found["ctc_loss"]["people"] == 2
    assert found["ctc_loss"]["missing"] == ["no kernel", "no backward"]
