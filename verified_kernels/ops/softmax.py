"""Softmax along any dimension, forward and backward.

The maths. `y_i = exp(x_i) / sum_j exp(x_j)` overflows for x above 88 in fp32; subtracting the
maximum m changes nothing and keeps every exponent at or below zero. Backward, with g the gradient
of y: `dx_i = y_i * (g_i - sum_j y_j g_j)`; it needs y alone, so x is not saved.

Two mappings to program instances.

- Rows that fit in registers (`_rows_*`): a program holds BLOCK_M whole rows as tiles
  [BLOCK_M, BLOCK_N], one that a power of two fits well or up to seven side by side. Each element is
  read once and written once, which is the floor. Short rows share a program, so that a row of 16
  does not occupy a warp. Rows of any length and place are moved 16 bytes at a time (`vectors.py`).
- Longer rows (`_walk_*`) are walked in steps, twice. The maximum is not known before the end, so
  the sum is kept *online*: when a step raises the maximum from m to m', what was summed is scaled
  by exp(m - m'). Each lane does that for itself. The second walk reads again what the first, which
  asked for that (`evict_last`), left in the cache.
- The middle dimension of [n_outer, n, n_inner] (`_strided_*`). A program walks down n in steps of
  BLOCK_K for BLOCK_I neighbouring columns, so that neighbouring threads read neighbouring addresses
  although the sum runs across them; online too.

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
from typing import Any, NamedTuple

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
    cdiv,
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
from verified_kernels.vectors import frame, load_lanes, row_vectors, store_lanes

# The longest rows that one program holds in registers.
LONGEST_ROW_FORWARD = 32768
# Longer rows go faster backward when y and dy are read again, from the cache, than when registers
# hold them: more programs then share a multiprocessor. Measured on an H200.
LONGEST_ROW_BACKWARD = 2048


@triton.jit
def _rows_forward(
    x_ptr,
    y_ptr,
    stride_xm,
    n_rows,
    n_cols,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    PIECES: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """y[i, :] = softmax(x[i, :]) for x [n_rows, n_cols] with row stride stride_xm; y contiguous.

    BLOCK_M spans rows, PIECES times BLOCK_N the lanes of a row's frame. Grid:
    (cdiv(n_rows, BLOCK_M),). All sums are fp32.
    """
    # This program handles BLOCK_M whole rows.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    known = rows < n_rows
    first, skip, end = frame(rows * stride_xm, n_cols, VEC, EDGES)
    first_y, _, _ = frame(rows * n_cols, n_cols, VEC, EDGES)
    lanes = tl.arange(0, BLOCK_N)[None, :]
    pieces = ()
    high = tl.full([BLOCK_M, BLOCK_N], -float("inf"), tl.float32)
    for i in tl.static_range(PIECES):
        place = i * BLOCK_N + lanes
        # A row begins in the first tile and ends in one of the last two: others have no edge.
        x = load_lanes(
            x_ptr + first,
            place,
            known,
            skip,
            end,
            -float("inf"),
            VEC,
            EDGES and (i == 0 or i >= PIECES - 2),
            "",
        )
        high = tl.maximum(high, x, propagate_nan=tl.PropagateNan.ALL)
        # [BLOCK_M, BLOCK_N]; Triton unpacks no tuple
        pieces = pieces + (x,)  # type: ignore[assignment] # noqa: RUF005
    high = tl.max(high, axis=1)[:, None]  # [BLOCK_M, 1]
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    numerators = ()
    for i in tl.static_range(PIECES):
        numerator = tl.exp(pieces[i] - high)
        total += numerator
        numerators = numerators + (numerator,)  # type: ignore[assignment] # noqa: RUF005
    total = tl.sum(total, axis=1)[:, None]
    for i in tl.static_range(PIECES):
        y = numerators[i] / total
        place = i * BLOCK_N + lanes
        store_lanes(
            y_ptr + first_y,
            place,
            y,
            known,
            skip,
            end,
            True,
            VEC,
            EDGES and (i == 0 or i >= PIECES - 2),
        )


@triton.jit
def _rows_backward(
    y_ptr,
    dy_ptr,
    dx_ptr,
    stride_dym,
    n_rows,
    n_cols,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Stores dx[i, :] = y * (dy - sum(y * dy)) for [n_rows, n_cols] tensors.

    y and dx are contiguous, dy goes by row stride. BLOCK_M spans rows, BLOCK_N the lanes of a row's
    frame. Grid: (cdiv(n_rows, BLOCK_M),). The sum is fp32.
    """
    # This program handles BLOCK_M whole rows.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    known = rows < n_rows
    first, skip, end = frame(rows * n_cols, n_cols, VEC, EDGES)
    first_dy, _, _ = frame(rows * stride_dym, n_cols, VEC, EDGES)
    lanes = tl.arange(0, BLOCK_N)[None, :]
    y = load_lanes(y_ptr + first, lanes, known, skip, end, 0.0, VEC, EDGES, "")
    dy = load_lanes(dy_ptr + first_dy, lanes, known, skip, end, 0.0, VEC, EDGES, "")
    total = tl.sum(y * dy, axis=1)[:, None]  # [BLOCK_M, 1]
    dx = y * (dy - total)
    store_lanes(dx_ptr + first, lanes, dx, known, skip, end, True, VEC, EDGES)


