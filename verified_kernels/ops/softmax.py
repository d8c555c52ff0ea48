"""Softmax along any dimension, forward and backward.

The maths. `y_i = exp(x_i) / sum_j exp(x_j)` overflows for x above 88 in fp32; subtracting the
maximum m changes nothing and keeps every exponent at or below zero. Backward, with g the gradient
of y: `dx_i = y_i * (g_i - sum_j y_j g_j)`; it needs y alone, so x is not saved.

Two mappings to program instances.

- Rows that fit in registers (`_rows_*`): a program holds BLOCK_M whole rows as one tile
  [BLOCK_M, BLOCK_N], BLOCK_N the next power of two. Each element is read once and written once,
  which is the floor. Short rows share a program, so that a row of 16 does not occupy a warp.
- Anything else (`_strided_*`): softmax along the middle dimension of [n_outer, n, n_inner]. A
  program walks down n in steps of BLOCK_K for BLOCK_I neighbouring columns, so that neighbouring
  threads read neighbouring addresses although the sum runs across them. With n_inner = 1 the same
  code is softmax of a very long row. The maximum is not known before the end, so the sum is kept
  *online*: when a chunk raises the maximum from m to m', what was summed is scaled by exp(m - m').
  A second walk writes the result; it reads again what the first walk, which asked for
  that (`evict_last`), left in the cache.

Traps. A masked lane must hold -inf, not zero: exp(0 - m) is not zero. In the online sum a chunk
of nothing but -inf makes m' = -inf and exp(-inf - -inf) = NaN, although a later chunk may be
finite: such a chunk is shifted by zero instead. A row of nothing but -inf is then 0/0 = NaN at the
end, as in PyTorch.

What bounds it: memory. Two bytes in, two out, and about five operations per bf16 element. From
4,096 columns on an H200 reaches 0.91 to 0.97 of the bandwidth of a copy forward, and all of it
backward.

The online sum: Milakov and Gimelshein, "Online normalizer calculation for softmax",
https://arxiv.org/abs/1805.02867.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autocast import result_dtype
from verified_kernels.autograd import is_differentiated_again, wants_grad, widened
from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.launch import (
    FLOAT_DTYPES,
    as_rows,
    launch_options,
    next_power_of_2,
    normalized_dim,
    takes,
)
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import (
    Arguments,
    Case,
    Cost,
    Draw,
    Layout,
    Mutant,
    Spec,
    ToleranceClass,
    Values,
)

# The longest rows that one program holds in registers.
LONGEST_ROW_FORWARD = 32768
# Longer rows go faster backward when y and dy are read again, from the cache, than when registers
# hold them: more programs then share a multiprocessor. Measured on an H200.
LONGEST_ROW_BACKWARD = 2048


@triton.jit
def _rows_forward(
    x_ptr, y_ptr, stride_xm, n_rows, n_cols, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """y[i, :] = softmax(x[i, :]) for x [n_rows, n_cols] with row stride stride_xm; y contiguous.

    BLOCK_M spans rows, BLOCK_N a whole row. Grid: (cdiv(n_rows, BLOCK_M),). All sums are fp32.
    """
    # This program handles BLOCK_M whole rows.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    cols = tl.arange(0, BLOCK_N)[None, :]
    inside = (rows < n_rows) & (cols < n_cols)
    x = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=-float("inf"))
    x = x.to(tl.float32)  # [BLOCK_M, BLOCK_N]
    numerator = tl.exp(x - tl.max(x, axis=1)[:, None])
    y = numerator / tl.sum(numerator, axis=1)[:, None]
    tl.store(y_ptr + rows * n_cols + cols, y.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _rows_backward(
    y_ptr,
    dy_ptr,
    dx_ptr,
    stride_dym,
    n_rows,
    n_cols,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Stores dx[i, :] = y * (dy - sum(y * dy)) for [n_rows, n_cols] tensors.

    y and dx are contiguous, dy goes by row stride. Blocks and grid as in `_rows_forward`; the sum
    is fp32.
    """
    # This program handles BLOCK_M whole rows.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    cols = tl.arange(0, BLOCK_N)[None, :]
    inside = (rows < n_rows) & (cols < n_cols)
    y = tl.load(y_ptr + rows * n_cols + cols, mask=inside, other=0.0).to(tl.float32)
    dy = tl.load(dy_ptr + rows * stride_dym + cols, mask=inside, other=0.0).to(tl.float32)
    total = tl.sum(y * dy, axis=1)[:, None]  # [BLOCK_M, 1]
    dx = y * (dy - total)
    tl.store(dx_ptr + rows * n_cols + cols, dx.to(dx_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _strided_forward(
    x_ptr, y_ptr, stride_xo, n, n_inner, BLOCK_K: tl.constexpr, BLOCK_I: tl.constexpr
):
    """Softmax along the middle of x [n_outer, n, n_inner], outer stride stride_xo; y contiguous.

    BLOCK_K spans a step along n, BLOCK_I inner columns. Grid: (n_outer * cdiv(n_inner, BLOCK_I),).
    Maximum and sum are kept in fp32.
    """
    # This program handles BLOCK_I columns of one outer slice, from top to bottom, twice.
    blocks = tl.cdiv(n_inner, BLOCK_I)
    outer = (tl.program_id(0) // blocks).to(tl.int64)
    inner = (tl.program_id(0) % blocks) * BLOCK_I + tl.arange(0, BLOCK_I)[None, :]
    steps = tl.arange(0, BLOCK_K)[:, None]
    x_ptrs = x_ptr + outer * stride_xo + inner
    y_ptrs = y_ptr + outer * n * n_inner + inner
    high = tl.full([BLOCK_I], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_I], tl.float32)
    for start in range(0, n, BLOCK_K):
        k = (start + steps).to(tl.int64)
        inside = (k < n) & (inner < n_inner)
        x = tl.load(
            x_ptrs + k * n_inner, mask=inside, other=-float("inf"), eviction_policy="evict_last"
        ).to(tl.float32)
        higher = tl.maximum(high, tl.max(x, axis=0))
        # Only -inf so far: shift by zero, since -inf - -inf is NaN.
        shift = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(high - shift) + tl.sum(tl.exp(x - shift[None, :]), axis=0)
        high = higher
    shift = tl.where(high == -float("inf"), 0.0, high)
    for start in range(0, n, BLOCK_K):
        k = (start + steps).to(tl.int64)
        inside = (k < n) & (inner < n_inner)
        x = tl.load(
            x_ptrs + k * n_inner, mask=inside, other=-float("inf"), eviction_policy="evict_first"
        ).to(tl.float32)
        y = tl.exp(x - shift[None, :]) / total[None, :]
        tl.store(y_ptrs + k * n_inner, y.to(y_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _strided_backward(
    y_ptr, dy_ptr, dx_ptr, n, n_inner, BLOCK_K: tl.constexpr, BLOCK_I: tl.constexpr
):
    """Stores dx = y * (dy - sum(y * dy)) along the middle of [n_outer, n, n_inner] tensors.

    All are contiguous. Blocks and grid as in `_strided_forward`; the sum is fp32.
    """
    # This program handles BLOCK_I columns of one outer slice, from top to bottom, twice.
    blocks = tl.cdiv(n_inner, BLOCK_I)
    outer = (tl.program_id(0) // blocks).to(tl.int64)
    inner = (tl.program_id(0) % blocks) * BLOCK_I + tl.arange(0, BLOCK_I)[None, :]
    steps = tl.arange(0, BLOCK_K)[:, None]
    base = outer * n * n_inner + inner
    total = tl.zeros([BLOCK_I], tl.float32)
    for start in range(0, n, BLOCK_K):
        k = (start + steps).to(tl.int64)
        inside = (k < n) & (inner < n_inner)
        y = tl.load(
            y_ptr + base + k * n_inner, mask=inside, other=0.0, eviction_policy="evict_last"
        ).to(tl.float32)
        dy = tl.load(
            dy_ptr + base + k * n_inner, mask=inside, other=0.0, eviction_policy="evict_last"
        ).to(tl.float32)
        total += tl.sum(y * dy, axis=0)
    for start in range(0, n, BLOCK_K):
        k = (start + steps).to(tl.int64)
        inside = (k < n) & (inner < n_inner)
        y = tl.load(
            y_ptr + base + k * n_inner, mask=inside, other=0.0, eviction_policy="evict_first"
        ).to(tl.float32)
        dy = tl.load(
            dy_ptr + base + k * n_inner, mask=inside, other=0.0, eviction_policy="evict_first"
        ).to(tl.float32)
        dx = y * (dy - total[None, :])
        tl.store(dx_ptr + base + k * n_inner, dx.to(dx_ptr.dtype.element_ty), mask=inside)


def row_config(n_cols: int) -> tuple[int, int, int, int | None]:
    """BLOCK_M, BLOCK_N, num_warps and the most registers a thread may use, for rows of n_cols.

    16 to 32 elements a thread; 64 from 16,384 columns on, in so few registers that several programs
    share a multiprocessor and one loads while another sums. Measured on an H200.
    """
    block_n = next_power_of_2(n_cols)
    if block_n >= 16384:
        return 1, block_n, block_n // 2048, 80
    if block_n >= 4096:
        return 1, block_n, block_n // 512, 80 if block_n == 8192 else None
    block_m = max(1, 1024 // block_n)
    return block_m, block_n, max(block_m * block_n // 1024, 1), None


def strided_config(n: int, n_inner: int) -> tuple[int, int, int]:
    """BLOCK_K, BLOCK_I and num_warps: a tile of 4,096 in columns, of up to 16,384 in a row."""
    if n_inner == 1:
        block_k = min(next_power_of_2(n), 16384)
        # Of a row that is one step, 64 entries a thread fit; of a longer one, 32 are held twice.
        return block_k, 1, 8 if 8192 < n <= block_k else min(max(block_k // 512, 1), 16)
    block_i = min(next_power_of_2(n_inner), 64)
    return min(next_power_of_2(n), 4096 // block_i), block_i, 4


def _split(x: Tensor, dim: int) -> tuple[int, int, int]:
    """n_outer, n and n_inner of x around `dim`."""
    return math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :])


@remembered
def _forward(x: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    y = torch.empty(x.shape, dtype=dtype, device=x.device)
    dim = normalized_dim("softmax", dim, x.ndim)
    if x.numel() == 0:
        return y
    x = x.reshape(1) if x.ndim == 0 else x
    n_outer, n, n_inner = _split(x, dim)
    if n_inner == 1 and n <= LONGEST_ROW_FORWARD:
        rows = as_rows(x.reshape(n_outer, n))
        block_m, block_n, num_warps, registers = row_config(n)
        launch(_rows_forward, (triton.cdiv(n_outer, block_m),))(
            rows,
            y,
            rows.stride(0),
            n_outer,
            n,
            block_m,
            block_n,
            **launch_options(num_warps, registers),
        )
        return y
    x = as_rows(x.reshape(n_outer, n * n_inner))
    block_k, block_i, num_warps = strided_config(n, n_inner)
    launch(_strided_forward, (n_outer * triton.cdiv(n_inner, block_i),))(
        x, y, x.stride(0), n, n_inner, block_k, block_i, num_warps=num_warps
    )
    return y


@remembered
def _backward(y: Tensor, dy: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    dx = torch.empty(y.shape, dtype=dtype, device=y.device)
    dim = normalized_dim("softmax", dim, y.ndim)
    if y.numel() == 0:
        return dx
    y, dy = (y.reshape(1), dy.reshape(1)) if y.ndim == 0 else (y, dy)
    n_outer, n, n_inner = _split(y, dim)
    if n_inner == 1 and n <= LONGEST_ROW_BACKWARD:
        dy = as_rows(dy.reshape(n_outer, n))
        block_m, block_n, num_warps, registers = row_config(n)
        launch(_rows_backward, (triton.cdiv(n_outer, block_m),))(
            y,
            dy,
            dx,
            dy.stride(0),
            n_outer,
            n,
            block_m,
            block_n,
            **launch_options(num_warps, registers),
        )
        return dx
    block_k, block_i, num_warps = strided_config(n, n_inner)
    launch(_strided_backward, (n_outer * triton.cdiv(n_inner, block_i),))(
        y, dy.contiguous(), dx, n, n_inner, block_k, block_i, num_warps=num_warps
    )
    return dx


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
        y = _forward(x, dim, dtype)
        ctx.save_for_backward(y)
        ctx.dim, ctx.dtype = dim, x.dtype
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        if is_differentiated_again():
            weighted = widened(y) * widened(dy)
            dx = weighted - widened(y) * weighted.sum(ctx.dim, keepdim=True)
            return dx.to(ctx.dtype), None, None
        return _backward(y, dy, ctx.dim, ctx.dtype), None, None


def softmax(x: Tensor, dim: int = -1, dtype: torch.dtype | None = None) -> Tensor:
    """Softmax of x along `dim`, contiguous; in `dtype`, else in x's, under autocast as PyTorch's.

    Other dtypes than fp32, fp16 and bf16 are left to PyTorch.

    Raises:
        DimensionError: x has no such dimension.
    """
    if not takes(x) or not (dtype is None or dtype in FLOAT_DTYPES):
        return torch.nn.functional.softmax(x, dim, dtype=dtype)
    if dtype is None:
        dtype = result_dtype("softmax", x)
    if wants_grad(x):
        return _Softmax.apply(x, dim, dtype)
    return _forward(x, dim, dtype)


def softmax_reference(x: Tensor, dim: int = -1) -> Tensor:
    """Softmax from its definition: shifted by the maximum, which no gradient passes through."""
    if x.numel() == 0:
        return x.clone()
    shifted = torch.exp(x - x.detach().amax(dim, keepdim=True))
    return shifted / shifted.sum(dim, keepdim=True)


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    x = draw.normal(*case.shape)
    if masked := params.pop("masked", 0):
        x[..., :masked] = -math.inf
    return {"x": x, **params}


def _eager(x: Tensor, dim: int = -1) -> Tensor:
    return torch.nn.functional.softmax(x, dim)


def _liger() -> Callable[..., Tensor]:
    from liger_kernel.ops.softmax import LigerSoftmaxFunction

    def apply(x: Tensor, dim: int = -1) -> Tensor:
        return LigerSoftmaxFunction.apply(x)

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    return Cost(
        forward_bytes=2 * n * itemsize,
        backward_bytes=3 * n * itemsize,
        forward_flops=5 * n,
        backward_flops=4 * n,
    )


_COLUMNS = {"dim": 0}

SPEC = Spec(
    name="softmax",
    op=softmax,
    reference=softmax_reference,
    make=_make,
    eager=_eager,
    liger=_liger,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    grad_tolerance=ToleranceClass.COMPOSED,
    grads=("x",),
    cases=(
        *row_cases(),
        Case(id="a scalar", shape=(), params={"dim": 0}),
        Case(id="the longest row in registers", shape=(2, 32768)),
        Case(id="online over three chunks", shape=(2, 33000)),
        Case(id="a first chunk of -inf", shape=(2, 33000), params={"masked": 17000}),
        Case(id="columns", shape=(131, 67), params=_COLUMNS),
        Case(id="columns in two chunks", shape=(257, 20), params=_COLUMNS),
        Case(id="the middle of three", shape=(3, 61, 5), params={"dim": 1}),
        Case(id="columns far from zero", shape=(130, 4), params=_COLUMNS, values=Values.OFFSET),
        Case(id="special values, online", shape=(8, 33000), values=Values.SPECIAL),
        Case(id="special values, columns", shape=(9, 130), params=_COLUMNS, values=Values.SPECIAL),
        Case(
            id="columns of a transposed", shape=(33, 65), params=_COLUMNS, layout=Layout.TRANSPOSED
        ),
        Case(id="padded long rows", shape=(2, 33000), layout=Layout.PADDED),
        Case(id="no columns", shape=(5, 0)),
    ),
    bench=bench_cases(),
    mutants=(
        Mutant(
            why="masked lanes hold zero and join the sum",
            old='x = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=-float("inf"))',
            new="x = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=0.0)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the maximum is not subtracted",
            old="numerator = tl.exp(x - tl.max(x, axis=1)[:, None])",
            new="numerator = tl.exp(x)",
            cases=("far from zero",),
        ),
        Mutant(
            why="an online chunk does not rescale what came before",
            old="total = total * tl.exp(high - shift) + tl.sum(",
            new="total = total + tl.sum(",
            cases=("online over three chunks", "columns in two chunks"),
        ),
        Mutant(
            why="a first chunk of -inf poisons the online sum",
            old='shift = tl.where(higher == -float("inf"), 0.0, higher)',
            new="shift = higher",
            cases=("a first chunk of -inf",),
        ),
        Mutant(
            why="the gradient lacks the row sum",
            old="dx = y * (dy - total)\n",
            new="dx = y * dy\n",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the store writes past the row",
            old="tl.store(y_ptr + rows * n_cols + cols, y.to(y_ptr.dtype.element_ty), mask=inside)",
            new="tl.store(y_ptr + rows * n_cols + cols, y.to(y_ptr.dtype.element_ty))",
            cases=("rows of 127",),
        ),
    ),
)
