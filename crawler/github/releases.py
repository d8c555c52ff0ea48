"""The releases of a repository, and the files that they hold.

A release is made as a draft, which only writers see, filled, and published in one step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from crawler.github.answers import Reply
from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.github.json_fields import count, json_object, json_objects, moment, text

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release; a draft's tag does not exist yet. `files` are names, of whole files only."""

    id: int
    tag: str
    is_draft: bool
    created_at: datetime
    upload_address: str
    files: tuple[str, ...]


class Releases:
    """The releases of one repository, which the client's token may write.

    Every method raises GithubError where GitHub does not do what it is asked for.
    """

    def __init__(self, client: GithubClient, repo: str) -> None:
        self._client = client
        self._repo = repo
        self._root = f"/repos/{repo}/releases"

    def latest(self) -> tuple[Release, ...]:
        """Return the last 100 releases, drafts among them, as GitHub lists them."""
        reply = self._client.get(f"{self._root}?per_page=100", parse_releases)
        return self._value(reply, "list its releases")

    def make_draft(self, tag: str, *, commit: str, title: str, notes: str) -> Release:
        """Return a new draft whose tag will be set on `commit`."""
        body = {
            "tag_name": tag,
            "target_commitish": commit,
            "name": title,
            "body": notes,
            "draft": True,
        }
        reply = self._client.send("POST", self._root, parse_release, body=body)
        return self._value(reply, f"make the release {tag}")

    def upload(self, draft: Release, file: Path) -> None:
        """Put a file into a draft under its own name."""
        address = f"{draft.upload_address}?name={quote(file.name, safe='')}"
        reply = self._client.upload(address, file, parse_asset)
        if self._value(reply, f"take {file.name}") != (file.name, file.stat().st_size):
            raise GithubError(f"{self._repo}: GitHub took in another file than {file.name}")

    def publish(self, draft: Release) -> None:
        """Show a draft to everybody, as the latest release: all of its files at once."""
        body = {"draft": False, "make_latest": "true"}
        path = f"{self._root}/{draft.id}"
        reply = self._client.send("PATCH", path, parse_release, body=body)
        self._value(reply, f"publish the release {draft.tag}")

    def delete(self, release: Release) -> None:
        """Delete a release with its files and its tag; what is gone already is no error."""
        self._delete(f"{self._root}/{release.id}", f"delete the release {release.tag}")
        if not release.is_draft:
            path = f"/repos/{self._repo}/git/refs/tags/{quote(release.tag, safe='')}"
            # 422: there is no such tag.
            self._delete(path, f"delete the tag {release.tag}", gone=(404, 422))

    def _delete(self, path: str, what: str, *, gone: tuple[int, ...] = (404,)) -> None:
        reply = self._client.send("DELETE", path, json.loads)
        if reply.status not in (204, *gone):
            raise self._refusal(reply, what)

    def _value(self, reply: Reply[T], what: str) -> T:
        if reply.value is None:
            raise self._refusal(reply, what)
        return reply.value

    def _refusal(self, reply: Reply[Any], what: str) -> GithubError:
        hint = "; the token needs `contents: write`" if reply.status in (403, 404) else ""
        said = f" ({reply.message})" if reply.message else ""
        return GithubError(f"{self._repo}: GitHub does not {what}: {reply.status}{said}{hint}")


def parse_releases(body: str) -> tuple[Release, ...]:
    """Return the releases that the answer to `repos/list-releases` lists.

    Raises:
        ValueError: It is no such list; names the field.
    """
    return tuple(map(_release, json_objects(body)))


def parse_release(body: str) -> Release:
    """Return the release that an answer describes.

    Raises:
        ValueError: It is none; names the field.
    """
    return _release(json_object(body))


def parse_asset(body: str) -> tuple[str, int]:
    """Return name and size of the file that GitHub took in.

    Raises:
        ValueError: It did not take one in; names the field.
    """
    raw = json_object(body)
    if raw.get("state") != "uploaded":
        raise ValueError("state is not uploaded")
    return text(raw, "name"), count(raw, "size")


def _release(raw: Mapping[str, Any]) -> Release:
    assets = raw.get("assets")
    if not isinstance(assets, list):
        raise ValueError("assets is no list")
    whole = (asset for asset in assets if asset.get("state") == "uploaded")
    return Release(
        id=count(raw, "id"),
        tag=text(raw, "tag_name"),
        is_draft=raw.get("draft") is True,
        created_at=moment(raw, "created_at"),
        # A template: what follows the brace names the parameters.
        upload_address=text(raw, "upload_url").partition("{")[0],
        files=tuple(text(asset, "name") for asset in whole),
    )
