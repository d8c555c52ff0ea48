from __future__ import annotations

from datetime import timedelta

import pytest

from crawler.github.errors import GithubError
from tests.github_server import Fault, What
from tests.wishlist.lists import LATER, REPO, WishList
from tests.wishlist.written import rendered
from wishlist.models import WishStatus

LISTING = "/repos/octo/wishes/issues?direction=desc&per_page=100&sort=updated&state=all"
BODY = rendered(operation="RMSNorm", passes="forward")


def ask(wishes: WishList, count: int = 1, **facts: object) -> None:
    for number in range(count):
        wishes.tracker.ask(f"wish {number}", BODY, **facts)  # type: ignore[arg-type]


def test_the_second_sync_makes_one_conditional_request_and_no_change(wishes: WishList) -> None:
    ask(wishes, 3)
    wishes.tracker.comment(1, "+1")
    wishes.tracker.react(1, "kim")
    first = wishes.sync()
    assert (first.is_changed, len(first.wishes)) == (True, 3)
    before = wishes.load()
    second = wishes.sync()
    assert (second.is_changed, second.requests, second.wishes) == (False, 1, ())
    assert [(served.status) for served in wishes.server.api_log()] == [304]
    assert wishes.asked() == [LISTING]
    assert wishes.load() == before


def test_issues_become_wishes_and_skips(wishes: WishList) -> None:
    ask(wishes)
    wishes.tracker.ask("Fix typo", "Closes #1", is_pull=True)
    wishes.tracker.ask("crash on start", "it crashes")
    wishes.tracker.ask("octo/kernels", "please", labels=["propose-repository"])
    wishes.tracker.ask("softmax crashes", "softmax is broken")
    wishes.tracker.ask("Please, a fast softmax", None)
    wishes.tracker.ask("Something", "odd", labels=["kernel-request"])
    found = wishes.sync()
    assert [wish.number for wish in found.wishes] == [1, 6, 7]
    assert {skip.number: skip.reason for skip in found.skips} == {
        2: "it is a pull request",
        3: "it does not follow the form and names no op",
        4: "its labels say that it is something else",
        5: "its title speaks of trouble, not of a wish",
    }
    loaded = wishes.load()
    assert loaded[1].status is WishStatus.IN_PROGRESS
    assert loaded[6].ops == ("softmax",)
    assert [note.reason for note in loaded[7].notes] == [
        "it does not follow the form",
        "no op of the vocabulary is named",
    ]


def test_edits_closings_and_reopenings_are_followed(wishes: WishList) -> None:
    ask(wishes, 2)
    wishes.sync()
    wishes.tracker.edit(1, body=rendered(operation="softmax"), title="other")
    wishes.tracker.close(2, "not_planned")
    assert [wish.number for wish in wishes.sync().wishes] == [1, 2]
    loaded = wishes.load()
    assert (loaded[1].ops, loaded[1].title) == (("softmax",), "other")
    assert (loaded[2].status, loaded[2].priority) == (WishStatus.DECLINED, 0.0)
    wishes.tracker.reopen(2)
    wishes.sync()
    assert wishes.load()[2].status is WishStatus.OPEN


def test_a_wish_that_is_none_any_more_leaves_the_list(wishes: WishList) -> None:
    wishes.tracker.ask("softmax, please")
    wishes.sync()
    assert list(wishes.load()) == [1]
    wishes.tracker.edit(1, title="never mind")
    wishes.sync()
    assert wishes.load() == {}
    assert wishes.rows("SELECT number FROM wish_skips") == [(1,)]
    wishes.tracker.edit(1, title="softmax, please")
    wishes.sync()
    assert list(wishes.load()) == [1]
    assert wishes.rows("SELECT number FROM wish_skips") == []


