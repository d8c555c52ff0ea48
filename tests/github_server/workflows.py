"""Workflows and their runs: the REST operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from tests.github_server.bodies import REPO_LINKS, repository_body, stamp
from tests.github_server.rest import Answer, Request, failure, json_answer
from tests.github_server.world import HostedRepo, World


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedRun:
    """A run of a workflow file; `of_fork`: of code that is not the repository's."""

    id: int
    branch: str = "main"
    conclusion: str = "success"
    of_fork: bool = False


def enable_workflow(world: World, request: Request, repo: HostedRepo, workflow: str) -> Answer:
    """Answer `actions/enable-workflow`."""
    if workflow not in repo.workflows:
        return failure(404, "Not Found")
    repo.enabled.append(workflow)
    return Answer(status=204)


def get_workflow(world: World, request: Request, repo: HostedRepo, workflow: str) -> Answer:
    """Answer `actions/get-workflow`."""
    if workflow not in repo.workflows:
        return failure(404, "Not Found")
    address = f"{request.root}/repos/{repo.full_name}/actions/workflows/{workflow}"
    made = stamp(repo.created_at)
    return json_answer(
        {
            "id": 1,
            "node_id": "W_test",
            "name": workflow,
            "path": f".github/workflows/{workflow}",
            "state": repo.workflow_states.get(workflow, "active"),
            "created_at": made,
            "updated_at": made,
            **dict.fromkeys(("url", "html_url", "badge_url"), address),
        }
    )


def list_runs(world: World, request: Request, repo: HostedRepo, workflow: str) -> Answer:
    """Answer `actions/list-workflow-runs`, the latest first."""
    if workflow not in repo.workflows:
        return failure(404, "Not Found")
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    runs = [
        run_body(request, repo, run)
        for run in sorted(repo.workflows[workflow], key=lambda run: -run.id)
        if run.branch == asked.get("branch", run.branch)
        and asked.get("status", "completed") in ("completed", run.conclusion)
    ]
    return json_answer({"total_count": len(runs), "workflow_runs": runs})


def run_body(request: Request, repo: HostedRepo, run: HostedRun) -> dict[str, Any]:
    """Return a whole run."""
    address = f"{request.root}/repos/{repo.full_name}/actions/runs/{run.id}"
    links = ("jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow")
    made = stamp(repo.pushed_at)
    own = minimal_repository(request, repo)
    return {
        "id": run.id,
        "node_id": "WFR_test",
        "head_branch": run.branch,
        "head_sha": repo.head or "0" * 40,
        "path": ".github/workflows/gpu.yml@main",
        "run_number": run.id,
        "display_title": "gpu",
        "event": "schedule",
        "status": "completed",
        "conclusion": run.conclusion,
        "workflow_id": 1,
        "url": address,
        "html_url": address,
        "pull_requests": [],
        "created_at": made,
        "updated_at": made,
        "head_commit": None,
        "repository": own,
        "head_repository": own | {"id": own["id"] + 5000} if run.of_fork else own,
        **{f"{link}_url": f"{address}/{link}" for link in links},
    }


def minimal_repository(request: Request, repo: HostedRepo) -> dict[str, Any]:
    """Return the short form of a repository."""
    whole = repository_body(repo, request.root, request.root)
    names = "id node_id name full_name owner private html_url description fork url".split()
    return {name: whole[name] for name in (*names, *(f"{link}_url" for link in REPO_LINKS))}
