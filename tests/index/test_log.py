"""What `-v` shows: the steps of a crawl, on stderr, each on a line that steers no terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.cli import main
from index.cli.log import OWN


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    for name in OWN:
        log = logging.getLogger(name)
        log.handlers, log.propagate = [], True
        log.setLevel(logging.NOTSET)


def test_it_tells_each_source_with_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project\x1b[31m"
    project.mkdir()
    (project / "k.py").write_text("import triton\n\n@triton.jit\ndef k(x):\n    pass\n")
    words = ["--db", str(tmp_path / "i.duckdb"), "crawl", str(project)]
    assert main(["-v", *words]) == 0
    said = capsys.readouterr()
    assert "crawler.run: local/project" in said.err
    assert "\x1b" not in said.err
    assert said.out == ""


def test_without_it_nothing_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "k.py").write_text("import triton\n")
    assert main(["--db", str(tmp_path / "i.duckdb"), "crawl", str(tmp_path)]) == 0
    assert "crawler.run" not in capsys.readouterr().err
