"""Normalisation of rows too long for the registers of one multiprocessor, forward and backward.

`ops/layer_norm.py` and `ops/rms_norm.py` hold a row in registers and touch memory once. Past
32,768 columns forward and 16,384 backward a row is walked in steps instead, twice.

Forward. One walk gathers the mean and the sum of squares around it: each step has its own, and
Chan's formula merges them (squares add up, plus what the squared distance of the means weighs).
The second walk writes. RMS norm is the same with the mean left at zero.

Backward. `_row_sums` gathers the two sums along each row. With those at hand every element of dx
stands alone, so `_backward_tiles` can take the matrix in tiles of columns, and keep the sums over
rows for dw and db in registers.

Method: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances", 1979.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import multiprocessors
from verified_kernels.partials import sum_partials
from verified_kernels.replay import launch

TILE = 4096  # columns of a step
NUM_WARPS = 8


@triton.jit
def _forward(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    mean_ptr,
    rstd_ptr,
    stride_xm,
    n_cols,
    eps,
    CENTRE: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """y[i, :] = (x[i, :] - mean) * rstd * w + b for x [n_rows, n_cols] with row stride stride_xm.

    w and b [n_cols] or None; y contiguous; rstd [n_rows] fp32, or None where no gradient is
    wanted; mean likewise, and None without CENTRE, which subtracts no mean. BLOCK_N spans a step.
    Grid: (n_rows,). Everything is computed in fp32.
    """
    # This program handles one row, from left to right, twice.
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    y_ptr += row * n_cols
    mean = 0.0
    squares = 0.0
    for start in range(0, n_cols, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        x = tl.load(x_ptr + cols, mask=cols < n_cols, other=0.0, eviction_policy="evict_last").to(
            tl.float32
        )
        count = tl.minimum(n_cols - start, BLOCK_N).to(tl.float32)
        chunk_mean = 0.0
        if CENTRE:
            chunk_mean = tl.sum(x, axis=0) / count
        centred = tl.where(cols < n_cols, x - chunk_mean, 0.0)
        # Chan: the squares of two parts, plus what their means lie apart.
        delta = chunk_mean - mean
        squares += tl.sum(centred * centred, axis=0) + delta * delta * start * count / (
            start + count
        )
        mean += delta * count / (start + count)
    rstd = 1.0 / tl.sqrt(squares / n_cols + eps)
    for start in range(0, n_cols, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        x = tl.load(x_ptr + cols, mask=cols < n_cols, other=0.0, eviction_policy="evict_first").to(
            tl.float32
        )
        y = (x - mean) * rstd
        if w_ptr is not None:
            y *= tl.load(w_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
        if b_ptr is not None:
            y += tl.load(b_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
        tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=cols < n_cols)
    if mean_ptr is not None:
        tl.store(mean_ptr + row, mean)
    if rstd_ptr is not None:
        tl.store(rstd_ptr + row, rstd)


@triton.jit
def _row_sums(
    dy_ptr,
    x_ptr,
    w_ptr,
    mean_ptr,
    rstd_ptr,
    along_ptr,
    level_ptr,
    stride_dym,
    stride_xm,
    n_cols,
    BLOCK_N: tl.constexpr,
):
    """Per row, [n_rows] fp32: along = mean(dy * w * normed), level = mean(dy * w).

    mean_ptr and level_ptr are None where the norm subtracts no mean. BLOCK_N spans a step along
    the row. Grid: (n_rows,).
    """
    # This program handles one row.
    row = tl.program_id(0).to(tl.int64)
    mean = 0.0
    if mean_ptr is not None:
        mean = tl.load(mean_ptr + row)
    rstd = tl.load(rstd_ptr + row)
    along = tl.zeros([BLOCK_N], tl.float32)
    level = tl.zeros([BLOCK_N], tl.float32)
    for start in range(0, n_cols, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        inside = cols < n_cols
        dy = tl.load(dy_ptr + row * stride_dym + cols, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + row * stride_xm + cols, mask=inside, other=0.0).to(tl.float32)
        g = dy
        if w_ptr is not None:
            g *= tl.load(w_ptr + cols, mask=inside, other=0.0).to(tl.float32)
        along += g * (x - mean) * rstd
        level += g
    tl.store(along_ptr + row, tl.sum(along, axis=0) / n_cols)
    if level_ptr is not None:
        tl.store(level_ptr + row, tl.sum(level, axis=0) / n_cols)


@triton.jit
def _backward_tiles(
    dy_ptr,
    x_ptr,
    w_ptr,
    mean_ptr,
    rstd_ptr,
    along_ptr,
    level_ptr,
    dx_ptr,
    partials_ptr,
    stride_dym,
    stride_xm,
    n_rows,
    n_cols,
    HAS_BIAS: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Fills dx [n_rows, n_cols] from the row sums, and partials of dw and, with HAS_BIAS, db.

    partials [1 or 2, programs, n_cols] are fp32, those of dw first, or None. mean_ptr and
    level_ptr are None where the norm subtracts no mean. BLOCK_N spans columns. Grid:
    (cdiv(n_cols, BLOCK_N), programs); program (c, p) takes rows p, p + programs, ... of columns c.
    """
    # This program handles BLOCK_N columns of every num_programs-th row.
    program = tl.program_id(1)
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = cols < n_cols
    w = tl.full([BLOCK_N], 1.0, tl.float32)
    if w_ptr is not None:
        w = tl.load(w_ptr + cols, mask=inside, other=0.0).to(tl.float32)
    dw = tl.zeros([BLOCK_N], tl.float32)
    db = tl.zeros([BLOCK_N], tl.float32)
    for index in range(program, n_rows, tl.num_programs(1)):
        row = (index + tl.arange(0, 1)).to(tl.int64)  # [1]
        dy = tl.load(dy_ptr + row * stride_dym + cols, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + row * stride_xm + cols, mask=inside, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + row)
        normed = x * rstd
        if mean_ptr is not None:
            normed = (x - tl.load(mean_ptr + row)) * rstd
        g = dy * w
        if level_ptr is not None:
            g -= tl.load(level_ptr + row)
        dx = rstd * (g - normed * tl.load(along_ptr + row))
        tl.store(dx_ptr + row * n_cols + cols, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        dw += dy * normed
        db += dy
    if partials_ptr is not None:
        out = partials_ptr + program.to(tl.int64) * n_cols + cols
        tl.store(out, dw, mask=inside)
        if HAS_BIAS:
            tl.store(out + tl.num_programs(1).to(tl.int64) * n_cols, db, mask=inside)


def normalize_long(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    y: Tensor,
    mean: Tensor | None,
    rstd: Tensor | None,
    eps: float,
    *,
    centre: bool,
) -> None:
    """Fills y, and mean and rstd where given, for x [n_rows, n_cols] with unit last stride."""
    n_rows, n_cols = x.shape
    launch(_forward, (n_rows,))(
        x, weight, bias, y, mean, rstd, x.stride(0), n_cols, eps, centre, TILE, num_warps=NUM_WARPS
    )


def gradients_long(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor | None,
    rstd: Tensor,
    dx: Tensor,
    n_sums: int,
    dtype: torch.dtype,
) -> Tensor | None:
    """Fills dx and gives [dw] or [dw, db], so many as `n_sums`; mean is None for an RMS norm."""
    n_rows, n_cols = x.shape
    tiles = triton.cdiv(n_cols, TILE)
    programs = min(n_rows, triton.cdiv(4 * multiprocessors(x.device), tiles))
    partials = None
    if n_sums:
        partials = torch.empty((n_sums, programs, n_cols), dtype=torch.float32, device=x.device)
    along = torch.empty(n_rows, dtype=torch.float32, device=x.device)
    level = None if mean is None else torch.empty_like(along)
    strides = dy.stride(0), x.stride(0)
    launch(_row_sums, (n_rows,))(
        dy, x, weight, mean, rstd, along, level, *strides, n_cols, TILE, num_warps=NUM_WARPS
    )
    launch(_backward_tiles, (tiles, programs))(
        dy,
        x,
        weight,
        mean,
        rstd,
        along,
        level,
        dx,
        partials,
        *strides,
        n_rows,
        n_cols,
        n_sums == 2,
        TILE,
        num_warps=NUM_WARPS,
    )
    return None if partials is None else sum_partials(partials, dtype)
