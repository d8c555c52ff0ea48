"""What became of a wish: from labels, assignees, pull requests and how it was closed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wishlist.models import IssueWish, LinkedPull, PullRequest, WishStatus
from wishlist.vocabulary import LabelKind, label_kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class WishState:
    """The status of a wish, what it repeats, the pull requests for it, and who serves it."""

    status: WishStatus
    duplicate_of: int | None
    pulls: tuple[LinkedPull, ...]
    kernel: str | None


def state_of(wish: IssueWish, pulls: Iterable[PullRequest]) -> WishState:
    """Return the state of a wish; `pulls` are those of its repository that say they close it.

    What maintainers say goes before what follows from the rest: a duplicate before how it was
    closed, that before labels, labels before pull requests and assignees. A label that says it is
    settled does not hold for an issue that was opened again.
    """
    own = tuple(pulls)
    linked = {f"{pull.repo}#{pull.number}": pull for pull in own}
    everyone = {
        **{pull.address: pull for pull in wish.pulls},
        **{address: _link(address, pull) for address, pull in linked.items()},
    }
    kernel = wish.said_kernel or next((p.kernel for p in own if p.is_merged and p.kernel), None)
    status = _status(wish, tuple(everyone.values()))
    return WishState(
        status=status,
        duplicate_of=wish.said_duplicate_of if status is WishStatus.DUPLICATE else None,
        pulls=tuple(everyone[address] for address in sorted(everyone)),
        kernel=kernel if status is WishStatus.FULFILLED else None,
    )


def pulls_by_issue(pulls: Iterable[PullRequest]) -> Mapping[int, tuple[PullRequest, ...]]:
    """Return, for each issue, the pull requests that say they close it."""
    found: dict[int, tuple[PullRequest, ...]] = {}
    for pull in pulls:
        for number in pull.closes:
            found[number] = (*found.get(number, ()), pull)
    return found


def _status(wish: IssueWish, pulls: tuple[LinkedPull, ...]) -> WishStatus:
    kinds = label_kinds(wish.labels)
    if wish.is_open and wish.closed_as == "reopened":
        kinds -= {LabelKind.DECLINED, LabelKind.FULFILLED, LabelKind.DUPLICATE}
    says_duplicate = LabelKind.DUPLICATE in kinds or (
        wish.said_duplicate_of is not None and not wish.is_open and wish.closed_as != "completed"
    )
    if says_duplicate or wish.closed_as == "duplicate":
        return WishStatus.DUPLICATE
    if LabelKind.DECLINED in kinds or (not wish.is_open and wish.closed_as == "not_planned"):
        return WishStatus.DECLINED
    if LabelKind.FULFILLED in kinds or not wish.is_open:
        return WishStatus.FULFILLED
    if LabelKind.IN_PROGRESS in kinds or any(pull.is_open for pull in pulls):
        return WishStatus.IN_PROGRESS
    return WishStatus.CLAIMED if LabelKind.CLAIMED in kinds or wish.assignees else WishStatus.OPEN


def _link(address: str, pull: PullRequest) -> LinkedPull:
    return LinkedPull(address=address, is_open=pull.is_open, is_merged=pull.is_merged)
