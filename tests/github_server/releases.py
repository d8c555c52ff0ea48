"""Releases and the files that they hold: the REST operations, and where everybody downloads."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.github_server import git_repo
from tests.github_server.bodies import stamp, user_body
from tests.github_server.rest import Answer, Request, failure, json_answer, paginate
from tests.github_server.world import HostedRepo, World

UPLOADS = "/api/uploads"
_NUMBERS = itertools.count(1)


@dataclass(slots=True, kw_only=True)
class HostedRelease:
    """One release; the tag of a draft is only wished for."""

    id: int
    tag: str
    commit: str
    title: str
    notes: str
    draft: bool
    created_at: datetime
    latest: bool = False
    assets: dict[str, bytes] = field(default_factory=dict)


def releases_of(repo: HostedRepo) -> list[HostedRelease]:
    """Return the releases of a repository, drafts too, the newest first."""
    return sorted(repo.releases.values(), key=lambda release: -release.id)


def list_releases(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `repos/list-releases`."""
    return paginate(request, [release_body(request, repo, one) for one in releases_of(repo)])


def add_release(repo: HostedRepo, tag: str, **facts: Any) -> HostedRelease:
    """Make a release, published unless `facts` say otherwise; they are fields of it."""
    number = next(_NUMBERS)
    made = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=number)
    known = {"commit": repo.head or "", "title": tag, "notes": "", "draft": False}
    release = HostedRelease(id=number, tag=tag, created_at=made, **(known | facts))
    repo.releases[number] = release
    return release


def create_release(world: World, request: Request, repo: HostedRepo) -> Answer:
    """Answer `repos/create-release`."""
    sent = request.json()
    release = add_release(
        repo,
        sent["tag_name"],
        commit=sent["target_commitish"],
        title=sent["name"],
        notes=sent["body"],
        draft=sent["draft"],
    )
    return replace(json_answer(release_body(request, repo, release)), status=201)


def update_release(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `repos/update-release`: publishing a draft makes its tag."""
    release = repo.releases.get(int(number))
    if release is None:
        return failure(404, "Not Found")
    sent = request.json()
    release.draft = sent.get("draft", release.draft)
    if not release.draft:
        ref = f"refs/tags/{release.tag}"
        git_repo.git("update-ref", ref, release.commit, cwd=repo.git_dir)
    if sent.get("make_latest") == "true":
        for other in repo.releases.values():
            other.latest = other is release
    return json_answer(release_body(request, repo, release))


def delete_release(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `repos/delete-release`; the release before becomes the latest."""
    release = repo.releases.pop(int(number), None)
    if release is None:
        return failure(404, "Not Found")
    if release.latest:
        before = next((one for one in releases_of(repo) if not one.draft), None)
        if before is not None:
            before.latest = True
    return Answer(status=204)


def delete_tag(world: World, request: Request, repo: HostedRepo, tag: str) -> Answer:
    """Answer `git/delete-ref` for a tag."""
    ref = f"refs/tags/{tag}"
    if not git_repo.git("for-each-ref", ref, cwd=repo.git_dir):
        return failure(422, "Reference does not exist")
    git_repo.git("update-ref", "-d", ref, cwd=repo.git_dir)
    return Answer(status=204)


def upload_asset(world: World, request: Request, repo: HostedRepo, number: str) -> Answer:
    """Answer `repos/upload-release-asset`."""
    release = repo.releases.get(int(number))
    name = parse_qs(request.query).get("name", [""])[0]
    if release is None:
        return failure(404, "Not Found")
    if not name or name in release.assets:
        return failure(422, "Validation Failed")
    release.assets[name] = request.body
    body = asset_body(request, repo, release, name)
    return replace(json_answer(body), status=201)


def download(origin: str, repo: HostedRepo, path: str) -> Answer:
    """Answer a download as github.com does: from `latest` to a tag, from there to the bytes."""
    address = f"{origin}/{repo.full_name}/releases/download"
    public = [release for release in releases_of(repo) if not release.draft]
    if match := re.fullmatch(r"latest/download/(.+)", path):
        latest = next((release for release in public if release.latest), None)
        return (
            failure(404, "Not Found")
            if latest is None
            else _found(f"{address}/{quote(latest.tag)}/{match[1]}")
        )
    if match := re.fullmatch(r"download/([^/]+)/([^/]+)", path):
        release = next((one for one in public if one.tag == match[1]), None)
        if release is None or match[2] not in release.assets:
            return failure(404, "Not Found")
        return _found(f"{origin}/{repo.full_name}/releases/stored/{release.id}/{match[2]}?sig=1")
    if match := re.fullmatch(r"stored/(\d+)/([^/]+)", path):
        content = repo.releases[int(match[1])].assets[match[2]]
        return Answer(status=200, body=content, media_type="application/octet-stream")
    return failure(404, "Not Found")


def _found(location: str) -> Answer:
    return Answer(status=302, headers={"Location": location})


def release_body(request: Request, repo: HostedRepo, release: HostedRelease) -> dict[str, Any]:
    """Return a whole release."""
    below = f"/repos/{repo.full_name}/releases/{release.id}"
    address = f"{request.root}{below}"
    uploads = "{0.scheme}://{0.netloc}".format(urlsplit(request.root)) + UPLOADS
    made = stamp(release.created_at)
    return {
        "url": address,
        "html_url": address,
        "assets_url": f"{address}/assets",
        "upload_url": f"{uploads}{below}/assets{{?name,label}}",
        "tarball_url": None,
        "zipball_url": None,
        "id": release.id,
        "node_id": f"RE_{release.id}",
        "tag_name": release.tag,
        "target_commitish": release.commit,
        "name": release.title,
        "body": release.notes,
        "draft": release.draft,
        "prerelease": False,
        "created_at": made,
        "published_at": None if release.draft else made,
        "author": user_body("github-actions", request.root),
        "assets": [asset_body(request, repo, release, name) for name in release.assets],
    }


def asset_body(
    request: Request, repo: HostedRepo, release: HostedRelease, name: str
) -> dict[str, Any]:
    """Return what is told of one file of a release."""
    content, made = release.assets[name], stamp(release.created_at)
    address = f"{request.root}/repos/{repo.full_name}/releases/assets/{release.id}"
    return {
        "url": address,
        "browser_download_url": address,
        "id": release.id,
        "node_id": "RA_test",
        "name": name,
        "label": None,
        "state": "uploaded",
        "content_type": "application/octet-stream",
        "size": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "download_count": 0,
        "created_at": made,
        "updated_at": made,
        "uploader": user_body("github-actions", request.root),
    }
