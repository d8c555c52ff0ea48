"""GitHub's JSON, read with suspicion: every field is checked before it goes further."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from crawler.github.states import RepoMetadata

FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
MAX_TEXT = 1000


def parse_repository(body: str) -> RepoMetadata:
    """Return the repository that the answer to `repos/get` describes, without its ETag.

    Raises:
        ValueError: It is no JSON, or a field is missing or out of its range; names the field.
    """
    raw = _object(body)
    name = _text(raw, "full_name")
    if not FULL_NAME.fullmatch(name):
        raise ValueError("full_name is no owner/name")
    return RepoMetadata(
        id=_count(raw, "id"),
        name=name,
        description=_optional_line(raw.get("description")),
        stars=_count(raw, "stargazers_count"),
        forks=_count(raw, "forks_count"),
        license=_license(raw.get("license")),
        topics=tuple(topic for topic in map(_optional_line, _list(raw.get("topics"))) if topic),
        archived=raw.get("archived") is True,
        private=raw.get("private") is True,
        default_branch=_text(raw, "default_branch"),
        pushed_at=_moment(raw),
        clone_url=_text(raw, "clone_url"),
        etag=None,
        fetched_at=datetime.now(UTC),
    )


def parse_head(body: str) -> str:
    """Return the commit id that the answer to `repos/get-commit` gives, bare or as JSON.

    Raises:
        ValueError: It is neither.
    """
    text = body.strip()
    commit = text if _SHA1.fullmatch(text) else _object(text).get("sha")
    if not isinstance(commit, str) or not _SHA1.fullmatch(commit):
        raise ValueError("sha is no commit id")
    return commit


def parse_json(body: str) -> object:
    """Return the value that a body holds.

    Raises:
        ValueError: It is no JSON; says what it is.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        kind = "HTML" if body.lstrip()[:1] == "<" else "broken JSON"
        raise ValueError(f"it is {kind}") from None


def _object(body: str) -> dict[str, Any]:
    raw = parse_json(body)
    if not isinstance(raw, dict):
        raise ValueError("it is no JSON object")
    return raw


def _text(raw: dict[str, Any], field: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ValueError(f"{field} is no line of text")
    return value


def _count(raw: dict[str, Any], field: str) -> int:
    value = raw.get(field)
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{field} is no count")
    return value


def _moment(raw: dict[str, Any]) -> datetime:
    # A repository that was never pushed to has none; it was created, though.
    value = raw.get("pushed_at") or raw.get("created_at")
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("pushed_at is no date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _license(raw: object) -> str | None:
    """Return the SPDX id, None where GitHub found no licence or cannot name it."""
    spdx_id = raw.get("spdx_id") if isinstance(raw, dict) else None
    return None if spdx_id == "NOASSERTION" else _optional_line(spdx_id)


def _list(raw: object) -> list[object]:
    return raw if isinstance(raw, list) else []


def _optional_line(raw: object) -> str | None:
    """Return the text on one line without control characters, None if nothing is left."""
    if not isinstance(raw, str):
        return None
    line = "".join(char if char.isprintable() else " " for char in raw)
    return " ".join(line.split())[:MAX_TEXT] or None
