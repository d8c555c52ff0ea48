"""From an issue to what it wishes for, or to why it is no wish. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crawler.enrich.words import backward_words
from crawler.stages import stage_version
from wishlist.answers import read_dtypes, read_features, read_hardware, read_passes
from wishlist.asked import ops_asked_for
from wishlist.form import WishForm, parse_form
from wishlist.issues import Issue
from wishlist.markdown import clean_body, prose
from wishlist.models import IssueWish, Pass, PullRequest, WishNote, WishSkip
from wishlist.vocabulary import LabelKind, label_kinds

_TROUBLE = re.compile(
    r"\b(bugs?|crash(es|ed|ing)?|errors?|exception|fail(s|ed|ing|ure)?|broken|traceback|segfault"
    r"|typo|wrong|incorrect|regression|hangs?|how (do|to)|question)\b",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(request|wish|wanted|need(s|ed)?|please|missing|add|support|implement|looking for"
    r"|would (like|love)|kernel for)\b",
    re.IGNORECASE,
)
# What asks for a kernel of its own, though for none that the vocabulary names.
_TITLE_ASKS = re.compile(
    r"\b(?:in|with|using) triton\b|\btriton (?:kernels?|implementation|version|port)\b"
    r"|\bgpu kernels?\b",
    re.IGNORECASE,
)
_TEXT_ASKS = re.compile(
    r"\b(?:an?|some|the|custom|fused|efficient|fast|dedicated|need|want|wish for|write|add"
    r"|implement)\s+(?:\w+\s+){0,3}?(?:gpu|cuda|triton)\s+kernels?\b",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s+"
    r"(?:(?:https?://[^\s/]+/)?([\w.-]+/[\w.-]+)(?:#|/issues/)|#|GH-)(\d{1,9})\b",
    re.IGNORECASE,
)
_KERNEL_ID = re.compile(
    r"(?<![\w/.:-])((?:pypi:[\w.-]+|[\w-][\w.-]*/[\w.-]+):[\w./ +@-]{1,300}?(?:\[\d+\])?::"
    r"[A-Za-z_]\w{0,99}(?:\.(?:\w{1,99}|<locals>)){0,9}(?:#\d+)?)"
)
_MOST_CLOSED = 50
_MOST_NOTES = 50
# A backward pass that is asked for beside the forward one.
_BESIDES = re.compile(
    r"(?:\b(?:with|and|plus|including)|[+&])\s+(?:(?:its?|a|the|also)\s+)?"
    r"(?:backwards?|bwd|backprop|gradients?)\b",
    re.IGNORECASE,
)


def reading_version() -> str:
    """Return what changes whenever something else may be read from an issue: all are read anew."""
    data = ("crawler/data/ops.toml", "wishlist/data/wishes.toml")
    return stage_version("wishlist.reading", data=data)


def read_wish(issue: Issue) -> IssueWish | WishSkip:
    """Return what an issue wishes for, or why it is none.

    It is a wish if it carries the label, or follows the form and no label makes it something else.
    Without either it is one if it names an op, or asks for a kernel in Triton or for the GPU, and
    its title does not speak of trouble.
    """
    form = parse_form(issue.body)
    asked = ops_asked_for(issue.title, form.operation, form.reference, form.rest)
    kinds = label_kinds(issue.labels)
    is_form = form.is_form and LabelKind.OTHER not in kinds
    is_asked = LabelKind.WISH in kinds or is_form
    reason = None if is_asked else _why_none(issue, asked.ops, kinds)
    if reason is not None:
        return WishSkip(repo=issue.repo, number=issue.number, reason=reason)
    problems = (WishNote(field=field, reason=why) for field, why in issue.problems)
    notes = [*problems, *form.notes, *asked.notes]
    if not form.is_form:
        notes.append(WishNote(field="body", reason="it does not follow the form"))
    if not asked.ops:
        notes.append(WishNote(field="operation", reason="no op of the vocabulary is named"))
    text = " ".join(filter(None, (issue.title, form.operation)))
    spoken = text if form.is_form else f"{text} {prose(form.rest)}"
    return IssueWish(
        repo=issue.repo,
        number=issue.number,
        issue_id=issue.id,
        url=issue.url,
        title=issue.title,
        asker=issue.author.id if issue.author else None,
        is_open=issue.is_open,
        closed_as=issue.closed_as,
        labels=issue.labels,
        assignees=issue.assignees,
        created_at=issue.created_at,
        updated_at=issue.updated_at,
        operation=form.operation,
        ops=asked.ops,
        passes=form.passes or _spoken_passes(text),
        dtypes=form.dtypes or read_dtypes(spoken, is_prose=True)[0],
        hardware=form.hardware or read_hardware(spoken, is_prose=True)[0],
        reference=form.reference,
        features=read_features(spoken),
        shapes=form.shapes,
        why=form.why or _free_text(form),
        offers_help=form.offers_help,
        wanting=issue.wanting,
        n_comments=issue.n_comments,
        notes=_bounded(notes),
    )


def read_pull(issue: Issue) -> PullRequest:
    """Return which issues of its own repository a pull request closes, and its kernel."""
    text = f"{issue.title}\n{clean_body(issue.body)}"
    return PullRequest(
        repo=issue.repo,
        number=issue.number,
        closes=closed_by(issue, issue.repo)[:_MOST_CLOSED],
        is_open=issue.is_open,
        is_merged=issue.is_merged,
        kernel=named_kernel(text),
    )


def closed_by(pull: Issue, repo: str) -> tuple[int, ...]:
    """Return the issues of `repo` that a pull request says it closes."""
    text = f"{pull.title}\n{prose(clean_body(pull.body))}\n{_addresses(pull.body)}"
    found = (
        int(number)
        for named, number in _CLOSES.findall(text)
        if (named or pull.repo).lower() == repo.lower()
    )
    return tuple(dict.fromkeys(found))


def named_kernel(text: str) -> str | None:
    """Return the first id of a kernel that a text names, `owner/name:path::qualname`."""
    match = _KERNEL_ID.search(text)
    return match[1] if match else None


def _why_none(issue: Issue, ops: tuple[str, ...], kinds: frozenset[LabelKind]) -> str | None:
    if LabelKind.OTHER in kinds:
        return "its labels say that it is something else"
    if not ops and not _asks_for_kernel(issue):
        return "it does not follow the form and names no op"
    if _TROUBLE.search(issue.title) and not _REQUEST.search(issue.title):
        return "its title speaks of trouble, not of a wish"
    return None


def _asks_for_kernel(issue: Issue) -> bool:
    """Tell whether an issue that names no known op asks for a kernel all the same."""
    text = prose(clean_body(issue.body))
    return bool(_TITLE_ASKS.search(issue.title) or _TEXT_ASKS.search(text))


def _spoken_passes(text: str) -> tuple[Pass, ...]:
    """Return the passes that a title speaks of; `softmax with backward` is both of them."""
    found, _ = read_passes(text)
    if not found and backward_words(text):
        found = (Pass.BACKWARD,)
    return tuple(Pass) if found == (Pass.BACKWARD,) and _BESIDES.search(text) else found


def _bounded(notes: Iterable[WishNote]) -> tuple[WishNote, ...]:
    found = tuple(dict.fromkeys(notes))
    if len(found) <= _MOST_NOTES:
        return found
    more = f"{len(found) - _MOST_NOTES} more parts could not be read"
    return (*found[:_MOST_NOTES], WishNote(field="body", reason=more))


def _free_text(form: WishForm) -> str | None:
    return prose(form.rest).strip()[:8_000] or None if not form.is_form else None


def _addresses(text: str) -> str:
    """Return the lines that close an issue by its address, which prose leaves out."""
    lines = clean_body(text).split("\n")
    return "\n".join(line for line in lines if "/issues/" in line and "`" not in line)
