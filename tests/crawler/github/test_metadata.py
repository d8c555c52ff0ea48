from __future__ import annotations

import json

import pytest

from crawler.github.metadata import parse_head, parse_repository

GOOD = {
    "id": 1,
    "full_name": "octo/kernels",
    "description": None,
    "stargazers_count": 1,
    "forks_count": 1,
    "license": {"spdx_id": "NOASSERTION"},
    "default_branch": "main",
    "pushed_at": "2026-01-02T03:04:05Z",
    "clone_url": "https://github.com/octo/kernels.git",
}
SHA = "ab" * 20


def test_what_github_leaves_out_is_left_out():
    found = parse_repository(json.dumps(GOOD))
    assert (found.description, found.license, found.topics) == (None, None, ())
    assert found.pushed_at.isoformat() == "2026-01-02T03:04:05+00:00"


def test_a_description_is_one_printable_line():
    found = parse_repository(
        json.dumps(GOOD | {"description": " a\n\x1b[31mb\u202e " + "x" * 2000})
    )
    assert found.description is not None
    assert found.description.startswith("a [31mb x")
    assert len(found.description) == 1000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "1"),
        ("id", True),
        ("id", -1),
        ("full_name", "octo/../etc"),
        ("full_name", "octo"),
        ("full_name", "octo/.."),
        ("full_name", None),
        ("stargazers_count", 2**70),
        ("default_branch", ""),
        ("default_branch", "a\nb"),
        ("pushed_at", "yesterday"),
        ("clone_url", 5),
    ],
)
def test_a_field_out_of_its_range_is_named(field, value):
    with pytest.raises(ValueError, match=field):
        parse_repository(json.dumps(GOOD | {field: value}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "broken JSON"),
        ("<html>", "HTML"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "broken JSON"),
    ],
    ids=["empty", "a page", "a list", "a deep nest"],
)
def test_a_body_that_is_no_repository_says_what_it_is(body, words):
    with pytest.raises(ValueError, match=words):
        parse_repository(body)


def test_a_head_comes_bare_or_as_json():
    assert parse_head(f"{SHA}\n") == SHA
    assert parse_head(json.dumps({"sha": SHA})) == SHA


@pytest.mark.parametrize("body", ["", "main", SHA[1:], SHA.upper(), '{"sha": 5}', "<html>"])
def test_what_is_no_head_is_refused(body):
    with pytest.raises(ValueError, match=r"sha|HTML|JSON"):
        parse_head(body)