def test_deleted_and_transferred_issues_leave_the_list(wishes: WishList) -> None:
    ask(wishes, 4)
    wishes.server.world.add("octo/other")
    wishes.sync()
    wishes.tracker.delete(1)
    wishes.server.world.transfer_issue(3, REPO, "octo/other")
    found = wishes.sync()
    assert {one.number: one.reason for one in found.gone} == {
        1: "deleted",
        3: "transferred to octo/other#1",
    }
    assert sorted(wishes.load()) == [2, 4]
    assert wishes.rows("SELECT number, gone IS NULL FROM wishes ORDER BY number") == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
    ]
    assert wishes.sync().requests == 1


def test_a_long_list_is_read_whole_first_and_what_changed_after(wishes: WishList) -> None:
    ask(wishes, 620, by=None, is_open=False)
    wishes.sync()
    assert len(wishes.load()) == 620
    wishes.tracker.edit(5, title="changed")
    found = wishes.sync()
    assert ([wish.number for wish in found.wishes], found.requests) == ([5], 2)
    assert "since=2026-03-01T10%3A20%3A00Z" in wishes.asked()[1]
    wishes.tracker.delete(7)
    assert wishes.sync().requests == 1
    later = wishes.sync(now=LATER + timedelta(days=1))
    assert [one.number for one in later.gone] == [7]
    wishes.tracker.delete(8)
    assert [one.number for one in wishes.sync(full=True).gone] == [8]


def test_reactions_are_people_and_are_followed_though_they_touch_no_date(wishes: WishList) -> None:
    ask(wishes, by="ada")
    for who, content in (("bob", "+1"), ("bob", "heart"), ("ada", "+1"), ("kim", "eyes")):
        wishes.tracker.react(1, who, content)
    wishes.tracker.react(1, "ci[bot]")
    wishes.sync()
    assert wishes.load()[1].votes == 1
    wishes.tracker.react(1, "kim", "heart")
    wishes.sync()
    assert wishes.load()[1].votes == 2
    assert len(wishes.asked()) == 3


def test_people_who_ask_again_are_counted_once(wishes: WishList) -> None:
    ask(wishes, by="ada")
    for who, text in (
        ("bob", "+1"),
        ("bob", "any news?"),
        ("kim", "what shapes?"),
        ("ada", "I still need this"),
        ("eve", "me too"),
        ("bot[bot]", "+1"),
    ):
        wishes.tracker.comment(1, text, by=who)
    wishes.tracker.react(1, "eve")
    wishes.sync()
    assert wishes.load()[1].votes == 2


def test_duplicates_are_folded_into_what_they_repeat(wishes: WishList) -> None:
    ask(wishes, by="ada")
    ask(wishes, by="bob")
    wishes.tracker.react(2, "kim")
    wishes.tracker.comment(2, "Duplicate of #1", association="OWNER")
    wishes.tracker.close(2, "duplicate")
    wishes.sync()
    loaded = wishes.load()
    assert (loaded[2].status, loaded[2].duplicate_of) == (WishStatus.DUPLICATE, 1)
    assert (loaded[1].votes, loaded[2].votes) == (2, 1)


def test_pull_requests_of_other_repositories_are_found_in_the_timeline(wishes: WishList) -> None:
    ask(wishes, 2)
    there = wishes.server.world.add("far/away").tracker
    there.ask("kernel", f"Closes {REPO}#1", is_pull=True)
    there.ask("idea", f"see {REPO}#2", is_pull=True)
    wishes.tracker.refer(1, "far/away", 1)
    wishes.tracker.refer(2, "far/away", 2)
    wishes.sync()
    loaded = wishes.load()
    assert (loaded[1].status, loaded[1].pull_requests) == (WishStatus.IN_PROGRESS, ("far/away#1",))
    assert loaded[2].status is WishStatus.OPEN


def test_a_fulfilled_wish_names_the_kernel_of_its_pull_request(wishes: WishList) -> None:
    ask(wishes)
    kernel = "octo/kernels:ops/norm.py::rms_norm"
    wishes.tracker.ask("It", f"Closes #1 with {kernel}", is_pull=True, is_open=False)
    wishes.tracker.edit(2, merged_at=wishes.tracker.now)
    wishes.tracker.close(1)
    wishes.sync()
    wish = wishes.load()[1]
    assert (wish.status, wish.fulfilled_by) == (WishStatus.FULFILLED, kernel)


