"""Layer normalisation over the last dimensions, forward and backward.

The maths. With mean m, variance v (divided by n) and r = 1 / sqrt(v + eps) of a row,
`y = (x - m) * r * w + b`. Backward, with h = (x - m) * r and g = dy * w:
`dx = r * (g - mean(g) - h * mean(g * h))`, `dw = sum over rows of dy * h`, `db = sum of dy`.

Mapping, forward. A program holds BLOCK_M whole rows in registers: the mean, then the squares of
what is left after subtracting it, then the result, all from one read (`_forward`). Rows that are
too long for registers are walked twice (`long_rows.py`).

Mapping, backward. Two sums run in opposite directions: dx needs sums along a row, dw and db sums
over all rows. `_backward` is one persistent pass: each program takes every P-th block of rows,
computes dx, and adds dw and db up in fp32 registers; at the end it writes one partial row of
each, and `partials.py` adds the few hundred partials. So x and dy are read once and dx is written
once. `tl.range(..., num_stages=...)` asks Triton to fetch the next block of rows into shared
memory while this one is computed: a program that keeps its accumulators in registers leaves no
room for many programs a multiprocessor, whose number would otherwise hide the latency.
Rows beyond 32 KiB leave no room for the accumulators; `long_rows.py` reads x and dy twice instead.

Traps. A masked lane holds 0, and 0 - m is not 0: without a second mask the padding joins the
variance. The variance as E[x^2] - E[x]^2 cancels when the mean is large beside the spread: rows
near 100 in fp32 lose four digits. Sums in fp16 overflow at 65,504.

What bounds it: memory; forward 2 tensors, backward 3. In bf16 an H200 reaches 0.93 of the bandwidth
of a copy forward and 0.91 backward with rows of 4,096, 0.92 and 0.89 with rows of 8,192. With rows
of 16,384 it is 0.89 and 0.78: there a multiprocessor has room for one program alone, and backward
reads each row twice, the second time from the L2 cache, whose bandwidth then is the limit.

Method: Ba, Kiros and Hinton, "Layer Normalization", https://arxiv.org/abs/1607.06450.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autocast import result_dtype
from verified_kernels.autograd import gradients_in_pytorch, is_differentiated_again, wants_grad
from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.launch import (
    affordable_stages,
    as_rows,
    check_device,
    launch_options,
    next_power_of_2,
    normalized_size,
    persistent_programs,
    shape_of,
    takes,
)
from verified_kernels.long_rows import gradients_long, normalize_long
from verified_kernels.partials import sum_partials
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import Arguments, Case, Cost, Draw, Mutant, Spec, ToleranceClass

LONGEST_ROW_FORWARD = 32768
ONE_TURN = 1 << 20  # programs a multiprocessor: more than there are blocks of rows
# The accumulators of `_backward` and one row of x and dy fill the registers: rows of 32 KiB.
LONGEST_ROW_BACKWARD_BYTES = 32768


@triton.jit
def _column_values(ptr, cols, n_cols):
    """The entries of a weight or bias [n_cols] at `cols`, in fp32; ones where there is none."""
    values = tl.zeros_like(cols).to(tl.float32) + 1.0
    if ptr is not None:
        values = tl.load(ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
    return values


@triton.jit
def _forward(
    x_ptr,
    w_ptr,
    b_ptr,
    y_ptr,
    mean_ptr,
    rstd_ptr,
    stride_xm,
    n_rows,
    n_cols,
    eps,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
):
    """y[i, :] = (x[i, :] - mean) * rstd * w + b for x [n_rows, n_cols] with row stride stride_xm.

    w and b [n_cols] or None; y contiguous; mean and rstd [n_rows] fp32, or None where no
    gradient is wanted. BLOCK_M spans rows, BLOCK_N a whole row. Grid: (programs,), any number;
    program p takes blocks p, p + programs, ... of rows, and STAGES - 1 of them are being fetched
    ahead. Everything is computed in fp32.
    """
    # This program handles every num_programs-th block of BLOCK_M whole rows.
    cols = tl.arange(0, BLOCK_N)[None, :]
    if STAGES > 1:
        # Kept for all of the program's rows.
        w = _column_values(w_ptr, cols, n_cols)
        if b_ptr is not None:
            b = _column_values(b_ptr, cols, n_cols)
    blocks = tl.cdiv(n_rows, BLOCK_M)
    for block in tl.range(tl.program_id(0), blocks, tl.num_programs(0), num_stages=STAGES):
        rows = (block * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]).to(tl.int64)
        inside = (rows < n_rows) & (cols < n_cols)
        x = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=0.0).to(tl.float32)
        mean = tl.sum(x, axis=1)[:, None] / n_cols  # [BLOCK_M, 1]
        # The padding holds 0, which is -mean once centred: it must not join the variance.
        centred = tl.where(cols < n_cols, x - mean, 0.0)  # [BLOCK_M, BLOCK_N]
        variance = tl.sum(centred * centred, axis=1)[:, None] / n_cols
        rstd = 1.0 / tl.sqrt(variance + eps)
        # With one turn w and b are loaded late, to occupy no registers while the sums are taken.
        if STAGES == 1:
            w = _column_values(w_ptr, cols, n_cols)
        y = centred * rstd * w
        if b_ptr is not None:
            if STAGES == 1:
                b = _column_values(b_ptr, cols, n_cols)
            y += b
        tl.store(y_ptr + rows * n_cols + cols, y.to(y_ptr.dtype.element_ty), mask=inside)
        if mean_ptr is not None:
            tl.store(mean_ptr + rows, mean, mask=rows < n_rows)
            tl.store(rstd_ptr + rows, rstd, mask=rows < n_rows)


@triton.jit
def _backward(
    dy_ptr,
    x_ptr,
    w_ptr,
    mean_ptr,
    rstd_ptr,
    dx_ptr,
    partials_ptr,
    stride_dym,
    stride_xm,
    n_rows,
    n_cols,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
    HALVES: tl.constexpr,
    HAS_BIAS: tl.constexpr,
):
    """Fills dx [n_rows, n_cols], and partials of dw and, with HAS_BIAS, db, in fp32.

    partials [1 or 2, programs, n_cols] hold those of dw, then those of db; None where neither is
    wanted. w may be None.

    dy and x by row stride, mean and rstd [n_rows] fp32. BLOCK_M spans rows, BLOCK_N a row or, with
    HALVES = 2, half a row. Grid: (HALVES, programs), any number of programs; program p takes blocks
    p, p + programs, ... of rows, and STAGES - 1 of them are being fetched ahead.
    """
    # This program handles its half of every num_programs-th block of BLOCK_M rows.
    half, program = tl.program_id(0), tl.program_id(1)
    cols = half * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    w = _column_values(w_ptr, cols, n_cols)
    dw = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    db = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if HALVES == 2:
        others = (1 - half) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
        w_others = _column_values(w_ptr, others, n_cols)
    for block in tl.range(program, tl.cdiv(n_rows, BLOCK_M), tl.num_programs(1), num_stages=STAGES):
        rows = (block * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]).to(tl.int64)
        inside = (rows < n_rows) & (cols < n_cols)
        # Where dy is 0 nothing is added, so the padding needs no second mask here.
        dy = tl.load(dy_ptr + rows * stride_dym + cols, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=0.0).to(tl.float32)
        mean = tl.load(mean_ptr + rows, mask=rows < n_rows, other=0.0)
        rstd = tl.load(rstd_ptr + rows, mask=rows < n_rows, other=0.0)
        normed = (x - mean) * rstd  # [BLOCK_M, BLOCK_N]
        g = dy * w
        along = g * normed
        level = g
        if HALVES == 2:
            across = (rows < n_rows) & (others < n_cols)
            dy_others = tl.load(dy_ptr + rows * stride_dym + others, mask=across, other=0.0)
            x_others = tl.load(x_ptr + rows * stride_xm + others, mask=across, other=0.0)
            g_others = dy_others.to(tl.float32) * w_others
            along += g_others * (x_others.to(tl.float32) - mean) * rstd
            level += g_others
        along = tl.sum(along, axis=1)[:, None] / n_cols  # [BLOCK_M, 1]
        level = tl.sum(level, axis=1)[:, None] / n_cols
        dx = rstd * (g - level - normed * along)
        tl.store(dx_ptr + rows * n_cols + cols, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        dw += dy * normed
        db += dy
    if partials_ptr is not None:
        out = partials_ptr + program.to(tl.int64) * n_cols + cols
        tl.store(out, tl.sum(dw, axis=0)[None, :], mask=cols < n_cols)
        if HAS_BIAS:
            out += tl.num_programs(1).to(tl.int64) * n_cols
            tl.store(out, tl.sum(db, axis=0)[None, :], mask=cols < n_cols)


def forward_config(n_cols: int) -> tuple[int, int, int, int, int, int | None]:
    """For `_forward`: BLOCK_M, BLOCK_N, programs a multiprocessor, stages, warps, registers.

    Measured on an H200. Short rows and the longest go through a persistent grid, which reads w
    and b once; between them one turn a program is faster.
    """
    block_n = next_power_of_2(n_cols)
    if block_n <= 2048:
        return max(1, 2048 // block_n), block_n, 12, 3, 1, None
    if block_n <= 4096:
        return 1, block_n, ONE_TURN, 1, 4, None
    if block_n <= 8192:
        return 1, block_n, ONE_TURN, 1, 4, 128
    return 1, block_n, 1, 3 if block_n <= 16384 else 2, block_n // 1024, None


def backward_config(n_cols: int) -> tuple[int, int, int, int, int, int]:
    """For `_backward`: BLOCK_M, BLOCK_N, halves, programs a multiprocessor, stages, warps."""
    block_n = next_power_of_2(n_cols)
    if block_n > 8192:
        return 1, block_n // 2, 2, 1, 3, 8
    if block_n > 2048:
        return 1, block_n, 1, 8192 // block_n, 3, 8
    return 4096 // block_n, block_n, 1, 2, 3, 4


@remembered
def _normalize(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    shape: tuple[int, ...] | None,
    eps: float,
    dtype: torch.dtype,
    save: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """y, and mean and rstd [n_rows] where `save` asks for them."""
    n_cols = normalized_size("layer_norm", x, weight, bias, shape)
    check_device("layer_norm", x=x, weight=weight, bias=bias)
    n_rows = x.numel() // n_cols if n_cols else 0
    y = torch.empty(x.shape, dtype=dtype, device=x.device)
    mean = rstd = None
    if save:
        mean = torch.empty(n_rows, dtype=torch.float32, device=x.device)
        rstd = torch.empty(n_rows, dtype=torch.float32, device=x.device)
    if n_rows == 0:
        return y, mean, rstd
    x = as_rows(x.reshape(n_rows, n_cols))
    weight = None if weight is None else weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    if n_cols > LONGEST_ROW_FORWARD:
        normalize_long(x, weight, bias, y, mean, rstd, eps, centre=True)
        return y, mean, rstd
    block_m, block_n, per_multiprocessor, stages, num_warps, registers = forward_config(n_cols)
    stages = affordable_stages(stages, block_m * block_n * x.element_size(), x.device)
    launch(_forward, (persistent_programs(n_rows, block_m, per_multiprocessor, x.device),))(
        x,
        weight,
        bias,
        y,
        mean,
        rstd,
        x.stride(0),
        n_rows,
        n_cols,
        eps,
        block_m,
        block_n,
        stages,
        **launch_options(num_warps, registers),
    )
    return y, mean, rstd


@remembered
def _gradients(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    n_sums: int,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor | None]:
    """The gradient of x; with 1 of `n_sums` dw, with 2 dw and db, as [n_sums, n_cols]."""
    dx = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    n_rows = mean.numel()
    if x.numel() == 0:
        n_cols = math.prod(x.shape[-weight.ndim :]) if weight is not None else x.shape[-1]
        return dx, torch.zeros((n_sums, n_cols), dtype=dtype, device=x.device) if n_sums else None
    n_cols = x.numel() // n_rows
    x, dy = as_rows(x.reshape(n_rows, n_cols)), as_rows(dy.reshape(n_rows, n_cols))
    weight = None if weight is None else weight.contiguous()
    if n_cols * x.element_size() > LONGEST_ROW_BACKWARD_BYTES:
        return dx, gradients_long(dy, x, weight, mean, rstd, dx, n_sums, dtype)
    block_m, block_n, halves, per_multiprocessor, stages, num_warps = backward_config(n_cols)
    itemsizes = dy.element_size() + x.element_size()
    tile_bytes = block_m * block_n * halves * per_multiprocessor * itemsizes
    stages = affordable_stages(stages, tile_bytes, x.device)
    programs = persistent_programs(n_rows, block_m, per_multiprocessor, x.device, halves)
    partials = None
    if n_sums:
        partials = torch.empty((n_sums, programs, n_cols), dtype=torch.float32, device=x.device)
    launch(_backward, (halves, programs))(
        dy,
        x,
        weight,
        mean,
        rstd,
        dx,
        partials,
        dy.stride(0),
        x.stride(0),
        n_rows,
        n_cols,
        block_m,
        block_n,
        stages,
        halves,
        n_sums == 2,
        num_warps=num_warps,
    )
    return dx, None if partials is None else sum_partials(partials, dtype)


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        shape: tuple[int, ...] | None,
        eps: float,
        dtype: torch.dtype,
    ) -> Tensor:
        y, mean, rstd = _normalize(x, weight, bias, shape, eps, dtype, True)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.shape, ctx.eps = shape, eps
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        if is_differentiated_again():
            return *_gradients_again(x, weight, bias, dy, ctx.shape, ctx.eps), None, None, None
        n_sums = 2 if ctx.needs_input_grad[2] else int(ctx.needs_input_grad[1])
        parameter = bias if weight is None else weight
        dtype = x.dtype if parameter is None else parameter.dtype
        dx, sums = _gradients(dy, x, weight, mean, rstd, n_sums, dtype)
        dw = db = None
        if weight is not None and sums is not None:
            dw = sums[0].view(weight.shape)
        if bias is not None and n_sums == 2 and sums is not None:
            db = sums[1].view(bias.shape).to(bias.dtype)
        return dx, dw, db, None, None, None


def _gradients_again(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    dy: Tensor,
    shape: tuple[int, ...] | None,
    eps: float,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    given = [t for t in (x, weight, bias) if t is not None]

    def norm(x: Tensor, *parameters: Tensor) -> Tensor:
        rest = iter(parameters)
        w = None if weight is None else next(rest)
        b = None if bias is None else next(rest)
        return torch.nn.functional.layer_norm(x, shape_of(x, w, b, shape), w, b, eps)

    found = iter(gradients_in_pytorch(norm, given, dy))
    dx, dw, db = (None if t is None else next(found) for t in (x, weight, bias))
    return dx, dw, db


def layer_norm(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    normalized_shape: Sequence[int] | None = None,
) -> Tensor:
    """Layer norm over the last dimensions, in x's dtype, under autocast in PyTorch's.

    It spans the dimensions of `normalized_shape`, else those of weight or bias, else the last one.
    weight and bias may be of another dtype than x. float64 is left to PyTorch.

    Raises:
        ArgumentError: x does not end in that shape, weight or bias has another, or devices differ.
        DtypeError: a dtype is no floating one, or some but not all are float64.
    """
    shape = None if normalized_shape is None else tuple(normalized_shape)
    if not takes(x, weight, bias):
        shape = shape_of(x, weight, bias, shape)
        return torch.nn.functional.layer_norm(x, shape, weight, bias, eps)
    dtype = result_dtype("layer_norm", x)
    if wants_grad(x, weight, bias):
        return _LayerNorm.apply(x, weight, bias, shape, eps, dtype)
    return _normalize(x, weight, bias, shape, eps, dtype, False)[0]


def layer_norm_reference(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    normalized_shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Layer norm from its definition."""
    dims = tuple(range(-len(shape_of(x, weight, bias, normalized_shape)), 0))
    centred = x - x.mean(dims, keepdim=True)
    rstd = torch.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    y = centred * rstd
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    shape = case.shape[params.pop("from_dim", -1) :]
    arguments = {"x": draw.normal(*case.shape)}
    if params.pop("weight", True):
        arguments["weight"] = draw.plain(*shape, mean=1.0, std=0.5)
    if params.pop("bias", True):
        arguments["bias"] = draw.plain(*shape)
    return {**arguments, **params}


