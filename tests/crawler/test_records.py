"""Identity, permalink and summary of a record."""

# ruff: noqa: E501 - sources are read more easily unwrapped
from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from crawler.models import KernelRecord, ScannedKernel
from crawler.records import MAX_SUMMARY, summary_of
from tests.crawler.scan.project import REPO, crawl_files

SUMMARIES = (
    ("none", None, None),
    ("a sentence", "Adds two vectors.", "Adds two vectors."),
    ("the first of two", "Adds two vectors. Slowly.", "Adds two vectors."),
    ("a sentence over lines", "Adds two\n  vectors\tslowly. Really.", "Adds two vectors slowly."),
    ("a question", "Why? Because.", "Why?"),
    ("a paragraph without an end", "Adds two vectors\n\nx: the first", "Adds two vectors"),
    ("a line before arguments", "Adds two vectors\nArgs:\n    x: one", "Adds two vectors"),
    ("a line before a list", "Adds two vectors\n- fast\n- sound", "Adds two vectors"),
    ("an abbreviation", "Adds e.g. two vectors", "Adds e.g. two vectors"),
    ("a number", "Scales by 0.5 at most. More.", "Scales by 0.5 at most."),
    ("nothing but signs", "-----\n=====", None),
    ("blank", "  \n ", None),
    ("a word in another script", "加法。", "加法。"),
)


@pytest.mark.parametrize("text, summary", [s[1:] for s in SUMMARIES], ids=[s[0] for s in SUMMARIES])
def test_the_summary_is_the_first_sentence(text: str | None, summary: str | None) -> None:
    assert summary_of(text) == summary


@pytest.mark.parametrize("text", ["word " * 200, "w" * 1_000], ids=["words", "one word"])
def test_a_long_summary_is_cut(text: str) -> None:
    summary = summary_of(text)
    assert summary is not None
    assert len(summary) <= MAX_SUMMARY
    assert summary.endswith("…")
    assert text.startswith(summary.removesuffix("…"))


SOURCE = '''
import triton

@triton.jit
def add(x):
    """Adds. Twice."""

@triton.jit
def add(y): pass

class Op:
    @triton.jit
    def add(z): pass
'''


def test_ids_and_permalinks(tmp_path: Path) -> None:
    cell = b'{"cells": [{}, {"cell_type": "code", "source": "import triton\\n@triton.jit\\ndef add(x): pass"}]}'
    crawled = crawl_files(tmp_path, {"a/k.py": SOURCE, "n.ipynb": cell})
    assert [record.id for record in crawled.kernels] == [
        f"{REPO}:a/k.py::add",
        f"{REPO}:a/k.py::add#2",
        f"{REPO}:a/k.py::Op.add",
        f"{REPO}:n.ipynb[1]::add",
    ]
    assert [record.cell for record in crawled.kernels] == [None, None, None, 1]
    first, *_, last = crawled.kernels
    assert (first.repo, first.path, first.qualname, first.name) == (REPO, "a/k.py", "add", "add")
    assert first.summary == "Adds."
    assert len(first.commit) == 40
    assert first.permalink.endswith("a/k.py#L3-L5")
    assert last.permalink.endswith("n.ipynb#L2-L3")


def test_a_record_keeps_every_fact_of_the_scan() -> None:
    scanned = {field.name for field in fields(ScannedKernel)} - {"ordinal"}
    assert scanned < {field.name for field in fields(KernelRecord)}
