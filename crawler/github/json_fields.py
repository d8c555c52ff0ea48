"""Fields of GitHub's JSON, each read with suspicion: a wrong one is a ValueError that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,98}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
MAX_TEXT = 1000


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


def json_object(body: str) -> dict[str, Any]:
    """Return the object that the body is."""
    raw = parse_json(body)
    if not isinstance(raw, dict):
        raise ValueError("it is no JSON object")
    return raw


def json_objects(body: str) -> list[dict[str, Any]]:
    """Return the objects of the array that the body is."""
    raw = parse_json(body)
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise ValueError("it is no JSON array of objects")
    return raw


def text(raw: Mapping[str, Any], field: str) -> str:
    """Return a line of text that must be there."""
    value = raw.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ValueError(f"{field} is no line of text")
    return value


def count(raw: Mapping[str, Any], field: str) -> int:
    """Return a non-negative number that must be there."""
    value = raw.get(field)
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{field} is no count")
    return value


def moment(raw: Mapping[str, Any], *fields: str) -> datetime:
    """Return the first of these moments that is set; UTC unless it says otherwise."""
    value = next((raw[field] for field in fields if raw.get(field)), None)
    try:
        found = datetime.fromisoformat(str(value))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{fields[0]} is no date") from None


def list_or_empty(raw: object) -> list[object]:
    """Return the list, an empty one if it is none."""
    return raw if isinstance(raw, list) else []


def optional_line(raw: object) -> str | None:
    """Return the text on one line without control characters, None if nothing is left."""
    if not isinstance(raw, str):
        return None
    line = "".join(char if char.isprintable() else " " for char in raw)
    return " ".join(line.split())[:MAX_TEXT] or None
