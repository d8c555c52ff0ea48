"""The workflows of a repository: which run of one to take results from, and that they stay on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.github.json_fields import count, json_object, text

# Not cancelled, and not skipped.
_ENDED = ("success", "failure")
# Other states are of a person's making.
_OURS_TO_ENABLE = frozenset({"active", "disabled_inactivity"})


def find_last_run(client: GithubClient, repo: str, workflow: str, *, branch: str) -> int | None:
    """Return the id of the last run of a workflow file on a branch that came to its end, or None.

    It may have failed. Only runs of the repository's own code count: a branch of a fork may have
    the same name.

    Raises:
        GithubError: GitHub does not tell.
    """
    path = f"/repos/{repo}/actions/workflows/{workflow}/runs"
    query = (
        f"?branch={quote(branch, safe='')}&status=completed&exclude_pull_requests=true&per_page=20"
    )
    reply = client.get(f"{path}{query}", parse_own_runs)
    if reply.status == 404:
        return None
    if reply.value is None:
        raise GithubError(f"{repo}: GitHub does not list the runs of {workflow}: {reply.status}")
    return next(iter(reply.value), None)


def parse_own_runs(body: str) -> tuple[int, ...]:
    """Return the ids of the runs of the repository's own code that ended, the latest first.

    Raises:
        ValueError: It is no list of runs; names the field.
    """
    runs = json_object(body).get("workflow_runs")
    if not isinstance(runs, list):
        raise ValueError("workflow_runs is no list")
    return tuple(
        count(run, "id") for run in runs if _is_own(run) and run.get("conclusion") in _ENDED
    )


def _is_own(run: Mapping[str, Any]) -> bool:
    own, head = run.get("repository"), run.get("head_repository")
    # A fork that was deleted has no head repository.
    return isinstance(own, dict) and isinstance(head, dict) and own.get("id") == head.get("id")


class Schedule(StrEnum):
    """What became of a workflow's schedule."""

    ON = "on"
    OFF = "turned off by a person"
    ABSENT = "there is no such workflow"


def keep_schedule(client: GithubClient, repo: str, workflow: str) -> Schedule:
    """Keep the schedule of a workflow file on, unless a person turned it off; return how it is.

    GitHub turns schedules off in a repository where nothing happens for 60 days. Enabling a
    workflow starts the count anew, also of one that is on, and changes nothing else.

    Raises:
        GithubError: GitHub does not do it.
    """
    path = f"/repos/{repo}/actions/workflows/{workflow}"
    found = client.get(path, parse_state)
    if found.status == 404:
        return Schedule.ABSENT
    if found.value is not None and found.value not in _OURS_TO_ENABLE:
        return Schedule.OFF
    reply = client.send("PUT", f"{path}/enable", json.loads)
    if reply.status != 204:
        raise GithubError(
            f"{repo}: GitHub does not enable {workflow}: {reply.status} ({reply.message}); the "
            "token needs `actions: write`"
        )
    return Schedule.ON


def parse_state(body: str) -> str:
    """Return the state of the workflow that an answer describes.

    Raises:
        ValueError: It describes none; names the field.
    """
    return text(json_object(body), "state")