def test_requests_are_bounded_and_the_rest_comes_next_time(wishes: WishList) -> None:
    ask(wishes, 5)
    wishes.tracker.comment(4, "+1")
    first = wishes.sync(most_requests=3)
    assert first.stopped == "the 3 requests of a run are spent; run again to go on"
    assert first.requests == 3
    assert wishes.rows("SELECT number FROM wishes WHERE is_due ORDER BY ALL") == [(2,), (3,), (5,)]
    # What most people talk about comes first.
    assert wishes.load()[4].votes == 1
    second = wishes.sync()
    assert (second.stopped, second.requests) == (None, 4)
    assert wishes.sync().requests == 1


def test_a_limit_of_github_keeps_what_was_read(wishes: WishList) -> None:
    ask(wishes, 3)
    wishes.server.script(Fault(what=What.PRIMARY_LIMIT, on="*/timeline", first=2))
    found = wishes.sync()
    assert found.stopped is not None
    assert "limit" in found.stopped
    assert len(wishes.load()) == 3
    wishes.server.heal()


@pytest.mark.parametrize("what", [What.SERVER_ERROR, What.INVALID_JSON, What.GARBAGE, What.HTML])
def test_a_listing_that_fails_changes_nothing(wishes: WishList, what: What) -> None:
    ask(wishes, 2)
    wishes.sync()
    before = wishes.load()
    wishes.tracker.edit(1, title="other")
    wishes.server.script(Fault(what=what, on="*/issues", times=None))
    with pytest.raises(GithubError):
        wishes.sync()
    assert wishes.load() == before
    wishes.server.heal()
    wishes.sync()
    assert wishes.load()[1].title == "other"


def test_talk_that_cannot_be_read_is_told_and_read_next_time(wishes: WishList) -> None:
    ask(wishes, 2)
    wishes.server.script(Fault(what=What.SERVER_ERROR, on="*/1/timeline", times=3))
    found = wishes.sync()
    (problem,) = found.problems
    assert problem.startswith("issue 1: GitHub answers 500")
    assert len(wishes.load()) == 2
    assert wishes.sync().requests == 2
    assert wishes.sync().requests == 1


def test_without_a_timeline_the_comments_are_read(wishes: WishList) -> None:
    ask(wishes)
    wishes.tracker.comment(1, "+1")
    wishes.server.script(Fault(what=What.NOT_FOUND, on="*/timeline", times=None))
    wishes.sync()
    assert wishes.load()[1].votes == 1


def test_a_renamed_repository_keeps_its_wishes(wishes: WishList) -> None:
    ask(wishes, 2)
    wishes.sync()
    wishes.server.world.rename(REPO, "hub/wishes")
    wishes.tracker.edit(1, title="after")
    found = wishes.sync()
    assert (found.repo, found.renamed_from) == ("hub/wishes", REPO)
    assert {wish.repo for wish in wishes.load().values()} == {"hub/wishes"}
    assert wishes.load()[1].title == "after"
    # By either name, at the cost of one request.
    assert [wishes.sync(REPO).requests, wishes.sync("hub/wishes").requests] == [1, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [("octo/nothing", "octo/nothing: GitHub has no such repository, or it is private")],
)
def test_a_repository_that_cannot_be_read(wishes: WishList, name: str, message: str) -> None:
    with pytest.raises(GithubError, match=message):
        wishes.sync(name)


def test_rules_that_changed_read_everything_anew(
    wishes: WishList, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(wishes, 2)
    wishes.sync()
    monkeypatch.setattr("wishlist.sync.reading_version", lambda: "next")
    found = wishes.sync()
    assert (found.requests, found.is_changed, found.wishes) == (1, True, ())
    assert not wishes.sync().is_changed
