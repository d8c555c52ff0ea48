"""`triton-index api` from the outside: cards, tables, counts from an index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.models import ApiUse
from index.cli import main
from tests.index.samples import crawled, kernel, save

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(db: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    dot = ApiUse(name="triton.language.dot", keywords=("allow_tf32",))
    save(
        db,
        crawled(
            kernel("plain", uses=(dot,), tl_calls=("tl.dot",)),
            kernel("told", path="b.py", uses=(dot,), tl_calls=("tl.dot",), summary="A product."),
        ),
        crawled(kernel("other", repo="b/b", tl_calls=("tl.dot",)), name="b/b"),
    )

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--db", str(db), "api", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_one_name_gets_a_card(run: Run) -> None:
    code, out, _ = run("tl.dot")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "triton.language.dot"
    assert "used by 3 kernels of 2 sources" in lines
    assert "example acme/kernels:b.py::told" in lines


def test_json_holds_counts_of_names_and_of_keywords(run: Run) -> None:
    (row,) = json.loads(run("tl.dot(allow_tf32)", "--format", "json")[1])
    assert (row["name"], row["since"], row["until"]) == (
        "triton.language.dot(allow_tf32)", "2.0.0", None,
    )  # fmt: skip
    assert (row["kernels"], row["repos"]) == (2, 1)
    (unused,) = json.loads(run("tl.histogram", "--format", "json")[1])
    assert (unused["kernels"], unused["repos"], unused["example"]) == (0, 0, None)


def test_what_a_release_no_longer_has_is_a_table(run: Run) -> None:
    code, out, _ = run("--gone", "3.9", "tl.*", "--format", "jsonl")
    names = [json.loads(line)["name"] for line in out.splitlines()]
    assert code == 0 and "triton.language.make_block_ptr" in names
    assert all(name.startswith("triton.language.") for name in names)


def test_what_nobody_has_is_one_and_says_what_was_meant(run: Run) -> None:
    code, out, err = run("tl.dott")
    assert (code, out) == (1, "") and "triton.language.dot" in err


@pytest.mark.parametrize(
    "words", [("--new", "3.44"), ("--gone", "x"), ("--new", "3.4", "--gone", "3.9")]
)
def test_bad_input_is_one_line(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "") and err.count("\n") == 1
