"""Git over HTTP: one request handed to git's own `http-backend`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.github_server.git_repo import git_env


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAnswer:
    """What the backend answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def serve_git(
    git_dir: Path, method: str, service: str, query: str, headers: Mapping[str, str], body: bytes
) -> GitAnswer:
    """Run the backend on a repository; `service` is the path below it, header names lower case."""
    env = git_env() | {
        "GIT_PROJECT_ROOT": str(git_dir.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{git_dir.name}/{service}",
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ("git", "http-backend"), input=body, capture_output=True, check=False, env=env
    )
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
    status = next((value for name, value in fields if name == "Status"), "200")
    kept = tuple((name, value) for name, value in fields if name != "Status")
    return GitAnswer(status=int(status.split()[0]), headers=kept, body=rest)
