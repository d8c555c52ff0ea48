"""The JSON bodies of the answers, whole: every field that GitHub's description requires."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from tests.github_server import git_repo
from tests.github_server.world import HostedRepo

# Links of a repository and of a user, named after the field `<name>_url`.
REPO_LINKS = re.findall(
    r"\w+",
    """
    archive assignees blobs branches collaborators comments commits compare contents contributors
    deployments downloads events forks git_commits git_refs git_tags hooks issue_comment
    issue_events issues keys labels languages merges milestones notifications pulls releases
    stargazers statuses subscribers subscription tags teams trees
    """,
)
USER_LINKS = re.findall(
    r"\w+",
    "events followers following gists organizations received_events repos starred subscriptions",
)


def stamp(moment: datetime) -> str:
    """Return a moment as GitHub writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def error_body(status: int, message: str) -> dict[str, Any]:
    """Return the common error body."""
    address = "https://docs.github.com/rest"
    return {"message": message, "documentation_url": address, "status": str(status)}


def user_body(login: str, root: str) -> dict[str, Any]:
    """Return the short form of a user or organisation."""
    address = f"{root}/users/{login}"
    return {
        "login": login,
        "id": 1 + crc32(login.encode()),
        "node_id": "U_test",
        "avatar_url": f"{address}/avatar",
        "gravatar_id": "",
        "url": address,
        "html_url": address,
        **{f"{name}_url": f"{address}/{name}" for name in USER_LINKS},
        "type": "Organization",
        "site_admin": False,
    }


def repository_body(repo: HostedRepo, root: str, origin: str) -> dict[str, Any]:
    """Return a whole repository; `root` is the API's address, `origin` that of git."""
    owner, name = repo.full_name.split("/")
    address = f"{root}/repos/{repo.full_name}"
    clone_url = repo.clone_url or f"{origin}/{repo.full_name}.git"
    return {
        "id": repo.id,
        "node_id": f"R_{repo.id}",
        "name": name,
        "full_name": repo.full_name,
        "owner": user_body(owner, root),
        "private": repo.private,
        "html_url": f"{origin}/{repo.full_name}",
        "description": repo.description,
        "fork": False,
        "url": address,
        **{f"{link}_url": f"{address}/{link}" for link in REPO_LINKS},
        "clone_url": clone_url,
        "git_url": clone_url.replace("http:", "git:"),
        "ssh_url": f"git@example.org:{repo.full_name}.git",
        "svn_url": f"{origin}/{repo.full_name}",
        "mirror_url": None,
        "homepage": None,
        "language": "Python",
        "default_branch": repo.default_branch,
        "visibility": "private" if repo.private else "public",
        "license": license_body(repo.spdx_id),
        "topics": list(repo.topics),
        "archived": repo.archived,
        "disabled": False,
        **{f"has_{what}": False for what in ("projects", "wiki", "pages", "discussions")},
        "has_issues": True,
        **dict.fromkeys(("forks", "forks_count", "network_count"), repo.forks),
        **dict.fromkeys(("watchers", "watchers_count", "stargazers_count"), repo.stars),
        **dict.fromkeys(("open_issues", "open_issues_count", "subscribers_count", "size"), 0),
        "created_at": stamp(repo.created_at),
        "updated_at": stamp(repo.pushed_at),
        "pushed_at": stamp(repo.pushed_at),
    }


def license_body(spdx_id: str | None) -> dict[str, Any] | None:
    """Return the licence that GitHub detected."""
    if spdx_id is None:
        return None
    key = "other" if spdx_id == "NOASSERTION" else spdx_id.lower()
    return {"key": key, "name": spdx_id, "spdx_id": spdx_id, "url": None, "node_id": "L_test"}


def commit_body(repo: HostedRepo, root: str, commit: str) -> dict[str, Any]:
    """Return a whole commit, without its list of files."""
    address = f"{root}/repos/{repo.full_name}/commits/{commit}"
    tree = git_repo.git("rev-parse", f"{commit}^{{tree}}", cwd=repo.git_dir)
    show = ("show", "--no-patch", "--format=%an%x00%ae%x00%at%x00%B", commit)
    name, email, seconds, message = git_repo.git(*show, cwd=repo.git_dir).split("\0")
    date = stamp(datetime.fromtimestamp(int(seconds), UTC))
    person = {"name": name, "email": email, "date": date}
    return {
        "url": address,
        "sha": commit,
        "node_id": f"C_{commit}",
        "html_url": address,
        "comments_url": f"{address}/comments",
        "commit": {
            "url": address,
            "author": person,
            "committer": person,
            "message": message,
            "comment_count": 0,
            "tree": {"sha": tree, "url": f"{root}/repos/{repo.full_name}/git/trees/{tree}"},
        },
        "author": None,
        "committer": None,
        "parents": [],
    }
