"""Which of several copies is likely the original, and why. Pure.

What is surest speaks first, and each rule only narrows down what those before it left: copies that
say whose they are, repositories that are known to copy, tests and what a machine wrote, dates, and
at last how well a project is known. The reason names the rule that decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crawler.enrich.copies.credits import NOBODY, Credits

MAX_REASONS = 2

SAME_TIME = timedelta(hours=1)
"""Dates so close tell little: projects that share people go public together."""

COPYING_MARKS = frozenset({"generated", "vendored"})
"""Of repositories in which nothing is taken for an original, unless nobody else has it."""

_THIRD_PARTY = re.compile(
    r"(?:^|/)_?(?:third_?party|3rd_?party|vendor(?:ed)?|external|extern|submodules)(?:/|$)",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"(?:^|/)(?:examples?|benchmarks?|bench|docs?|notebooks?|demos?)(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a kernel that may be the original of others.

    `marks` are those of its repository; `home` is the repository of the copyright holder that its
    file names, where that is another; `credited` counts the other repositories of the index that
    name its own or the one that it was forked from; `debtors`, those of its copies that do, are
    filled in when they are compared.
    """

    id: str
    repo: str
    path: str
    marks: frozenset[str] = frozenset()
    fork_of: str | None = None
    is_test: bool = False
    is_generated: bool = False
    stars: int | None = None
    first_commit_at: datetime | None = None
    credits: Credits = NOBODY
    home: str | None = None
    credited: int = 0
    debtors: frozenset[str] = frozenset()

    @property
    def is_package(self) -> bool:
        """Whether its source is a package and no repository."""
        return self.repo.startswith("pypi:")

    def owes(self, other: Standing) -> bool:
        """Tell whether its file says that it is from the other's repository."""
        if other.repo == self.repo:
            return False
        if other.repo in (self.fork_of, self.home) or self.credits.names(other.repo):
            return True
        # Where the original itself is not indexed, its fork stands for it.
        return other.fork_of not in (None, self.fork_of) and self.credits.names(other.fork_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The likely original, and why it and none of the others."""

    id: str
    reason: str


def find_origin(members: Sequence[Standing]) -> Origin:
    """Return the likely original of kernels that are copies of each other."""
    left = _with_debts(sorted(members, key=lambda member: member.id))
    reasons: list[str] = []
    for rule in _RULES:
        kept, reason = rule(left)
        if kept and len(kept) < len(left):
            if rule is not _highest or not reasons:
                reasons.append(reason)
            left = list(kept)
    return Origin(
        id=left[0].id, reason="; ".join(reasons[:MAX_REASONS]) or "nothing tells them apart"
    )


def _with_debts(members: Sequence[Standing]) -> list[Standing]:
    """Return the members with who is in their debt, and the date by which they must have had it.

    A file may be younger than what it holds, where it was moved or came in without its history,
    but not than a file that says that it is from there.
    """
    debts: dict[str, list[Standing]] = {}
    for member in members:
        if member.repo not in debts:
            debts[member.repo] = [other for other in members if other.owes(member)]
    return [
        replace(
            member,
            debtors=frozenset(other.repo for other in debts[member.repo]),
            first_commit_at=member.first_commit_at
            and min(
                other.first_commit_at
                for other in (member, *debts[member.repo])
                if other.first_commit_at
            ),
        )
        for member in members
    ]


Rule = Callable[[list[Standing]], tuple[list[Standing], str]]


def _no_copier(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if m.marks.isdisjoint(COPYING_MARKS)]
    return kept, "the others are in collections of copies or of machine-written code"


def _credited_here(members: list[Standing]) -> tuple[list[Standing], str]:
    """Keep those whose repository the most other repositories name in the files of their copies."""
    most = max(len(m.debtors) for m in members)
    kept = [m for m in members if len(m.debtors) == most]
    return kept, _credit(kept[0])


def _no_debtor(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if not any(m.owes(other) for other in members)]
    is_one = len({m.repo for m in kept}) == 1
    credit = _credit(kept[0]) if is_one else ""
    return kept, credit or "the others say that theirs is from elsewhere"


def _credit(member: Standing) -> str:
    """Return who credits the repository of a member, empty if nobody does."""
    if not member.debtors:
        return ""
    who = min(member.debtors)
    others = f" and {len(member.debtors) - 1} more" if len(member.debtors) > 1 else ""
    return f"its repository is credited by {who}{others}"


def _not_generated(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_generated], "the others are machine-written"


def _no_test(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_test], "the others are parts of tests"


def _own_code(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if not _THIRD_PARTY.search(m.path)]
    return kept, "the others are in folders of other people's code"


def _earliest(members: list[Standing]) -> tuple[list[Standing], str]:
    return _first(members, SAME_TIME)


def _earlier(members: list[Standing]) -> tuple[list[Standing], str]:
    return _first(members, timedelta())


def _first(members: list[Standing], margin: timedelta) -> tuple[list[Standing], str]:
    """Keep the repositories that had it first, and those of which no date is known.

    When other people's code came into a repository tells nothing of who wrote it.
    """
    first: dict[str, datetime] = {}
    for member in members:
        if member.first_commit_at is not None and not _THIRD_PARTY.search(member.path):
            known = first.get(member.repo, member.first_commit_at)
            first[member.repo] = min(known, member.first_commit_at)
    if not first:
        return members, ""
    oldest = min(first.values())
    kept = [m for m in members if first.get(m.repo, oldest) - oldest <= margin]
    if all(m.repo in first for m in kept):
        return kept, f"its file is the oldest ({oldest:%Y-%m-%d})"
    return kept, f"the files of the others are younger than {oldest:%Y-%m-%d}"


def _repository(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_package], "the others are packages"


def _well_known(members: list[Standing]) -> tuple[list[Standing], str]:
    most = max(m.credited for m in members)
    kept = [m for m in members if m.credited == most]
    others = "one other" if most == 1 else f"{most} others"
    return kept, f"its repository is credited by {others} of the index"


def _most_stars(members: list[Standing]) -> tuple[list[Standing], str]:
    most = max(m.stars or 0 for m in members)
    return [
        m for m in members if (m.stars or 0) == most
    ], f"its repository has the most stars ({most})"


def _central(members: list[Standing]) -> tuple[list[Standing], str]:
    return [
        m for m in members if not _ASIDE.search(m.path)
    ], "the others are examples or benchmarks"


def _highest(members: list[Standing]) -> tuple[list[Standing], str]:
    least = min(m.path.count("/") for m in members)
    kept = [m for m in members if m.path.count("/") == least]
    return kept, "nothing but the length of its path tells them apart"


_RULES: tuple[Rule, ...] = (
    _no_copier,
    _not_generated,
    _no_debtor,
    _no_test,
    _earliest,
    _credited_here,
    _own_code,
    _repository,
    _well_known,
    _most_stars,
    _earlier,
    _central,
    _highest,
)
