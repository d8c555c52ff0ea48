from __future__ import annotations

import logging
import subprocess

import pytest

from crawler.errors import SourceError
from crawler.github.probe import probe_repository
from crawler.github.token import (
    Token,
    check_clone_url,
    git_credentials,
    is_loopback,
    read_api_url,
    read_token,
)
from crawler.states import Changed, Failed
from tests.crawler.github.conftest import SECRET
from tests.github_server import Fault, What
from tests.github_server.faults import STATUS

PUBLIC = "https://api.github.com"


def test_a_token_shows_itself_to_nobody():
    token = Token(SECRET)
    assert SECRET not in f"{token} {token!r}"


def test_every_form_of_the_token_is_redacted():
    token = Token(SECRET)
    shown = token.redact(f"a {SECRET} b {token.basic()} c ghs_s3cr3t%2F%2B%26Token")
    assert shown == "a [token] b [token] c [token]"


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "umläut", "x" * 2000])
def test_what_cannot_be_a_token_is_refused_without_showing_it(value):
    with pytest.raises(SourceError) as caught:
        read_token({"GITHUB_TOKEN": value})
    assert value not in str(caught.value)


def test_an_unset_or_empty_token_is_none():
    assert read_token({}) is None
    assert read_token({"GITHUB_TOKEN": " \n"}) is None


@pytest.mark.parametrize(
    ("value", "url"),
    [
        (None, PUBLIC),
        ("", PUBLIC),
        ("https://ghe.example/api/v3/", "https://ghe.example/api/v3"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
    ids=["unset", "empty", "enterprise", "loopback"],
)
def test_the_api_address_comes_from_the_environment(value, url):
    environ = {} if value is None else {"GITHUB_API_URL": value}
    assert read_api_url(environ, Token(SECRET)) == url


@pytest.mark.parametrize(
    "value",
    [
        "ftp://ghe.example",
        "ghe.example",
        "https://user:pw@ghe.example",
        "https://ghe.example/?q=1",
        "https://ghe.example:port",
        "http://ghe.example/api/v3",
    ],
)
def test_an_address_that_would_not_do_is_one_line(value):
    with pytest.raises(SourceError, match="GITHUB_API_URL") as caught:
        read_api_url({"GITHUB_API_URL": value}, Token(SECRET))
    assert "pw" not in str(caught.value)


def test_plain_http_is_allowed_where_no_token_is_at_stake():
    url = "http://ghe.example/api/v3"
    assert read_api_url({"GITHUB_API_URL": url}, None) == url


@pytest.mark.parametrize(
    ("clone_url", "api_url", "is_fine"),
    [
        ("http://localhost:8/a/b.git", "http://127.0.0.1:9", True),
        ("http://localhost:8/a/b.git", "https://api.github.com", False),
        ("https://github.com/a/b.git", PUBLIC, True),
        ("http://github.com/a/b.git", PUBLIC, False),
        ("file:///srv/a.git", PUBLIC, False),
        ("ext::sh -c whoami", PUBLIC, False),
        ("-u", PUBLIC, False),
        ("https://user:pw@github.com/a/b.git", PUBLIC, False),
        ("http://127.0.0.1:80/a.git", "http://127.0.0.1:80", True),
        ("file:///srv/a.git", "http://127.0.0.1:80", True),
        ("http://169.254.169.254/a.git", "http://127.0.0.1:80", False),
        ("ssh://git@github.com/a/b.git", PUBLIC, False),
    ],
)
def test_where_git_may_be_sent(clone_url, api_url, is_fine):
    assert (check_clone_url(clone_url, api_url) is None) is is_fine


@pytest.mark.parametrize(
    ("clone_url", "api_url", "is_given"),
    [
        ("https://github.com/a/b.git", PUBLIC, True),
        ("https://ghe.example/a/b.git", "https://ghe.example/api/v3", True),
        ("http://127.0.0.1:80/a/b.git", "http://127.0.0.1:80/api/v3", True),
        ("https://evil.example/a/b.git", PUBLIC, False),
        ("https://github.com.evil.example/a/b.git", PUBLIC, False),
        ("http://github.com/a/b.git", PUBLIC, False),
        ("https://github.com/a/b.git", "http://127.0.0.1:80", False),
        ("file:///srv/a.git", "http://127.0.0.1:80", False),
    ],
)
def test_which_host_gets_the_token_from_git(clone_url, api_url, is_given):
    settings = git_credentials(Token(SECRET), api_url, clone_url)
    assert bool(settings) is is_given
    for name, value in settings.items():
        assert value == f"Authorization: Basic {Token(SECRET).basic()}"
        assert name == f"http.{clone_url.removesuffix('a/b.git')}.extraHeader"
    assert git_credentials(None, api_url, clone_url) == {}


def test_git_sends_the_token_of_its_environment(server, tmp_path):
    server.world.add("octo/kernels", {"k.py": "x = 1"})
    url = f"{server.origin}/octo/kernels.git"
    ((name, value),) = git_credentials(Token(SECRET), server.api_url, url).items()
    subprocess.run(
        ["git", "ls-remote", url],
        env={
            "PATH": "/usr/bin:/bin",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": name,
            "GIT_CONFIG_VALUE_0": value,
        },
        check=True,
        capture_output=True,
    )
    assert {served.authorization for served in server.log} == {value.partition(": ")[2]}


def test_loopback_is_recognised():
    assert is_loopback("http://[::1]:80/x")
    assert is_loopback("http://localhost")
    assert not is_loopback("http://localhost.example")
    assert not is_loopback("nothing")


def test_the_token_is_in_no_log_and_no_error(server, make_client, caplog):
    caplog.set_level(logging.DEBUG)
    server.world.add("octo/kernels", {"k.py": "x = 1"})
    shown = []
    for what in What:
        server.heal()
        server.script(Fault(what=what, times=None))
        outcome = probe_repository(make_client(), "octo/kernels")
        assert not isinstance(outcome, Changed)
        shown.append(repr(outcome))
    server.heal()
    client = make_client()
    shown += [repr(probe_repository(client, "octo/kernels")), repr(vars(client))]
    assert SECRET not in "".join(shown) + caplog.text
    assert server.log[-1].authorization == f"token {SECRET}", "it did reach the API"


def test_a_server_that_echoes_the_token_shows_nothing(server, make_client, monkeypatch):
    monkeypatch.setitem(STATUS, What.FORBIDDEN, (403, f"the token {SECRET} may not"))
    server.script(Fault(what=What.FORBIDDEN, times=None))
    outcome = probe_repository(make_client(), "octo/kernels")
    assert isinstance(outcome, Failed)
    assert "the token [token] may not" in outcome.message
