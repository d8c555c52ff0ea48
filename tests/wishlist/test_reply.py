from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from tests.github_server import Fault, What
from tests.wishlist.lists import REPO, WishList
from tests.wishlist.samples import wish
from wishlist.models import Wish, WishMatch, WishStatus
from wishlist.posting import Poster
from wishlist.reply import MARKER, Comment, Reply, code, plain, plan_replies, reply_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KERNEL = "octo/kernels:ops/norm.py::rms_norm_kernel"
PERMALINK = f"https://github.com/octo/kernels/blob/{'1' * 40}/ops/norm.py#L1-L9"
LIVE = {KERNEL: PERMALINK}


def matched(
    number: int = 1, score: float = 0.9, reason: str = "forward only", **facts: Any
) -> Wish:
    match = WishMatch(id=facts.pop("id", KERNEL), score=score, reason=reason)
    return wish(number, matches=(match,), matched_at=NOW, **facts)


def test_a_reply_names_the_candidates() -> None:
    text = reply_text(matched(reason="forward only, no backward; Apache-2.0"), LIVE)
    assert text is not None
    first, opening, _, line, _, _ = text.rstrip().split("\n")
    assert first == MARKER
    assert "may be the kernel" in opening
    assert line == f"- [`{KERNEL}`]({PERMALINK}): forward only, no backward; Apache\\-2.0"
    partly = reply_text(matched(score=0.5), LIVE)
    assert partly is not None
    assert "do some of" in partly


SILENT = {
    "never matched": wish(),
    "nothing comes near": matched(score=0.1),
    "no match": wish(matched_at=NOW),
    "its kernel is gone": matched(id="octo/kernels:gone.py::k"),
    "fulfilled": matched(status=WishStatus.FULFILLED),
    "declined": matched(status=WishStatus.DECLINED),
    "duplicate": matched(status=WishStatus.DUPLICATE),
}


@pytest.mark.parametrize("one", SILENT.values(), ids=SILENT)
def test_no_reply_where_there_is_nothing_to_say(one: Wish) -> None:
    assert reply_text(one, LIVE) is None
    assert plan_replies([one], {}, LIVE) == ()


def test_what_stands_already_is_not_written_again() -> None:
    one = matched()
    (reply,) = plan_replies([one], {}, LIVE)
    assert reply.known is None
    written = {(REPO, 1): Comment(id=7, body=reply.body)}
    assert plan_replies([one], written, LIVE) == ()
    (edit,) = plan_replies([matched(reason="fp8 too")], written, LIVE)
    assert edit.known == written[REPO, 1]
    (taken_back,) = plan_replies([one], written, {})
    assert "not in the index any more" in taken_back.body
    assert plan_replies([one], {(REPO, 1): Comment(id=7, body=taken_back.body)}, {}) == ()


def test_a_run_is_bounded() -> None:
    found = plan_replies([matched(number) for number in range(1, 9)], {}, LIVE, limit=3)
    assert [reply.wish.number for reply in found] == [1, 2, 3]


HOSTILE = [
    "@ada",
    "@org/team",
    "#12",
    "octo/wishes#12",
    "GH-12",
    "gh-12",
    "https://evil.example/x",
    "www.evil.example",
    "d6cd1e2bd19e03a81132a23b2025920577f84e37",
    "<!-- hidden -->",
    "<script>alert(1)</script>",
    "[a](https://evil.example)",
    "![a](b)",
    "**bold** _x_ `code` ~~gone~~ | cell",
    "# head",
    "line\n\n## head\r\n> quote",
    "\x1b]0;owned\x07\u202e\0",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_elsewhere_is_markup_or_calls_anybody(text: str) -> None:
    from markdown_it import MarkdownIt

    line = plain(text)
    assert "\n" not in line
    assert line.isascii() or line.replace("\u200b", "").isascii()
    tokens = MarkdownIt("commonmark").parse(f"- k: {line}")
    (inline,) = (token for token in tokens if token.type == "inline")
    assert {child.type for child in inline.children or ()} == {"text"} or {
        child.type for child in inline.children or ()
    } == {"text", "text_special"}
    shown = "".join(child.content for child in inline.children or ())
    for call in ("@ada", "@org", "#12", "GH-12", "gh-12", "://", "www.evil", "d6cd1e2b"):
        assert call not in shown


def test_code_cannot_be_left() -> None:
    assert code("a`b``c") == "``` a`b``c ```"
    assert code("a\n\nb\x1b") == "`a b`"
    hostile = f"evil/repo:a`b.py::k\n\n@ada {'x' * 999}"
    text = reply_text(matched(id=hostile), {hostile: "javascript:alert(1)#L1-L2"})
    assert text is not None
    assert "javascript" not in text
    assert "- `` evil/repo:a`b.py::k @ada " in text


def reply(number: int = 1, body: str = f"{MARKER}\nhello\n", known: Comment | None = None) -> Reply:
    return Reply(wish=wish(number), body=body, known=known)


def bodies(wishes: WishList, number: int = 1) -> list[str]:
    return [comment.body for comment in wishes.tracker.issues[number].comments]


@pytest.fixture(params=["ada", "github-actions[bot]"])
def viewer(request: pytest.FixtureRequest, wishes: WishList) -> str:
    wishes.server.world.viewer = request.param
    wishes.tracker.ask("RMSNorm")
    return str(request.param)


def test_a_comment_is_written_once_and_edited_in_place(
    wishes: WishList, client: GithubClient, viewer: str
) -> None:
    written = Poster(client).post(reply())
    assert bodies(wishes) == [f"{MARKER}\nhello\n"]
    edited = Poster(client).post(reply(body="other", known=written))
    assert (edited.id, bodies(wishes)) == (written.id, ["other"])


def test_a_comment_of_a_run_that_nobody_remembers_is_found(
    wishes: WishList, client: GithubClient, viewer: str
) -> None:
    written = Poster(client).post(reply())
    again = Poster(client).post(reply(body=f"{MARKER}\nother\n"))
    assert (again.id, bodies(wishes)) == (written.id, [f"{MARKER}\nother\n"])


def test_other_peoples_comments_are_never_edited(
    wishes: WishList, client: GithubClient, viewer: str
) -> None:
    wishes.tracker.comment(1, f"{MARKER}\nmine", by="eve")
    wishes.tracker.comment(1, f"{MARKER}\nmine", by="eve[bot]")
    Poster(client).post(reply())
    assert bodies(wishes) == [f"{MARKER}\nmine", f"{MARKER}\nmine", f"{MARKER}\nhello\n"]


def test_a_comment_that_somebody_deleted_stays_deleted(
    wishes: WishList, client: GithubClient, viewer: str
) -> None:
    gone = Comment(id=1, body="old")
    assert Poster(client).post(reply(known=gone)) == Comment(id=1, body=reply().body)
    assert bodies(wishes) == []


def test_an_answer_that_is_lost_is_not_sent_twice(
    wishes: WishList, client: GithubClient, viewer: str
) -> None:
    wishes.server.script(Fault(what=What.RESET, on="*/issues/1/comments", first=2))
    with pytest.raises(GithubError):
        Poster(client).post(reply())
    assert len(bodies(wishes)) == 1
    Poster(client).post(reply())
    assert len(bodies(wishes)) == 1


def test_a_wish_that_takes_no_comment(wishes: WishList, client: GithubClient, viewer: str) -> None:
    wishes.server.script(Fault(what=What.FORBIDDEN, on="*/issues/1/comments", times=None))
    with pytest.raises(GithubError, match=f"{REPO}#1: GitHub takes no comment \\(403"):
        Poster(client).post(reply())
