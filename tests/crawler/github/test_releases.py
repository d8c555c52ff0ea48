"""Releases: made as drafts, filled, published at once; refused with a reason."""

from __future__ import annotations

import pytest
import requests

from crawler.github.errors import GithubError
from crawler.github.releases import Releases
from tests.github_server import Fault, What

REPO = "octo/index"


@pytest.fixture
def repo(server):
    return server.world.add(REPO, {"README.md": "x"})


@pytest.fixture
def releases(server, repo, make_client):
    return Releases(make_client(), REPO)


def publish(releases, repo, tag, file):
    draft = releases.make_draft(tag, commit=repo.head, title=tag, notes="What is new.")
    releases.upload(draft, file)
    releases.publish(draft)
    return draft


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "index.duckdb"
    path.write_bytes(bytes(range(256)) * 999)
    return path


def test_a_draft_is_seen_by_nobody_until_it_is_published(server, releases, repo, file):
    address = f"{server.origin}/{REPO}/releases/latest/download/{file.name}"
    draft = releases.make_draft("index-1", commit=repo.head, title="1", notes="")
    releases.upload(draft, file)
    assert requests.get(address, timeout=5).status_code == 404
    assert [(one.tag, one.is_draft, one.files) for one in releases.latest()] == [
        ("index-1", True, ("index.duckdb",))
    ]
    releases.publish(draft)
    assert requests.get(address, timeout=5).content == file.read_bytes()
    assert not releases.latest()[0].is_draft


def test_the_latest_is_the_one_published_last(server, releases, repo, file):
    publish(releases, repo, "index-1", file)
    file.write_bytes(b"second")
    second = publish(releases, repo, "index-2", file)
    address = f"{server.origin}/{REPO}/releases/latest/download/{file.name}"
    assert requests.get(address, timeout=5).content == b"second"
    releases.delete(next(one for one in releases.latest() if one.id == second.id))
    assert len(requests.get(address, timeout=5).content) == 256 * 999


def test_deleting_takes_the_tag_along_and_may_be_repeated(server, releases, repo, file):
    publish(releases, repo, "index-1", file)
    (release,) = releases.latest()
    releases.delete(release)
    releases.delete(release)
    assert releases.latest() == ()
    assert [one.status for one in server.api_log()[-4:-1]] == [204, 404, 422]


def test_a_file_goes_to_the_upload_host_with_its_bytes(server, releases, repo, file):
    publish(releases, repo, "index-1", file)
    (sent,) = [one for one in server.api_log() if one.path.startswith("/api/uploads")]
    assert (sent.method, sent.status) == ("POST", 201)
    assert sent.authorization is not None


@pytest.mark.parametrize(
    "address",
    ["https://uploads.github.com/x{?name}", "https://evil.example/x{?name}", "file:///x"],
)
def test_the_token_goes_to_no_other_host(releases, repo, file, address, make_client):
    with pytest.raises(GithubError, match="upload address on another host"):
        make_client().upload(address, file, str)


@pytest.mark.parametrize("what", [What.FORBIDDEN, What.NOT_FOUND])
def test_a_token_that_may_not_is_told_what_it_needs(server, releases, repo, what):
    server.script(Fault(what=what))
    with pytest.raises(GithubError, match=r"does not make the release index-1: 40\d .*contents: w"):
        releases.make_draft("index-1", commit=repo.head, title="1", notes="")


@pytest.mark.parametrize("what", [What.GARBAGE, What.HTML, What.INVALID_JSON])
def test_an_answer_that_makes_no_sense_is_an_error(server, releases, repo, what):
    server.script(Fault(what=what, times=None))
    with pytest.raises(GithubError, match="cannot be used"):
        releases.latest()


def test_an_upload_that_breaks_off_is_not_repeated(server, releases, repo, file):
    draft = releases.make_draft("index-1", commit=repo.head, title="1", notes="")
    server.script(Fault(what=What.BAD_GATEWAY, on="/api/uploads*"))
    with pytest.raises(GithubError, match="502"):
        releases.upload(draft, file)
