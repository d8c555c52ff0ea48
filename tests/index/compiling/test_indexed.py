"""Kernels of the index: extracted from their source, compiled, and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.models import Role
from crawler.opening import Opener
from index.cli import main
from index.compiling import workers
from index.compiling.indexed import due_kernels, opened_project
from index.compiling.results import CompileResult, Outcome
from index.database import open_index
from index.errors import CompileError
from index.store import Store
from tests.index.samples import body, column, crawled, kernel, save
from tests.index.with_triton import WITH_TRITON

pytestmark = WITH_TRITON

FILES = {
    "pkg/__init__.py": "",
    "pkg/maths.py": "import triton\nimport triton.language as tl\n\n\n"
    "@triton.jit\ndef twice(x):\n    return x * 2\n",
    "pkg/ops.py": "import torch\nimport triton\nimport triton.language as tl\n"
    "from pkg.maths import twice\n\n\n"
    "@triton.jit\ndef scale(x_ptr, n, BLOCK: tl.constexpr):\n"
    "    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)\n"
    "    tl.store(x_ptr + at, twice(tl.load(x_ptr + at, mask=at < n)), mask=at < n)\n\n\n"
    "@triton.jit\ndef lost(x_ptr):\n    tl.store(x_ptr, nowhere())\n\n\n"
    "def launch(x):\n    scale[(1,)](x, x.numel(), BLOCK=128)\n    lost[(1,)](x)\n",
}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "python_of", lambda release, tell: Path(sys.executable))


@pytest.fixture
def crawled_index(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of one local repository."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clone = tmp_path / "clone"
    for path, text in FILES.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text)
    git = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    assert main(["--db", str(db), "crawl", f"acme/kernels={clone}"]) == 0
    return db


def test_an_id_is_extracted_compiled_and_kept(
    crawled_index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["scale", "lost", "--triton", "3.9", "--target", "cuda:80", "--format", "json"]
    assert main(["--db", str(crawled_index), "compile", *words]) == 1
    results = {r["id"].rpartition("::")[2]: r for r in json.loads(capsys.readouterr().out)}
    assert results["scale"]["outcome"] == "compiled"
    assert results["lost"]["outcome"] == "not_extractable"
    assert "nowhere" in results["lost"]["reason"]
    kept = column(crawled_index, "SELECT compiled FROM kernels WHERE name = 'scale'")
    assert kept == [[{"triton": "3.9.0", "target": "cuda:80", "outcome": "compiled"}]]
    search = ["search", "--compiled", "3.9", "--target", "cuda:80", "--format", "json"]
    assert main(["--db", str(crawled_index), *search]) == 0
    assert [r["name"] for r in json.loads(capsys.readouterr().out)] == ["scale"]
    assert main(["--db", str(crawled_index), "search", "--compiled", "3.2"]) == 1
    assert main(["--db", str(crawled_index), "show", "scale"]) == 0
    assert "cuda:80" in capsys.readouterr().out
    # What is known of the same source is not compiled again.
    monkeypatch.setattr(workers, "Server", None)
    assert main(["--db", str(crawled_index), "compile", "scale", *words[2:]]) == 0


def test_what_names_nothing_is_one_line(
    crawled_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["--db", str(crawled_index), "compile", "scalar"]) == 2
    assert "scalar: no such kernel or file" in capsys.readouterr().err


def test_a_source_that_is_gone_is_told(tmp_path: Path) -> None:
    with (
        Opener(cache=tmp_path) as opener,
        pytest.raises(CompileError),
        opened_project(f"acme/kernels={tmp_path / 'gone'}", opener),
    ):
        pass


STEPS = ("tl.store(x_ptr, 1)", "tl.atomic_add(x_ptr + offsets, 2)", "tl.debug_barrier()")


def test_kernels_of_which_something_is_known_are_not_due(db: Path) -> None:
    kernels = [kernel(f"k{n}", source=body(f"k{n}", step)) for n, step in enumerate(STEPS)]
    tests = kernel("t", role=Role.DEVICE_FUNCTION)
    save(db, crawled(*kernels, tests))
    done = kernels[1].id
    result = CompileResult(
        id=done, triton="3.9.0", target="cuda:90", outcome=Outcome.FAILED, source_sha="a"
    )
    with Store.open_for_writing(db) as store:
        store.save_compilations([result])

    def due(release: str, target: str, most: int = 9) -> set[str]:
        with open_index(db) as con:
            return {k.id for k in due_kernels(con, release, target, most)}

    everything = {k.id for k in kernels}
    assert due("3.9.0", "cuda:90") == everything - {done}
    assert due("3.9.0", "cuda:80") == due("3.2.0", "cuda:90") == everything
    assert len(due("3.9.0", "cuda:80", most=2)) == 2
