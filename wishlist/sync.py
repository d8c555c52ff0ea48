"""Issues of one repository, followed: what is new or changed since the last sync.

One conditional request tells whether anything happened among the hundred issues that were touched
last. If so, those changed since are listed, and of a short list all of them; a list is also read
whole once a day, because reactions and deletions touch no date. What is said around an issue costs
requests of its own, so it is read only where it changed, and a run has a bound on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from crawler.github.answers import Reply
from crawler.github.client import GithubClient
from crawler.github.errors import GithubError
from wishlist.details import read_details
from wishlist.issues import Issue, parse_issue, parse_issues
from wishlist.models import (
    GoneWish,
    IssueWish,
    KnownWishes,
    PullRequest,
    SyncedWishes,
    SyncState,
    WishSkip,
)
from wishlist.reading import read_pull, read_wish, reading_version

PAGE = 100
SHORT_LIST = 500
"""Up to so many issues are all listed whenever anything changed."""
SWEEP_AGE = timedelta(days=1)
MOST_REQUESTS = 800
"""Of a run; GitHub grants Actions a thousand an hour."""

T = TypeVar("T")


def sync_wishes(
    client: GithubClient,
    repo: str,
    known: KnownWishes,
    *,
    full: bool = False,
    most_requests: int = MOST_REQUESTS,
    now: datetime | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> SyncedWishes:
    """Return what happened to the issues of `repo` since what is `known`.

    `full` lists every issue, whatever is known. What is left over when `most_requests` are spent,
    or GitHub allows no more, is marked as due and read by the next sync. `on_progress` is told of
    how many wishes what is said around them is read, of how many.

    Raises:
        GithubError: the issues cannot be listed; what was known stays true.
    """
    usable = known.state if known.state and known.state.rules == reading_version() else None
    moment = now or datetime.now(UTC)
    return _Sync(client, repo, known, usable, most_requests, moment, on_progress).run(full)


class _Sync:
    """The sync under way."""

    def __init__(
        self,
        client: GithubClient,
        repo: str,
        known: KnownWishes,
        state: SyncState | None,
        most_requests: int,
        now: datetime,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._on_progress = on_progress
        self._asked_as = known.state.repo if known.state else repo
        self._repo = self._asked_as
        self._known = known
        self._wishes = {wish.number: wish for wish in known.wishes}
        self._state = state
        self._left = most_requests
        self._now = now
        self._requests = 0
        self._problems: list[str] = []
        self._stopped: str | None = None

    def run(self, full: bool) -> SyncedWishes:
        """Look, list, read what is said around, in this order."""
        is_swept = self._state is not None and self._state.swept_at is not None
        looked = self._look(None if full or not is_swept else self._state)
        is_old = not is_swept or self._is_old()
        if looked.value is None and not is_old:
            return self._finish(self._state, (), ())
        listed, is_whole = self._list(looked, is_old=is_old or full)
        gone, found_after_all = self._look_for_missing(listed) if is_whole else ((), ())
        newest = max((issue.updated_at for issue in listed), default=None)
        known_newest = self._state.newest if self._state else None
        state = SyncState(
            repo=self._repo,
            etag=looked.etag or (self._state.etag if self._state else None),
            newest=max(filter(None, (newest, known_newest)), default=None),
            swept_at=self._swept_at(is_whole),
            rules=reading_version(),
            former_names=self._former_names(),
        )
        return self._finish(state, (*listed, *found_after_all), gone)

    def _is_old(self) -> bool:
        swept_at = self._state.swept_at if self._state else None
        return swept_at is None or self._now - swept_at >= SWEEP_AGE

    def _swept_at(self, is_whole: bool) -> datetime | None:
        if self._stopped is not None:
            # What is missing was not looked for to the end: list all again next time.
            return None
        return self._now if is_whole or self._state is None else self._state.swept_at

    def _former_names(self) -> tuple[str, ...]:
        former = self._known.state.former_names if self._known.state else ()
        renamed = self._repo.lower() != self._asked_as.lower()
        return tuple(dict.fromkeys((*former, self._asked_as))) if renamed else former

    def _look(self, state: SyncState | None) -> Reply[tuple[Issue | str, ...]]:
        """Ask for the issues touched last; 304 if they are as they were."""
        etag = state.etag if state else None
        reply = self._get(self._listing(sort="updated", direction="desc"), parse_issues, etag=etag)
        if reply.status not in (200, 304):
            raise GithubError(_refusal(self._asked_as, reply))
        first = next((issue for issue in reply.value or () if isinstance(issue, Issue)), None)
        if first is not None:
            self._repo = first.repo
        return reply

    def _list(
        self, looked: Reply[tuple[Issue | str, ...]], *, is_old: bool
    ) -> tuple[tuple[Issue, ...], bool]:
        """Return the issues to read, and whether these are all that there are."""
        if looked.value is not None and len(looked.value) < PAGE:
            return tuple(self._usable(looked.value)), True
        n_known = len(self._wishes) + len(self._known.others)
        newest = self._state.newest if self._state else None
        if is_old or newest is None or n_known <= SHORT_LIST:
            return self._pages(self._listing(sort="created", direction="asc")), True
        since = newest.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._pages(self._listing(sort="updated", direction="asc", since=since)), False

    def _pages(self, path: str) -> tuple[Issue, ...]:
        found: dict[int, Issue] = {}
        number = 1
        while True:
            reply = self._get(f"{path}&page={number}", parse_issues)
            if reply.value is None:
                raise GithubError(_refusal(self._repo, reply))
            found.update((issue.number, issue) for issue in self._usable(reply.value))
            if len(reply.value) < PAGE:
                return tuple(found.values())
            number += 1

    def _usable(self, page: Iterable[Issue | str]) -> Iterator[Issue]:
        for issue in page:
            if isinstance(issue, str):
                self._problems.append(issue)
            elif issue.repo.lower() != self._repo.lower():
                self._problems.append(f"issue {issue.number}: its address is in {issue.repo}")
            else:
                yield issue

    def _look_for_missing(
        self, listed: Iterable[Issue]
    ) -> tuple[tuple[GoneWish, ...], tuple[Issue, ...]]:
        """Ask what became of each issue that is listed no more."""
        gone: list[GoneWish] = []
        found: list[Issue] = []
        numbers = {*self._wishes, *self._known.others}
        for number in sorted(numbers - {issue.number for issue in listed}):
            if not self._may_ask():
                break
            try:
                reply = self._get(f"/repos/{self._repo}/issues/{number}", parse_issue)
            except GithubError as error:
                self._give_up(f"issue {number}: {error}", stops=True)
                break
            if reply.value is None:
                gone.append(GoneWish(number=number, reason="deleted"))
            elif reply.value.repo.lower() != self._repo.lower():
                target = f"{reply.value.repo}#{reply.value.number}"
                gone.append(GoneWish(number=number, reason=f"transferred to {target}"))
            else:
                found.append(reply.value)
        return tuple(gone), tuple(found)

    def _finish(
        self, state: SyncState | None, issues: Iterable[Issue], gone: tuple[GoneWish, ...]
    ) -> SyncedWishes:
        assert state is not None
        read = [
            (issue, read_pull(issue) if issue.is_pull else read_wish(issue)) for issue in issues
        ]
        carried = [self._carried(one) for _, one in read if isinstance(one, IssueWish)]
        numbers = {wish.number for wish in carried} | {one.number for one in gone}
        due = [w for w in self._known.wishes if w.is_due and w.number not in numbers]
        wishes = sorted(self._detailed((*carried, *due)), key=lambda wish: wish.number)
        changed = tuple(wish for wish in wishes if self._wishes.get(wish.number) != wish)
        pulls = tuple(one for _, one in read if isinstance(one, PullRequest))
        skips = tuple(one for _, one in read if isinstance(one, WishSkip))
        renamed = self._repo.lower() != self._asked_as.lower()
        return SyncedWishes(
            repo=self._repo,
            state=state,
            wishes=changed,
            skips=(*skips, *_pull_skips(pulls)),
            pulls=pulls,
            gone=gone,
            problems=tuple(self._problems),
            requests=self._requests,
            is_changed=bool(read or changed or gone) or state != self._state,
            renamed_from=self._asked_as if renamed else None,
            stopped=self._stopped,
        )

    def _carried(self, wish: IssueWish) -> IssueWish:
        """Return the wish with what is known of the talk around it, due if that may be stale."""
        old = self._wishes.get(wish.number)
        if old is None:
            return replace(wish, is_due=True)
        is_stale = old.is_due or (old.updated_at, old.wanting) != (wish.updated_at, wish.wanting)
        talked = tuple(note for note in old.notes if note.field == "comments")
        return replace(
            wish,
            reactors=old.reactors,
            askers=old.askers,
            pulls=old.pulls,
            said_duplicate_of=old.said_duplicate_of,
            said_kernel=old.said_kernel,
            notes=(*wish.notes, *talked),
            is_due=is_stale,
        )

    def _detailed(self, wishes: Iterable[IssueWish]) -> Iterator[IssueWish]:
        """Yield the wishes with what is said around them, those with the most of it first."""
        ranked = sorted(wishes, key=lambda w: (-(w.wanting or 0) - w.n_comments, w.number))
        total = sum(wish.is_due for wish in ranked)
        done = 0
        for wish in ranked:
            if not wish.is_due or not self._may_ask():
                yield wish
                continue
            try:
                yield read_details(wish, self._repo, self._get)
            except GithubError as error:
                self._give_up(f"issue {wish.number}: {error}", stops=error.stops)
                yield wish
            done += 1
            self._on_progress(done, total)

    def _may_ask(self) -> bool:
        if self._stopped is None and self._requests >= self._left:
            self._stopped = f"the {self._left} requests of a run are spent; run again to go on"
        return self._stopped is None

    def _give_up(self, why: str, *, stops: bool) -> None:
        self._problems.append(why)
        if stops:
            self._stopped = why

    def _listing(self, **query: str) -> str:
        return (
            f"/repos/{self._repo}/issues?{urlencode({'state': 'all', 'per_page': PAGE, **query})}"
        )

    def _get(self, path: str, parse: Callable[[str], T], *, etag: str | None = None) -> Reply[T]:
        try:
            reply = self._client.get(path, parse, etag=etag)
        except GithubError as error:
            self._requests += error.requests
            raise
        self._requests += reply.requests
        return reply


def _pull_skips(pulls: Iterable[PullRequest]) -> Iterator[WishSkip]:
    for pull in pulls:
        yield WishSkip(repo=pull.repo, number=pull.number, reason="it is a pull request")


def _refusal(repo: str, reply: Reply[T]) -> str:
    if reply.status == 404:
        return f"{repo}: GitHub has no such repository, or it is private; check the name"
    if reply.status == 410:
        return f"{repo}: its issues are switched off; name another repository"
    return f"{repo}: GitHub answers {reply.status} ({reply.message}); check the token, or run later"
