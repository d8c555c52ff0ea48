from __future__ import annotations

import pytest

from crawler.enrich.api_table import load_table, parse_table
from scripts.triton_api_table import TABLE, merge, read_names, split

OLD = {
    "triton/__init__.py": "from . import language\nfrom .runtime import jit",
    "triton/runtime/__init__.py": "def jit(fn): ...",
    "triton/language/__init__.py": "from .core import dot, block\nfrom . import _math as math",
    "triton/language/core.py": "def dot(a, b): ...\ndef block(base): ...",
    "triton/language/_math.py": "def exp(x, *, _builder=None): ...",
}
NEW = {
    **OLD,
    "triton/language/core.py": "def dot(a, b, acc=None): ...\n"
    "def block(base):\n    raise NotImplementedError",
    "triton/tools/tensor_descriptor.py": "class TensorDescriptor: ...",
}


def test_a_release_is_read() -> None:
    names = read_names(OLD)
    assert names["triton", "jit"] == "fn"
    assert names["triton.language", "dot"] == "a b"
    assert names["triton.language.math", "exp"] == "x"
    assert ("triton", "language") not in names


def test_of_a_module_that_is_not_read_it_is_noted_that_it_is_there() -> None:
    names = read_names(OLD | {"triton/backends/amd.py": "def f(): ..."})
    assert names["triton.backends.amd", "*"] == "?"
    table = parse_table(merge({"3.0.0": names}))
    assert table.find("triton.backends.amd.f") is not None
    assert table.find("triton.language.f") is None


def test_what_a_module_borrows_is_no_typing_error() -> None:
    borrowed = {"triton/language/core.py": "import numpy as np\nfrom typing import List"}
    names = read_names(OLD | borrowed)
    assert names["triton.language.core", "np"] == names["triton.language.core", "List"] == "?"


@pytest.mark.parametrize(
    ("name", "keyword", "ranges"),
    [
        ("triton.language.dot", None, "3.0.0-"),
        ("triton.language.dot", "acc", "3.10.0-"),
        ("triton.language.block", None, "3.0.0-3.9.0"),
        ("triton.tools.tensor_descriptor.TensorDescriptor", None, "3.10.0-"),
        ("triton.language.math.exp", "x", "3.0.0-"),
    ],
)
def test_releases_are_merged(name: str, keyword: str | None, ranges: str) -> None:
    table = parse_table(
        merge({"3.10.0": read_names(NEW), "3.0.0": read_names(OLD), "3.9.0": read_names(OLD)})
    )
    assert table.releases == ("3.0.0", "3.9.0", "3.10.0")
    answer = table.find(name)
    assert answer is not None and answer[0] == name
    releases = answer[1].releases if keyword is None else answer[1].with_keyword(keyword)
    assert table.format_ranges(releases) == ranges


def test_adding_a_release_gives_what_reading_all_gives() -> None:
    old, new = read_names(OLD), read_names(NEW)
    grown = split(parse_table(merge({"3.0.0": old}))) | {"3.1.0": new}
    assert merge(grown) == merge({"3.0.0": old, "3.1.0": new})


def test_the_bundled_table_is_as_the_script_writes_it() -> None:
    assert merge(split(load_table())) == TABLE.read_text("utf-8")
