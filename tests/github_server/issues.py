"""The REST operations on issues, and the bodies that they answer with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from tests.github_server.bodies import stamp, user_body
from tests.github_server.rest import Answer, Request, failure, json_answer, paginate, redirect
from tests.github_server.tracker import HostedComment, HostedIssue
from tests.github_server.world import HostedRepo, World

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


def list_issues(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `issues/list-for-repo`: pull requests too, sorted and filtered as asked."""
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    state, sort = asked.get("state", "open"), asked.get("sort", "created")
    found = [issue for issue in repo.tracker.issues.values() if issue.is_here]
    if state != "all":
        found = [issue for issue in found if issue.is_open == (state == "open")]
    if "labels" in asked:
        wanted = set(asked["labels"].split(","))
        found = [issue for issue in found if wanted <= set(issue.labels)]
    if "since" in asked:
        since = datetime.fromisoformat(asked["since"])
        found = [issue for issue in found if issue.updated_at >= since]
    found.sort(
        key=lambda issue: (getattr(issue, f"{sort}_at"), issue.number),
        reverse=asked.get("direction", "desc") == "desc",
    )
    return paginate(request, [issue_body(request.root, repo, issue) for issue in found])


def get_issue(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `issues/get`."""
    issue = repo.tracker.issues.get(int(number))
    return _absent(request, issue) or json_answer(issue_body(request.root, repo, issue))


def create_issue(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `issues/create`; the token's owner is the author."""
    sent = request.json()
    issue = repo.tracker.ask(
        sent["title"], sent.get("body"), by=world.viewer, labels=list(sent.get("labels", ()))
    )
    return replace(json_answer(issue_body(request.root, repo, issue)), status=201)


def update_issue(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `issues/update` for title, body and state."""
    issue = repo.tracker.issues.get(int(number))
    if absent := _absent(request, issue):
        return absent
    assert issue is not None
    sent = request.json()
    texts = {name: sent[name] for name in ("title", "body") if name in sent}
    repo.tracker.edit(issue.number, **texts)
    if sent.get("state") == "closed" and issue.is_open:
        repo.tracker.close(issue.number, sent.get("state_reason", "completed"))
    elif sent.get("state") == "open" and not issue.is_open:
        repo.tracker.reopen(issue.number)
    return json_answer(issue_body(request.root, repo, issue))


def list_comments(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `issues/list-comments`."""
    issue = repo.tracker.issues.get(int(number))
    if absent := _absent(request, issue):
        return absent
    address = _address(request.root, repo, issue)
    return paginate(request, [comment_body(request.root, address, c) for c in issue.comments])


def list_reactions(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `reactions/list-for-issue`."""
    issue = repo.tracker.issues.get(int(number))
    if absent := _absent(request, issue):
        return absent
    found = [
        {
            "id": place,
            "node_id": f"REA_{place}",
            "user": person_body(login, request.root),
            "content": content,
            "created_at": stamp(issue.created_at),
        }
        for place, (login, content) in enumerate(issue.reactions, start=1)
    ]
    return paginate(request, found)


def list_timeline(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `issues/list-events-for-timeline` with comments and references."""
    issue = repo.tracker.issues.get(int(number))
    if absent := _absent(request, issue):
        return absent
    address = _address(request.root, repo, issue)
    events: list[dict[str, Any]] = [
        comment_body(request.root, address, comment)
        | {"event": "commented", "actor": person_body(comment.author, request.root)}
        for comment in issue.comments
    ]
    for name, source in issue.mentioned_by:
        other = world.find(name)
        assert other is not None
        body = issue_body(request.root, other, other.tracker.issues[source])
        events.append(
            {
                "event": "cross-referenced",
                "actor": person_body("ada", request.root),
                "created_at": stamp(issue.updated_at),
                "updated_at": stamp(issue.updated_at),
                "source": {"type": "issue", "issue": body},
            }
        )
    return paginate(request, events)


def create_comment(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `issues/create-comment`; the token's owner is the author."""
    issue = repo.tracker.issues.get(int(number))
    if absent := _absent(request, issue):
        return absent
    made = repo.tracker.comment(issue.number, request.json()["body"], by=world.viewer)
    address = _address(request.root, repo, issue)
    return Answer(status=201, body=json_answer(comment_body(request.root, address, made)).body)


def update_comment(world: World, request: Request, repo: HostedRepo, id: str) -> Answer:
    """Answer `issues/update-comment`."""
    comment = repo.tracker.find_comment(int(id))
    if comment is None:
        return failure(404, "Not Found")
    comment.body = request.json()["body"]
    return json_answer(comment_body(request.root, f"{request.root}/issues/1", comment))


def get_viewer(world: World, request: Request) -> Answer:
    """Answer `users/get-authenticated`; a token of Actions has no account."""
    if world.viewer.endswith("[bot]"):
        return failure(403, "Resource not accessible by integration")
    nothing = dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
    numbers = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
    dates = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    body = person_body(world.viewer, request.root) | nothing | numbers | dates
    return json_answer(body | {"user_view_type": "public"})


def issue_body(root: str, repo: HostedRepo, issue: HostedIssue | None) -> dict[str, Any]:
    """Return a whole issue or pull request."""
    assert issue is not None
    address = _address(root, repo, issue)
    kind = "pull" if issue.is_pull else "issues"
    page = f"https://github.com/{repo.full_name}/{kind}/{issue.number}"
    counts = Counter(content for _, content in issue.reactions)
    body = {
        "id": issue.id,
        "node_id": f"I_{issue.id}",
        "url": address,
        "repository_url": f"{root}/repos/{repo.full_name}",
        **{f"{name}_url": f"{address}/{name}" for name in ("labels", "comments", "events")},
        "timeline_url": f"{address}/timeline",
        "html_url": page,
        "number": issue.number,
        "state": "open" if issue.is_open else "closed",
        "state_reason": issue.state_reason,
        "title": issue.title,
        "body": issue.body,
        "user": person_body(issue.author, root) if issue.author else None,
        "labels": [
            {"id": place, "node_id": "L", "url": address, "name": name, "color": "ededed"}
            for place, name in enumerate(issue.labels, start=1)
        ],
        "assignee": None,
        "assignees": [person_body(login, root) for login in issue.assignees],
        "milestone": None,
        "locked": False,
        "comments": len(issue.comments),
        "author_association": "NONE",
        "created_at": stamp(issue.created_at),
        "updated_at": stamp(issue.updated_at),
        "closed_at": stamp(issue.closed_at) if issue.closed_at else None,
        "reactions": {
            "url": f"{address}/reactions",
            "total_count": len(issue.reactions),
            **{content: counts[content] for content in REACTIONS},
        },
    }
    if issue.is_pull:
        links = dict.fromkeys(("url", "html_url", "diff_url", "patch_url"), page)
        merged = stamp(issue.merged_at) if issue.merged_at else None
        body["pull_request"] = links | {"merged_at": merged}
    return body


def comment_body(root: str, issue_url: str, comment: HostedComment) -> dict[str, Any]:
    """Return a whole comment."""
    return {
        "id": comment.id,
        "node_id": f"IC_{comment.id}",
        "url": f"{root}/comments/{comment.id}",
        "html_url": f"{issue_url}#{comment.id}",
        "issue_url": issue_url,
        "body": comment.body,
        "user": person_body(comment.author, root),
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "author_association": comment.association,
    }


def person_body(login: str, root: str) -> dict[str, Any]:
    """Return the short form of somebody's account; a login with [bot] is a bot's."""
    return user_body(login, root) | {"type": "Bot" if login.endswith("[bot]") else "User"}


def _absent(request: Request, issue: HostedIssue | None) -> Answer | None:
    """Return the answer for an issue that is not there (any more), None for one that is."""
    if issue is None:
        return failure(404, "Not Found")
    if issue.is_deleted:
        return failure(410, "This issue was deleted")
    if issue.moved_to is None:
        return None
    repo, number = issue.moved_to
    return redirect(f"{request.root}/repositories/{repo}/issues/{number}")


def _address(root: str, repo: HostedRepo, issue: HostedIssue | None) -> str:
    return f"{root}/repos/{repo.full_name}/issues/{issue.number if issue else 0}"
