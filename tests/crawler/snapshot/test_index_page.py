from __future__ import annotations

import json

import pytest

from crawler.snapshot.index_page import parse_page
from crawler.snapshot.releases import IndexFile

ADDRESS = "https://index.example/simple/d/"
SHA256 = "0" * 64


@pytest.mark.parametrize(
    "filename", ["../d-1.zip", "a/d-1.zip", ".d-1.zip", "", "d 1.zip", "d\n.zip"]
)
def test_a_name_that_would_be_no_plain_file_is_left_out(filename: str) -> None:
    files = [{"filename": filename, "url": "x"}, {"filename": "d-1.zip", "url": "y"}]
    (found,) = parse_page(ADDRESS, json.dumps({"files": files}))
    assert found == IndexFile(filename="d-1.zip", url=ADDRESS + "y")


def test_json_and_html_tell_the_same() -> None:
    entry = {
        "filename": "d-1.zip",
        "url": "/f/d-1.zip",
        "hashes": {"sha256": SHA256},
        "yanked": "x",
    }
    link = f'<a href="/f/d-1.zip#sha256={SHA256}" data-yanked="x">d</a>'
    expected = IndexFile(
        filename="d-1.zip",
        url="https://index.example/f/d-1.zip",
        sha256=SHA256,
        is_yanked=True,
    )
    assert parse_page(ADDRESS, json.dumps({"files": [entry]})) == [expected]
    assert parse_page(ADDRESS, f"\n<!DOCTYPE html>{link}") == [expected]


def test_a_base_element_moves_the_links_that_follow() -> None:
    (found,) = parse_page(ADDRESS, '<base href="https://cdn.example/x/"><a href="d-1.zip">d</a>')
    assert found.url == "https://cdn.example/x/d-1.zip"


@pytest.mark.parametrize("link", ["file:///etc/d-1.zip", "ftp://h/d-1.zip", "http://[h/d-1.zip"])
def test_a_link_that_is_no_http_is_left_out(link: str) -> None:
    assert parse_page(ADDRESS, f'<a href="{link}">d</a>') == []
    entry = {"filename": "d-1.zip", "url": link}
    assert parse_page(ADDRESS, json.dumps({"files": [entry]})) == []
