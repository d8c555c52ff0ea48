"""For which backend a kernel is, and what it asks for."""

from __future__ import annotations

import pytest

from crawler.enrich.hardware import backend_names, hardware_asked, hardware_of

PLACES = [
    ("a/b", "src/backends/_ascend/ops/mm.py", "mm", ("ascend",)),
    ("a/b", "src/backend/_kunlunxin/ops/norm.py", "norm_kernel_xpu", ("kunlunxin",)),
    ("a/b", "third_party/iluvatar/test/hopper/test_gemm.py", "gemm", ("iluvatar",)),
    ("a/b", "runtime/_nvidia/hopper/ops/mm.py", "mm", ("nvidia", "sm_90")),
    ("a/b", "kernels/matmul_sm90.py", "mm", ("nvidia", "sm_90")),
    ("a/b", "kernels/gfx950/mla.py", "mla", ("amd", "gfx950")),
    ("a/b", "models/amd/ops/attn_gfx942.py", "attn", ("amd", "gfx942")),
    ("a/b", "gemm/gfx9_gemm/mm.py", "mm", ("amd",)),
    ("a/b", "ops/compact_attention_hip.py", "attn", ("amd",)),
    ("a/b", "ops/gate.py", "gate_kernel_npu", ("ascend",)),
    ("flagos-ai/FlagTree", "third_party/xpu/test.py", "k", ("kunlunxin",)),
    ("a/b", "models/xpu/decode.py", "k", ("intel",)),
    ("triton-lang/triton-ascend", "python/tutorials/01-add.py", "add", ("ascend",)),
    # What only looks like it.
    ("a/b", "hip_attn/ops/attention.py", "fwd", ()),
    ("a/b", "cuda/softmax.py", "softmax", ()),
    ("a/b", "ops/hip_pruning.py", "fwd", ()),
    ("a/b", "ops/input.py", "take_every_second", ()),
    ("a/b", "ops/charm.py", "arm", ()),
    ("amd/b", "ops/softmax.py", "softmax", ()),
]


@pytest.mark.parametrize(("repo", "path", "qualname", "expected"), PLACES)
def test_where_a_kernel_stands_tells_its_backend(
    repo: str, path: str, qualname: str, expected: tuple[str, ...]
) -> None:
    claims = hardware_of(repo=repo, path=path, qualname=qualname)
    assert tuple(claim.hardware for claim in claims) == expected
    assert all(claim.reason for claim in claims)


CODE = [
    ("a module of Gluon's for one maker", {"tl_calls": ["gl.nvidia.hopper.tma.async_load"]},
     ("nvidia", "sm_90")),
    ("the newer of two modules", {"tl_calls": ["gl.nvidia.blackwell.tcgen05_mma",
     "gl.nvidia.hopper.mbarrier.init"]}, ("nvidia", "sm_100")),
    ("AMD's module", {"tl_calls": ["gl.amd.cdna4.buffer_load"]}, ("amd", "gfx950")),
    ("descriptors ask for an architecture, not for a maker", {"features": ["tma"]}, ("sm_90",)),
    ("products of fp8", {"features": ["dot"], "dtypes": ["float8e4nv"]}, ("sm_89",)),
    ("fp8 that is only stored", {"dtypes": ["float8e4nv"]}, ()),
    ("an option in every configuration", {"configs": [["num_warps", "waves_per_eu"],
     ["waves_per_eu"]]}, ("amd",)),
    ("an option in one of two", {"configs": [["num_warps"], ["waves_per_eu"]]}, ()),
    ("a libdevice is one of several tried", {"tl_calls": ["tl.extra.hip.libdevice.tanh"]}, ()),
    ("nothing at all", {"tl_calls": ["tl.load", "tl.dot"]}, ()),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), [c[1:] for c in CODE], ids=[c[0] for c in CODE])
def test_what_a_kernel_calls_and_asks_of_the_launch_tells(
    facts: dict[str, list[str]], expected: tuple[str, ...]
) -> None:
    claims = hardware_of(repo="a/b", path="ops/k.py", qualname="k", **facts)  # type: ignore[arg-type]
    assert tuple(claim.hardware for claim in claims) == expected


def test_another_backend_asks_for_no_compute_capability() -> None:
    claims = hardware_of(repo="a/b", path="_ascend/k.py", qualname="k", features=["tma"])
    assert [claim.hardware for claim in claims] == ["ascend"]


def test_words_of_a_question_ask_for_a_backend() -> None:
    assert hardware_asked({"softmax", "npu"}) == ("ascend",)
    assert hardware_asked({"mi300x", "gemm"}) == ("amd",)
    assert hardware_asked({"softmax"}) == ()
    assert all(hardware_asked({name}) for name in backend_names())
