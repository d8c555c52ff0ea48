"""The history of files as GitHub tells it, out of what can be spared."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from crawler.github import history
from crawler.github.history import FILES_A_CRAWL, RESERVE, ask_histories, parse_commits
from crawler.history import Commit, FileHistory, Histories, Person
from crawler.models import Entry
from tests.github_server import Fault, What

NAME = "octo/kernels"
EPOCH = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def entries(*paths: str) -> list[Entry]:
    return [Entry(path=path, blob="b" * 40, size=1) for path in paths]


@pytest.fixture
def repo(server):
    return server.world.add(NAME, {"k.py": "x", "a b/\u00e9&#?.py": "x"})


def ask(client, repo, *paths: str) -> Histories:
    client.get(f"/repos/{NAME}", str)  # as a crawl does first: it tells what is left of the hour
    return ask_histories(client, NAME, repo.head, entries(*paths))


def test_one_request_tells_one_file(server, make_client, repo):
    repo.push({"other.py": "x"})
    repo.push({"k.py": "y"})
    found = ask(make_client(), repo, "k.py", "a b/\u00e9&#?.py")
    assert found == Histories(
        files=(
            FileHistory(
                path="k.py",
                blob="b" * 40,
                authors=("Ada Example",),
                first_commit_at=EPOCH,
                last_commit_at=EPOCH.replace(minute=15),
            ),
            FileHistory(
                path="a b/\u00e9&#?.py",
                blob="b" * 40,
                authors=("Ada Example",),
                first_commit_at=EPOCH,
                last_commit_at=EPOCH,
            ),
        ),
        requests=2,
    )
    assert [served.status for served in server.api_log()] == [200, 200, 200]


def test_a_file_without_commits_has_no_history(make_client, repo):
    assert ask(make_client(), repo, "none.py") == Histories(requests=1)


def test_a_crawl_asks_about_few_files(server, make_client, repo):
    found = ask(make_client(), repo, *["k.py"] * 9)
    assert len(found.files) == found.requests == FILES_A_CRAWL
    assert not found.is_cut_short


def test_nothing_is_asked_of_what_is_kept_in_reserve(server, make_client, repo):
    server.used = server.limit - RESERVE - 2
    assert ask(make_client(), repo, "k.py", "k.py", "k.py").requests == 1


def test_an_answer_that_tells_nothing_of_the_hour_changes_nothing(server, make_client, repo):
    client = make_client()
    client.get(f"/repos/{NAME}", str)
    server.script(Fault(what=What.NOT_FOUND))
    assert ask(client, repo, "k.py").requests == 1


def test_nothing_is_asked_while_a_limit_is_in_force(server, make_client, repo):
    client = make_client(allowance=1)
    assert ask(client, repo, "k.py") == Histories(is_cut_short=True)
    assert len(server.api_log()) == 1


@pytest.mark.parametrize("what", What, ids=lambda what: what.name.lower())
def test_a_failure_costs_that_history_and_says_so(server, make_client, repo, what):
    server.script(Fault(what=what, on="*/commits*", first=2, times=None))
    found = ask(make_client(), repo, "k.py", "k.py", "k.py")
    assert found.files[0].authors == ("Ada Example",)
    assert found.is_cut_short
    assert found.requests == len(server.api_log()) - 1
    assert len(found.files) == 1


def listed(**changes: object) -> str:
    author = {"name": "Ada", "email": "a@x.org", "date": "2026-01-02T03:04:05Z"}
    git = {"author": author, "message": "m\n\nCo-authored-by: Bob <b@x.org>"}
    return json.dumps([{"commit": git, "author": {"login": "ada", "type": "User"}} | changes])


def test_a_listed_commit_is_read():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    people = (Person("Ada", "a@x.org"), Person("Bob", "b@x.org"))
    assert parse_commits(listed()) == (Commit(people, at),)
    by_program = parse_commits(listed(author={"type": "Bot"}))
    assert by_program == (Commit(people[1:], at),)


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": None},
        {"commit": {"author": None}},
        {"commit": {"author": {"name": 5}}},
        {"commit": 1},
    ],
    ids=str,
)
def test_what_a_commit_does_not_say_is_left_out(changes):
    assert parse_commits(listed(**changes)) == (Commit((), None),)


@pytest.mark.parametrize("body", ["{}", "5", "<html>", "[", "[" * 100_000])
def test_what_is_no_list_is_refused(body):
    with pytest.raises(ValueError, match="it is"):
        parse_commits(body)


def test_the_first_commit_of_a_long_history_stays_unknown(make_client, repo, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 3)
    for number in range(2):
        repo.push({"k.py": str(number)})
    (found,) = ask(make_client(), repo, "k.py").files
    assert found.first_commit_at is None
    assert found.last_commit_at is not None
