"""The public functions, autograd functions and modules that run kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.models import OperationRecord
from tests.crawler.scan.project import REPO, crawl_files

OPS = '''
import torch
import triton
import triton.language as tl

@triton.jit
def _fwd(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, n)

@triton.jit
def _bwd(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, n)

def act_forward(x, n=1, *, eps=1e-6, block=make()):
    """Runs it.

    At length.
    """
    _fwd[(1,)](x, n, 64)

class Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, n=2):
        return act_forward(x, n)

    @staticmethod
    @torch.no_grad()
    def backward(ctx, dy):
        _bwd[(1,)](dy, 1, 64)
'''
LAYER = """
import torch
from ops import Activate

def act(x):
    return Activate.apply(x, 1)

applied = Activate.apply

class ActLayer(torch.nn.Module):
    def __init__(self, size, bias=True):
        super().__init__()

    def forward(self, x):
        return act(x)

def _helper(x):
    return act(x)

def unrelated(x):
    return x
"""


def operations(folder: Path, files: dict[str, str]) -> dict[str, OperationRecord]:
    """Return the operations of these files by their id within the project."""
    crawled = crawl_files(folder, files)
    return {each.id.removeprefix(f"{REPO}:"): each for each in crawled.operations}


def names(ids: tuple[str, ...]) -> list[str]:
    return [id.rpartition("::")[2] for id in ids]


def test_what_runs_kernels_is_found_through_files_that_hold_none(tmp_path: Path) -> None:
    found = operations(tmp_path, {"ops.py": OPS, "layer.py": LAYER})
    assert {id: each.kind.value for id, each in found.items()} == {
        "ops.py::act_forward": "function",
        "ops.py::Activate": "autograd",
        "layer.py::act": "function",
        "layer.py::applied": "function",
        "layer.py::ActLayer": "module",
    }
    whole = ("ops.py::Activate", "layer.py::act", "layer.py::applied", "layer.py::ActLayer")
    for id in whole:
        assert names(found[id].forward) == ["_fwd"], id
        assert names(found[id].backward) == ["_bwd"], id
        assert found[id].is_differentiable, id
    alone = found["ops.py::act_forward"]
    assert (names(alone.forward), alone.backward, alone.is_differentiable) == (["_fwd"], (), False)


def test_a_signature_has_names_and_plain_defaults_and_docs_a_length(tmp_path: Path) -> None:
    found = operations(tmp_path, {"ops.py": OPS, "layer.py": LAYER})
    act = found["ops.py::act_forward"]
    assert act.signature == "(x, n=1, *, eps=1e-06, block=...)"
    assert (act.summary, act.doc_chars) == ("Runs it.", len("Runs it.\n\nAt length."))
    assert found["layer.py::ActLayer"].signature == "(size, bias=True)(x)"
    assert found["ops.py::Activate"].signature == "(ctx, x, n=2)"
    first, last = (OPS.lstrip("\n").split("\n")[n - 1] for n in (act.start_line, act.end_line))
    assert first.startswith("def act_forward")
    assert last.strip() == "_fwd[(1,)](x, n, 64)"


ASIDE = [
    ("tests/test_ops.py", "from ops import act_forward\ndef run_it(x):\n    act_forward(x)\n"),
    ("benchmarks/speed.py", "from ops import act_forward\ndef run_it(x):\n    act_forward(x)\n"),
    ("examples/use.py", "from ops import act_forward\ndef run_it(x):\n    act_forward(x)\n"),
    ("more.py", "from ops import act_forward\ndef _run_it(x):\n    act_forward(x)\n"),
    ("more.py", "from ops import act_forward\ndef run_it(x):\n    return act_forward\n"),
]


@pytest.mark.parametrize(("path", "code"), ASIDE)
def test_what_is_private_or_aside_or_calls_nothing_is_no_operation(
    tmp_path: Path, path: str, code: str
) -> None:
    found = operations(tmp_path, {"ops.py": OPS, path: code})
    assert set(found) == {"ops.py::act_forward", "ops.py::Activate"}


def test_what_runs_the_kernels_of_a_whole_model_is_no_operation(tmp_path: Path) -> None:
    kernels = "".join(
        f"@triton.jit\ndef k{n}(x_ptr):\n    tl.store(x_ptr, 0)\n\n"
        f"def run_{n}(x):\n    k{n}[(1,)](x)\n\n"
        for n in range(50)
    )
    calls = "".join(f"    run_{n}(x)\n" for n in range(50))
    code = f"import triton\nimport triton.language as tl\n\n{kernels}def model(x):\n{calls}"
    found = operations(tmp_path, {"ops.py": code})
    assert set(found) == {f"ops.py::run_{n}" for n in range(50)}
