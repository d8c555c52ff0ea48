"""`--fields`: the same choice of fields in every command that lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.cli import main
from tests.index.samples import crawled, kernel, save

LISTING = (
    ("search", "add"),
    ("repos",),
    ("runs",),
    ("tags",),
    ("gaps",),
    ("wish", "list"),
    ("api", "tl.load"),
    ("similar", "add_kernel"),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fields") / "index.duckdb"
    save(path, crawled(kernel("add_kernel"), kernel("add_two", path="ops/two.py")))
    return path


def test_they_come_in_the_order_asked_for(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "add", "--fields", "license, id", "--format"]
    assert main(["--db", str(library), *asked, "jsonl"]) == 0
    for line in capsys.readouterr().out.splitlines():
        assert list(json.loads(line)) == ["license", "id"]
    assert main(["--db", str(library), *asked, "csv"]) == 0
    assert capsys.readouterr().out.startswith("license,id\n")
    assert main(["--db", str(library), *asked, "table"]) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["license", "id"]


@pytest.mark.parametrize("words", LISTING, ids=" ".join)
def test_every_listing_refuses_a_field_that_it_has_not_and_names_those_it_has(
    library: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    asked = ["--db", str(library), *words, "--format", "json", "--fields", "colour"]
    assert main(asked) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "no field 'colour'; there are " in said.err


@pytest.mark.parametrize("words", LISTING, ids=" ".join)
def test_every_listing_says_in_an_envelope_what_it_is_and_how_much_there_is(
    library: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    asked = ["--db", str(library), *words, "--limit", "1", "--format", "json", "--envelope"]
    main(asked)
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["schema", "version", "total", "limit", "items"]
    assert told["schema"].startswith("triton-index/")
    assert len(told["items"]) == min(told["total"], told["limit"])


def test_an_envelope_tells_of_more_than_it_holds(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["search", "add", "--limit", "1", "--format"]
    assert main(["--db", str(library), *asked, "json", "--envelope"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total"], len(told["items"])) == (2, 1)
    assert main(["--db", str(library), *asked, "csv", "--envelope"]) == 2
