"""Real git repositories for tests: bare, made with `git fast-import`, repeatable to the byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

NAME, EMAIL = "Ada Example", "ada@example.org"
EPOCH = 1_700_000_000


def git(*args: str, cwd: Path, stdin: bytes = b"") -> str:
    """Run git in `cwd`, away from the user's configuration; return what it printed, stripped."""
    return git_bytes(*args, cwd=cwd, stdin=stdin).decode(errors="surrogateescape").strip()


def git_bytes(*args: str, cwd: Path, stdin: bytes = b"") -> bytes:
    """Run git as `git` does; return the very bytes it printed."""
    done = subprocess.run(
        ("git", *args), cwd=cwd, input=stdin, capture_output=True, check=False, env=git_env()
    )
    if done.returncode:
        raise AssertionError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def git_env() -> dict[str, str]:
    """Return an environment without any configuration of the machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {"GIT_COMMITTER_NAME": NAME, "GIT_COMMITTER_EMAIL": EMAIL}
    return kept | who | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}


def init_bare(path: Path, branch: str = "main") -> Path:
    """Make an empty bare repository that serves partial clones, as GitHub does."""
    path.mkdir(parents=True)
    git("init", "--bare", "--quiet", f"--initial-branch={branch}", ".", cwd=path)
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        git("config", key, "true", cwd=path)
    return path


def commit(
    path: Path,
    files: Mapping[str, str | bytes],
    *,
    branch: str = "main",
    remove: Iterable[str] = (),
    message: str = "change",
    orphan: bool = False,
) -> str:
    """Commit the files on top of the branch and return the commit; `orphan` starts it anew."""
    ref = f"refs/heads/{branch}"
    parent = None if orphan else head_of(path, branch)
    count = git("rev-list", "--all", "--count", cwd=path)
    stream = [f"commit {ref}\n", f"committer {NAME} <{EMAIL}> {EPOCH + int(count) * 60} +0000\n"]
    stream.append(f"data {len(message.encode())}\n{message}\n")
    if parent:
        stream.append(f"from {parent}\n")
    elif orphan:
        stream.append("deleteall\n")
    stream += [f"D {name}\n" for name in remove]
    body = b"".join(line.encode() for line in stream)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        body += f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n"
    if orphan:
        # fast-import continues a branch that exists, even without `from`.
        body = f"reset {ref}\n".encode() + body
    git("fast-import", "--quiet", "--force", "--date-format=raw", cwd=path, stdin=body)
    made = head_of(path, branch)
    assert made is not None
    return made


def head_of(path: Path, branch: str) -> str | None:
    """Return the commit of the branch, None if there is no such branch."""
    found = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", cwd=path)
    return found or None
