"""A crawl on other machines: whole sources, fetched and scanned there, through any Executor.

source -> `SourceTask` -> a worker -> a process of its own there -> `CrawledRepo`

A worker runs each source in a process beside it. So a hostile source takes no worker with it, a
worker stays on speaking terms with its cluster, and one that dies takes along what it ran alone.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from crawler.errors import TritonIndexError
from crawler.models import CrawledRepo, KnownRepo, KnownState, SourceRepo
from crawler.scan import scan_version

SOURCE_SECONDS = 1_800.0
"""How long a source may take on a worker; fetching has limits of its own below that."""
MAX_LOSSES = 20
"""How often a source is begun anew since its worker was lost; then it is what ends them."""
MAX_FAULTS = 2
"""How often it is begun anew after any other fault of the cluster."""

_POLL_SECONDS = 0.2
_CHILD = "from crawler.beside import answer_parent; answer_parent()"


class ClusterError(TritonIndexError):
    """A cluster cannot be reached, or its workers are not fit for the crawl."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTask:
    """A source to crawl, with what earlier crawls left behind of it; answers as `KnownState`."""

    source: SourceRepo
    known: KnownRepo | None
    facts: Mapping[str, bytes]
    """Cached scans of the blobs that it had, by key."""
    files: Mapping[str, str]
    """Files whose history is known: path -> blob."""
    full: bool
    scanner: str = field(default_factory=scan_version)

    def repo(self, name: str) -> KnownRepo | None:
        """Return what is known of the source."""
        return self.known

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        """Return those of the cached scans that are asked for."""
        if scanner_version != self.scanner:
            return {}
        return {blob: self.facts[blob] for blob in blobs if blob in self.facts}

    def histories(self, repo: str) -> Mapping[str, str]:
        """Return the files whose history is known."""
        return self.files

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return all of the cached scans."""
        return self.facts if scanner_version == self.scanner else {}


class Cluster(Protocol):
    """Where sources are crawled: an executor, and how many it works on at once just now."""

    executor: Executor

    def width(self) -> int:
        """Return how many calls run at a time; 0 while there is no worker."""


def crawl_on(
    cluster: Cluster,
    tasks: Iterable[SourceTask],
    *,
    failed: Callable[[SourceRepo, str], CrawledRepo],
    on_wait: Callable[[str, float], None],
) -> Iterator[CrawledRepo]:
    """Yield what each source gives, as it comes; `failed` makes the record of one that was lost.

    No more are under way than the cluster works on and as many again: what they give is held in
    memory until it is taken.
    """
    todo: deque[_Attempt] = deque()
    waiting = iter(tasks)
    running: dict[Future[bytes], _Attempt] = {}
    watch = _Watch(cluster, on_wait)
    try:
        while True:
            while len(running) < 2 * max(1, watch.width()):
                attempt = todo.popleft() if todo else _next_attempt(waiting)
                if attempt is None:
                    break
                running[cluster.executor.submit(crawl_beside, attempt.task)] = attempt
            if not running:
                return
            for future in wait(running, _POLL_SECONDS, "FIRST_COMPLETED").done:
                attempt = running.pop(future)
                if (found := _result(future, attempt, failed)) is None:
                    todo.append(attempt)
                else:
                    yield found
    finally:
        for future in running:
            future.cancel()


@dataclass(slots=True)
class _Attempt:
    """A source, and how often it was begun in vain."""

    task: SourceTask
    losses: int = 0
    faults: int = 0


def _next_attempt(waiting: Iterator[SourceTask]) -> _Attempt | None:
    task = next(waiting, None)
    return None if task is None else _Attempt(task)


def _result(
    future: Future[bytes], attempt: _Attempt, failed: Callable[[SourceRepo, str], CrawledRepo]
) -> CrawledRepo | None:
    """Return what a source gave, None if it is to be begun anew."""
    try:
        answer = pickle.loads(future.result())  # noqa: S301 - a cluster runs what it likes anyway
    except (Exception, CancelledError) as error:
        # Workers that are gone, by the name that Dask gives that; connections that broke.
        is_loss = type(error).__name__ == "KilledWorker" or isinstance(
            error, OSError | CancelledError
        )
        attempt.losses += is_loss
        attempt.faults += not is_loss
        if attempt.losses <= MAX_LOSSES and attempt.faults <= MAX_FAULTS:
            return None
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return failed(attempt.task.source, f"not crawled by the cluster ({reason}); run again")
    if isinstance(answer, str):
        return failed(attempt.task.source, answer)
    assert isinstance(answer, CrawledRepo)
    return answer


class _Watch:
    """Asks now and then how wide the cluster is, and says when nobody is left."""

    def __init__(self, cluster: Cluster, on_wait: Callable[[str, float], None]) -> None:
        self._cluster = cluster
        self._on_wait = on_wait
        self._width = 0
        self._asked = float("-inf")
        self._alone_since: float | None = None

    def width(self) -> int:
        now = time.monotonic()
        if now - self._asked < 1.0:
            return self._width
        self._asked = now
        self._width = self._cluster.width()
        if self._width:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
            self._on_wait("no worker is left in the cluster; start one, or Ctrl-C", 0.0)
        return self._width


def crawl_beside(task: SourceTask) -> bytes:
    """Return, pickled, what a source gives, or why it gives nothing; runs on a worker.

    Raises:
        OSError: The process that crawls was ended from outside.
    """
    with subprocess.Popen(  # noqa: S603 - this program itself
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        try:
            # Its input stays open: by its end the child knows that this process is gone.
            answer = _spoken_with(child, pickle.dumps(task))
        finally:
            child.kill()
    if answer is None:
        why = f"took longer than {SOURCE_SECONDS:g} s on a worker"
        return pickle.dumps(f"{task.source.name}: {why}")
    if not answer:
        raise OSError(f"{task.source.name}: its process on the worker was ended")
    return answer


def _spoken_with(child: subprocess.Popen[bytes], message: bytes) -> bytes | None:
    """Return what the child answers, empty if it ended without; None if it takes too long."""
    from crawler.deadline import within

    assert child.stdin is not None and child.stdout is not None
    said, heard = child.stdin, child.stdout

    def speak() -> bytes:
        try:
            said.write(len(message).to_bytes(8, "big") + message)
            said.flush()
        except BrokenPipeError:
            return b""
        size = int.from_bytes(heard.read(8), "big")
        answer = heard.read(size)
        return answer if size and len(answer) == size else b""

    try:
        return within(SOURCE_SECONDS, speak)
    except TimeoutError:
        return None


def tasks_of(
    sources: Iterable[SourceRepo],
    known: KnownState,
    *,
    find_known: Callable[[SourceRepo, KnownState], KnownRepo | None],
    full: bool,
) -> Iterator[SourceTask]:
    """Yield the task of each source; what is known of it is asked for when its turn comes."""
    for source in sources:
        repo = find_known(source, known)
        former = None if repo is None or full else repo.name
        yield SourceTask(
            source=source,
            known=repo,
            facts=known.scans_of(former, scan_version()) if former else {},
            files=known.histories(former) if former else {},
            full=full,
        )
