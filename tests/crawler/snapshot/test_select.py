from __future__ import annotations

import pytest

from crawler.snapshot.select import (
    MAX_NOTEBOOK_BYTES,
    MAX_TEXT_BYTES,
    oversize_reason,
    select_files,
)


@pytest.mark.parametrize(
    "path",
    [
        "a.py",
        "deep/er/book.ipynb",
        "pyproject.toml",
        "python/setup.py",
        "setup.cfg",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements/base.txt",
        "LICENSE",
        "LICENSE.md",
        "licence.txt",
        "LICENSE-APACHE",
        "LICENSES/MIT.txt",
        "COPYING.LESSER",
        "NOTICE",
        "docs/README.rst",
        "pkg-1.0.dist-info/METADATA",
        "PKG-INFO",
    ],
)
def test_lists(path: str) -> None:
    assert select_files()(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.pyc",
        "a.pyi",
        "main.cpp",
        "py",
        "noticeboard.txt",
        "licensed.txt",
        "METADATA",
        "pkg-1.0.dist-info/RECORD",
        "setup.py.bak",
    ],
)
def test_leaves_out(path: str) -> None:
    assert not select_files()(path)


def test_include_narrows_the_sources_and_keeps_the_licence() -> None:
    selected = select_files(include=["src/**", "*.ipynb"])
    listed = ["src/a.py", "src/b/c.py", "x/y.ipynb", "LICENSE", "docs/README.md"]
    left_out = ["tests/a.py", "a.py", "src/main.cpp"]
    assert [path for path in listed + left_out if selected(path)] == listed


def test_exclude_leaves_out_whatever_it_names() -> None:
    selected = select_files(exclude=["third_party/", "*_test.py", "!keep_test.py", "/setup.py"])
    listed = ["a.py", "keep_test.py", "python/setup.py"]
    left_out = ["third_party/LICENSE", "x/third_party/a.py", "a_test.py", "setup.py"]
    assert [path for path in listed + left_out if selected(path)] == listed


def test_a_notebook_may_be_larger_than_a_text() -> None:
    assert oversize_reason("a.py", MAX_TEXT_BYTES) is None
    assert oversize_reason("a.ipynb", MAX_TEXT_BYTES + 1) is None
    too_large = oversize_reason("a.py", 50_000_000)
    assert too_large == "too large: 47.7 MiB, the limit is 8 MiB"
    assert oversize_reason("a.ipynb", MAX_NOTEBOOK_BYTES + 1) is not None
