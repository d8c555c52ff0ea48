"""Forward and backward kernels that belong together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from crawler.enrich.pairs import pair_kernels
from crawler.models import KernelRecord, Role
from tests.crawler.enrich.kernels import bare

SAMPLE = Path(__file__).parents[2] / "data" / "pairs_sample.jsonl"
GOAL = 0.95


def forwards(kernels: Iterable[KernelRecord]) -> dict[str, str | None]:
    """Return the forward kernel of each, by `path::name`; those without are left out."""
    kernels = list(kernels)
    found = zip(kernels, pair_kernels(kernels), strict=True)
    return {_place(kernel.id): _place(pair.forward) for kernel, pair in found if pair.forward}


def backwards(kernels: Iterable[KernelRecord]) -> dict[str, str | None]:
    """Return the backward kernel of each, by `path::name`; those without are left out."""
    kernels = list(kernels)
    found = zip(kernels, pair_kernels(kernels), strict=True)
    return {_place(kernel.id): _place(pair.backward) for kernel, pair in found if pair.backward}


def _place(id: str | None) -> str | None:
    return id and id.partition(":")[2].removeprefix("kernels.py::")


def test_the_judged_sample():
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    right = asked = 0
    for repo in sorted({row["repo"] for row in rows}):
        own = [row for row in rows if row["repo"] == repo]
        found = forwards(
            bare(
                row["name"],
                path=row["path"],
                params=row["params"],
                passes=row["passes"],
                source="x" * row["length"],
            )
            for row in own
        )
        for row in own:
            id = f"{row['path']}::{row['name']}"
            if row["forward"] or id in found:
                asked += 1
                right += found.get(id) == row["forward"]
        assert right >= GOAL * asked, repo
    assert asked >= 120


def one_of(*names: str, **passes: str) -> list[KernelRecord]:
    """Return kernels, some of them in a pass of the autograd function F."""
    return [
        bare(name, passes=[f"{passes[name]} a.py::F"] if name in passes else ()) for name in names
    ]


@pytest.mark.parametrize(
    ("says", "kernels", "expected"),
    [
        (
            "what the two passes of an autograd function launch",
            one_of("grow", "shrink_bwd", grow="forward", shrink_bwd="backward"),
            {"shrink_bwd": "grow"},
        ),
        (
            "the only kernel of a backward pass, whatever its name",
            one_of("grow", "scale", grow="forward", scale="backward"),
            {"scale": "grow"},
        ),
        (
            "a forward kernel that is run again is no backward one",
            [
                bare("norm_fwd", passes=("forward a.py::F", "backward a.py::F")),
                bare("norm_bwd", passes=("backward a.py::F",)),
            ],
            {"norm_bwd": "norm_fwd"},
        ),
        (
            "the one whose values it takes gradients of",
            [
                bare("chunk_fwd_h", params=("k", "v", "h", "h0"), passes=("forward a.py::F",)),
                bare("chunk_fwd_o", params=("q", "h", "o"), passes=("forward a.py::F",)),
                bare("chunk_bwd_x", params=("do", "q", "dq"), passes=("backward a.py::F",)),
                bare("chunk_bwd_y", params=("dh", "dh0", "k"), passes=("backward a.py::F",)),
            ],
            {"chunk_bwd_x": "chunk_fwd_o", "chunk_bwd_y": "chunk_fwd_h"},
        ),
        (
            "names, where no autograd function tells",
            one_of("_rope_fwd", "_rope_bwd", "softmax_kernel", "softmax_backward_kernel", "copy"),
            {"_rope_bwd": "_rope_fwd", "softmax_backward_kernel": "softmax_kernel"},
        ),
        (
            "the layers of an attention's backward",
            one_of("_attn_fwd", "_attn_bwd_dq", "_attn_bwd_dkdv", "_attn_bwd_preprocess", "_fwd"),
            dict.fromkeys(("_attn_bwd_dq", "_attn_bwd_dkdv", "_attn_bwd_preprocess"), "_attn_fwd"),
        ),
        ("bare names", one_of("_fwd_kernel", "_bwd_dq", "_bwd_dkdv", "add"),
         {"_bwd_dq": "_fwd_kernel", "_bwd_dkdv": "_fwd_kernel"}),
        ("`dW` in capitals", one_of("up_fwd", "up_bwd_dW"), {"up_bwd_dW": "up_fwd"}),
        ("words that begin with d", one_of("drop_fwd", "div_bwd", "dropout_bwd"), {}),
        ("a name for both passes", one_of("merge_fwd_bwd_kernel", "merge_kernel"), {}),
        (
            "the nearest file",
            [bare(name, path=f"a/{name[2:]}.py") for name in ("f_bwd", "f_fwd")]
            + [bare("f_fwd", path="a/bwd.py")],
            {"a/bwd.py::f_bwd": "a/bwd.py::f_fwd"},
        ),
        (
            "the same folder",
            [bare("f_bwd", path="a/x.py")] + [bare("f_fwd", path=p) for p in ("a/y.py", "b.py")],
            {"a/x.py::f_bwd": "a/y.py::f_fwd"},
        ),
        ("not another folder", [bare("f_bwd", path="a/x.py"), bare("f_fwd", path="b/x.py")], {}),
        (
            "parts of kernels among themselves",
            [bare(name, role=Role.DEVICE_FUNCTION) for name in ("gelu_bwd", "gelu_fwd")]
            + [bare("gelu_kernel")],
            {"gelu_bwd": "gelu_fwd"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_pairs(says, kernels, expected):
    assert forwards(kernels) == expected


def test_a_forward_kernel_points_to_its_main_backward_kernel():
    kernels = [
        bare("_attn_fwd", params=("q", "k", "v", "o")),
        bare("_attn_bwd_preprocess", params=("o", "do", "delta"), source="x" * 900),
        bare("_attn_bwd_dq", params=("do", "dq"), source="x" * 100),
        bare("_attn_bwd_dkdv", params=("do", "dk", "dv"), source="x" * 100),
    ]
    assert backwards(kernels) == {"_attn_fwd": "_attn_bwd_dkdv"}


def test_the_reason_tells_where_a_pair_comes_from():
    kernels = one_of("grow", "scale", "f_fwd", "f_bwd", grow="forward", scale="backward")
    assert [pair.reason for pair in pair_kernels(kernels)] == [
        "F launches both, one in each pass",
        "F launches both, one in each pass",
        "f_bwd is named as the backward of f_fwd",
        "f_bwd is named as the backward of f_fwd",
    ]


def test_many_kernels_are_paired_in_reasonable_time():
    names = [f"k{n}_{way}" for n in range(1500) for way in ("fwd", "bwd")]
    assert len(forwards(map(bare, names))) == 1500
