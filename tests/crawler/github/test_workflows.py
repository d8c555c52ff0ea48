"""Workflows: which run counts, and which schedules are kept on."""

from __future__ import annotations

import pytest

from crawler.github.errors import GithubError
from crawler.github.workflows import Schedule, find_last_run, keep_schedule
from tests.github_server import Fault, What
from tests.github_server.workflows import HostedRun

REPO = "octo/index"


@pytest.fixture
def repo(server):
    return server.world.add(REPO, {"README.md": "x"})


def test_only_runs_of_the_repositorys_own_code_count(server, repo, make_client):
    repo.workflows["gpu.yml"] = [
        HostedRun(id=1),
        HostedRun(id=2),
        HostedRun(id=3, conclusion="failure"),
        HostedRun(id=6, conclusion="cancelled"),
        HostedRun(id=7, conclusion="skipped"),
        HostedRun(id=4, branch="topic"),
        HostedRun(id=5, of_fork=True),
    ]
    client = make_client()
    assert find_last_run(client, REPO, "gpu.yml", branch="main") == 3
    assert find_last_run(client, REPO, "none.yml", branch="main") is None


@pytest.mark.parametrize("state", ["active", "disabled_inactivity"])
def test_a_schedule_is_kept_on(repo, make_client, state):
    repo.workflows["crawl.yml"] = []
    repo.workflow_states["crawl.yml"] = state
    assert keep_schedule(make_client(), REPO, "crawl.yml") is Schedule.ON
    assert repo.enabled == ["crawl.yml"]


@pytest.mark.parametrize("state", ["disabled_manually", "disabled_fork", "deleted"])
def test_a_schedule_that_a_person_turned_off_stays_off(repo, make_client, state):
    repo.workflows["gpu.yml"] = []
    repo.workflow_states["gpu.yml"] = state
    assert keep_schedule(make_client(), REPO, "gpu.yml") is Schedule.OFF
    assert repo.enabled == []


def test_a_workflow_that_is_not_there(repo, make_client):
    assert keep_schedule(make_client(), REPO, "none.yml") is Schedule.ABSENT


def test_a_token_that_may_not_is_told_what_it_needs(server, repo, make_client):
    repo.workflows["crawl.yml"] = []
    server.script(Fault(what=What.FORBIDDEN, on="*/enable"))
    with pytest.raises(GithubError, match="needs `actions: write`"):
        keep_schedule(make_client(), REPO, "crawl.yml")
