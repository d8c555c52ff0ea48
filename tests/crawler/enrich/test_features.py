# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

import textwrap
import time

import pytest

from crawler.enrich.feature_checks import rescales_by_running_max
from crawler.enrich.features import feature_vocabulary, features_of, parse_feature_vocabulary
from crawler.models import KernelRecord, Role
from tests.crawler.enrich.kernels import bare, scanned

# Feature -> (what a kernel `k` takes, its body); the body alone must give the feature.
BODIES = {
    "dot": ("a, b", "tl.store(a, tl.dot(a, b))"),
    "dot_scaled": ("a, b", "tl.store(a, tl.dot_scaled(a, 1, 'e4m3', b, 1, 'e4m3'))"),
    "tf32": ("a, b", "tl.dot(a, b, input_precision='ieee')"),
    "atomics": ("a", "tl.atomic_cas(a, 0, 1)"),
    "tma": ("a", "d = tl.make_tensor_descriptor(a, [1], [1], [1])"),
    "block_ptr": ("a", "p = tl.make_block_ptr(a, (1,), (1,), (0,), (1,), (0,))"),
    "persistent": ("a, n", "for t in range(tl.program_id(0), n, tl.num_programs(0)):\n    pass"),
    "split_k": ("a, SPLIT_K: tl.constexpr", "tl.store(a, SPLIT_K)"),
    "split_kv": ("a, NUM_KV_SPLITS: tl.constexpr", "tl.store(a, 1)"),
    "stream_k": ("a, total_programs_streamk", "tl.store(a, 1)"),
    "online_softmax": (
        "a, n",
        "m = -1.0\nfor i in range(n):\n    m_new = tl.maximum(m, i)\n"
        "    s = tl.exp(m - m_new)\n    m = m_new",
    ),
    "scan": ("a", "tl.store(a, tl.cumsum(a, 0))"),
    "sort": ("a", "tl.store(a, tl.sort(a))"),
    "histogram": ("a", "tl.store(a, tl.histogram(a, 8))"),
    "gather": ("a", "tl.store(a, tl.gather(a, a, 0))"),
    "custom_reduce": ("a", "tl.store(a, tl.reduce(a, 0, None))"),
    "rng": ("a", "tl.store(a, tl.rand(0, a))"),
    "fp8": ("a", "tl.store(a, a.to(tl.float8e4nv))"),
    "inline_asm": ("a", "tl.inline_asm_elementwise('', '', [a], dtype=tl.int32)"),
    "libdevice": ("a", "tl.store(a, tl.extra.libdevice.tanh(a))"),
    "warp_specialize": ("a, n", "for i in tl.range(0, n, warp_specialize=True):\n    pass"),
    "pipelined": ("a, n", "for i in tl.range(0, n, num_stages=3):\n    pass"),
    "variable_length": ("a, cu_seqlens_q", "tl.store(a, 1)"),
    "paged": ("a, block_tables_ptr", "tl.store(a, 1)"),
    "causal": ("a, IS_CAUSAL: tl.constexpr", "tl.store(a, 1)"),
    "sliding_window": ("a, WINDOW_SIZE: tl.constexpr", "tl.store(a, 1)"),
    "alibi": ("a, alibi_slopes", "tl.store(a, 1)"),
    "softcap": ("a, softcap", "tl.store(a, 1)"),
    "group_swizzle": ("a, GROUP_SIZE_M: tl.constexpr", "tl.store(a, 1)"),
    "xcd_remap": ("a, NUM_XCDS: tl.constexpr", "tl.store(a, 1)"),
    "masked": ("a", "tl.store(a, 1, mask=a < 3)"),
    "boundary_check": ("a", "tl.load(a, boundary_check=(0,))"),
    "cache_hints": ("a", "tl.load(a, eviction_policy='evict_last')"),
    "grid_2d": ("a", "tl.store(a, tl.program_id(axis=1))"),
    "grid_3d": ("a", "tl.store(a, tl.program_id(2))"),
    "programmatic_launch": ("a", "tl.extra.cuda.gdc_wait()"),
    "barrier": ("a", "tl.debug_barrier()"),
    "debug": ("a", "tl.device_print('a', a)"),
    "distributed": ("a, heap_bases", "tl.store(a, 1)"),
    "recompute": ("a, RECOMPUTE_OUTPUT: tl.constexpr", "tl.store(a, 1)"),
}
ALSO = {"dot_scaled": {"dot"}, "tf32": {"dot"}}

