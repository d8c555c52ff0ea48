"""The test server itself: it answers as GitHub would, and says so when it does not."""

from __future__ import annotations

import json

import pytest
import requests

from tests.github_server import GithubServer, contract, rest

NAME = "octo/kernels"


@pytest.fixture
def server(tmp_path):
    with GithubServer(tmp_path) as server:
        server.world.add(NAME, {"k.py": "x = 1"})
        yield server


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/repos/{NAME}", 200),
        ("/repositories/1001", 200),
        (f"/repos/{NAME}/commits/main", 200),
        (f"/repos/{NAME}/commits/none", 422),
        (f"/repos/{NAME}/commits", 200),
        (f"/repos/{NAME}/commits?path=k.py&per_page=1", 200),
        (f"/repos/{NAME}/commits?sha=none", 404),
        ("/repos/octo/none", 404),
        ("/rate_limit", 200),
    ],
)
def test_answers_are_those_of_the_description(server, path, status):
    assert requests.get(server.api_url + path, timeout=5).status_code == status
    assert server.violations == []


@pytest.mark.parametrize(
    "change",
    [{"id": "1"}, {"stargazers_count": None}, {"pushed_at": "yesterday"}, {"owner": {}}],
    ids=lambda change: next(iter(change)),
)
def test_an_answer_that_github_would_not_give_is_noticed(server, change):
    body = requests.get(f"{server.api_url}/repos/{NAME}", timeout=5).json()
    path = f"/repos/{NAME}"
    good = json.dumps(body).encode()
    assert contract.find_faults(path, 200, rest.JSON, good) == []
    bad = json.dumps(body | change).encode()
    assert contract.find_faults(path, 200, rest.JSON, bad)


def test_leaving_the_block_tells_of_answers_out_of_contract(tmp_path):
    server = GithubServer(tmp_path)
    with pytest.raises(AssertionError, match=r"\$\.stargazers_count"), server:
        server.world.add(NAME, {"k.py": "x = 1"}).stars = "many"  # type: ignore[assignment]
        requests.get(f"{server.api_url}/repos/{NAME}", timeout=5)


def test_conditional_requests_are_free(server):
    address = f"{server.api_url}/repos/{NAME}"
    first = requests.get(address, timeout=5)
    assert first.headers["X-RateLimit-Remaining"] == "999"
    again = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=5)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Remaining"] == "999"


def test_old_names_lead_to_the_id(server):
    server.world.rename(NAME, "hub/fast")
    moved = requests.get(f"{server.api_url}/repos/{NAME}", allow_redirects=False, timeout=5)
    assert moved.status_code == 301
    assert moved.headers["Location"] == f"{server.api_url}/repositories/1001"


@pytest.mark.parametrize(
    ("query", "items", "links"),
    [
        ("", [1, 2, 3, 4, 5], set()),
        ("per_page=2", [1, 2], {"next", "last"}),
        ("per_page=2&page=2", [3, 4], {"next", "last", "prev", "first"}),
        ("per_page=2&page=3", [5], {"prev", "first"}),
        ("per_page=2&page=9", [], {"prev", "first"}),
    ],
)
def test_listings_come_in_pages(query, items, links):
    request = rest.Request(root="http://x", path="/things", query=query, headers={})
    answer = rest.paginate(request, [1, 2, 3, 4, 5])
    assert json.loads(answer.body) == items
    response = requests.Response()
    response.headers.update(answer.headers)
    assert set(response.links) == links
