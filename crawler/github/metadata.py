"""GitHub's JSON, read with suspicion: every field is checked before it goes further."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from crawler.github.json_fields import (
    FULL_NAME,
    count,
    json_object,
    list_or_empty,
    moment,
    optional_line,
    text,
)
from crawler.states import RepoMetadata

_SHA1 = re.compile(r"[0-9a-f]{40}")


def parse_repository(body: str) -> RepoMetadata:
    """Return the repository that the answer to `repos/get` describes, without its ETag.

    Raises:
        ValueError: It is no JSON, or a field is missing or out of its range; names the field.
    """
    raw = json_object(body)
    name = text(raw, "full_name")
    if not FULL_NAME.fullmatch(name):
        raise ValueError("full_name is no owner/name")
    return RepoMetadata(
        id=count(raw, "id"),
        name=name,
        description=optional_line(raw.get("description")),
        stars=count(raw, "stargazers_count"),
        forks=count(raw, "forks_count"),
        license=_license(raw.get("license")),
        topics=tuple(filter(None, map(optional_line, list_or_empty(raw.get("topics"))))),
        archived=raw.get("archived") is True,
        private=raw.get("private") is True,
        default_branch=text(raw, "default_branch"),
        # A repository that was never pushed to has no date for that; it was created, though.
        pushed_at=moment(raw, "pushed_at", "created_at"),
        clone_url=text(raw, "clone_url"),
        etag=None,
        fetched_at=datetime.now(UTC),
    )


def parse_head(body: str) -> str:
    """Return the commit id that the answer to `repos/get-commit` gives, bare or as JSON.

    Raises:
        ValueError: It is neither.
    """
    bare = body.strip()
    commit = bare if _SHA1.fullmatch(bare) else json_object(bare).get("sha")
    if not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise ValueError("sha is no commit id")
    return commit


def _license(raw: object) -> str | None:
    """Return the SPDX id, None where GitHub found no licence or cannot name it."""
    spdx_id = raw.get("spdx_id") if isinstance(raw, dict) else None
    return None if spdx_id == "NOASSERTION" else optional_line(spdx_id)
