"""What the server knows: repositories, their owners' settings, and what happens to them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.github_server import git_repo
from tests.github_server.tracker import Tracker

if TYPE_CHECKING:
    from tests.github_server.releases import HostedRelease
    from tests.github_server.workflows import HostedRun

Files = Mapping[str, str | bytes]


@dataclass(slots=True, kw_only=True)
class HostedRepo:
    """One repository as GitHub hosts it: settings that a test may change, and a bare clone."""

    id: int
    full_name: str
    git_dir: Path
    description: str | None = "Kernels for tests"
    stars: int = 7
    forks: int = 1
    spdx_id: str | None = "MIT"
    topics: tuple[str, ...] = ("triton",)
    archived: bool = False
    private: bool = False
    blocked: bool = False
    clone_url: str | None = None
    """Where the API says that git finds it, when not under its name on this server."""
    default_branch: str = "main"
    created_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    pushes: int = 0
    releases: dict[int, HostedRelease] = field(default_factory=dict)
    workflows: dict[str, list[HostedRun]] = field(default_factory=dict)
    """The runs of each workflow file."""
    workflow_states: dict[str, str] = field(default_factory=dict)
    """Of those that are not active."""
    enabled: list[str] = field(default_factory=list)
    """The workflow files that were enabled, in order."""
    tracker: Tracker = field(default_factory=Tracker)

    @property
    def pushed_at(self) -> datetime:
        """When the last push came: a minute later at each push."""
        return self.created_at + timedelta(minutes=self.pushes)

    @property
    def head(self) -> str | None:
        """The commit of the default branch."""
        return git_repo.head_of(self.git_dir, self.default_branch)

    def push(self, files: Files, *, branch: str | None = None, remove: Iterable[str] = ()) -> str:
        """Push one commit with these files changed; return it."""
        self.pushes += 1
        target = branch or self.default_branch
        return git_repo.commit(self.git_dir, files, branch=target, remove=remove)

    def force_push(self, files: Files) -> str:
        """Throw the history of the default branch away for one commit, and its objects too."""
        self.pushes += 1
        made = git_repo.commit(self.git_dir, files, branch=self.default_branch, orphan=True)
        git_repo.git("gc", "--quiet", "--prune=now", cwd=self.git_dir)
        return made

    def delete_branch(self, branch: str) -> None:
        """Delete a branch; the default branch of a real repository can vanish like this too."""
        self.pushes += 1
        git_repo.git("update-ref", "-d", f"refs/heads/{branch}", cwd=self.git_dir)

    def switch_default(self, branch: str) -> None:
        """Make another branch the default."""
        self.default_branch = branch
        git_repo.git("symbolic-ref", "HEAD", f"refs/heads/{branch}", cwd=self.git_dir)


@dataclass(slots=True)
class World:
    """All repositories, by present name, and where old names lead."""

    root: Path
    repos: dict[str, HostedRepo] = field(default_factory=dict)
    renames: dict[str, int] = field(default_factory=dict)
    viewer: str = "github-actions[bot]"
    """Whose the token is."""
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))

    def add(self, full_name: str, files: Files | None = None) -> HostedRepo:
        """Create a repository; without files it is empty."""
        number = next(self._ids)
        git_dir = git_repo.init_bare(self.root / f"{number}.git")
        repo = HostedRepo(id=number, full_name=full_name, git_dir=git_dir)
        if files:
            repo.push(files)
        self.repos[full_name.lower()] = repo
        self.renames.pop(full_name.lower(), None)
        return repo

    def find(self, full_name: str) -> HostedRepo | None:
        """Return the repository of that present name."""
        return self.repos.get(full_name.lower())

    def by_id(self, number: int) -> HostedRepo | None:
        """Return the repository of that id, whatever its name is now."""
        return next((repo for repo in self.repos.values() if repo.id == number), None)

    def rename(self, old: str, new: str) -> HostedRepo:
        """Rename or transfer a repository; its old name leads to it until somebody takes it."""
        repo = self.repos.pop(old.lower())
        repo.full_name = new
        self.repos[new.lower()] = repo
        self.renames[old.lower()] = repo.id
        return repo

    def transfer_issue(self, number: int, source: str, target: str) -> None:
        """Move an issue to another repository, where it gets a number of its own."""
        old = self.repos[source.lower()].tracker.issues[number]
        there = self.repos[target.lower()]
        new = there.tracker.ask(old.title, old.body, by=old.author, created_at=old.created_at)
        old.moved_to = (there.id, new.number)

    def delete(self, full_name: str) -> None:
        """Delete a repository for good."""
        repo = self.repos.pop(full_name.lower())
        shutil.rmtree(repo.git_dir)

    def replace(self, full_name: str, files: Files | None = None) -> HostedRepo:
        """Delete a repository and let another, with an id of its own, take its name."""
        self.delete(full_name)
        return self.add(full_name, files)