def _eager(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    normalized_shape: tuple[int, ...] | None = None,
) -> Tensor:
    shape = shape_of(x, weight, bias, normalized_shape)
    return torch.nn.functional.layer_norm(x, shape, weight, bias, eps)


def _liger() -> Callable[..., Tensor]:
    from liger_kernel.ops.layer_norm import LigerLayerNormFunction

    def apply(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
        return LigerLayerNormFunction.apply(x, weight, bias, eps)

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    parameters = case.shape[-1] * itemsize
    return Cost(
        forward_bytes=2 * n * itemsize + 2 * parameters,
        backward_bytes=3 * n * itemsize + 3 * parameters,
        forward_flops=8 * n,
        backward_flops=15 * n,
    )


def _gentle_row_cases() -> tuple[Case, ...]:
    """The row cases; a row of one entry has no variance, and eps alone bounds 1 / sqrt(eps)."""
    return tuple(
        dataclasses.replace(case, params={"eps": 0.1}) if case.id == "one entry" else case
        for case in row_cases()
    )


SPEC = Spec(
    name="layer_norm",
    op=layer_norm,
    reference=layer_norm_reference,
    make=_make,
    eager=_eager,
    liger=_liger,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    grads=("x", "weight", "bias"),
    cases=(
        *_gentle_row_cases(),
        Case(id="over two dimensions", shape=(5, 7, 9), params={"from_dim": -2}),
        Case(id="no bias", shape=(6, 40), params={"bias": False}),
        Case(id="no bias, long row", shape=(2, 33000), params={"bias": False, "eps": 1e-3}),
        Case(id="no weight", shape=(6, 40), params={"weight": False}),
        Case(id="neither weight nor bias", shape=(6, 40), params={"weight": False, "bias": False}),
        Case(
            id="neither weight nor bias, over two dimensions",
            shape=(5, 7, 9),
            params={"weight": False, "bias": False, "normalized_shape": (7, 9)},
        ),
        Case(id="no weight, long row", shape=(2, 33000), params={"weight": False, "eps": 1e-3}),
    ),
    bench=bench_cases(),
    mutants=(
        Mutant(
            why="the padding joins the variance",
            old="centred = tl.where(cols < n_cols, x - mean, 0.0)",
            new="centred = x - mean",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the variance by E[x^2] - E[x]^2 cancels far from zero",
            old="variance = tl.sum(centred * centred, axis=1)[:, None] / n_cols",
            new="variance = tl.sum(x * x, axis=1)[:, None] / n_cols - mean * mean",
            cases=("far from zero",),
        ),
        Mutant(
            why="eps is left out: a constant row divides by zero",
            old="rstd = 1.0 / tl.sqrt(variance + eps)",
            new="rstd = 1.0 / tl.sqrt(variance)",
            cases=("one entry",),
        ),
        Mutant(
            why="the gradient of the mean is left out",
            old="dx = rstd * (g - level - normed * along)",
            new="dx = rstd * (g - normed * along)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="dw keeps the last block of rows only",
            old="dw += dy * normed",
            new="dw = dy * normed",
            cases=("rows past the last program", "rows of 4,096 on every multiprocessor"),
        ),
    ),
)
