from __future__ import annotations

import json

import pytest

from crawler.snapshot import index_page
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


def test_a_tag_is_read_however_it_is_written() -> None:
    page = (
        "<!DOCTYPE html>"
        "<A class='x' HREF = '../d-1.zip?a&amp;b'\n data-requires-python=\"<4, >=3\">"
        "<a href=d-2.zip data-yanked>d</a><abbr href='d-3.zip'><a\thref=\"d-4.zip\">"
    )
    found = parse_page(ADDRESS, page)
    assert [(file.url, file.is_yanked) for file in found] == [
        ("https://index.example/simple/d-1.zip?a&b", False),
        (f"{ADDRESS}d-2.zip", True),
        (f"{ADDRESS}d-4.zip", False),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "<a href=d-1.zip>" * 11,
        "<b>" * 61,
        json.dumps({"files": [{"filename": "d-1.zip", "url": "x"}] * 11}),
        '{"files": [' + ", ".join(["{}"] * 61) + "]}",
    ],
)
def test_a_page_lists_no_more_files_than_a_project_has(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_page, "MAX_LINKS", 10)
    with pytest.raises(ValueError, match="lists more than 10 files"):
        parse_page(ADDRESS, page)


@pytest.mark.parametrize(
    "piece", ["<a ", '<a "', "<a '\"", "<a x=", "<a href='", "<a x", '<a "" \'']
)
def test_what_is_left_open_ends_soon(piece: str) -> None:
    """Each takes a tenth of a second; a parser that looked again at each would take minutes."""
    assert parse_page(ADDRESS, piece * 200_000) == []


def test_a_name_too_long_for_a_file_is_left_out() -> None:
    assert parse_page(ADDRESS, f"<a href=d-{'1' * 5_000}.zip>") == []
