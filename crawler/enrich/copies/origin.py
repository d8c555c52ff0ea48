"""Which of several copies is likely the original, and why. Pure.

What is surest speaks first, and each rule only narrows down what those before it left: copies that
say whose they are, repositories that are known to copy, tests and what a machine wrote, dates, and
at last how well a project is known. The reasons name the rules that decided, and say of how many of
the others each holds.

Nothing is taken for the original where only those are left that have it from elsewhere:
collections, forks, folders of other people's code, a file that says so itself, what came with an
import of many files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crawler.enrich.copies.credits import NOBODY, Credits, plain_name

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

    `marks` are those of its repository, `former` the names that it had before; `home` is the
    repository of the copyright holder that its file names, where that is another; `source` another
    that its file says it is from. `is_imported`: it came in with so many other files that its date
    is not that of its writing. `credited` counts the other repositories of the index that name its
    own or the one that it was forked from. `debtors`, those of its copies that do, are filled in
    when they are compared, as is `known_at`, the date by which its repository must have had it.
    """

    id: str
    repo: str
    path: str
    marks: frozenset[str] = frozenset()
    fork_of: str | None = None
    former: tuple[str, ...] = ()
    is_test: bool = False
    is_generated: bool = False
    stars: int | None = None
    first_commit_at: datetime | None = None
    is_imported: bool = False
    credits: Credits = NOBODY
    home: str | None = None
    credited: int = 0
    source: str | None = None
    debtors: frozenset[str] = frozenset()
    known_at: datetime | None = None

    @property
    def is_package(self) -> bool:
        """Whether its source is a package and no repository."""
        return self.repo.startswith("pypi:")

    def owes(self, other: Standing) -> bool:
        """Tell whether its file says that it is from the other's repository."""
        if other.repo == self.repo:
            return False
        if other.repo in (self.fork_of, self.home):
            return True
        # A package bears the name of the repository that it is built from.
        is_own = other.is_package and plain_name(other.repo) == plain_name(self.repo)
        return not is_own and any(self.credits.names(name) for name in (other.repo, *other.former))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The likely original, None where it cannot be told, and why."""

    id: str | None
    reason: str


def find_origin(members: Sequence[Standing]) -> Origin:
    """Return the likely original of kernels that are copies of each other."""
    left = _with_debts(sorted(members, key=lambda member: member.id))
    n_others = len(left) - 1
    reasons: list[str] = []
    for rule in _RULES:
        kept, reason = rule(left)
        if not kept or len(kept) == len(left):
            continue
        reasons.append(_told_of(reason, len(left) - len(kept), n_others, is_first=not reasons))
        left = list(kept)
    doubt = _doubt(left, is_across=len({member.repo for member in members}) > 1)
    if doubt:
        return Origin(id=None, reason=doubt)
    return Origin(id=left[0].id, reason="; ".join(reasons[:MAX_REASONS]))


def _told_of(reason: str, n_gone: int, n_others: int, *, is_first: bool) -> str:
    """Return a reason with of whom it is true: what is said of the others, or in comparison."""
    if reason.startswith("its "):
        return reason if is_first else f"of the rest, {reason}"
    if n_gone == n_others:
        return f"the other is {reason}" if n_others == 1 else f"the others are {reason}"
    return f"one of the others is {reason}" if n_gone == 1 else f"{n_gone} others are {reason}"


def _doubt(left: Sequence[Standing], *, is_across: bool) -> str:
    """Return why what the rules left may not be the original, empty where nothing speaks for it.

    Files that name it as their source clear it of being an import.
    """
    winner = left[0]
    if not winner.marks.isdisjoint(COPYING_MARKS) or winner.is_generated:
        return "only collections of copies or machine-written files have it"
    if _THIRD_PARTY.search(winner.path):
        return "only folders of other people's code have it"
    if winner.fork_of is not None:
        return f"only forks have it, such as {winner.repo}"
    source = winner.source or winner.home
    if source is not None:
        return f"{winner.repo} has it from elsewhere too ({source})"
    if winner.is_imported and is_across and not winner.debtors:
        return f"in {winner.repo} it came with an import of many files, which dates nothing"
    return "nothing tells them apart" if len(left) > 1 else ""


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
            known_at=member.first_commit_at
            and min(
                other.first_commit_at
                for other in (member, *debts[member.repo])
                if other.first_commit_at
            ),
        )
        for member in members
    ]


Rule = Callable[[list[Standing]], tuple[list[Standing], str]]
"""Members -> those that may be the original, and what they have before the others ("its ...") or
what the others are."""


def _no_copier(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if m.marks.isdisjoint(COPYING_MARKS)]
    return kept, "in collections of copies or of machine-written code"


def _credited_here(members: list[Standing]) -> tuple[list[Standing], str]:
    """Keep those whose repository the most other repositories name in the files of their copies."""
    most = max(len(m.debtors) for m in members)
    kept = [m for m in members if len(m.debtors) == most]
    return kept, _source_of(kept[0])


def _no_debtor(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if not any(m.owes(other) for other in members)]
    if len({m.repo for m in kept}) == 1 and kept[0].debtors:
        return kept, _source_of(kept[0])
    return kept, "from elsewhere by their own credits"


def _source_of(member: Standing) -> str:
    """Return who has it from the repository of a member, by credit, copyright or as a fork."""
    others = f" and {len(member.debtors) - 1} more" if len(member.debtors) > 1 else ""
    return f"its repository is where {min(member.debtors, default='')}{others} has it from"


def _no_fork(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if m.fork_of is None], "in forks"


def _not_generated(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_generated], "machine-written"


def _no_test(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_test], "part of tests"


def _own_code(members: list[Standing]) -> tuple[list[Standing], str]:
    kept = [m for m in members if not _THIRD_PARTY.search(m.path)]
    return kept, "in folders of other people's code"


def _earliest(members: list[Standing]) -> tuple[list[Standing], str]:
    return _first(members, SAME_TIME)


def _earlier(members: list[Standing]) -> tuple[list[Standing], str]:
    return _first(members, timedelta())


def _first(members: list[Standing], margin: timedelta) -> tuple[list[Standing], str]:
    """Keep the repositories that had it first, and those of which no date is known.

    The date of an import may be that of what was imported: it makes a file younger than others, not
    older.
    """
    first: dict[str, datetime] = {}
    for member in members:
        if member.known_at is not None and not member.is_imported:
            first[member.repo] = min(first.get(member.repo, member.known_at), member.known_at)
    if not first:
        return members, ""
    oldest = min(first.values())
    kept = [m for m in members if first.get(m.repo, m.known_at or oldest) - oldest <= margin]
    dates = {m.first_commit_at for m in kept if m.first_commit_at}
    if all(m.repo in first for m in kept) and oldest in dates:
        return kept, f"its file is the oldest ({oldest:%Y-%m-%d})"
    return kept, f"younger than {oldest:%Y-%m-%d}"


def _oldest_file(members: list[Standing]) -> tuple[list[Standing], str]:
    """Keep the oldest files of one repository."""
    dates = [m.first_commit_at for m in members if m.first_commit_at is not None]
    if len({m.repo for m in members}) > 1 or len(dates) < len(members):
        return members, ""
    kept = [m for m in members if m.first_commit_at == min(dates)]
    return kept, f"its file is the oldest of its repository ({min(dates):%Y-%m-%d})"


def _repository(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not m.is_package], "in packages"


def _well_known(members: list[Standing]) -> tuple[list[Standing], str]:
    most = max(m.credited for m in members)
    kept = [m for m in members if m.credited == most]
    others = "one other" if most == 1 else f"{most} others"
    return kept, f"its repository is credited by {others} of the index"


def _most_stars(members: list[Standing]) -> tuple[list[Standing], str]:
    most = max(m.stars or 0 for m in members)
    kept = [m for m in members if (m.stars or 0) == most]
    return kept, f"its repository has the most stars ({most})"


def _central(members: list[Standing]) -> tuple[list[Standing], str]:
    return [m for m in members if not _ASIDE.search(m.path)], "among examples or benchmarks"


def _highest(members: list[Standing]) -> tuple[list[Standing], str]:
    """Keep the shortest paths in one repository; across several they tell nothing."""
    if len({m.repo for m in members}) > 1:
        return members, ""
    least = min(m.path.count("/") for m in members)
    kept = [m for m in members if m.path.count("/") == least]
    return kept, "deeper in the same repository"


_RULES: tuple[Rule, ...] = (
    _no_copier,
    _not_generated,
    _own_code,
    _no_debtor,
    _no_fork,
    _repository,
    _no_test,
    _earliest,
    _credited_here,
    _well_known,
    _most_stars,
    _earlier,
    _oldest_file,
    _central,
    _highest,
)
