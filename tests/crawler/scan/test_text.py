"""Files as bytes: encodings, line ends, layout, grammar newer than the interpreter's."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

import re
from pathlib import Path

import pytest

from crawler.models import ScanSkip
from crawler.scan import FileFacts, scan_file
from tests.crawler.scan.project import Case, finds, kernel_of, kernels_of

PLAIN = b"import triton\n\n@triton.jit\ndef add(x_ptr, n=1):\n    pass\n"

LAYOUTS = (
    finds("Windows line ends", PLAIN.replace(b"\n", b"\r\n")),
    finds("old Macintosh line ends", PLAIN.replace(b"\n", b"\r")),
    finds("mixed line ends", PLAIN.replace(b"\n", b"\r\n", 2)),
    finds("a byte order mark", b"\xef\xbb\xbf" + PLAIN),
    finds("a byte order mark and a coding line", b"\xef\xbb\xbf# coding: utf-8\n" + PLAIN),
    finds("Latin-1 with a coding line", b"# -*- coding: latin-1 -*-\n# \xe9\n" + PLAIN),
    finds("Latin-1 declared on the second line", b"#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n# \xe9\n" + PLAIN),
    finds("UTF-8 in comments", "# größer, 大\n".encode() + PLAIN),
    finds("form feeds between definitions", PLAIN.replace(b"\n\n", b"\n\x0c\n")),
    finds("a form feed before the decorator", PLAIN.replace(b"@", b"\x0c@")),
    finds("tabs", PLAIN.replace(b"    ", b"\t")),
    finds("no newline at the end", PLAIN.rstrip()),
    finds("trailing blanks and blank lines", PLAIN.replace(b"\n", b"  \n") + b"\n\n   \n"),
    finds("a comment at the end without newline", PLAIN + b"# end"),
    finds("line separators that are none to Python", "x = '\u2028\x0b\x85'\n".encode() + PLAIN),
    finds("a script's first line", b"#!/usr/bin/env python\n" + PLAIN),
)  # fmt: skip

NEWER = (
    finds("a type alias", b"type Pair[T] = tuple[T, T]\n" + PLAIN),
    finds("a generic function", b"def first[T](xs: list[T]) -> T:\n    return xs[0]\n" + PLAIN),
    finds("a generic class", b"class Box[T: int]:\n    pass\n" + PLAIN),
    finds("a generic kernel", PLAIN.replace(b"add(", b"add[T](")),
    finds("quotes nested in an f-string", b'x = f"{d["a"]}"\n' + PLAIN),
    finds("a backslash in an f-string", b'x = f"{"\\n".join(xs)}"\n' + PLAIN),
    finds("exceptions without brackets", b"try:\n    pass\nexcept A, B:\n    pass\n" + PLAIN),
    finds("newer grammar and text that is not ASCII", 'type X = int; s = "größe"\n'.encode() + PLAIN),
    finds(
        "a decorator behind text that is not ASCII, under newer grammar",
        "type X = int\nimport triton\n@mark('größe', 'ß')\n@triton.jit\n"
        "def add(é='größe', n=1): é; n\n".encode(),
    ),
)  # fmt: skip

CASES = (*LAYOUTS, *NEWER)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_finds(case: Case, tmp_path: Path) -> None:
    assert tuple(kernels_of(tmp_path, case.files)) == case.finds


@pytest.mark.parametrize("case", LAYOUTS, ids=lambda case: case.says)
def test_the_lines_are_those_of_an_editor(case: Case, tmp_path: Path) -> None:
    source = case.files["k.py"]
    assert isinstance(source, bytes)
    record = kernel_of(tmp_path, source)
    lines = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    assert lines[record.start_line - 1].strip(b"\x0c \xef\xbb\xbf") == b"@triton.jit"
    assert lines[record.def_line - 1].startswith(b"def add")
    assert lines[record.end_line - 1].strip() == b"pass"


def test_newer_grammar_keeps_what_stands_behind_text_that_is_not_ascii(tmp_path: Path) -> None:
    record = kernel_of(tmp_path, NEWER[-1].files["k.py"])
    assert record.decorators == ("mark('größe', 'ß')", "triton.jit")
    assert [(p.name, p.default) for p in record.params] == [("é", "'größe'"), ("n", "1")]


UNREADABLE = (
    ("null bytes", PLAIN + b"\0", "null bytes"),
    ("bytes that are no UTF-8", b"# \xff\xfe\n" + PLAIN, "encoding"),
    ("a coding that is not", b"# coding: no-such-thing\n" + PLAIN, "encoding"),
    ("a coding that is no text", b"# coding: zlib\n" + PLAIN, "encoding"),
    ("a coding that only fails", b"# coding: undefined\n" + PLAIN, "encoding"),
    ("UTF-16", PLAIN.decode().encode("utf-16"), "null bytes"),
    ("no Python", b"import triton\nthis is no Python\n", r"syntax error \(line 2\)"),
    ("Python 2", b"import triton\nprint 'triton'\n", r"syntax error \(line 2\)"),
    ("a merge conflict", b"import triton\n<<<<<<< HEAD\n", r"syntax error \(line 2\)"),
    ("a file over the limit", PLAIN + b"#" * (4 << 20), "larger than 4 MiB"),
)


@pytest.mark.parametrize(
    "data, reason", [u[1:] for u in UNREADABLE], ids=[u[0] for u in UNREADABLE]
)
def test_is_skipped_with_its_reason(data: bytes, reason: str) -> None:
    scanned = scan_file("k.py", data)
    assert isinstance(scanned, ScanSkip)
    assert scanned.path == "k.py"
    assert re.search(reason, scanned.reason)
    assert "\n" not in scanned.reason


def test_warnings_in_other_peoples_source_are_not_ours() -> None:
    assert isinstance(scan_file("k.py", PLAIN + b"x = '\\d' is 1\n"), FileFacts)
