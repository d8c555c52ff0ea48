"""A night's slice of compiles: what is due is compiled, and the next crawl knows of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from index.cli import main
from index.compiling import workers
from index.database import open_index
from tests.index.automation.jobs import Jobs
from tests.index.with_triton import WITH_TRITON

pytestmark = WITH_TRITON
WORDS = ("--triton", "3.9", "--targets", "cuda:80", "--jobs", "1")

VALUES = {"k0": "exp(1)", "k1": "1.0", "k2": "tl.nothing(1.0)"}


def _file(name: str, value: str) -> str:
    """Return a file with a kernel that stores a value, and what launches it."""
    return (
        "import triton\nimport triton.language as tl\n\n\n"
        f"@triton.jit\ndef {name}(x_ptr):\n    tl.store(x_ptr, {value})\n\n\n"
        f"def launch(x):\n    {name}[(1,)](x)\n"
    )


def test_what_is_due_is_compiled_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "python_of", lambda release, tell: Path(sys.executable))
    jobs.list_sources("acme/a")
    jobs.hosted("acme/a").push({f"{name}.py": _file(name, value) for name, value in VALUES.items()})
    assert jobs.crawl_and_publish().code == 0
    out = jobs.work / "compiled.json"
    done = jobs.run("compile", str(out), *WORDS)
    assert done.code == 0, done.err
    outcomes = {r["id"]: r["outcome"] for r in json.loads(out.read_text())}
    assert outcomes == {
        "acme/a:k0.py::k0": "not_extractable",
        "acme/a:k1.py::k1": "compiled",
        "acme/a:k2.py::k2": "failed",
    }
    assert main(["--db", str(jobs.index), "compile", "import", str(out)]) == 0
    with open_index(jobs.index) as con:
        (known,) = con.execute(
            "SELECT compiled FROM kernels WHERE id = 'acme/a:k0.py::k0'"
        ).fetchone() or (None,)
    assert known == [{"triton": "3.9.0", "target": "cuda:80", "outcome": "not_extractable"}]
    assert jobs.publish().code == 0
    again = jobs.run("compile", str(out), *WORDS)
    assert again.code == 0, again.err
    assert not {r["id"] for r in json.loads(out.read_text())} & outcomes.keys()


def test_without_minutes_nothing_is_begun(jobs: Jobs) -> None:
    assert jobs.crawl_and_publish().code == 0
    out = jobs.work / "compiled.json"
    assert jobs.run("compile", str(out), *WORDS, "--minutes", "0").code == 0
    assert json.loads(out.read_text()) == []
    assert "0 compiles" in jobs.summary
