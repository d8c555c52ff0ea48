"""Notebooks: cells as one module, IPython's own lines, broken cells."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.models import ScanSkip
from crawler.scan import FileFacts, scan_file
from tests.crawler.scan.project import Case, crawl_files, kernels_of

IMPORTS = "import triton\nimport triton.language as tl"
ADD = "@triton.jit\ndef add(x_ptr):\n    tl.store(x_ptr, 1)"


def code(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}


def notebook(*cells: str | dict[str, Any]) -> bytes:
    made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}).encode()


def holds(says: str, *cells: str | dict[str, Any], finds: tuple[str, ...] = ("[1]::add",)) -> Case:
    return Case(says, {"n.ipynb": notebook(*cells)}, tuple(f"n.ipynb{f}" for f in finds))


MARKDOWN = {"cell_type": "markdown", "source": "```python\n@triton.jit\ndef no(x): ...\n```"}
RAW = {"cell_type": "raw", "source": ADD}

CASES = (
    holds("imports in one cell, the kernel in the next", IMPORTS, ADD),
    holds("the lines of a cell as a list", IMPORTS, code(ADD.splitlines(keepends=True))),
    holds("Windows line ends in a cell", IMPORTS, ADD.replace("\n", "\r\n")),
    holds("markdown and raw cells count, and hold nothing", IMPORTS, MARKDOWN, RAW, ADD, finds=("[3]::add",)),
    holds("empty cells", IMPORTS, "", "   \n", ADD, finds=("[3]::add",)),
    holds("line magics", "%matplotlib inline\n%load_ext autoreload\n" + IMPORTS, ADD),
    holds("a magic within a block", "if True:\n    %pip install triton\n" + IMPORTS, ADD),
    holds("shell lines", "!pip install triton\n!ls | head\n" + IMPORTS, ADD),
    holds("a shell line over several lines", "!pip install \\\n    triton \\\n    torch\n" + IMPORTS, ADD),
    holds("a magic whose result is kept", "gpus = !nvidia-smi\nx = %env HOME\n" + IMPORTS, ADD),
    holds("a timed cell", IMPORTS, "%%time\n" + ADD),
    holds("a captured cell", IMPORTS, "\n%%capture out --no-stderr\n" + ADD),
    holds("a cell of another language", IMPORTS, ADD, "%%bash\n@triton.jit\ndef no(x): pass"),
    holds("a cell that goes to a file", IMPORTS, ADD, "%%writefile k.py\n@triton.jit\ndef no(x): pass"),
    holds("questions to IPython", "triton?\ntriton.jit??\n?triton\n" + IMPORTS, ADD),
    holds("a question at the end of a docstring's line", IMPORTS, ADD.replace("tl.", '"""Why?\n    Because?\n    """\n    tl.')),
    holds("a question in a comment behind code", "import triton  # which one?", ADD),
    holds("an operator at the start of a line, as a magic would", IMPORTS, ADD + "\nx = (7\n %2)"),
    holds("await outside a function", IMPORTS + "\nawait something()", ADD),
    holds("a broken cell between", IMPORTS, "def broken(:\n  [import", ADD, finds=("[2]::add",)),
    holds("a byte order mark", IMPORTS, ADD),
    holds("newer grammar in one cell", IMPORTS, "type X = int\nimport os", ADD, finds=("[2]::add",)),
    holds("one kernel in two cells, each the first of its cell", IMPORTS, ADD, ADD, finds=("[1]::add", "[2]::add")),
    holds("two of one name in a cell", IMPORTS, ADD + "\n" + ADD, finds=("[1]::add", "[1]::add#2")),
    holds("a kernel in a function", IMPORTS, "def make():\n" + "\n".join("    " + line for line in ADD.splitlines()), finds=("[1]::make.<locals>.add",)),
    Case(
        "the format of before 2015, with worksheets",
        {"n.ipynb": json.dumps({"worksheets": [{"cells": [{"cell_type": "code", "input": IMPORTS}, {"cell_type": "code", "input": ADD}]}]}).encode()},
        ("n.ipynb[1]::add",),
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_finds(case: Case, tmp_path: Path) -> None:
    assert tuple(kernels_of(tmp_path, case.files)) == case.finds


def test_lines_are_those_of_the_cell(tmp_path: Path) -> None:
    files = {"n.ipynb": notebook(IMPORTS, "%%time\n\n# Adds one.\n" + ADD + "\nadd[(1,)](x)")}
    record = kernels_of(tmp_path, files)["n.ipynb[1]::add"]
    assert (record.cell, record.start_line, record.def_line, record.end_line) == (1, 4, 5, 6)
    assert record.source == ADD
    assert record.docstring == "Adds one."
    assert record.launchers == ("n.ipynb",)
    assert record.permalink.endswith("n.ipynb#L4-L6")


def test_a_docstring_is_kept_as_it_is(tmp_path: Path) -> None:
    source = ADD.replace("tl.", '"""Is it fast?\n\n    %5 of peak?\n    """\n    tl.')
    files = {"n.ipynb": notebook(IMPORTS, "%%time\n" + source)}
    assert kernels_of(tmp_path, files)["n.ipynb[1]::add"].docstring == "Is it fast?\n\n%5 of peak?"


def test_a_broken_cell_is_told(tmp_path: Path) -> None:
    files = {"n.ipynb": notebook(IMPORTS, "def broken(:\n  [import", ADD)}
    crawled = crawl_files(tmp_path, files)
    (skip,) = crawled.skipped
    assert skip.path == "n.ipynb[1]"
    assert skip.reason.startswith("syntax error (line 1)")


def test_the_last_definition_before_a_launch_is_the_one_launched(tmp_path: Path) -> None:
    files = {"n.ipynb": notebook(IMPORTS, ADD, "add[(1,)](x)", ADD)}
    found = kernels_of(tmp_path, files)
    assert found["n.ipynb[1]::add"].launchers == ("n.ipynb",)
    assert found["n.ipynb[3]::add"].launchers == ()


STRANGE: tuple[tuple[str, Any], ...] = (
    ("a list", []),
    ("a number", 1),
    ("null", None),
    ("no cells", {}),
    ("cells that are an object", {"cells": {}}),
    ("cells that are text", {"cells": "code"}),
    ("worksheets that are an object", {"worksheets": {}}),
)
HARMLESS: tuple[tuple[str, Any], ...] = (
    ("cells of every wrong type", {"cells": [None, 1, "x", [], {}, {"cell_type": 1}]}),
    ("sources of every wrong type", {"cells": [code(s) for s in (None, 1, {}, [None, 1, {}])]}),  # type: ignore[arg-type]
    ("worksheets of every wrong type", {"worksheets": [None, {"cells": None}, {"cells": 3}, {"cells": {}}, 3]}),
    ("a null byte in a cell", {"cells": [code("import triton\0")]}),
    ("half a surrogate pair in a cell", {"cells": [code("import triton # \ud800")]}),
    ("no cells at all", {"cells": []}),
)  # fmt: skip


@pytest.mark.parametrize("content", [s[1] for s in STRANGE], ids=[s[0] for s in STRANGE])
def test_what_is_no_notebook_is_skipped(content: Any) -> None:
    scanned = scan_file("n.ipynb", json.dumps(content).encode())
    assert isinstance(scanned, ScanSkip)
    assert scanned.reason.startswith("not a notebook")


@pytest.mark.parametrize("content", [s[1] for s in HARMLESS], ids=[s[0] for s in HARMLESS])
def test_what_is_strange_in_a_notebook_is_passed_over(content: Any) -> None:
    assert isinstance(scan_file("n.ipynb", json.dumps(content).encode()), FileFacts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"triton",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"cells":' * 200_000,
        b"\xef\xbb\xbf",
    ],
    ids=["empty", "cut off", "text", "bytes", "deep lists", "deep objects", "only a mark"],
)
def test_what_is_no_json_is_skipped(data: bytes) -> None:
    scanned = scan_file("n.ipynb", data)
    assert isinstance(scanned, ScanSkip)
    assert scanned.reason == "not a notebook: no valid JSON"


def test_a_notebook_with_a_byte_order_mark_is_read() -> None:
    scanned = scan_file("n.ipynb", b"\xef\xbb\xbf" + notebook(IMPORTS, ADD))
    assert isinstance(scanned, FileFacts)
    assert [f.qualname for f in scanned.functions] == ["add"]


def test_a_notebook_of_pictures_is_read() -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "A" * (20 << 20)}}
    cell = {**code(ADD), "outputs": [picture]}
    assert isinstance(scan_file("n.ipynb", notebook(IMPORTS, cell)), FileFacts)


def test_a_notebook_over_the_limit_is_skipped() -> None:
    scanned = scan_file("n.ipynb", b" " * ((32 << 20) + 1))
    assert isinstance(scanned, ScanSkip)
    assert scanned.reason == "larger than 32 MiB"
