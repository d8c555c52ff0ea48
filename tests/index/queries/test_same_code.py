"""Code that someone holds -> the indexed kernels that it is a copy of."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from index.cli import main
from index.database import open_index
from index.errors import QueryError
from index.queries.same_code import find_same_code
from tests.index.samples import crawled, kernel, save

IMPORTS = "import triton\nimport triton.language as tl\n\n\n"
NORM = """@triton.jit
def norm_kernel(x_ptr, w_ptr, y_ptr, stride, n_cols, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    mask = cols < n_cols
    x = tl.load(x_ptr + row * stride + cols, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(x, axis=0) / n_cols
    centred = tl.where(mask, x - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / n_cols
    w = tl.load(w_ptr + cols, mask=mask)
    tl.store(y_ptr + row * stride + cols, centred * w / tl.sqrt(variance + eps), mask=mask)
"""
RENAMED = NORM.replace("norm_kernel", "mine").replace("centred", "c").replace("x_ptr", "inp")
CHANGED = RENAMED.replace("tl.sqrt(variance + eps)", "tl.sqrt(variance + eps + 1.0)")
OTHER = """@triton.jit
def other(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.exp(tl.load(x_ptr + at, mask=at < n)), mask=at < n)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("same_code") / "index.duckdb"
    save(path, crawled(kernel("norm_kernel", path="ops/norm.py", source=NORM), kernel()))
    return path


def found(library: Path, code: str) -> list[tuple[object, ...]]:
    with open_index(library) as con:
        table = find_same_code(con, {"mine.py": code.encode()})
    return [row[:4] for row in table.rows]


ID = "acme/kernels:ops/norm.py::norm_kernel"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (NORM, ("mine.py::norm_kernel", ID, "copy", 1.0)),
        (RENAMED, ("mine.py::mine", ID, "copy", 1.0)),
    ],
    ids=["the same text", "all names are others"],
)
def test_copies_are_found(library: Path, code: str, expected: tuple[object, ...]) -> None:
    assert found(library, IMPORTS + code) == [expected]


def test_a_copy_that_was_changed_is_a_near_copy(library: Path) -> None:
    ((name, id, relation, alike),) = found(library, IMPORTS + CHANGED)
    assert (name, id, relation) == ("mine.py::mine", ID, "near copy")
    assert 0.7 <= float(str(alike)) < 1


def test_each_function_of_a_file_is_looked_up_by_itself(library: Path) -> None:
    (one,) = found(library, f"{IMPORTS}{OTHER}\n\n{RENAMED}")
    assert one[:2] == ("mine.py::mine", ID)


def test_nothing_is_said_of_what_shares_too_little(library: Path) -> None:
    assert found(library, IMPORTS + OTHER) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [("x = 1\n", "no jit function"), ("def f(:\n", "not read")],
    ids=["no kernel", "no Python"],
)
def test_what_holds_no_kernel_is_refused(library: Path, code: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        found(library, code)


def test_an_index_of_facts_alone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "index.duckdb"
    save(path, crawled(name="acme/none"))
    with pytest.raises(QueryError, match="without fingerprints"):
        found(path, IMPORTS + NORM)


def test_the_command_reads_a_file_or_stdin(
    library: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(IMPORTS + RENAMED, encoding="utf-8")
    ask = ["--db", str(library), "similar", "--format", "csv", "--code"]
    assert main([*ask, str(path)]) == 0
    assert f"{ID},copy,1.0," in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((IMPORTS + OTHER).encode())))
    assert main([*ask, "-"]) == 1
    assert "is a copy of what it holds" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["some_kernel", "--code", "mine.py"]])
def test_the_command_takes_an_id_or_a_file(
    library: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["--db", str(library), "similar", *words]) == 2
    assert "either an ID or --code FILE" in capsys.readouterr().err
