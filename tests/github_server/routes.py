"""Which REST operation answers which request, and the conditional requests that all of them know.

To serve one more operation, write its function, put it in `ROUTES`, and add its operation id to
`openapi/cut.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from tests.github_server import issues, releases, rest, workflows
from tests.github_server.rest import Answer, Request, failure, redirect
from tests.github_server.world import World

# Method, path below the repository, operation: it gets world, request, repository and the groups.
ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", r"", rest.get_repository),
    ("GET", r"/commits", rest.list_commits),
    ("GET", r"/commits/(.+)", rest.get_commit),
    ("GET", r"/releases", releases.list_releases),
    ("POST", r"/releases", releases.create_release),
    ("PATCH", r"/releases/(\d+)", releases.update_release),
    ("DELETE", r"/releases/(\d+)", releases.delete_release),
    ("POST", r"/releases/(\d+)/assets", releases.upload_asset),
    ("DELETE", r"/git/refs/tags/(.+)", releases.delete_tag),
    ("PUT", r"/actions/workflows/([^/]+)/enable", workflows.enable_workflow),
    ("GET", r"/actions/workflows/([^/]+)", workflows.get_workflow),
    ("GET", r"/actions/workflows/([^/]+)/runs", workflows.list_runs),
    ("GET", r"/issues", issues.list_issues),
    ("POST", r"/issues", issues.create_issue),
    ("GET", r"/issues/(\d+)", issues.get_issue),
    ("PATCH", r"/issues/(\d+)", issues.update_issue),
    ("GET", r"/issues/(\d+)/comments", issues.list_comments),
    ("POST", r"/issues/(\d+)/comments", issues.create_comment),
    ("PATCH", r"/issues/comments/(\d+)", issues.update_comment),
    ("GET", r"/issues/(\d+)/reactions", issues.list_reactions),
    ("GET", r"/issues/(\d+)/timeline", issues.list_timeline),
)


def answer(world: World, request: Request) -> Answer:
    """Return GitHub's answer; conditional requests get 304 when nothing changed."""
    found = route(world, request)
    if request.method != "GET" or found.status != 200:
        return found
    etag = found.headers.get("ETag") or f'W/"{hashlib.sha256(found.body).hexdigest()}"'
    headers = {**found.headers, "ETag": etag}
    asked = request.headers.get("if-none-match", "").removeprefix("W/")
    if asked and asked == etag.removeprefix("W/"):
        return Answer(status=304, headers=headers)
    return Answer(status=200, body=found.body, media_type=found.media_type, headers=headers)


def route(world: World, request: Request) -> Answer:
    """Find the repository that the path names, and the operation on it."""
    if request.path == "/user":
        return issues.get_viewer(world, request)
    by_id = re.fullmatch(r"/repositories/(\d+)(/.*)?", request.path)
    by_name = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", request.path)
    match = by_id or by_name
    if match is None:
        return failure(404, "Not Found")
    repo = world.by_id(int(match[1])) if by_id else world.find(match[1])
    below = match[2] or ""
    if repo is None and by_name and (moved := world.renames.get(match[1].lower())):
        query = f"?{request.query}" if request.query else ""
        return redirect(f"{request.root}/repositories/{moved}{below}{query}")
    if repo is None or repo.private:
        return failure(404, "Not Found")
    if repo.blocked:
        return failure(451, "Repository access blocked")
    for method, pattern, operation in ROUTES:
        if request.method == method and (found := re.fullmatch(pattern, below)):
            return operation(world, request, repo, *found.groups(""))
    return failure(404, "Not Found")
