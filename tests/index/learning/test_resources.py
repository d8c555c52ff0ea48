"""The list of resources: whole, of known words, each address once, and found by its words."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crawler.enrich.op_vocabulary import op_vocabulary
from index.cli import main
from index.learning.resources import Kind, Resource, find_resources, load_resources

# The addresses that the first lists of this project and of its predecessors gave.
FIRST = (Path(__file__).parents[2] / "data/learning/first_addresses.txt").read_text().split()
ADDRESSES = Counter(url for one in load_resources() for url in (one.url, *one.also))


@pytest.mark.parametrize("address", FIRST)
def test_each_address_of_the_first_lists_is_there_once(address: str) -> None:
    assert ADDRESSES[address] == 1


def test_no_address_is_there_twice_and_each_is_one() -> None:
    assert [url for url, count in ADDRESSES.items() if count > 1] == []
    for url in ADDRESSES:
        assert urlsplit(url).scheme in ("http", "https"), url
        assert urlsplit(url).netloc, url


def test_there_are_sixty_that_the_first_lists_lack() -> None:
    new = [one for one in load_resources() if not {one.url, *one.also} & set(FIRST)]
    assert len(new) >= 60


@pytest.mark.parametrize("one", load_resources(), ids=lambda one: one.url)
def test_each_speaks_of_known_ops_and_stages_in_one_line_of_its_own(one: Resource) -> None:
    assert set(one.ops) <= op_vocabulary().ops.keys()
    assert one.stage is None or 1 <= one.stage <= 5
    assert one.title.strip() == one.title and one.title
    assert "\n" not in one.note and 20 <= len(one.note) <= 140, len(one.note)


@pytest.mark.parametrize("kind", Kind)
def test_there_is_something_of_each_kind(kind: Kind) -> None:
    assert find_resources(load_resources(), "", [kind])


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("gluon tma", "Gluon 04: TMA"),
        ("flashdecoding", "Flash-Decoding"),
        ("rmsnorm unsloth", "Unsloth's kernels"),
        ("online softmax paper", "Online normalizer for softmax"),
        ("debugging", "Debugging Triton"),
        ("nsight compute", "Nsight Compute profiling guide"),
    ],
)
def test_words_find_what_they_name(query: str, first: str) -> None:
    assert find_resources(load_resources(), query)[0].title == first


def test_the_command_prints_the_fields_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resources", "puzzles", "--kind", "puzzle", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found[0]) == ["kind", "title", "url", "note", "stage", "ops"]
    assert "https://github.com/srush/Triton-Puzzles" in {one["url"] for one in found}


def test_the_command_tells_that_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resources", "zeppelin"]) == 1
    assert capsys.readouterr().out == ""