# Features told by a decorator, a name or Gluon, each with a whole kernel.
WHOLE = {
    "autotuned": (
        "@triton.autotune(configs=[triton.Config({'B': 1})], key=['n'])\n"
        "@triton.jit\ndef k(a, n): tl.store(a, n)",
        {"autotuned"},
    ),
    "heuristics": (
        "@triton.heuristics({'E': lambda args: True})\n@triton.jit\ndef k(a, E): tl.store(a, E)",
        {"heuristics"},
    ),
    "multi_cta": (
        "@triton.autotune(configs=[triton.Config({'B': 1}, num_ctas=2)], key=[])\n"
        "@triton.jit\ndef k(a): tl.store(a, 1)",
        {"autotuned", "multi_cta"},
    ),
    "fp4": ("@triton.jit\ndef quantize_mxfp4(a): tl.store(a, 1)", {"fp4"}),
    "int8": ("@triton.jit\ndef quantize_rows(a): tl.store(a, a.to(tl.int8))", {"int8"}),
    "int4": ("@triton.jit\ndef awq_gemm(a): tl.store(a, 1)", {"int4"}),
    "async_copy": (
        "from triton.experimental import gluon\n"
        "from triton.experimental.gluon import language as gl\n"
        "from triton.experimental.gluon.language.nvidia.ampere import async_copy\n"
        "@gluon.jit\ndef k(a): async_copy.commit_group()",
        {"async_copy"},
    ),
    "shared_memory": (
        "from triton.experimental import gluon\n"
        "from triton.experimental.gluon import language as gl\n"
        "@gluon.jit\ndef k(a): gl.allocate_shared_memory(gl.float32, [1], None)",
        {"shared_memory"},
    ),
    "tensor_memory": (
        "from triton.experimental import gluon\n"
        "from triton.experimental.gluon.language.nvidia import blackwell\n"
        "@gluon.jit\ndef k(a): blackwell.allocate_tensor_memory(1, [1], None)",
        {"tensor_memory"},
    ),
    "hopper_mma": (
        "from triton.experimental import gluon\n"
        "from triton.experimental.gluon.language.nvidia import hopper\n"
        "@gluon.jit\ndef k(a): hopper.warpgroup_mma(a, a, a)",
        {"dot", "hopper_mma"},
    ),
    "blackwell_mma": (
        "from triton.experimental import gluon\n"
        "from triton.experimental.gluon.language.nvidia import blackwell\n"
        "@gluon.jit\ndef k(a): blackwell.tcgen05_mma(a, a, a)",
        {"dot", "blackwell_mma"},
    ),
}


def kernel_with(params: str, body: str) -> KernelRecord:
    source = f"@triton.jit\ndef k({params}):\n{textwrap.indent(body, '    ')}\n"
    return scanned(source)["k"]


@pytest.mark.parametrize("feature", BODIES)
def test_a_body_has_just_its_feature(feature: str) -> None:
    expected = {feature} | ALSO.get(feature, set())
    assert set(features_of(kernel_with(*BODIES[feature]))) == expected


@pytest.mark.parametrize("feature", WHOLE)
def test_a_kernel_has_just_its_features(feature: str) -> None:
    source, expected = WHOLE[feature]
    (kernel,) = scanned(source).values()
    assert set(features_of(kernel)) == expected


def test_every_feature_has_a_case_and_a_meaning() -> None:
    names = [feature.name for feature in feature_vocabulary()]
    assert sorted(names) == sorted({*BODIES, *WHOLE})
    assert all(feature.about for feature in feature_vocabulary())


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ("a", "tl.store(a, tl.load(a))"),
        ("a, n", "for i in range(0, n):\n    tl.store(a, i)"),
        ("a", "tl.store(a, tl.exp(a - tl.max(a, 0)))"),
        ("a", "# tl.dot, tl.atomic_add and tl.program_id(3)\ntl.store(a, tl.program_id(0))"),
        ("a, GROUP_SIZE: tl.constexpr", "tl.store(a, a.to(tl.int8))"),
        ("a, causality", "tl.store(a, 1)"),
    ],
)
def test_a_plain_kernel_has_none(params: str, body: str) -> None:
    assert features_of(kernel_with(params, body)) == ()


