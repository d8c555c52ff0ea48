"""What is known of a repository on GitHub, what is kept between crawls, and what a look gave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoMetadata:
    """A repository as GitHub describes it.

    `id` stays through renames; `name` is the present `owner/name`. `license` is an SPDX id, None
    where GitHub recognised none. `fetched_at` is when this was read.
    """

    id: int
    name: str
    description: str | None
    stars: int
    forks: int
    license: str | None
    topics: tuple[str, ...]
    archived: bool
    private: bool
    default_branch: str
    pushed_at: datetime
    clone_url: str
    etag: str | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubState:
    """What one look at a repository leaves for the next: store it with the kernels, all or none.

    `ref` is the branch, tag or commit whose head was asked for (the default branch unless the
    source names another), `head` the commit whose kernels are stored. `described_at` is when the
    metadata were last read.
    """

    id: int
    name: str
    default_branch: str
    ref: str
    head: str | None
    head_etag: str | None
    metadata_etag: str | None
    pushed_at: datetime
    described_at: datetime


class GoneReason(StrEnum):
    """Why a repository can no longer be read."""

    MISSING = "missing"
    """GitHub answers 404: deleted, or private now; it does not tell which."""
    BLOCKED = "blocked"
    """Taken down by GitHub, for instance after a DMCA notice (451)."""
    REPLACED = "replaced"
    """The name is now that of another repository, and the one that was known is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The head is the one stored. `metadata` is there if it was read anew."""

    state: GithubState
    metadata: RepoMetadata | None
    renamed_from: str | None
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """There is another head, or the repository is new: fetch `head` from `metadata.clone_url`.

    `head` is None where GitHub names none (it does so for an empty repository): let git decide.
    `state` is to be stored once the content is; see `probe.state_after`.
    """

    state: GithubState
    metadata: RepoMetadata
    head: str | None
    renamed_from: str | None
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The repository cannot be read any more; what was known of it stays known."""

    reason: GoneReason
    message: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The look failed and says nothing about the repository.

    `stops`: every further request of this run would fail too, until `retry_at` where that is
    known, so the rest is left for the next run.
    """

    message: str
    retry_at: datetime | None
    stops: bool
    requests: int


Outcome = Unchanged | Changed | Gone | Failed
