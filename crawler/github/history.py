"""The history of files, asked of GitHub: one request each, out of what a crawl can spare.

A clone of the newest commit has no history. What is not asked for now, because a repository has
had its share or the hour's requests run low, is left for the next time that it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.github.json_fields import parse_json
from crawler.history import Commit, FileHistory, Histories, file_history, people_of
from crawler.models import Entry

FILES_A_CRAWL = 4
"""Files of one repository that one crawl asks about."""
RESERVE = 500
"""Requests of the hour that are kept for finding out what changed."""
PAGE = 100
"""Commits that are asked for; of a file that has more, the first stays unknown."""

# Other files of the same repository would be refused too.
_REFUSED = frozenset({403, 451})


def ask_histories(
    client: GithubClient, repo: str, commit: str, entries: Sequence[Entry]
) -> Histories:
    """Return the histories, up to `commit`, of the first of these files of a repository.

    It takes only what can be spared, and never raises: what fails is missing.
    """
    found: list[FileHistory] = []
    requests = 0
    is_cut_short = False
    for entry in entries[:FILES_A_CRAWL]:
        is_closed = client.budget.is_closed()
        is_cut_short |= is_closed
        if is_closed or not client.budget.has_more_than(RESERVE):
            break
        try:
            reply = client.get(_address(repo, commit, entry.path), parse_commits)
        except GithubError as error:
            requests += error.requests
            is_cut_short = True
            break
        requests += reply.requests
        if reply.value:
            is_whole = len(reply.value) < PAGE
            found.append(file_history(entry.path, entry.blob, reply.value, is_whole=is_whole))
        # No refusal is for good: what is missing now may be there once GitHub has caught up.
        is_cut_short |= reply.value is None
        if reply.status in _REFUSED:
            break
    return Histories(files=tuple(found), requests=requests, is_cut_short=is_cut_short)


def _address(repo: str, commit: str, path: str) -> str:
    words = {"path": path, "sha": commit, "per_page": PAGE}
    return f"/repos/{quote(repo)}/commits?{urlencode(words, errors='replace')}"


def parse_commits(body: str) -> tuple[Commit, ...]:
    """Return the commits that the answer to `repos/list-commits` lists, the newest first.

    Raises:
        ValueError: It is no list of commits.
    """
    raw = parse_json(body)
    if not isinstance(raw, list):
        raise ValueError("it is no list")
    return tuple(map(_commit, raw))


def _commit(raw: object) -> Commit:
    """Return one commit of a list; what it does not say of itself is left out."""
    git = _part(raw, "commit")
    author = _part(git, "author")
    people = people_of(_text(author, "name"), _text(author, "email"), _text(git, "message"))
    if _text(_part(raw, "author"), "type") == "Bot":
        people = people[1:]
    try:
        moment = datetime.fromisoformat(_text(author, "date"))
    except ValueError:
        return Commit(people, None)
    return Commit(people, moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _part(raw: object, name: str) -> object:
    return raw.get(name) if isinstance(raw, dict) else None


def _text(raw: object, name: str) -> str:
    value = _part(raw, name)
    return value if isinstance(value, str) else ""
