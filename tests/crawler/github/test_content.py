"""A look and a fetch together, as a crawl does them."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crawler.errors import EmptySnapshotError, SnapshotError
from crawler.github.client import GithubClient
from crawler.github.content import content_remote
from crawler.github.probe import probe_repository, state_after
from crawler.github.token import Token
from crawler.snapshot.clone import open_clone
from crawler.snapshot.clone_cache import CloneCache
from crawler.snapshot.git_fetch import FetchLimits
from crawler.states import Changed, GithubState, Outcome
from tests.crawler.github.conftest import SECRET
from tests.github_server import Fault, What

NAME = "octo/kernels"


@dataclass
class Crawl:
    """What a crawl keeps of one repository: state and files, replaced together or not at all."""

    state: GithubState | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    limits: FetchLimits = field(default_factory=FetchLimits)

    def run(self, client: GithubClient, cache: CloneCache) -> Outcome:
        outcome = probe_repository(client, NAME, state=self.state)
        self.shown.append(repr(outcome))
        if not isinstance(outcome, Changed):
            return outcome
        try:
            snapshot = open_clone(
                content_remote(client, outcome.metadata),
                outcome.metadata.name,
                cache,
                commit=outcome.head,
                limits=self.limits,
                sleep=lambda seconds: None,
            )
        except EmptySnapshotError:
            self.state, self.files = state_after(outcome, None), {}
            return outcome
        except SnapshotError as error:
            self.shown.append(str(error))
            return outcome
        try:
            found = dict(snapshot.read(snapshot.entries()))
        except SnapshotError as error:
            self.shown.append(str(error))
            return outcome
        finally:
            snapshot.close()
        assert all(isinstance(content, bytes) for content in found.values())
        self.files = {entry.path: bytes(content) for entry, content in found.items()}
        self.state = state_after(outcome, snapshot.commit)
        return outcome


@pytest.fixture
def cache(tmp_path: Path) -> CloneCache:
    return CloneCache(tmp_path / "cache")


# A crawl of a repository that changed: two requests to the API, four of git.
@pytest.mark.parametrize("first", [1, 3, 6], ids=["first", "middle", "last"])
@pytest.mark.parametrize("what", What, ids=lambda what: what.name.lower())
@pytest.mark.parametrize("times", [1, None], ids=["once", "lasting"])
def test_after_any_fault_a_healthy_crawl_ends_as_if_there_had_been_none(
    server, make_client, cache, what, first, times
):
    before = {"k0.py": b"x = 0", "k1.py": b"x = 1"}
    repo = server.world.add(NAME, before)
    crawl = Crawl(limits=FetchLimits(silent_seconds=1 if what is What.TIMEOUT else 60))
    crawl.run(make_client(), cache)
    assert crawl.files == before
    repo.push({"k1.py": "x = 11"})
    server.script(Fault(what=what, first=first, times=times))
    crawl.run(make_client(), cache)
    assert crawl.files in (before, before | {"k1.py": b"x = 11"}), "never half, never nothing"
    server.heal()
    crawl.run(make_client(), cache)
    assert crawl.files == before | {"k1.py": b"x = 11"}
    assert crawl.state is not None
    assert crawl.state.head == repo.head
    assert SECRET not in "".join(crawl.shown)
    requests = len(server.log)
    crawl.run(make_client(), cache)
    assert [served.status for served in server.log[requests:]] == [304]


def test_the_token_is_in_no_file_of_the_cache_and_in_no_argument(server, cache):
    server.world.add(NAME, {"k.py": "x = 1"})
    server.script(Fault(what=What.TIMEOUT, on="*/git-upload-pack"))
    forms = [SECRET.encode(), Token(SECRET).basic().encode()]
    crawl = Crawl()
    with GithubClient(server.api_url, Token(SECRET), spacing=0) as client:
        thread = threading.Thread(target=crawl.run, args=(client, cache))
        thread.start()
        deadline = time.monotonic() + 10
        while not server.git_log() and time.monotonic() < deadline:
            time.sleep(0.01)
        seen = list(command_lines())
        server.stop_waiting()
        thread.join()
    if sys.platform == "linux":
        assert any(b"fetch" in line and b"refs/crawl/head" in line for line in seen)
    files = [path.read_bytes() for path in cache.folder.rglob("*") if path.is_file()]
    for form in forms:
        assert not any(form in text for text in [*seen, *files])
    sent = {served.authorization for served in server.git_log()}
    assert sent == {f"Basic {Token(SECRET).basic()}"}
    assert crawl.files == {"k.py": b"x = 1"}


def command_lines() -> list[bytes]:
    """Return the argument lists of all processes, where the system shows them."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:
            continue
    return lines
