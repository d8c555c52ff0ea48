from __future__ import annotations

import pytest

from tests.wishlist.samples import REPO, issue, issue_wish
from wishlist.issues import Comment, Person, Timeline
from wishlist.reading import closed_by, named_kernel
from wishlist.talk import with_reactions, with_talk

CLOSES = {
    "Closes #7": (7,),
    "fixes: #7, resolves octo/wishes#8 and fix other/repo#9": (7, 8),
    "Close https://github.com/Octo/Wishes/issues/7": (7,),
    "fixed GH-7": (7,),
    "see #7": (),
    "`closes #7`\n\n```\ncloses #8\n```\n> closes #9": (7,),
    "<!-- closes #7 -->": (),
    "discloses #7": (),
}


@pytest.mark.parametrize(("body", "numbers"), CLOSES.items())
def test_which_issues_a_pull_request_closes(body: str, numbers: tuple[int, ...]) -> None:
    assert closed_by(issue(9, body=body, is_pull=True), REPO) == numbers


KERNELS = {
    "served by octo/kernels:ops/norm.py::rms_norm": "octo/kernels:ops/norm.py::rms_norm",
    "`pypi:flag-gems:a/b.py::make.<locals>.k#2`.": "pypi:flag-gems:a/b.py::make.<locals>.k#2",
    "o/r:Puzzles.ipynb[12]::add_kernel!": "o/r:Puzzles.ipynb[12]::add_kernel",
    "std::vector and a::b": None,
    "http://x/y:8080/z::w": None,
}


@pytest.mark.parametrize(("text", "id"), KERNELS.items())
def test_which_kernel_a_text_names(text: str, id: str | None) -> None:
    assert named_kernel(text) == id


def said(body: str, *, is_official: bool = True) -> Comment:
    author = Person(id=1, login="ada", is_bot=False)
    return Comment(id=1, author=author, body=body, is_official=is_official)


def timeline(*comments: Comment) -> Timeline:
    return Timeline(comments=comments, references=(), n_events=len(comments))


def test_maintainers_alone_say_what_a_wish_repeats_and_who_serves_it() -> None:
    kernel = "octo/kernels:ops/norm.py::rms_norm"
    talk = timeline(
        said("Duplicate of #3"),
        said("Sorry, duplicate of octo/wishes#4"),
        said("duplicate of #5, see a/b:c.py::d", is_official=False),
        said(f"Served by {kernel}. Not a dup of other/repo#6, nor a duplicate of #1."),
    )
    wish = with_talk(issue_wish(1), talk, is_whole=True)
    assert (wish.said_duplicate_of, wish.said_kernel) == (4, kernel)


def test_who_reacts_counts_once_and_bots_do_not() -> None:
    ada, bot = Person(id=1, login="ada", is_bot=False), Person(id=2, login="x[bot]", is_bot=True)
    assert with_reactions(issue_wish(1), (ada, ada, bot, None)).reactors == (1,)


def test_only_pull_requests_that_close_it_are_for_it() -> None:
    far = {"repo": "far/away", "is_pull": True}
    references = (
        issue(3, body="Closes octo/wishes#1", **far),
        issue(4, body="related to octo/wishes#1", **far),
        issue(5, body="Closes #1", **far),
        issue(6, body="Closes octo/wishes#1", repo="far/away"),
    )
    talk = Timeline(comments=(), references=references, n_events=4)
    assert [p.address for p in with_talk(issue_wish(1), talk, is_whole=True).pulls] == [
        "far/away#3"
    ]


def test_talk_that_was_not_read_to_its_end_is_noted_once() -> None:
    wish = with_talk(issue_wish(1), timeline(said("+1")), is_whole=False)
    wish = with_talk(wish, timeline(said("+1")), is_whole=False)
    assert [note.reason for note in wish.notes] == ["only the first 1 events around it are read"]
    assert with_talk(wish, timeline(), is_whole=True).notes == ()
