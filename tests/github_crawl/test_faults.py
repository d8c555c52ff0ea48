"""Whatever goes wrong, nothing is lost, and the next healthy crawl makes up for it.

All of the matrix is crawled with `TEST_EVERYTHING=1`, which takes some minutes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from crawler.models import CrawlReport
from tests.github_crawl.crawls import SECRET, Crawls, Listener, kernel_file
from tests.github_server import Fault, GithubServer, HostedRepo, What, World, git_repo

EVERYTHING = bool(os.environ.get("TEST_EVERYTHING"))

# A crawl of a changed repository asks the API twice, then git twice for trees and twice for files,
# and the API again for the history of each changed file. Each of these is struck at another of the
# eight; the other is left alone.
FIRST, MIDDLE, LAST, HISTORY, OTHER = NAMES = (
    "octo/first",
    "octo/middle",
    "octo/last",
    "octo/history",
    "octo/other",
)
STRUCK_AT = {FIRST: 1, MIDDLE: 3, LAST: 6, HISTORY: 7}
LATER = (MIDDLE, LAST)

FILES = {f"{name}.py": kernel_file(name) for name in ("keep", "change", "drop")}
CHANGES = {"change.py": kernel_file("change", step=2), "new.py": kernel_file("new")}
OLD, NEW = {"keep", "change", "drop"}, {"keep", "change", "new"}

Event = Callable[[World, str], object]


def build(world: World) -> None:
    for name in NAMES:
        world.add(name, FILES)


def push(world: World) -> None:
    for name in NAMES:
        world.repos[name].push(CHANGES, remove=["drop.py"])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that has seen the repositories once."""
    root = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch, GithubServer(root / "hosted") as server:
        patch.setenv("GITHUB_API_URL", server.api_url)
        build(server.world)
        crawls = Crawls(server, root / "index.duckdb", root / "cache")
        crawls.run(*NAMES)
    return crawls.db


@pytest.fixture
def begin(crawls: Crawls, known: Path, tmp_path: Path) -> Callable[[], Crawls]:
    """Return how to begin a crawl from the known state, with a fresh clone cache each time."""

    def begin() -> Crawls:
        place = tmp_path / str(sum(1 for _ in tmp_path.iterdir()))
        place.mkdir()
        shutil.copy(known, place / "index.duckdb")
        return Crawls(crawls.server, place / "index.duckdb", place / "cache")

    build(crawls.server.world)
    push(crawls.server.world)
    return begin


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Mapping[str, list[str]]]:
    """What the index holds after a crawl that saw no fault, once that is known."""
    return {}


def kernels(crawls: Crawls, repo: str) -> set[str]:
    """Return the names of the live kernels of a repository."""
    return {id.partition("::")[2] for id in crawls.live() if id.startswith(f"{repo}:")}


def outcomes(report: CrawlReport) -> dict[str, tuple[str, str]]:
    return {repo.repo: (repo.status.value, repo.error or "") for repo in report.repos}


def test_an_undisturbed_crawl(begin: Callable[[], Crawls]) -> None:
    crawls = begin()
    crawls.server.log.clear()
    report = crawls.run(*NAMES)
    assert [repo.status for repo in report.repos] == ["updated"] * len(NAMES)
    assert {repo: kernels(crawls, repo) for repo in NAMES} == dict.fromkeys(NAMES, NEW)
    struck = [served for served in crawls.server.log if FIRST in served.path]
    assert [served.is_api for served in struck] == [True] * 2 + [False] * 4 + [True] * 2


# What a fault that lasts makes of a repository struck at its first request.
AT_FIRST = {
    What.TIMEOUT: ("failed", "GitHub does not answer in time; run again later"),
    What.RESET: ("failed", "GitHub's answer breaks off; run again later"),
    What.TRUNCATED: ("failed", "GitHub's answer breaks off; run again later"),
    What.UNAUTHORIZED: ("failed", "GitHub refuses the token (401); make a new one, or unset"),
    What.FORBIDDEN: ("failed", "GitHub forbids reading it (403: Resource not accessible"),
    What.NOT_FOUND: ("failed", "it may be gone or private, or the token may not read it"),
    What.CONFLICT: ("failed", "GitHub answers 409 (Git Repository is empty.); run again later"),
    What.BLOCKED: ("gone", "GitHub has taken it down (451: Repository access blocked)"),
    What.SERVER_ERROR: ("failed", "GitHub answers 500 (Server Error); run again later"),
    What.BAD_GATEWAY: ("failed", "GitHub answers 502 (Bad Gateway); run again later"),
    What.INVALID_JSON: ("failed", "GitHub's answer cannot be used (it is broken JSON)"),
    What.HTML: ("failed", "GitHub's answer cannot be used (it is HTML); run again later"),
    What.REDIRECT_LOOP: ("failed", "GitHub redirects without end; run again later"),
    What.ELSEWHERE: ("failed", "GitHub redirects out of its API; check GITHUB_API_URL"),
    What.GARBAGE: ("failed", "GitHub's answer cannot be used (sha is no commit id)"),
}
LIMITS = {
    What.PRIMARY_LIMIT: "GitHub's hourly request limit is reached; run again after",
    What.SECONDARY_LIMIT: "GitHub asks to wait (secondary request limit)",
    What.TOO_MANY: "GitHub asks to wait (secondary request limit)",
}
# A single refusal is believed; these alone are worth another try.
PASSING = {
    What.TIMEOUT,
    What.RESET,
    What.TRUNCATED,
    What.TOO_MANY,
    What.SERVER_ERROR,
    What.BAD_GATEWAY,
    What.INVALID_JSON,
    What.HTML,
    What.REDIRECT_LOOP,
    What.GARBAGE,
}
# That GitHub knows no history of a file (or leads to where none is) is not asked again until the
# file changes.
BELIEVED = {What.NOT_FOUND, What.CONFLICT, What.REDIRECT_LOOP}
SHORT = [What.RESET, What.HTML, What.TOO_MANY]
LASTING = [What.TRUNCATED, What.NOT_FOUND, What.BLOCKED, What.SERVER_ERROR]


