from __future__ import annotations

from datetime import timedelta

import pytest

from tests.wishlist.samples import ASKED_AT, issue_wish
from wishlist.demand import asks_again, duplicates_by_wish, people_asking, priority, voters
from wishlist.issues import Comment, Person
from wishlist.models import WishStatus

ASKS = """
+1
👍
Me too!
I also need this for training.
We would love to have this.
would be super useful
Any progress on this?
Same here, we need it on MI300.
I'd really like to see it
我也需要
""".strip().split("\n")

OTHER = """
Which shapes do you mean?
I don't need this any more.
> +1
Done in #12.
Our team does not want that.
It needs a test.
-1
Thanks!
C++1 is no language
""".strip().split("\n")


@pytest.mark.parametrize("text", ASKS)
def test_a_comment_that_asks_again(text: str) -> None:
    assert asks_again(text)


@pytest.mark.parametrize("text", [*OTHER, "```\n+1\n```", ""])
def test_a_comment_that_does_not(text: str) -> None:
    assert not asks_again(text)


def said(id: int, body: str, *, is_bot: bool = False) -> Comment:
    author = Person(id=id, login=f"user{id}", is_bot=is_bot)
    return Comment(id=1, author=author, body=body, is_official=False)


def test_people_are_counted_not_comments() -> None:
    comments = [said(1, "+1"), said(1, "me too"), said(2, "why?"), said(3, "+1", is_bot=True)]
    nobody = Comment(id=1, author=None, body="+1", is_official=False)
    assert people_asking([*comments, nobody, said(4, "+1")]) == (1, 4)


def test_votes_are_distinct_people_besides_who_asked_first() -> None:
    wish = issue_wish(1, asker=10, reactors=(10, 11, 12), askers=(12, 13))
    assert voters(wish) == {11, 12, 13}
    again = issue_wish(2, asker=20, reactors=(10, 11), askers=(21,))
    nobody = issue_wish(3, asker=None, reactors=(22,))
    assert voters(wish, (again, nobody)) == {11, 12, 13, 20, 21, 22}


def test_duplicates_count_for_what_they_repeat_through_others_too() -> None:
    wishes = tuple(issue_wish(number) for number in range(1, 7))
    found = duplicates_by_wish(wishes, {2: 1, 3: 2, 5: 6, 6: 5})
    numbers = {number: [wish.number for wish in each] for number, each in found.items()}
    assert numbers == {1: [2, 3], 2: [3], 6: [5], 5: [6]}


def test_priority_is_people_and_patience() -> None:
    year = timedelta(days=366)
    assert priority(WishStatus.OPEN, 0, ASKED_AT, ASKED_AT) == 1.0
    assert priority(WishStatus.OPEN, 3, ASKED_AT, ASKED_AT + year / 2) == 4.5
    assert priority(WishStatus.OPEN, 3, ASKED_AT, ASKED_AT + 9 * year) == 5.0
    assert priority(WishStatus.OPEN, 3, ASKED_AT + year, ASKED_AT) == 4.0
    for status in (WishStatus.CLAIMED, WishStatus.IN_PROGRESS):
        assert priority(status, 3, ASKED_AT, ASKED_AT) == 2.0
    for status in (WishStatus.FULFILLED, WishStatus.DECLINED, WishStatus.DUPLICATE):
        assert priority(status, 99, ASKED_AT, ASKED_AT + year) == 0.0


def test_patience_never_outweighs_two_people() -> None:
    old = priority(WishStatus.OPEN, 0, ASKED_AT, ASKED_AT + timedelta(days=9_999))
    young = priority(WishStatus.OPEN, 2, ASKED_AT, ASKED_AT)
    assert old < young
