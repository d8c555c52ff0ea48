"""Who wrote a file, and when: commits that touched it -> its history. Pure.

Addresses tell one person under two names from two persons; they are never kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

MAX_AUTHORS = 8
MAX_NAME = 80

_CO_AUTHOR = re.compile(
    r"^[ \t]*co-authored-by:[ \t]*([^<\n]{1,200})<([^>\n]{0,200})>", re.I | re.M
)
_BOT_NAME = re.compile(
    r"\[bot\]|(^|[-_])bot$|^github[-_ ]?actions?\b|mergebot$|^(web-flow|dependabot|renovate|"
    r"pre-commit(-ci)?|copilot|claude[- ](code|opus|sonnet|haiku)|cursor[- ]agent|codex|"
    r"gemini[- ]code[- ]assist|devin[- ]ai|ghstack|copybara)\b|"
    # A person may bear the name of a program, or be called Bot by surname.
    r"\b(ci|release|merge|auto|automation|build|update|format|lint|sync|test|docs?|github) bot$",
    re.IGNORECASE,
)
_BOT_ADDRESS = re.compile(
    r"\[bot\]@|@(anthropic|cursor|openai)\.com$|\+copilot@|^actions@github", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHistory:
    """Who wrote a file: `authors` by how many commits, at most eight; empty where unknown.

    `blob` is the content that this is the history of. A moment is None where unknown, such as the
    first commit of a history that was read in part.
    """

    path: str
    blob: str
    authors: tuple[str, ...] = ()
    first_commit_at: datetime | None = None
    last_commit_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """The histories that could be had, after how many requests.

    `is_cut_short`: some that could have been had were not, because something failed.
    """

    files: tuple[FileHistory, ...] = ()
    requests: int = 0
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """An author as a commit names them; `address` is for telling people apart."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that touched a file: its author and then its co-authors, and when (aware).

    The moment is None where the commit names none that a calendar has.
    """

    people: tuple[Person, ...]
    at: datetime | None


def people_of(name: str, address: str, message: str) -> tuple[Person, ...]:
    """Return the author of a commit and the co-authors that its message names."""
    named = [(name, address), *_CO_AUTHOR.findall(message)]
    people = (Person(_one_line(name), address.strip().lower()) for name, address in named)
    return tuple(dict.fromkeys(person for person in people if person.name))


def is_bot(person: Person) -> bool:
    """Tell whether a commit was made by a program."""
    return bool(_BOT_NAME.search(person.name) or _BOT_ADDRESS.search(person.address))


def file_history(
    path: str, blob: str, commits: Sequence[Commit], *, is_whole: bool = True
) -> FileHistory:
    """Return the history that these commits, the newest first, amount to.

    Without `is_whole` there are older ones.
    """
    moments = [commit.at for commit in commits if commit.at is not None]
    return FileHistory(
        path=path,
        blob=blob,
        authors=tuple(_authors(commits)),
        first_commit_at=min(moments) if moments and is_whole else None,
        last_commit_at=max(moments, default=None),
    )


def _authors(commits: Iterable[Commit]) -> Iterator[str]:
    """Yield who made the most commits first, each under the name of their newest one."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for commit in commits:
        people = (person for person in commit.people if not is_bot(person))
        counts.update({_known_as(person, names) for person in people})
    for name, _ in counts.most_common(MAX_AUTHORS):
        yield name


def _known_as(person: Person, names: dict[str, str]) -> str:
    """Return the name a person is counted under: that of their address, else of their name."""
    keys = [key for key in (person.address, person.name.casefold()) if key]
    name = next((names[key] for key in keys if key in names), person.name)
    for key in keys:
        names.setdefault(key, name)
    return name


def _one_line(text: str) -> str:
    """Return a name without control characters, cut at a sane length."""
    line = "".join(char if char.isprintable() else " " for char in text[:1000])
    return " ".join(line.split())[:MAX_NAME]