def name_of(value: object) -> str:
    return value.name.lower() if isinstance(value, What) else ""


@pytest.mark.parametrize("what", AT_FIRST if EVERYTHING else LASTING, ids=name_of)
def test_a_fault_that_lasts(begin, undisturbed, what):
    crawls = begin()
    found = outcomes(crawl_with(crawls, *strike(what, times=None)))
    status, reason = AT_FIRST[what]
    assert found[FIRST][0] == status
    assert reason in found[FIRST][1]
    for repo in LATER:
        assert found[repo][0] == "failed"
        assert found[repo][1].startswith(f"{repo}: cannot fetch {crawls.server.origin}/{repo}.git")
    assert found[OTHER] == ("updated", "")
    for repo in (FIRST, *LATER):
        is_gone = found[repo][0] == "gone"
        assert kernels(crawls, repo) == (set() if is_gone else OLD), "what was known stays known"
    assert found[HISTORY] == ("updated", "")
    assert kernels(crawls, HISTORY) == kernels(crawls, OTHER) == NEW
    assert_heals(crawls, begin, undisturbed)


@pytest.mark.parametrize("what", What if EVERYTHING else SHORT, ids=name_of)
def test_a_fault_that_passes(begin, undisturbed, what):
    crawls = begin()
    report = crawl_with(crawls, *strike(what, times=1))
    for repo, (status, error) in outcomes(report).items():
        assert status in ("updated", "gone", "failed")
        assert what not in PASSING or (status, error) == ("updated", "")
        left = {"updated": NEW, "gone": set()}.get(status, OLD)
        assert kernels(crawls, repo) == left
    assert_heals(crawls, begin, undisturbed)


@pytest.mark.parametrize("first", [1, 4, 8] if EVERYTHING else [4])
@pytest.mark.parametrize("what", LIMITS if EVERYTHING else [What.PRIMARY_LIMIT], ids=name_of)
def test_a_limit_that_lasts_leaves_the_rest_for_the_next_run(begin, undisturbed, what, first):
    crawls = begin()
    limit = Fault(what=what, on="/api/*", first=first, times=None)
    found = outcomes(crawl_with(crawls, limit))
    for repo, (status, error) in found.items():
        assert status == ("failed" if LIMITS[what] in error else "updated")
        assert kernels(crawls, repo) == (OLD if error else NEW)
    assert "failed" in {status for status, _ in found.values()}
    tries = 1 if what is What.PRIMARY_LIMIT else 2
    assert limit.seen == first - 1 + tries, "nobody goes on asking"
    assert_heals(crawls, begin, undisturbed)


@pytest.mark.parametrize("after", [None, 5] if EVERYTHING else [5])
def test_429_is_waited_out(begin, after):
    crawls = begin()
    listener = Listener()
    crawls.server.script(
        Fault(what=What.TOO_MANY, on=f"*{FIRST}*", first=2, retry_after=after, times=1)
    )
    report = crawls.run(*NAMES, listener=listener)
    assert {repo.status for repo in report.repos} == {"updated"}
    why, seconds = listener.waits[0]
    assert why == "GitHub asks to wait (secondary request limit)"
    assert (after or 60) - 2 < seconds <= (after or 60)


def strike(what: What | None, *, times: int | None) -> list[Fault]:
    """Return the fault that strikes each repository at another of its requests."""
    return [
        Fault(what=what, on=f"*{name}*", first=first, times=times)
        for name, first in STRUCK_AT.items()
        if name != HISTORY or what not in BELIEVED
    ]


