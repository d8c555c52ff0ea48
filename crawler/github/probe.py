"""One look at one repository: is there anything new, and where is it now?

Two questions can tell that nothing changed, and one of them is enough:

- `GET /repos/{name}/commits/{ref}`, as the bare commit id, with the stored ETag. It is 304 as
  long as the head is the one stored, however many stars come and go; GitHub charges nothing for
  it. This is the usual look.
- `GET /repos/{name}` with its stored ETag, asked instead once the metadata are older than
  `MAX_AGE`. If neither the last push nor the default branch moved, the head did not either.

So an unchanged repository costs one conditional request, a changed or new one two. A renamed one
is found by GitHub's redirect or, where that is gone, by its numeric id. A name that leads to
another id than the one known is never taken for the same repository.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from crawler.github.answers import Reply
from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from crawler.github.metadata import parse_head, parse_repository
from crawler.github.token import check_clone_url
from crawler.states import (
    Changed,
    Failed,
    GithubState,
    Gone,
    GoneReason,
    Outcome,
    RepoMetadata,
    Unchanged,
)

MAX_AGE = timedelta(days=7)
"""How old stars, licence, topics and the name of the default branch may get."""

T = TypeVar("T")

_SHA_ONLY = "application/vnd.github.sha"


def probe_repository(
    client: GithubClient,
    name: str,
    *,
    state: GithubState | None = None,
    ref: str | None = None,
    max_age: timedelta = MAX_AGE,
) -> Outcome:
    """Return what became of a repository since `state`; never raises for what GitHub answers.

    `name` is the `owner/name` as listed, `ref` the branch, tag or commit to follow instead of the
    default branch. With `state` from an earlier look its present name and id are used, whatever
    the list says.
    """
    probe = _Probe(client, name, state, ref)
    try:
        return probe.look(datetime.now(UTC) - max_age)
    except _GoneError as gone:
        return Gone(reason=gone.reason, message=f"{name}: {gone}", requests=probe.requests)
    except GithubError as error:
        return Failed(
            message=f"{name}: {error}",
            retry_at=error.retry_at,
            stops=error.stops,
            requests=probe.requests,
        )


def state_after(changed: Changed, commit: str | None) -> GithubState:
    """Return the state to store once the content of `commit` is; None for an empty repository.

    Git may have given a later commit than GitHub named, which the ETag does not vouch for.
    """
    if commit == changed.head:
        return changed.state
    return replace(changed.state, head=commit, head_etag=None)


class _GoneError(Exception):
    """The repository cannot be had; `reason` says why."""

    def __init__(self, reason: GoneReason, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Head:
    """Where a ref stands; `commit` is None where GitHub names none."""

    commit: str | None
    etag: str | None
    moved: bool


class _Probe:
    """The look under way; `requests` counts what was sent for it."""

    def __init__(
        self, client: GithubClient, name: str, state: GithubState | None, ref: str | None
    ) -> None:
        self.requests = 0
        self._client = client
        self._name = state.name if state else name
        self._known = state
        self._ref = ref

    def look(self, too_old: datetime) -> Outcome:
        """Return what became of the repository; metadata read before `too_old` are read anew."""
        known = self._known
        if known is None or known.ref != (self._ref or known.default_branch):
            return self._settle(self._read_metadata())
        if known.head is None or known.described_at < too_old:
            return self._look_at_metadata(known)
        head = self._read_head(self._name, known.ref)
        if head.commit == known.head and not head.moved:
            return self._unchanged(replace(known, head_etag=head.etag))
        metadata = self._read_metadata()
        same_ref = known.ref == (self._ref or metadata.default_branch)
        # The name may be another repository's by now, and the head that it gave with it.
        same_place = head.moved or self._renamed_from(metadata) is None
        return self._settle(metadata, head if head.commit and same_ref and same_place else None)

    def _look_at_metadata(self, known: GithubState) -> Outcome:
        """Ask for the head only if the last push or the default branch moved."""
        reply = self._get_metadata(f"/repos/{self._name}", known.metadata_etag)
        if reply.status == 304:
            return self._unchanged(replace(known, described_at=datetime.now(UTC)))
        metadata = self._identify(reply.value)
        if (metadata.pushed_at, metadata.default_branch) == (known.pushed_at, known.default_branch):
            head = _Head(known.head, known.head_etag, moved=False)
            return self._unchanged(self._state(metadata, head), metadata)
        return self._settle(metadata)

    def _settle(self, metadata: RepoMetadata, head: _Head | None = None) -> Outcome:
        """Compare the head with the one stored; it is asked for unless at hand."""
        head = head or self._read_head(metadata.name, self._ref or metadata.default_branch)
        state = self._state(metadata, head)
        if self._known and head.commit and self._known.head == head.commit:
            return self._unchanged(state, metadata)
        return Changed(
            state=state,
            metadata=metadata,
            head=head.commit,
            renamed_from=self._renamed_from(metadata),
            requests=self.requests,
        )

    def _unchanged(self, state: GithubState, metadata: RepoMetadata | None = None) -> Unchanged:
        return Unchanged(
            state=state,
            metadata=metadata,
            renamed_from=self._renamed_from(metadata) if metadata else None,
            requests=self.requests,
        )

    def _state(self, metadata: RepoMetadata, head: _Head) -> GithubState:
        return GithubState(
            id=metadata.id,
            name=metadata.name,
            default_branch=metadata.default_branch,
            ref=self._ref or metadata.default_branch,
            head=head.commit,
            head_etag=head.etag,
            metadata_etag=metadata.etag,
            pushed_at=metadata.pushed_at,
            described_at=metadata.fetched_at,
        )

    def _renamed_from(self, metadata: RepoMetadata) -> str | None:
        """Return the name it was looked for under; letters' case alone makes no other name."""
        return None if metadata.name.lower() == self._name.lower() else self._name

    def _read_metadata(self) -> RepoMetadata:
        return self._identify(self._get_metadata(f"/repos/{self._name}").value)

    def _identify(self, found: RepoMetadata | None) -> RepoMetadata:
        """Return the repository that is meant: what its name led to, unless its id went on."""
        known = self._known
        if found is not None and (known is None or known.id == found.id):
            return found
        if known is not None and (moved := self._get_metadata(f"/repositories/{known.id}").value):
            return moved
        if known is not None and found is not None:
            raise _GoneError(
                GoneReason.REPLACED,
                f"the repository known by this name (id {known.id}) is gone, and another "
                f"(id {found.id}) has taken its name; crawl it with --full to take the new one",
            )
        raise _GoneError(GoneReason.MISSING, "GitHub has no such repository, or it is private")

    def _get_metadata(self, path: str, etag: str | None = None) -> Reply[RepoMetadata]:
        """Return the repository; no value if there is none, or if it still is that of `etag`."""
        reply = self._count(lambda: self._client.get(path, parse_repository, etag=etag))
        if reply.status not in (200, 304, 404, 410):
            raise GithubError(f"GitHub answers {reply.status} ({reply.message}); run again later")
        if reply.value is None:
            return reply
        if wrong := check_clone_url(reply.value.clone_url, self._client.api_url):
            raise GithubError(f"{wrong}; check GITHUB_API_URL")
        return replace(reply, value=replace(reply.value, etag=reply.etag))

    def _read_head(self, name: str, ref: str) -> _Head:
        known = self._known if self._known and self._known.ref == ref else None
        etag = known.head_etag if known and known.head else None
        path = f"/repos/{name}/commits/{quote(ref, safe='/')}"
        reply = self._count(lambda: self._client.get(path, parse_head, etag=etag, accept=_SHA_ONLY))
        if reply.status == 304 and known:
            return _Head(known.head, reply.etag or etag, reply.moved)
        return _Head(reply.value, reply.etag if reply.value else None, reply.moved)

    def _count(self, get: Callable[[], Reply[T]]) -> Reply[T]:
        """Return the reply after counting its requests; raise where GitHub shuts the door."""
        try:
            reply = get()
        except GithubError as error:
            self.requests += error.requests
            raise
        self.requests += reply.requests
        if reply.status == 451 or (reply.status == 403 and "blocked" in reply.message.lower()):
            raise _GoneError(
                GoneReason.BLOCKED, f"GitHub has taken it down ({reply.status}: {reply.message})"
            )
        if reply.status == 403:
            raise GithubError(f"GitHub forbids reading it (403: {reply.message}); check the token")
        return reply
