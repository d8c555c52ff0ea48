"""The one comment that answers a wish: which kernels may serve it. Pure.

Nothing of an issue is repeated in it, and what comes from elsewhere stands in code or is made
plain: it calls nobody, refers to no issue and is no markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wishlist.models import PARTLY_SCORE, Answer, Wish

MARKER = "<!-- triton-index: candidates -->"
"""Hidden on the page; by it the comment is found again."""
MOST_CANDIDATES = 3
_LONGEST = 300

_PERMALINK = re.compile(r"https://[\w./%~@+-]+#L\d+-L\d+", re.ASCII)
_MARKUP = re.compile(r"([\\`*_\[\]{}<>()#+!|~&-])")
# Where GitHub sees a person, an issue, a commit or an address in plain text.
_CALLS = re.compile(
    r"@(?=\w)|#(?=\d)|(?i:\bgh-)(?=\d)|://|(?i:\bwww\.)|(?<=[0-9a-f]{6})(?=[0-9a-f])"
)
_INVISIBLE = "\u200b"

_OPENINGS = {
    Answer.EXISTS: "The index has what may be the kernel that you wish for:",
    Answer.PARTLY: "The index has kernels that do some of what you wish for:",
}
_CLOSING = (
    "If one of them serves you, please say so here and close the issue; if none does, say what is "
    "missing. This comment is kept up to date as the index changes."
)
_NOTHING = (
    "The kernels that were named here are not in the index any more, and nothing else in it comes "
    "near. This comment is kept up to date as the index changes."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment that was written: its id, and its text as it was sent."""

    id: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A comment to write to a wish; `known` is the one to edit, None for a new one."""

    wish: Wish
    body: str
    known: Comment | None


def plan_replies(
    wishes: Iterable[Wish],
    written: Mapping[tuple[str, int], Comment],
    permalinks: Mapping[str, str],
    *,
    limit: int | None = None,
) -> tuple[Reply, ...]:
    """Return what is to be written: wishes in their order, at most `limit`.

    Settled wishes and those that were never matched get no comment, nor does one for which the
    index has nothing, and none is written again as it stands. `permalinks` holds every live
    kernel by its id; others are not named.
    """
    found: list[Reply] = []
    for wish in wishes:
        known = written.get((wish.repo, wish.number))
        body = reply_text(wish, permalinks)
        if body is None and known is not None and wish.matched_at and not wish.status.is_settled:
            body = f"{MARKER}\n{_NOTHING}\n"
        if body is not None and (known is None or known.body != body):
            found.append(Reply(wish=wish, body=body, known=known))
    return tuple(found[:limit])


def reply_text(wish: Wish, permalinks: Mapping[str, str]) -> str | None:
    """Return the comment that names the candidates for a wish, None if there is nothing to say."""
    if wish.status.is_settled or wish.answer not in _OPENINGS:
        return None
    near = sorted(wish.matches, key=lambda match: -match.score)
    candidates = [m for m in near if m.score >= PARTLY_SCORE and m.id in permalinks]
    if not candidates:
        return None
    lines = [
        f"- {_link(match.id, permalinks[match.id])}: {plain(match.reason)}"
        for match in candidates[:MOST_CANDIDATES]
    ]
    return "\n".join((MARKER, _OPENINGS[wish.answer], "", *lines, "", _CLOSING, ""))


def plain(text: str) -> str:
    """Return a line of text that is no markup, and in which GitHub sees no reference."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())
    apart = _CALLS.sub(lambda found: _apart(found[0]), line)
    return _MARKUP.sub(r"\\\1", apart)


def code(text: str) -> str:
    """Return the text as code in a line; GitHub sees no reference in it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())
    runs: Sequence[str] = re.findall("`+", line)
    fence = "`" * (max(map(len, runs), default=0) + 1)
    return f"{fence} {line} {fence}" if runs else f"`{line}`"


def _apart(text: str) -> str:
    return text[:1] + _INVISIBLE + text[1:]


def _link(id: str, permalink: str) -> str:
    named = code(id)
    return f"[{named}]({permalink})" if _PERMALINK.fullmatch(permalink) else named