def crawl_with(crawls: Crawls, *faults: Fault) -> CrawlReport:
    """Crawl while the faults strike; whoever is struck says so in one line without the token."""
    crawls.server.script(*faults)
    crawls.server.log.clear()
    listener = Listener()
    report = crawls.run(*NAMES, listener=listener)
    assert len(report.repos) == len(NAMES)
    assert sum(repo.requests for repo in report.repos) == len(crawls.server.api_log())
    for line in listener.lines:
        assert line.isprintable()
        assert SECRET not in line
        assert "Error(" not in line, "an error that nobody expected"
    crawls.server.heal()
    return report


# What happens to a repository in the middle of a crawl, and what a crawl makes of it afterwards.
EVENTS: dict[str, tuple[Event, str, set[str]]] = {
    "rename": (lambda world, name: world.rename(name, f"{name}-2"), "renamed", NEW),
    "transfer": (lambda world, name: world.rename(name, f"else-{name}"), "renamed", NEW),
    "force-push": (
        lambda world, name: world.repos[name].force_push({"k.py": kernel_file("fresh")}),
        "updated",
        {"fresh"},
    ),
    "deleted branch": (
        lambda world, name: leave_main(world.repos[name]),
        "failed",
        OLD,
    ),
    "other branch": (lambda world, name: move_to_trunk(world.repos[name]), "updated", {"trunk"}),
    "emptied": (lambda world, name: empty(world.repos[name]), "empty", set()),
    "replaced": (lambda world, name: world.replace(name, {"k.py": "x = 1"}), "gone", OLD),
    "deleted": (lambda world, name: world.delete(name), "gone", OLD),
    "private": (lambda world, name: setattr(world.repos[name], "private", True), "gone", OLD),
    "blocked": (lambda world, name: setattr(world.repos[name], "blocked", True), "gone", OLD),
}


LIVE_ROWS = """
    SELECT k.* EXCLUDE (first_seen, last_seen), r.name, r.commit, r.former_names, r.github_id
    FROM repos AS r LEFT JOIN kernel_rows AS k ON k.repo = r.name AND removed_at IS NULL
    ORDER BY r.name, k.id
"""


@pytest.mark.parametrize("event", EVENTS if EVERYTHING else ["transfer", "force-push", "replaced"])
def test_a_repository_changes_under_the_crawl(begin, event):
    happen, status, left = EVENTS[event]
    crawls = begin()
    world = crawls.server.world
    events = [
        Fault(before=partial(happen, world, name), on=f"*{name}*", first=first)
        for name, first in STRUCK_AT.items()
    ]
    report = crawl_with(crawls, *events)
    for name in STRUCK_AT:
        found = [kernels(crawls, known) for known in (name, f"{name}-2", f"else-{name}")]
        kept = [known for known in found if known]
        # What could not be read any more stays as it was known, unless it is known to be gone.
        is_gone = outcomes(report).get(name, ("", ""))[0] == "gone"
        none = [[]] if is_gone else []
        assert kept in ([OLD], [NEW], [left] if left else [OLD], [{"keep", "change"}], *none), name
    assert outcomes(report)[OTHER] == ("updated", "")
    after = outcomes(crawls.run(*NAMES))
    reference = begin()
    expected = outcomes(reference.run(*NAMES))
    assert {expected[repo][0] for repo in set(expected) - {OTHER}} == {status}
    if status in ("gone", "failed"):
        assert after | {OTHER: expected[OTHER]} == expected
    else:
        assert crawls.rows(LIVE_ROWS) == reference.rows(LIVE_ROWS)


def leave_main(repo: HostedRepo) -> None:
    repo.push({"k.py": kernel_file("trunk")}, branch="trunk")
    repo.delete_branch("main")


def move_to_trunk(repo: HostedRepo) -> None:
    leave_main(repo)
    repo.switch_default("trunk")


def empty(repo: HostedRepo) -> None:
    """Leave a repository without any commit."""
    shutil.rmtree(repo.git_dir)
    git_repo.init_bare(repo.git_dir)


def _without_the_vanished(contents: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return rows without the kernel that the push removed.

    Where its repository was gone for a while, it was dated before the push was seen.
    """
    return {
        table: [row for row in rows if ":drop.py::drop" not in row]
        for table, rows in contents.items()
    }


def assert_heals(
    crawls: Crawls, begin: Callable[[], Crawls], undisturbed: dict[str, Mapping[str, list[str]]]
) -> None:
    """Check that a healthy crawl ends as one that saw no fault."""
    if not undisturbed:
        reference = begin()
        reference.run(*NAMES)
        undisturbed |= reference.contents()
    report = crawls.run(*NAMES)
    assert {repo.status.value for repo in report.repos} <= {"updated", "unchanged"}
    assert _without_the_vanished(crawls.contents()) == _without_the_vanished(undisturbed)
    requests = len(crawls.server.log)
    crawls.run(*NAMES)
    assert [served.status for served in crawls.server.log[requests:]] == [304] * len(NAMES)
