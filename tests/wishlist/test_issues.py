from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from wishlist.issues import (
    Issue,
    Person,
    parse_issue,
    parse_issues,
    parse_person,
    parse_reactions,
    parse_timeline,
)


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "number": 7,
        "html_url": "https://github.com/octo/wishes/issues/7",
        "title": "RMS norm",
        "body": "please",
        "user": {"login": "ada", "id": 5, "type": "User"},
        "labels": ["a", {"name": "b"}, {"name": None}, 3, "a"],
        "assignees": [{"login": "kim", "id": 6}, None],
        "state": "open",
        "comments": 2,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T01:00:00+01:00",
        "reactions": {"+1": 2, "heart": 1, "-1": 9, "eyes": "many"},
    } | changes


def read(**changes: Any) -> Issue:
    return parse_issue(json.dumps(raw(**changes)))


def test_an_issue_as_github_gives_it() -> None:
    issue = read()
    assert (issue.repo, issue.number, issue.title) == ("octo/wishes", 7, "RMS norm")
    assert issue.author == Person(id=5, login="ada", is_bot=False)
    assert (issue.labels, issue.assignees) == (("a", "b"), ("kim",))
    assert (issue.wanting, issue.n_comments, issue.is_pull) == (3, 2, False)
    assert issue.updated_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert issue.problems == ()


def test_what_may_be_missing() -> None:
    issue = read(user=None, body=None, labels=None, assignees=None, reactions=None, title=" \0 ")
    assert (issue.author, issue.body, issue.labels, issue.wanting) == (None, "", (), None)
    assert issue.title == "issue 7"
    assert issue.problems == (("title", "it has no words"),)
    assert read(body=5).problems == (("body", "it is no text"),)
    assert read(title="a\x1b[1m\nb").title == "a [1m b"


def test_pull_requests() -> None:
    merged = {"merged_at": "2026-01-01T00:00:00Z"}
    address = "https://github.com/octo/wishes/pull/7"
    assert read(pull_request=merged, html_url=address).is_merged
    assert not read(pull_request={"merged_at": None}).is_merged


BROKEN = {
    "html_url is no address of an issue": {"html_url": "https://github.com/octo"},
    "number is not that of html_url": {"number": 8},
    "number is no count": {"number": -7},
    "id is no count": {"id": "1"},
    "state is neither open nor closed": {"state": "ajar"},
    "created_at is no date": {"created_at": "yesterday"},
    "updated_at is no date": {"updated_at": "0001-01-01T00:00:00+23:00"},
}


@pytest.mark.parametrize(("message", "changes"), BROKEN.items())
def test_one_broken_issue_costs_that_issue(message: str, changes: dict[str, Any]) -> None:
    good, bad = parse_issues(json.dumps([raw(), raw(**changes)]))
    assert isinstance(good, Issue)
    assert isinstance(bad, str)
    assert bad.startswith("issue ")
    assert bad.endswith(message)


@pytest.mark.parametrize("address", ["../../x/issues/7", "https://x/a b/c/issues/7", 5, None])
def test_an_address_that_is_none(address: object) -> None:
    with pytest.raises(ValueError, match="html_url"):
        read(html_url=address)


@pytest.mark.parametrize("body", ["", "{}", "[1]", "<html>", "[" * 100_000])
def test_a_page_that_is_none(body: str) -> None:
    for parse in (parse_issues, parse_timeline, parse_reactions):
        with pytest.raises(ValueError, match="it is"):
            parse(body)


def test_people() -> None:
    def person(**changes: Any) -> Person | None:
        return parse_person(json.dumps({"login": "ada", "id": 5, "type": "User"} | changes))

    assert person() == Person(id=5, login="ada", is_bot=False)
    assert person(type="Bot") == person(type="Mannequin") == Person(id=5, login="ada", is_bot=True)
    assert person(login="ci[bot]") == Person(id=5, login="ci[bot]", is_bot=True)
    assert person(id="5") is person(login="") is person(id=0) is None


def test_reactions_that_want_something() -> None:
    user = {"login": "ada", "id": 5}
    found = parse_reactions(
        json.dumps([{"user": user, "content": kind} for kind in ("+1", "heart", "eyes", None)])
    )
    assert [person is not None for person in found] == [True, True, False, False]


def test_a_timeline_keeps_what_matters_and_counts_the_rest() -> None:
    events = [
        {"event": "commented", "id": 3, "body": "+1", "author_association": "MEMBER"},
        {"event": "commented", "id": 4, "body": None},
        {"event": "cross-referenced", "source": {"issue": raw()}},
        {"event": "cross-referenced", "source": {"issue": raw(id=None)}},
        {"event": "cross-referenced", "source": None},
        {"event": "labeled"},
        {},
    ]
    found = parse_timeline(json.dumps(events))
    assert [(c.id, c.author, c.is_official) for c in found.comments] == [(3, None, True)]
    assert [issue.number for issue in found.references] == [7]
    assert found.n_events == len(events)
