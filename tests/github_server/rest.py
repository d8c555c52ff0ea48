"""Requests and answers of the REST interface, and the operations on repositories themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.github_server import git_repo
from tests.github_server.bodies import commit_body, error_body, repository_body
from tests.github_server.world import HostedRepo, World

JSON = "application/json"
SHA = "application/vnd.github.sha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the API's root; header names in lower case."""

    root: str
    path: str
    query: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """Return the body of a request that changes something."""
        sent: dict[str, Any] = json.loads(self.body)
        return sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer before it goes on the wire."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def get_repository(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `repos/get`."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(request.root))
    return json_answer(repository_body(repo, request.root, origin))


def get_commit(world: World, request: Request, repo: HostedRepo, ref: str) -> Answer:
    """Answer `repos/get-commit`, as JSON or as the bare id."""
    if not git_repo.git("for-each-ref", "--count=1", cwd=repo.git_dir):
        return failure(409, "Git Repository is empty.")
    commit = next(iter(resolve(repo, ref)), None)
    if commit is None:
        return failure(422, f"No commit found for SHA: {ref}")
    if request.headers.get("accept") == SHA:
        headers = {"ETag": f'"{commit}"'}
        return Answer(status=200, body=commit.encode(), media_type=SHA, headers=headers)
    return json_answer(commit_body(repo, request.root, commit))


def list_commits(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `repos/list-commits`: those up to `sha` that touched `path`, the newest first."""
    if not git_repo.git("for-each-ref", "--count=1", cwd=repo.git_dir):
        return failure(409, "Git Repository is empty.")
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    start = next(iter(resolve(repo, asked.get("sha", repo.default_branch))), None)
    if start is None:
        return failure(404, "Not Found")
    path = ("--", f":(literal){asked['path']}") if "path" in asked else ()
    found = git_repo.git("log", "--format=%H", start, *path, cwd=repo.git_dir).split()
    return paginate(request, [commit_body(repo, request.root, commit) for commit in found])


def resolve(repo: HostedRepo, ref: str) -> Sequence[str]:
    """Return the commit that a branch, tag or id names, or nothing."""
    names = (f"refs/heads/{ref}", f"refs/tags/{ref}", *([ref] if len(ref) == 40 else ()))
    for name in names:
        try:
            return [git_repo.git("rev-parse", "--verify", f"{name}^{{commit}}", cwd=repo.git_dir)]
        except AssertionError:
            continue
    return []


def json_answer(body: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a 200 with this body."""
    return Answer(status=200, body=json.dumps(body).encode(), headers=headers or {})


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error as GitHub words it."""
    body = json.dumps(error_body(status, message)).encode()
    return Answer(status=status, body=body, headers=headers or {})


def redirect(location: str) -> Answer:
    """Return the 301 that leads from an old name to the repository's id."""
    body = error_body(301, "Moved Permanently") | {"url": location}
    return Answer(status=301, body=json.dumps(body).encode(), headers={"Location": location})


def paginate(request: Request, items: Sequence[Any]) -> Answer:
    """Answer one page of a listing, with the Link header that leads to the others."""
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    size = max(1, min(int(asked.get("per_page", 30)), 100))
    page = max(1, int(asked.get("page", 1)))
    last = max(1, -(-len(items) // size))
    links = {"prev": page - 1, "first": 1} if page > 1 else {}
    links |= {"next": page + 1, "last": last} if page < last else {}
    address = f"{request.root}{request.path}"
    header = ", ".join(
        f'<{address}?{urlencode(asked | {"page": str(number)})}>; rel="{name}"'
        for name, number in links.items()
    )
    body = list(items[(page - 1) * size : page * size])
    return json_answer(body, {"Link": header} if header else {})