@triton.jit
def _walk_forward(
    x_ptr,
    y_ptr,
    stride_xm,
    n_cols,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """As `_rows_forward`, for rows of any length.

    BLOCK_N spans a step along a row's frame. Grid: (n_rows,). Each lane keeps a maximum and a sum
    of its own in fp32.
    """
    # This program handles one row, from left to right, twice.
    row = tl.program_id(0).to(tl.int64)
    first, skip, end = frame(row * stride_xm, n_cols, VEC, EDGES)
    first_y, _, _ = frame(row * n_cols, n_cols, VEC, EDGES)
    high = tl.full([BLOCK_N], -float("inf"), tl.float32)
    total = tl.zeros([BLOCK_N], tl.float32)
    for start in range(0, end, BLOCK_N):
        lanes = start + tl.arange(0, BLOCK_N)
        x = load_lanes(
            x_ptr + first, lanes, True, skip, end, -float("inf"), VEC, EDGES, "evict_last"
        )
        higher = tl.maximum(high, x)
        # Only -inf so far: shift by zero, since -inf - -inf is NaN.
        base = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(high - base) + tl.exp(x - base)
        high = higher
    highest = tl.max(high, axis=0)
    base = tl.where(highest == -float("inf"), 0.0, highest)
    whole = tl.sum(total * tl.exp(high - base), axis=0)
    for start in range(0, end, BLOCK_N):
        lanes = start + tl.arange(0, BLOCK_N)
        x = load_lanes(
            x_ptr + first, lanes, True, skip, end, -float("inf"), VEC, EDGES, "evict_first"
        )
        at_edge = (start == 0) | (start + BLOCK_N > end - VEC)
        y = tl.exp(x - base) / whole
        store_lanes(y_ptr + first_y, lanes, y, True, skip, end, at_edge, VEC, EDGES)


@triton.jit
def _walk_backward(
    y_ptr,
    dy_ptr,
    dx_ptr,
    stride_dym,
    n_cols,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """As `_rows_backward`, for rows of any length; blocks and grid as in `_walk_forward`."""
    # This program handles one row, from left to right, twice.
    row = tl.program_id(0).to(tl.int64)
    first, skip, end = frame(row * n_cols, n_cols, VEC, EDGES)
    first_dy, _, _ = frame(row * stride_dym, n_cols, VEC, EDGES)
    total = tl.zeros([BLOCK_N], tl.float32)
    for start in range(0, end, BLOCK_N):
        lanes = start + tl.arange(0, BLOCK_N)
        y = load_lanes(y_ptr + first, lanes, True, skip, end, 0.0, VEC, EDGES, "evict_last")
        dy = load_lanes(dy_ptr + first_dy, lanes, True, skip, end, 0.0, VEC, EDGES, "evict_last")
        total += y * dy
    whole = tl.sum(total, axis=0)
    for start in range(0, end, BLOCK_N):
        lanes = start + tl.arange(0, BLOCK_N)
        y = load_lanes(y_ptr + first, lanes, True, skip, end, 0.0, VEC, EDGES, "evict_first")
        dy = load_lanes(dy_ptr + first_dy, lanes, True, skip, end, 0.0, VEC, EDGES, "evict_first")
        at_edge = (start == 0) | (start + BLOCK_N > end - VEC)
        store_lanes(dx_ptr + first, lanes, y * (dy - whole), True, skip, end, at_edge, VEC, EDGES)


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


class RowConfig(NamedTuple):
    """BLOCK_M, PIECES, BLOCK_N, num_warps and the most registers a thread may use."""

    block_m: int
    pieces: int
    block_n: int
    num_warps: int
    registers: int | None


def row_config(n_lanes: int) -> RowConfig:
    """For frames of n_lanes. A power of two is one piece, and what is less than one eighth short.

    16 to 32 elements a thread; 64 from 16,384 columns on, in so few registers that several programs
    share a multiprocessor and one loads while another sums. Measured on an H200. In pieces a
    thread's share of each is one vector.
    """
    whole = next_power_of_2(n_lanes)
    if whole > 2048 and 8 * n_lanes <= 7 * whole:
        return RowConfig(1, cdiv(8 * n_lanes, whole), whole // 8, max(whole // 2048, 1), None)
    if whole >= 16384:
        return RowConfig(1, 1, whole, whole // 2048, 80)
    if whole >= 4096:
        return RowConfig(1, 1, whole, whole // 512, 80 if whole == 8192 else None)
    block_m = max(1, 1024 // whole)
    return RowConfig(block_m, 1, whole, max(block_m * whole // 1024, 1), None)


def walk_config(n_lanes: int) -> tuple[int, int]:
    """BLOCK_N and num_warps: one step of a row up to 16,384 where that fills it, else short ones.

    Of a row that is one step, 64 entries a thread fit; of a longer one, 32 are held twice.
    """
    whole = next_power_of_2(n_lanes)
    if whole <= 16384 and 8 * n_lanes > 7 * whole:
        return whole, 8 if whole == 16384 else max(whole // 512, 1)
    if n_lanes % 16384 == 0:
        return 16384, 16
    if n_lanes > 8192:
        return 4096, 16
    return (2048, 8) if n_lanes > 4608 else (1024, 4)


def strided_config(n: int, n_inner: int) -> tuple[int, int, int]:
    """BLOCK_K, BLOCK_I and num_warps: a tile of 4,096."""
    block_i = min(next_power_of_2(n_inner), 64)
    return min(next_power_of_2(n), 4096 // block_i), block_i, 4


def _split(x: Tensor, dim: int) -> tuple[int, int, int]:
    """n_outer, n and n_inner of x around `dim`."""
    return math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :])


def _launch_forward(x: Tensor, y: Tensor) -> None:
    """Fills y, contiguous, for x [n_rows, n_cols] with unit last stride."""
    n_rows, n_cols = x.shape
    vec, edges = row_vectors(n_cols, [x.stride(0), n_cols] if n_rows > 1 else [0], x, y)
    n_lanes = n_cols + (vec - 1) * edges
    if n_cols > LONGEST_ROW_FORWARD:
        # Longer steps leave each lane too little to do between two waits for memory.
        block_n, num_warps = (16384, 16) if n_lanes % 16384 == 0 else (2048, 8)
        launch(_walk_forward, (n_rows,))(
            x, y, x.stride(0), n_cols, vec, edges, block_n, num_warps=num_warps
        )
        return
    block_m, pieces, block_n, num_warps, registers = row_config(n_lanes)
    launch(_rows_forward, (cdiv(n_rows, block_m),))(
        x,
        y,
        x.stride(0),
        n_rows,
        n_cols,
        vec,
        edges,
        pieces,
        block_m,
        block_n,
        **launch_options(num_warps, registers),
    )


def _launch_backward(y: Tensor, dy: Tensor, dx: Tensor) -> None:
    """Fills dx for dy [n_rows, n_cols] with unit last stride; y and dx are contiguous."""
    n_rows, n_cols = dy.shape
    vec, edges = row_vectors(n_cols, [dy.stride(0), n_cols] if n_rows > 1 else [0], y, dy, dx)
    n_lanes = n_cols + (vec - 1) * edges
    sizes = (dy.stride(0), n_rows, n_cols)
    if n_cols > LONGEST_ROW_BACKWARD:
        block_n, num_warps = walk_config(n_lanes)
        launch(_walk_backward, (n_rows,))(
            y, dy, dx, dy.stride(0), n_cols, vec, edges, block_n, num_warps=num_warps
        )
        return
    # So short that a row is one piece.
    block_n = next_power_of_2(n_lanes)
    block_m = max(1, 1024 // block_n)
    launch(_rows_backward, (cdiv(n_rows, block_m),))(
        y,
        dy,
        dx,
        *sizes,
        vec,
        edges,
        block_m,
        block_n,
        num_warps=max(block_m * block_n // 1024, 1),
    )


@remembered
def _forward(x: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    y = torch.empty(x.shape, dtype=dtype, device=x.device)
    dim = normalized_dim("softmax", dim, x.ndim)
    if x.numel() == 0:
        return y
    x = x.reshape(1) if x.ndim == 0 else x
    n_outer, n, n_inner = _split(x, dim)
    if n_inner == 1:
        _launch_forward(as_rows(x.reshape(n_outer, n)), y)
        return y
    x = as_rows(x.reshape(n_outer, n * n_inner))
    block_k, block_i, num_warps = strided_config(n, n_inner)
    launch(_strided_forward, (n_outer * cdiv(n_inner, block_i),))(
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
    if n_inner == 1:
        _launch_backward(y, as_rows(dy.reshape(n_outer, n)), dx)
        return dx
    block_k, block_i, num_warps = strided_config(n, n_inner)
    launch(_strided_backward, (n_outer * cdiv(n_inner, block_i),))(
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
            old='end,\n            -float("inf"),\n            VEC,',
            new="end,\n            0.0,\n            VEC,",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the maximum is not subtracted",
            old="numerator = tl.exp(pieces[i] - high)",
            new="numerator = tl.exp(pieces[i])",
            cases=("far from zero",),
        ),
        Mutant(
            why="an online chunk does not rescale what came before",
            old="total = total * tl.exp(high - shift) + tl.sum(",
            new="total = total + tl.sum(",
            cases=("columns in two chunks",),
        ),
        Mutant(
            why="a lane does not rescale what it had before",
            old="total = total * tl.exp(high - base) + tl.exp(x - base)",
            new="total = total + tl.exp(x - base)",
            cases=("online over three chunks",),
        ),
        Mutant(
            why="a first chunk of -inf poisons the online sum",
            old='base = tl.where(higher == -float("inf"), 0.0, higher)',
            new="base = higher",
            cases=("a first chunk of -inf",),
        ),
        Mutant(
            why="the gradient lacks the row sum",
            old="dx = y * (dy - total)\n    store",
            new="dx = y * dy\n    store",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the store writes past the row",
            old="y,\n            known,\n            skip,\n            end,",
            new="y,\n            known,\n            skip,\n            end + 1,",
            cases=("rows of 127",),
        ),
    ),
)
