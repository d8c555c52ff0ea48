"""The token is for GitHub alone: nothing that a crawl says, keeps or starts shows it."""

from __future__ import annotations

import os
import re
import sys
import threading
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from index.show.render import to_json
from tests.github_crawl import command
from tests.github_crawl.crawls import SECRET, Crawls, Listener, kernel_file
from tests.github_server import Fault, What

EVERYTHING = bool(os.environ.get("TEST_EVERYTHING"))
FORMS = tuple(
    form.encode()
    for form in (
        SECRET,
        quote(SECRET, safe=""),
        b64encode(SECRET.encode()).decode(),
        b64encode(f"x-access-token:{SECRET}".encode()).decode(),
    )
)
LIMITS = {What.PRIMARY_LIMIT, What.SECONDARY_LIMIT, What.TOO_MANY}


def test_it_shows_nowhere_whatever_goes_wrong(crawls):
    listener = Listener()
    reports = [crawls.run(*struck(crawls, set(What) - LIMITS), listener=listener)]
    for limit in sorted(LIMITS):
        crawls.server.heal()
        reports.append(crawls.run(*struck(crawls, {limit}), listener=listener))
    statuses = {repo.status.value for report in reports for repo in report.repos}
    assert statuses == {"failed", "gone"}
    said = "\n".join([*listener.lines, *map(repr, listener.waits), *map(to_json, reports)])
    assert_nowhere(said.encode(), *kept(crawls))
    sent = {served.authorization for served in crawls.server.log}
    assert sent == {f"token {SECRET}", f"Basic {FORMS[3].decode()}"}


def test_it_shows_in_no_output_and_no_process(crawls):
    crawls.server.world.add("octo/healthy", {"k.py": kernel_file("k")})
    names = struck(crawls, {What.FORBIDDEN, What.NOT_FOUND, What.UNAUTHORIZED, What.HTML})
    watch = Watch()
    done = command.run(crawls, "--debug", "crawl", "--format", "json", "octo/healthy", *names)
    commands = watch.end()
    assert done.code == 1
    statuses = set(re.findall(r"^\w+(?=: )", done.err, re.MULTILINE))
    assert statuses == {"updated", "failed", "gone"}
    if sys.platform == "linux":
        assert any(b"fetch" in line and b"refs/crawl/head" in line for line in commands)
    assert_nowhere(done.out.encode(), done.err.encode(), *kept(crawls), *commands)


def test_a_token_that_cannot_be_used_is_not_repeated(crawls, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", f"{SECRET}\n{SECRET}")
    report = crawls.one("octo/kernels")
    assert "GITHUB_TOKEN is no token" in (report.error or "")
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    monkeypatch.setenv("GITHUB_API_URL", f"http://{quote(SECRET, safe='')}@example.org/")
    other = crawls.one("octo/kernels")
    assert "GITHUB_API_URL is no address" in (other.error or "")
    assert_nowhere(repr((report, other)).encode(), *kept(crawls))


def struck(crawls: Crawls, faults: set[What]) -> list[str]:
    """Return new repositories, each struck by one of the faults at another of its requests."""
    names = []
    for number, what in enumerate(sorted(faults)):
        for first in (1, 3, 6) if EVERYTHING else ((1, 3, 6)[number % 3],):
            name = f"octo/{what.name.lower()}-{first}"
            crawls.server.world.add(name, {"k.py": kernel_file(f"k{number}_{first}")})
            crawls.server.script(Fault(what=what, on=f"*{name}*", first=first, times=None))
            names.append(name)
    return names


def kept(crawls: Crawls) -> list[bytes]:
    """Return the bytes of every file that the crawls left: index and cache."""
    beside = crawls.db.parent.glob(f"{crawls.db.name}*")
    cached = [path for path in crawls.cache.rglob("*") if path.is_file()]
    return [path.read_bytes() for path in (*beside, *cached)]


def assert_nowhere(*texts: bytes) -> None:
    for form in FORMS:
        for text in texts:
            at = text.find(form)
            assert at < 0, f"the token, in {text[max(0, at - 200) : at]!r}"


class Watch:
    """Looks at the arguments of all processes until told to end."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> set[bytes]:
        """Return all argument lists that were seen."""
        self._ended.set()
        self._thread.join()
        return self._seen

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self._seen.add(process.read_bytes())
                except OSError:
                    continue
