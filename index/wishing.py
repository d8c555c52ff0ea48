"""The wish-list brought up to date: from issues to a published index."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crawler.errors import SourceError
from crawler.github.json_fields import FULL_NAME
from crawler.pace import Pace
from index.store import Store
from wishlist.models import SyncedWishes

if TYPE_CHECKING:
    from crawler.github.client import GithubClient


@contextmanager
def github_client(
    environment: Mapping[str, str],
    *,
    on_wait: Callable[[str, float], None],
    pace: Pace | None = None,
) -> Iterator[GithubClient]:
    """Yield the client of the GitHub that the environment leads to.

    Raises:
        SourceError: its address or token cannot be used.
    """
    from crawler.github.budget import RequestBudget
    from crawler.github.client import GithubClient
    from crawler.github.token import read_api_url, read_token

    pace = pace or Pace()
    sleep = pace.sleep or time.sleep
    token = read_token(environment)
    with GithubClient(
        read_api_url(environment, token),
        token,
        budget=RequestBudget(patience=pace.patience, sleep=sleep, on_wait=on_wait),
        timeout=pace.answer,
        spacing=pace.spacing,
        sleep=sleep,
    ) as client:
        yield client


def sync_into(
    store: Store,
    repo: str,
    *,
    full: bool,
    most_requests: int,
    on_wait: Callable[[str, float], None],
    on_progress: Callable[[int, int], None],
) -> SyncedWishes:
    """Follow the issues of a repository, store what was found, and return it.

    Raises:
        SourceError: `repo` is no owner/name, or GitHub's address or token cannot be used.
        GithubError: the issues cannot be listed; what was stored before is safe.
    """
    from wishlist.sync import sync_wishes

    check_name(repo)
    known = store.wishes(repo)
    with github_client(os.environ, on_wait=on_wait) as client:
        found = sync_wishes(
            client,
            repo,
            known,
            full=full,
            most_requests=most_requests,
            on_progress=on_progress,
        )
    if found.is_changed:
        store.save_wishes(found)
    return found


def check_name(repo: str) -> None:
    """Raise SourceError unless this is the name of a repository."""
    if not FULL_NAME.fullmatch(repo):
        raise SourceError(f"{repo[:100]!r} is no repository; write it as owner/name")


def summary_of(found: SyncedWishes) -> str:
    """Return one line on a whole sync."""
    if not found.is_changed:
        return f"{found.repo}: nothing changed ({_count(found.requests, 'request')})"
    pulls = {pull.number for pull in found.pulls}
    parts = [
        f"{_count(len(found.wishes), 'wish')} new or changed",
        f"{len(found.gone)} gone" if found.gone else "",
        f"{_count(sum(s.number not in pulls for s in found.skips), 'issue')} skipped",
        f"{_count(len(pulls), 'pull request')} left out",
        _count(found.requests, "request"),
    ]
    renamed = f", formerly {found.renamed_from}" if found.renamed_from else ""
    stopped = f"; not all of it: {found.stopped}" if found.stopped else ""
    return f"{found.repo}{renamed}: {', '.join(filter(None, parts))}{stopped}"


def report_of(found: SyncedWishes) -> dict[str, object]:
    """Return what a sync did, for programs."""
    return {
        "repo": found.repo,
        "renamed_from": found.renamed_from,
        "changed": [wish.number for wish in found.wishes],
        "skipped": [{"number": s.number, "reason": s.reason} for s in found.skips],
        "gone": [{"number": one.number, "reason": one.reason} for one in found.gone],
        "problems": list(found.problems),
        "requests": found.requests,
        "stopped": found.stopped,
    }


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("sh") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
