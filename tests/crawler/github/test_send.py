"""Requests that change something: repeated only where that cannot do it twice."""

from __future__ import annotations

import json

import pytest

from crawler.github.errors import GithubError, LimitReached
from tests.github_server import Fault, What

ISSUES = "/repos/octo/kernels/issues"


@pytest.mark.parametrize(
    ("verb", "what", "sent"),
    [
        ("POST", What.BAD_GATEWAY, 1),
        ("POST", What.TRUNCATED, 1),
        ("POST", What.RESET, 1),
        ("POST", What.SECONDARY_LIMIT, 2),
        ("PATCH", What.BAD_GATEWAY, 2),
        ("PUT", What.RESET, 2),
        ("DELETE", What.TRUNCATED, 2),
    ],
)
def test_only_what_cannot_happen_twice_is_repeated(server, make_client, verb, what, sent):
    server.script(Fault(what=what))
    client = make_client()
    if sent == 1:
        with pytest.raises(GithubError, match="run again later"):
            client.send(verb, ISSUES, json.loads, body={"title": "t"})
    else:
        assert client.send(verb, ISSUES, json.loads, body={"title": "t"}).status == 404
    assert [served.method for served in server.log] == [verb] * sent


def test_a_limit_too_far_away_sends_nothing(server, make_client):
    server.script(Fault(what=What.PRIMARY_LIMIT, reset_in=3600))
    client = make_client()
    for _ in range(2):
        with pytest.raises(LimitReached):
            client.send("POST", ISSUES, json.loads, body={})
    assert len(server.log) == 1
