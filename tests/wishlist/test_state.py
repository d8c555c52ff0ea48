from __future__ import annotations

from typing import Any

import pytest

from tests.wishlist.samples import REPO, issue_wish
from wishlist.models import LinkedPull, PullRequest, WishStatus
from wishlist.state import pulls_by_issue, state_of

KERNEL = "octo/kernels:ops/norm.py::rms_norm_kernel"


def pull(number: int = 9, **facts: Any) -> PullRequest:
    defaults: dict[str, Any] = {
        "repo": REPO,
        "number": number,
        "closes": (1,),
        "is_open": True,
        "is_merged": False,
        "kernel": None,
    }
    return PullRequest(**(defaults | facts))


OTHER_PULL = LinkedPull(address="far/away#3", is_open=True, is_merged=False)
DONE_PULL = LinkedPull(address="far/away#3", is_open=False, is_merged=True)

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing is known": ({}, "open"),
    "a label of the form": ({"labels": ("kernel-request",)}, "open"),
    "somebody is assigned": ({"assignees": ("ada",)}, "claimed"),
    "a label says it is claimed": ({"labels": ("Status: Claimed",)}, "claimed"),
    "a label says work is under way": ({"labels": ("🚧 in progress",)}, "in_progress"),
    "a pull request elsewhere is open": ({"pulls": (OTHER_PULL,)}, "in_progress"),
    "a pull request elsewhere is merged": ({"pulls": (DONE_PULL,)}, "open"),
    "work counts for more than a claim": (
        {"assignees": ("ada",), "pulls": (OTHER_PULL,)},
        "in_progress",
    ),
    "closed without a reason": ({"is_open": False}, "fulfilled"),
    "closed as completed": ({"is_open": False, "closed_as": "completed"}, "fulfilled"),
    "closed as not planned": ({"is_open": False, "closed_as": "not_planned"}, "declined"),
    "closed as a duplicate": ({"is_open": False, "closed_as": "duplicate"}, "duplicate"),
    "labelled a duplicate": ({"labels": ("duplicate",)}, "duplicate"),
    "called a duplicate and closed": (
        {"is_open": False, "closed_as": "not_planned", "said_duplicate_of": 3},
        "duplicate",
    ),
    "called a duplicate, and open": ({"said_duplicate_of": 3}, "open"),
    "declined by a label": ({"labels": ("wontfix",)}, "declined"),
    "closed with a label that declines": (
        {"is_open": False, "closed_as": "completed", "labels": ("won't fix",)},
        "declined",
    ),
    "opened again": ({"closed_as": "reopened", "labels": ("wontfix", "duplicate")}, "open"),
    "closed while work is under way": ({"is_open": False, "pulls": (OTHER_PULL,)}, "fulfilled"),
}


@pytest.mark.parametrize(("facts", "status"), CASES.values(), ids=CASES)
def test_status(facts: dict[str, Any], status: str) -> None:
    assert state_of(issue_wish(1, **facts), ()).status == status


def test_pull_requests_of_the_same_repository() -> None:
    pulls = (pull(9), pull(10, is_open=False), pull(11, closes=(2,)))
    assert {number: len(each) for number, each in pulls_by_issue(pulls).items()} == {1: 2, 2: 1}
    state = state_of(issue_wish(1, pulls=(OTHER_PULL,)), pulls[:2])
    assert state.status is WishStatus.IN_PROGRESS
    assert [one.address for one in state.pulls] == [OTHER_PULL.address, f"{REPO}#10", f"{REPO}#9"]


def test_who_serves_a_fulfilled_wish() -> None:
    merged = pull(is_open=False, is_merged=True, kernel=KERNEL)
    closed = issue_wish(1, is_open=False)
    assert state_of(closed, (merged,)).kernel == KERNEL
    assert state_of(issue_wish(1), (merged,)).kernel is None
    assert state_of(closed, (pull(is_open=False, kernel=KERNEL),)).kernel is None
    said = issue_wish(1, is_open=False, said_kernel="a/b:c.py::d")
    assert state_of(said, (merged,)).kernel == "a/b:c.py::d"


def test_what_a_duplicate_repeats() -> None:
    state = state_of(issue_wish(1, labels=("duplicate",), said_duplicate_of=3), ())
    assert state.duplicate_of == 3
    assert state_of(issue_wish(1, said_duplicate_of=3), ()).duplicate_of is None
