"""Whether an answer is one that GitHub's own OpenAPI description allows."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

DESCRIPTION = Path(__file__).with_name("openapi") / "github.json"
ERROR = {"$ref": "#/components/schemas/basic-error"}


def find_faults(
    path: str, status: int, media_type: str, body: bytes, *, method: str = "GET"
) -> list[str]:
    """Return what is wrong with the answer to a request for this path, one line each.

    A status that the description leaves out (every operation may be answered with 401, 429 or
    502) must still carry GitHub's common error body.
    """
    operation = find_operation(path, method)
    if operation is None:
        return [] if status == 404 else [f"{path}: {status} from an operation nobody described"]
    if status in (204, 304):
        return [f"{path}: {status} with a body"] if body else []
    answer = operation["responses"].get(str(status))
    content = {} if answer is None else answer.get("content", {})
    if not content and (answer is None or status >= 400):
        return [] if status < 400 else check(path, ERROR, json.loads(body))
    if media_type not in content:
        return [f"{path}: {status} as {media_type}, described as {', '.join(content)}"]
    value = json.loads(body) if media_type == "application/json" else body.decode()
    return check(path, content[media_type]["schema"], value)


def find_operation(path: str, method: str = "GET") -> dict[str, Any] | None:
    """Return the described operation that serves this path.

    `/repositories/{id}` is where GitHub's redirects lead; it is described nowhere and answers
    what `/repos/{owner}/{repo}` answers.
    """
    path = re.sub(r"^/repositories/\d+", "/repos/owner/name", path)
    for template, item in description()["paths"].items():
        # A ref may hold slashes, and it is always the last part.
        pattern = re.sub(r"\{ref\}", r".+", template)
        pattern = re.sub(r"\{\w+\}", r"[^/]+", pattern)
        if method.lower() in item and re.fullmatch(pattern, path):
            operation: dict[str, Any] = item[method.lower()]
            return operation
    return None


def check(path: str, schema: dict[str, Any], value: Any) -> list[str]:
    """Return how the value departs from a schema of the description."""
    root = {**to_json_schema(schema), "components": description()["components"]}
    validator = Draft202012Validator(root, format_checker=FormatChecker())
    return [f"{path}: {error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def description() -> dict[str, Any]:
    """Return the description with its schemas rewritten to JSON Schema."""
    whole: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    whole["components"] = to_json_schema(whole["components"])
    return whole


def to_json_schema(node: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a choice of null."""
    if isinstance(node, list):
        return [to_json_schema(child) for child in node]
    if not isinstance(node, dict):
        return node
    rest = {key: to_json_schema(child) for key, child in node.items() if key != "nullable"}
    return {"anyOf": [{"type": "null"}, rest]} if node.get("nullable") is True else rest
