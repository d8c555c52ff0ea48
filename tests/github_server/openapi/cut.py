"""Cut GitHub's OpenAPI description down to the operations that the test server serves.

    npm pack @octokit/openapi && tar -xzf octokit-openapi-*.tgz
    python tests/github_server/openapi/cut.py package/generated/api.github.com.json

Writes `github.json` beside this file. What stays is what a check needs: for each operation the
schemas of its answers, and every schema they refer to. Prose, examples and vendor extensions go.
To serve one more operation, add its id to `OPERATIONS` and run this again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = (
    "actions/enable-workflow",
    "actions/get-workflow",
    "actions/list-workflow-runs",
    "git/delete-ref",
    "issues/create",
    "issues/create-comment",
    "issues/get",
    "issues/list-comments",
    "issues/list-events-for-timeline",
    "issues/list-for-repo",
    "issues/update",
    "issues/update-comment",
    "rate-limit/get",
    "reactions/list-for-issue",
    "repos/create-release",
    "repos/delete-release",
    "repos/get",
    "repos/get-commit",
    "repos/list-commits",
    "repos/list-releases",
    "repos/update-release",
    "repos/upload-release-asset",
    "users/get-authenticated",
)
PROSE = {"description", "summary", "title", "example", "examples", "externalDocs", "tags"}
REF = "#/components/schemas/"


def main(source: Path) -> None:
    """Write the cut of the description at `source` beside this file."""
    whole = json.loads(source.read_text(encoding="utf-8"))
    paths = {path: cut for path, item in whole["paths"].items() if (cut := cut_path(whole, item))}
    found = {operation["operationId"] for path in paths.values() for operation in path.values()}
    if missing := set(OPERATIONS) - found:
        sys.exit(f"{source}: no operation {', '.join(sorted(missing))}")
    schemas = cut_schemas(whole, {"basic-error", *refs(paths)})
    slim = {
        "openapi": whole["openapi"],
        "info": {
            "title": "GitHub REST API, cut to the operations the test server serves",
            "version": whole["info"]["version"],
            "license": whole["info"]["license"],
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    target = Path(__file__).with_name("github.json")
    target.write_text(json.dumps(slim, sort_keys=True, separators=(",", ":")) + "\n")


def cut_path(whole: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """Return the wanted operations of one path with the schemas of their answers."""
    return {
        method: {
            "operationId": operation["operationId"],
            "responses": {
                status: without_prose(resolve(whole, response))
                for status, response in operation["responses"].items()
            },
        }
        for method, operation in item.items()
        if isinstance(operation, dict) and operation.get("operationId") in OPERATIONS
    }


def cut_schemas(whole: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """Return the wanted schemas and all that they refer to, by name."""
    schemas: dict[str, Any] = {}
    while pending := sorted(wanted - schemas.keys()):
        for name in pending:
            schemas[name] = without_prose(whole["components"]["schemas"][name])
            wanted |= refs(schemas[name])
    return schemas


def resolve(whole: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """Return the answer that a reference into `components/responses` stands for."""
    if "$ref" not in response:
        return response
    resolved: dict[str, Any] = whole["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return resolved


def without_prose(node: Any, *, names: bool = False) -> Any:
    """Return the node without words for people; with `names`, its keys are names, all kept."""
    if isinstance(node, list):
        return [without_prose(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(child, names=not names and key == "properties")
        for key, child in node.items()
        if names or (key not in PROSE and key != "headers" and not key.startswith("x-"))
    }


def refs(node: Any) -> set[str]:
    """Return the names of the schemas that the node refers to."""
    if isinstance(node, list):
        return set().union(*map(refs, node))
    if not isinstance(node, dict):
        return set()
    own = node.get("$ref")
    found = {own.removeprefix(REF)} if isinstance(own, str) else set()
    return found.union(*map(refs, node.values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
