"""`triton-index compile`, with the Triton that runs the tests in place of an environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from index.cli import main
from index.compiling import workers
from index.compiling.environments import python_of
from tests.index.with_triton import WITH_TRITON

pytestmark = WITH_TRITON

SOURCE = '''
import torch
import triton
import triton.language as tl

@triton.jit
def twice(x):
    return x * 2

@triton.jit
def scale(x_ptr, n, BLOCK: tl.constexpr):
    """Doubles n elements."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, twice(tl.load(x_ptr + at, mask=at < n)), mask=at < n)

@triton.jit
def foreign(x_ptr):
    tl.store(x_ptr, torch.pi)

def launch(x):
    scale[(1,)](x, x.numel(), BLOCK=128)
'''


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every release is the one at hand."""
    monkeypatch.setattr(workers, "python_of", lambda release, tell: Path(sys.executable))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kernels.py"
    path.write_text(SOURCE)
    return path


def test_a_file_is_compiled_by_release_and_target(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{file}:scale", "--target", "cuda:80", "--target", "hip:gfx942", "--format", "json"]
    assert main(["compile", *words, "--triton", "3.9"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [(r["id"], r["triton"], r["target"], r["outcome"]) for r in results] == [
        (f"{file}::scale", "3.9.0", "cuda:80", "compiled"),
        (f"{file}::scale", "3.9.0", "hip:gfx942", "compiled"),
    ]
    for each in results:
        assert each["assumptions"] == {"x_ptr": "*fp16", "n": "i32", "BLOCK": 128}
        assert each["facts"]["shared_bytes"] == 0
        assert len(each["source_sha"]) == 64
    assert results[0]["source_sha"] == results[1]["source_sha"]


def test_without_a_name_every_kernel_that_no_other_calls(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compile", str(file), "--triton", "3.9", "--format", "jsonl"]
    assert main(words) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = {r["id"].rpartition("::")[2]: (r["outcome"], r["reason"]) for r in found}
    assert outcomes == {
        "scale": ("compiled", None),
        "foreign": ("not_extractable", "needs torch"),
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.py"], "nowhere.py: No such file"),
        (["{file}:nothing"], "no jit function nothing"),
        (["{file}", "--triton", "two"], "--triton two: not a version"),
        (["{file}", "--triton", "2.1"], "begins with 3.0.0"),
        (["{file}", "--target", "rtx"], "--target rtx: give one like cuda:90"),
        (["import", "{file}"], "name a file of `compile --format json`"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", *(word.replace("{file}", str(file)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_environment_that_is_ready_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.compiling.environments.environments", lambda: tmp_path)
    tag = f"py{sys.version_info[0]}{sys.version_info[1]}"
    folder = tmp_path / f"3.9.0-{tag}"
    folder.mkdir()
    (folder / "ready").touch()
    assert python_of("3.9.0", pytest.fail) == folder / "bin" / "python"
