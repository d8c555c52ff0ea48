"""What is assumed of arguments and constants where nobody says."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from index.compiling.guesses import attempts_for, launched_values
from index.compiling.jobs import params_of

HEAD = "import triton\nimport triton.language as tl\n\n\n@triton.jit\n"


def guessed(body: str, attempt: int = 0, **more: Any) -> dict[str, object]:
    """Return the types and constants of one attempt at the kernel `k`."""
    source = HEAD + dedent(body).lstrip("\n")
    found = attempts_for(source, "k", params_of(source, "k"), **more)[attempt]
    return {**found.types, **found.constants}


ROWS = """
    def k(x_ptr, out_ptr, stride, n_cols, eps, BLOCK: tl.constexpr):
        at = tl.arange(0, BLOCK)
        x = tl.load(x_ptr + tl.program_id(0) * stride + at, mask=at < n_cols, other=0.0)
        x = tl.where(x > 0, x, 0.0)
        tl.store(out_ptr + tl.program_id(0) * stride + at, x / (x + eps), mask=at < n_cols)
"""
GATHER = """
    def k(x_ptr, index_ptr, count_ptr, packed_ptr, scale, out_ptr, D: tl.constexpr):
        row = tl.load(index_ptr + tl.program_id(0))
        last = tl.load(count_ptr)
        word = tl.load(packed_ptr + row)
        for i in range(0, last):
            x = tl.load(x_ptr + row * D + tl.arange(0, D)) * scale
            tl.store(out_ptr + row * D + tl.arange(0, D), x * (word >> 4))
"""
FLAGS = """
    def k(x_ptr, HAS_BIAS: tl.constexpr, ACT: tl.constexpr, OUT_DTYPE: tl.constexpr,
          ACC_DTYPE: tl.constexpr, M: tl.constexpr = 3):
        x = tl.load(x_ptr).to(ACC_DTYPE)
        if HAS_BIAS:
            x += 1
        if ACT == "gelu":
            x *= 2
        tl.store(x_ptr, x.to(OUT_DTYPE) * M)
"""
TILES = """
    def k(a, b, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, GROUP_M: tl.constexpr):
        m, n = tl.arange(0, BLOCK_M), tl.arange(0, BLOCK_N)
        tl.store(a + m[:, None] * GROUP_M + n[None, :], tl.load(b + m[:, None] + n[None, :]))
"""
HANDED = """
    def k(x_ptr, cells_ptr, cu_seqlens, out_ptr, M, N, rate, invert: tl.constexpr,
          B: tl.constexpr, how: tl.constexpr):
        at = tl.load(cu_seqlens) + tl.arange(0, B)
        inner(x_ptr, cells_ptr, out_ptr, at, M, count=N, rate=rate, flag=invert, how=how)

    @triton.jit
    def inner(x_ptr, cells_ptr, out_ptr, at, m, count, rate, flag: tl.constexpr, how: tl.constexpr):
        for i in range(0, count, m):
            x = tl.load(x_ptr + tl.load(cells_ptr + i) + at, cache_modifier=how)
            tl.atomic_add(out_ptr + at, x * rate)
        if flag:
            tl.store(out_ptr, 0)
"""
LOCK = """
    def k(held, x_ptr):
        while tl.atomic_cas(held, 0, 1) == 1:
            pass
        tl.store(x_ptr, 1.0)
"""
DESCRIPTOR = """
    def k(a_desc, out_ptr, BLOCK: tl.constexpr):
        x = a_desc.load([tl.program_id(0) * BLOCK, 0])
        tl.store(out_ptr + tl.arange(0, BLOCK), tl.sum(x, 1))
"""


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        pytest.param(ROWS, "x_ptr", "*fp16", id="pointers point to fp16"),
        pytest.param(ROWS, "stride", "i32", id="what meets an address is whole"),
        pytest.param(ROWS, "n_cols", "i32", id="what meets a mask is whole"),
        pytest.param(ROWS, "eps", "fp32", id="what only meets values is no whole number"),
        pytest.param(ROWS, "BLOCK", 1024, id="a single block is a long one"),
        pytest.param(GATHER, "index_ptr", "*i32", id="what is loaded for an address is whole"),
        pytest.param(GATHER, "count_ptr", "*i32", id="what is loaded for a count is whole"),
        pytest.param(GATHER, "packed_ptr", "*i32", id="what is shifted is whole"),
        pytest.param(GATHER, "x_ptr", "*fp16", id="what is loaded at such an address is not"),
        pytest.param(GATHER, "scale", "fp32", id="a scale is no whole number"),
        pytest.param(FLAGS, "HAS_BIAS", True, id="a flag is true"),
        pytest.param(FLAGS, "ACT", "gelu", id="what is compared with a word is that word"),
        pytest.param(FLAGS, "OUT_DTYPE", {"dtype": "float16"}, id="a type is that of the data"),
        pytest.param(FLAGS, "ACC_DTYPE", {"dtype": "float32"}, id="sums are in float32"),
        pytest.param(TILES, "BLOCK_N", 64, id="blocks of tiles are shorter"),
        pytest.param(TILES, "GROUP_M", 8, id="a group is small"),
        pytest.param(HANDED, "N", "i32", id="what is handed to a count is whole"),
        pytest.param(HANDED, "M", "i32", id="what is handed to a step is whole"),
        pytest.param(HANDED, "rate", "fp32", id="what is handed to values alone is not"),
        pytest.param(HANDED, "cells_ptr", "*i32", id="what is handed to be loaded for an address"),
        pytest.param(HANDED, "cu_seqlens", "*i32", id="a name that speaks of lengths"),
        pytest.param(HANDED, "x_ptr", "*fp16", id="what is handed to be loaded for a value"),
        pytest.param(HANDED, "invert", True, id="what is handed to a test is a flag"),
        pytest.param(HANDED, "how", "", id="a word that says nothing"),
        pytest.param(LOCK, "held", "*i32", id="a lock is whole"),
        pytest.param(
            DESCRIPTOR, "a_desc", "tensordesc<fp16[64, 64]>", id="a descriptor has a block"
        ),
    ],
)
def test_first_guess(body: str, name: str, value: object) -> None:
    assert guessed(body)[name] == value


def test_a_default_stands() -> None:
    assert "M" not in guessed(FLAGS)


def test_what_the_index_knows_of_dtypes_goes_first() -> None:
    assert guessed(ROWS, dtypes=["float8", "bfloat16"])["x_ptr"] == "*bf16"


def test_later_attempts_assume_otherwise() -> None:
    first, second, third = (guessed(GATHER, n) for n in range(3))
    assert [each["x_ptr"] for each in (first, second, third)] == ["*fp16", "*fp32", "*bf16"]
    assert second["index_ptr"] == "*i64"
    assert guessed(FLAGS, 1)["HAS_BIAS"] is False
    assert guessed(TILES, 1)["BLOCK_M"] == 32


def test_a_launch_says_what_it_writes_out() -> None:
    source = (
        HEAD
        + dedent(ROWS).lstrip("\n")
        + dedent(
            """
        def launch(x, n):
            k[(1,)](x, x, n, n, 1e-6, BLOCK=256, num_warps=8)
            k[(1,)](x, x, n, n, 1e-6, BLOCK=block_of(n))
        """
        )
    )
    said = launched_values(source, "k")
    assert said == {"BLOCK": 256, "num_warps": 8}
    (first, *_) = attempts_for(source, "k", params_of(source, "k"), launched=said)
    assert first.constants["BLOCK"] == 256
    assert first.options == {"num_warps": 8}