@pytest.mark.parametrize(
    ("feature", "params", "body"),
    [
        ("masked", "a, n", "tl.load(a + n, n < 3, 0.0)"),
        ("masked", "a, n", "tl.store(\n    a + f(n, 1),\n    n,\n    n < 3,\n)"),
        ("masked", "a, n", "tl.atomic_add(a, n, n < 3)"),
        ("persistent", "a, n", "t = tl.program_id(0)\nwhile t < n:\n    t += tl.num_programs(0)"),
        ("persistent", "a, n, NUM_SMS", "t = tl.program_id(0)\nwhile t < n:\n    t = t + NUM_SMS"),
        (
            "persistent",
            "a, n",
            "s = tl.program_id(0)\ng = tl.num_programs(0)\nfor i in range(s, n, g):\n    pass",
        ),
        ("persistent", "a, n", "p = tl.num_programs(0)\nt = a\nwhile t < n:\n    t += p"),
        (
            "persistent",
            "a, n",
            "t = tl.atomic_add(a, 1)\nwhile t < n:\n    t = tl.atomic_add(a, 1)",
        ),
        ("variable_length", "a, query_start_len_ptr", "tl.store(a, 1)"),
        (
            "causal",
            "a",
            "m = tl.arange(0, 8)\nn = tl.arange(0, 8)\nx = tl.dot(a, a)\nx = tl.where(m[:, None] >= n[None, :], x, 0)",
        ),
        (
            "causal",
            "a, offs_m, offs_n",
            "x = tl.dot(a, a)\nx = tl.where(offs_n[None, :] <= (a + offs_m[:, None]), x, 0)",
        ),
        ("sliding_window", "a, W", "k = offs_m[:, None] - offs_n[None, :] < WINDOW"),
    ],
)
def test_other_spellings_of_a_feature(feature: str, params: str, body: str) -> None:
    assert feature in features_of(kernel_with(params, body))


@pytest.mark.parametrize(
    ("feature", "params", "body"),
    [
        ("masked", "a, n", "tl.load(a + f(n, 1, 2))\ntl.store(a, n, cache_modifier='.cg')"),
        ("masked", "a, n", "a.load([1, 2, 3], n)"),
        ("persistent", "a, n", "t = 0\nwhile t < n:\n    t += 1"),
        ("persistent", "a, n", "t = 0\nwhile t < n:\n    t += 1\ns = tl.atomic_add(a, 1)"),
        ("paged", "a, block_table_stride", "tl.store(a, 1)"),
        ("causal", "a", "m = tl.arange(0, 8)\nx = tl.where(m[:, None] >= m[None, :], a, 0)"),
        ("causal", "a, x, y", "s = tl.dot(a, a)\ns = tl.where(x[:, None] >= y[None, :], s, 0)"),
        ("sliding_window", "a, window", "tl.store(a, window)"),
    ],
)
def test_what_only_looks_like_a_feature(feature: str, params: str, body: str) -> None:
    assert feature not in features_of(kernel_with(params, body))


def test_a_plain_softmax_keeps_no_running_maximum() -> None:
    body = "m = tl.max(a, 0)\nfor i in range(3):\n    tl.store(a, tl.exp(a - m))"
    assert "online_softmax" not in features_of(kernel_with("a", body))


def test_what_its_functions_do_it_does() -> None:
    kernels = scanned(
        """
        @triton.jit
        def inner(a, b): return tl.dot(a, b)
        @triton.jit
        def k(a, b): tl.store(a, inner(a, b))
        def launch(a): k[(1,)](a, a)
        """
    )
    assert kernels["inner"].role is Role.DEVICE_FUNCTION
    assert features_of(kernels["k"]) == ()
    assert features_of(kernels["k"], [kernels["inner"]]) == ("dot",)


def test_features_come_in_the_order_of_the_vocabulary() -> None:
    kernel = kernel_with("a, n", "tl.debug_barrier()\ntl.atomic_add(a, tl.dot(a, a))")
    assert features_of(kernel) == ("dot", "atomics", "barrier")


def test_a_rule_may_not_name_a_check_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="names the check nothing, which does not exist"):
        parse_feature_vocabulary({"f": {"about": "x", "checks": ["nothing"]}})


@pytest.mark.parametrize(
    "text",
    [
        "for exp max " + "a = tl.maximum(" * 20_000,
        "for exp max " + "exp(" * 50_000,
        "for max exp(" + "a" * 200_000,
        "for max exp range(" + "pid_" * 50_000,
        "for max exp " + " " * 200_000,
        "tl.load(" * 25_000,
        "dot( window " + "x[:, None] >= " * 10_000,
        "while " + "a" * 200_000,
        "for exp max " + "\n".join(f"a{i} = tl.maximum(b{i}, c)" for i in range(3000)),
        "for exp max " + "\n".join(f"m = tl.maximum(b, c)\nexp(x{i} - m)" for i in range(3000)),
    ],
)
def test_hostile_text_is_read_in_time(text: str) -> None:
    started = time.process_time()
    features_of(bare("k", source=text))
    rescales_by_running_max(text)
    assert time.process_time() - started < 30
