"""Three hundred issues of all kinds: each ends as a wish, a note or a named skip."""

from __future__ import annotations

import os
import random

import pytest

from tests.wishlist.generated import Written, write_issues
from tests.wishlist.lists import REPO, WishList
from tests.wishlist.written import rendered
from wishlist.models import SyncedWishes, WishStatus

COUNT = 330
PEOPLE = ("bob", "kim", "eve", "sam", "ci[bot]", "ada")


def populate(wishes: WishList, seed: int) -> dict[int, tuple[str, Written]]:
    rng = random.Random(seed)
    issues: dict[int, tuple[str, Written]] = {}
    for kind, one in write_issues(seed, COUNT):
        made = wishes.tracker.ask(one.title, one.body, **one.facts)
        issues[made.number] = (kind, one)
    for number in issues:
        for _ in range(rng.choice((0, 0, 1, 3))):
            wishes.tracker.react(number, rng.choice(PEOPLE), rng.choice(("+1", "heart", "eyes")))
        if rng.random() < 0.3:
            words = rng.choice(("+1", "me too", "Which shapes?", "> +1\n\nno"))
            wishes.tracker.comment(number, words, by=rng.choice(PEOPLE))
    return issues


def check(issues: dict[int, tuple[str, Written]], found: SyncedWishes, wishes: WishList) -> None:
    skipped = {skip.number: skip.reason for skip in found.skips}
    loaded = wishes.load()
    assert loaded.keys() | skipped.keys() == issues.keys()
    assert not loaded.keys() & skipped.keys()
    assert found.problems == ()
    for number, (kind, one) in issues.items():
        case = f"#{number} ({kind})"
        if one.op is None:
            assert skipped.get(number), case
            continue
        wish = loaded.get(number)
        assert wish is not None, case
        assert one.op in wish.ops or (one.op == "" and wish.ops == ()), case
        assert one.notes <= {note.field for note in wish.notes}, case
        assert one.operation in (None, wish.operation), case
        assert "evil" not in f"{wish.operation} {wish.passes}", case
        assert "\0" not in f"{wish.title}{wish.operation}{wish.why}", case


@pytest.mark.parametrize("seed", range(5) if os.environ.get("TEST_EVERYTHING") else [7])
def test_every_issue_ends_as_a_wish_a_note_or_a_named_skip(wishes: WishList, seed: int) -> None:
    issues = populate(wishes, seed)
    first = wishes.sync()
    check(issues, first, wishes)
    before = wishes.load()
    second = wishes.sync()
    assert [served.status for served in wishes.server.api_log()] == [304]
    assert (second.requests, second.is_changed) == (1, False)
    assert wishes.load() == before


def test_what_happens_to_them_is_followed(wishes: WishList) -> None:
    issues = populate(wishes, seed=3)
    wishes.server.world.add("octo/other")
    wishes.sync()
    forms = [number for number, (kind, _) in issues.items() if kind == "plain_form"]
    edited, closed, declined, deleted, moved, assigned, wanted = forms[:7]
    wishes.tracker.edit(edited, body=rendered(operation="Hadamard transform"))
    wishes.tracker.close(closed)
    wishes.tracker.close(declined, "not_planned")
    wishes.tracker.delete(deleted)
    wishes.server.world.transfer_issue(moved, REPO, "octo/other")
    wishes.tracker.edit(assigned, assignees=["kim"])
    votes = wishes.load()[wanted].votes
    wishes.tracker.comment(wanted, "I need this too", by="zoe")
    found = wishes.sync()
    assert {one.number: one.reason for one in found.gone} == {
        deleted: "deleted",
        moved: "transferred to octo/other#1",
    }
    loaded = wishes.load()
    assert loaded[edited].ops == ("hadamard_transform",)
    assert loaded[closed].status is WishStatus.FULFILLED
    assert loaded[declined].status is WishStatus.DECLINED
    assert loaded[assigned].status is WishStatus.CLAIMED
    assert loaded[wanted].votes == votes + 1
    assert not loaded.keys() & {deleted, moved}
    wishes.tracker.reopen(closed)
    wishes.sync()
    assert wishes.load()[closed].status is WishStatus.OPEN
    assert (wishes.sync().requests, wishes.sync().is_changed) == (1, False)
