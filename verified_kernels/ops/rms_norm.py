"""RMS normalisation over the last dimensions, with an optional residual, forward and backward.

The maths. With r = 1 / sqrt(mean(h^2) + eps) of a row, `y = h * r * w`. Nothing is subtracted: a
layer norm without mean and bias. In a transformer block h is the residual stream, to which the
last sublayer's output x was just added; with `residual` given the kernel adds first,
`h = x + residual`, and gives back both y and h. Backward, with u = h * r and g = dy * w:
`dh = r * (g - u * mean(g * u))`, to which the gradient that arrives through the second output is
added; it is the gradient of x and of residual alike. `dw = sum over rows of dy * u`.

Mapping. As in `layer_norm.py`: BLOCK_M whole rows a program forward; a persistent grid backward,
with dw in fp32 registers, one partial row a program, and `partials.py` to add those. The addition
of the residual rides along: done apart it would read two tensors and write one more.

Traps. h is rounded to the tensor's dtype before it is normed, because that is what backward finds;
norming the unrounded sum would make the two disagree. The sum of squares overflows fp16 from
|h| = 256 on, so it is fp32.

What bounds it: memory. With a residual forward moves 4 tensors and backward 4, without 2 and 3. In
bf16, from 4,096 columns on, an H200 reaches 0.95 or more of the bandwidth of a copy forward and
0.91 or more backward.

Method: Zhang and Sennrich, "Root Mean Square Layer Normalization",
https://arxiv.org/abs/1910.07467.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.cases import BENCH_SHAPES, row_cases
from verified_kernels.launch import (
    affordable_stages,
    as_rows,
    check_affine,
    check_float,
    next_power_of_2,
    persistent_programs,
    wants_grad,
)
from verified_kernels.long_rows import gradients_long, normalize_long
from verified_kernels.partials import sum_partials
from verified_kernels.replay import launch
from verified_kernels.spec import (
    Arguments,
    Case,
    Cost,
    Draw,
    Layout,
    Mutant,
    Spec,
    ToleranceClass,
)

LONGEST_ROW_FORWARD = 32768
# The accumulator of `_backward` and one row of its inputs fill the registers: rows of 32 KiB.
LONGEST_ROW_BACKWARD_BYTES = 32768


@triton.jit
def _forward(
    x_ptr,
    residual_ptr,
    w_ptr,
    y_ptr,
    h_ptr,
    rstd_ptr,
    stride_xm,
    stride_rm,
    n_rows,
    n_cols,
    eps,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """y[i, :] = h * rstd * w with h = x[i, :] + residual[i, :], or h = x[i, :] without residual.

    x and residual [n_rows, n_cols] by row stride, w [n_cols], y and h contiguous; residual and h
    are both given or both None; rstd [n_rows] fp32, None where no gradient is wanted. BLOCK_M
    spans rows, BLOCK_N a whole row. Grid: (cdiv(n_rows, BLOCK_M),). Computed in fp32.
    """
    # This program handles BLOCK_M whole rows.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]
    cols = tl.arange(0, BLOCK_N)[None, :]
    inside = (rows < n_rows) & (cols < n_cols)
    h = tl.load(x_ptr + rows * stride_xm + cols, mask=inside, other=0.0).to(tl.float32)
    if residual_ptr is not None:
        h += tl.load(residual_ptr + rows * stride_rm + cols, mask=inside, other=0.0).to(tl.float32)
        rounded = h.to(h_ptr.dtype.element_ty)
        tl.store(h_ptr + rows * n_cols + cols, rounded, mask=inside)
        h = rounded.to(tl.float32)  # [BLOCK_M, BLOCK_N]
    # The padding holds 0 and adds nothing to a sum of squares.
    rstd = 1.0 / tl.sqrt(tl.sum(h * h, axis=1)[:, None] / n_cols + eps)  # [BLOCK_M, 1]
    w = tl.load(w_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
    y = h * rstd * w
    tl.store(y_ptr + rows * n_cols + cols, y.to(y_ptr.dtype.element_ty), mask=inside)
    if rstd_ptr is not None:
        tl.store(rstd_ptr + rows, rstd, mask=rows < n_rows)


@triton.jit
def _backward(
    dy_ptr,
    dh_ptr,
    h_ptr,
    w_ptr,
    rstd_ptr,
    dx_ptr,
    dw_ptr,
    stride_dym,
    stride_dhm,
    stride_hm,
    n_rows,
    n_cols,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    STAGES: tl.constexpr,
    HALVES: tl.constexpr,
):
    """Fills dx [n_rows, n_cols] contiguous, and partials dw [programs, n_cols] in fp32.

    dy, dh and h by row stride; dh, the gradient that reached h past the norm, may be None; rstd
    [n_rows] fp32. BLOCK_M spans rows, BLOCK_N a row or, with HALVES = 2, half a row. Grid:
    (HALVES, programs), any number of programs; program p takes blocks p, p + programs, ... of
    rows, and STAGES - 1 of them are being fetched ahead.
    """
    # This program handles its half of every num_programs-th block of BLOCK_M rows.
    half, program = tl.program_id(0), tl.program_id(1)
    cols = half * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    w = tl.load(w_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
    dw = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if HALVES == 2:
        others = (1 - half) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
        w_others = tl.load(w_ptr + others, mask=others < n_cols, other=0.0).to(tl.float32)
    for block in tl.range(program, tl.cdiv(n_rows, BLOCK_M), tl.num_programs(1), num_stages=STAGES):
        rows = (block * BLOCK_M + tl.arange(0, BLOCK_M)[:, None]).to(tl.int64)
        inside = (rows < n_rows) & (cols < n_cols)
        dy = tl.load(dy_ptr + rows * stride_dym + cols, mask=inside, other=0.0).to(tl.float32)
        h = tl.load(h_ptr + rows * stride_hm + cols, mask=inside, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + rows, mask=rows < n_rows, other=0.0)
        normed = h * rstd  # [BLOCK_M, BLOCK_N]
        g = dy * w
        along = g * normed
        if HALVES == 2:
            across = (rows < n_rows) & (others < n_cols)
            dy_others = tl.load(dy_ptr + rows * stride_dym + others, mask=across, other=0.0)
            h_others = tl.load(h_ptr + rows * stride_hm + others, mask=across, other=0.0)
            along += dy_others.to(tl.float32) * w_others * h_others.to(tl.float32) * rstd
        along = tl.sum(along, axis=1)[:, None] / n_cols  # [BLOCK_M, 1]
        dx = rstd * (g - normed * along)
        if dh_ptr is not None:
            dx += tl.load(dh_ptr + rows * stride_dhm + cols, mask=inside, other=0.0)
        tl.store(dx_ptr + rows * n_cols + cols, dx.to(dx_ptr.dtype.element_ty), mask=inside)
        dw += dy * normed
    out = program.to(tl.int64) * n_cols + cols
    tl.store(dw_ptr + out, tl.sum(dw, axis=0)[None, :], mask=cols < n_cols)


def forward_config(n_cols: int) -> tuple[int, int, int]:
    """BLOCK_M, BLOCK_N and num_warps of `_forward`: 64 elements a thread."""
    block_n = next_power_of_2(n_cols)
    block_m = max(1, 2048 // block_n)
    return block_m, block_n, block_m * block_n // 2048


def backward_config(n_cols: int) -> tuple[int, int, int, int, int, int]:
    """For `_backward`: BLOCK_M, BLOCK_N, halves, programs a multiprocessor, stages, warps."""
    block_n = next_power_of_2(n_cols)
    if block_n > 8192:
        return 1, block_n // 2, 2, 1, 3, 8
    if block_n > 2048:
        return 1, block_n, 1, 8192 // block_n, 3, 8
    return 4096 // block_n, block_n, 1, 1, 4, 4


def _normalize(
    x: Tensor, residual: Tensor | None, weight: Tensor, eps: float, *, save: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """y, h (x itself without a residual), and rstd [n_rows] where `save` asks for it."""
    n_rows, n_cols = x.shape
    y = torch.empty((n_rows, n_cols), dtype=x.dtype, device=x.device)
    rstd = torch.empty(n_rows, dtype=torch.float32, device=x.device) if save else None
    if n_cols > LONGEST_ROW_FORWARD:
        h = x if residual is None else x + residual
        if h.numel():
            normalize_long(h, weight, None, y, None, rstd, eps, centre=False)
        return y, h, rstd
    h = x if residual is None else torch.empty_like(y)
    if x.numel():
        block_m, block_n, num_warps = forward_config(n_cols)
        launch(_forward, (triton.cdiv(n_rows, block_m),))(
            x,
            residual,
            weight,
            y,
            None if residual is None else h,
            rstd,
            x.stride(0),
            0 if residual is None else residual.stride(0),
            n_rows,
            n_cols,
            eps,
            block_m,
            block_n,
            num_warps=num_warps,
        )
    return y, h, rstd


def _gradients(
    dy: Tensor, dh: Tensor | None, h: Tensor, weight: Tensor, rstd: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradient of h, with dh added where given, and that of weight, [1, n_cols]."""
    n_rows, n_cols = h.shape
    dx = torch.empty((n_rows, n_cols), dtype=h.dtype, device=h.device)
    if h.numel() == 0:
        return dx, torch.zeros((1, n_cols), dtype=weight.dtype, device=h.device)
    if n_cols * h.element_size() > LONGEST_ROW_BACKWARD_BYTES:
        dw = gradients_long(dy, h, weight, None, rstd, dx, has_bias=False)
        return dx if dh is None else dx + dh, dw
    block_m, block_n, halves, per_multiprocessor, stages, num_warps = backward_config(n_cols)
    # h and dy in whole rows, dh only where this program writes.
    tile_bytes = (2 * halves + 1) * block_m * block_n * per_multiprocessor * h.element_size()
    stages = affordable_stages(stages, tile_bytes, h.device)
    programs = persistent_programs(n_rows, block_m, per_multiprocessor, h.device, halves)
    partials = torch.empty((1, programs, n_cols), dtype=torch.float32, device=h.device)
    launch(_backward, (halves, programs))(
        dy,
        dh,
        h,
        weight,
        rstd,
        dx,
        partials,
        dy.stride(0),
        0 if dh is None else dh.stride(0),
        h.stride(0),
        n_rows,
        n_cols,
        block_m,
        block_n,
        stages,
        halves,
        num_warps=num_warps,
    )
    return dx, sum_partials(partials, weight.dtype)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, n_cols: int, eps: float) -> Tensor:
        rows = as_rows(x.reshape(-1, n_cols))
        y, _, rstd = _normalize(rows, None, weight, eps, save=True)
        ctx.save_for_backward(rows, weight, rstd)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, rstd = ctx.saved_tensors
        dx, dw = _gradients(as_rows(dy.reshape(h.shape)), None, h, weight, rstd)
        return dx.view(dy.shape), dw.view(weight.shape), None, None


class _ResidualRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, residual: Tensor, weight: Tensor, n_cols: int, eps: float
    ) -> tuple[Tensor, Tensor]:
        rows, residual_rows = as_rows(x.reshape(-1, n_cols)), as_rows(residual.reshape(-1, n_cols))
        y, h, rstd = _normalize(rows, residual_rows, weight, eps, save=True)
        ctx.save_for_backward(h, weight, rstd)
        return y.view(x.shape), h.view(x.shape)

    @staticmethod
    def backward(ctx: Any, dy: Tensor, dh: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, rstd = ctx.saved_tensors
        dy_rows, dh_rows = as_rows(dy.reshape(h.shape)), as_rows(dh.reshape(h.shape))
        dx, dw = _gradients(dy_rows, dh_rows, h, weight, rstd)
        dx = dx.view(dy.shape)
        return dx, dx, dw.view(weight.shape), None, None


def rms_norm(
    x: Tensor, weight: Tensor, residual: Tensor | None = None, eps: float = 1e-6
) -> Tensor | tuple[Tensor, Tensor]:
    """RMS norm over the last `weight.ndim` dimensions, in x's dtype; differentiable once.

    With a residual: the norm of `x + residual`, and that sum.

    Raises:
        TypeError: dtypes differ, or are not fp32, fp16 or bf16.
        ValueError: x does not end in weight's shape, or residual has not x's.
    """
    check_float("rms_norm", x=x, weight=weight, residual=residual)
    n_cols = check_affine("rms_norm", x, weight)
    weight = weight.contiguous()
    if residual is None:
        if wants_grad(x, weight):
            return _RMSNorm.apply(x, weight, n_cols, eps)
        rows = as_rows(x.reshape(-1, n_cols))
        return _normalize(rows, None, weight, eps, save=False)[0].view(x.shape)
    if residual.shape != x.shape:
        raise ValueError(
            f"rms_norm: residual has shape {tuple(residual.shape)} and x {tuple(x.shape)}; "
            "they must be alike"
        )
    if residual is x:
        # torch.compile counts a tensor that is passed twice once, and its gradient too.
        residual = x.view_as(x)
    if wants_grad(x, residual, weight):
        return _ResidualRMSNorm.apply(x, residual, weight, n_cols, eps)
    rows, residual_rows = as_rows(x.reshape(-1, n_cols)), as_rows(residual.reshape(-1, n_cols))
    y, h, _ = _normalize(rows, residual_rows, weight, eps, save=False)
    return y.view(x.shape), h.view(x.shape)


def rms_norm_reference(
    x: Tensor, weight: Tensor, residual: Tensor | None = None, eps: float = 1e-6
) -> Tensor | tuple[Tensor, Tensor]:
    """RMS norm from its definition."""
    h = x if residual is None else x + residual
    dims = tuple(range(-weight.ndim, 0))
    y = h * torch.rsqrt((h * h).mean(dims, keepdim=True) + eps) * weight
    return y if residual is None else (y, h)


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    shape = case.shape[params.pop("from_dim", -1) :]
    arguments = {"x": draw.normal(*case.shape), "weight": draw.plain(*shape, mean=1.0, std=0.5)}
    if params.pop("residual", True):
        arguments["residual"] = draw.normal(*case.shape)
    return {**arguments, **params}


def _eager(
    x: Tensor, weight: Tensor, residual: Tensor | None = None, eps: float = 1e-6
) -> Tensor | tuple[Tensor, Tensor]:
    h = x if residual is None else x + residual
    y = torch.nn.functional.rms_norm(h, weight.shape, weight, eps)
    return y if residual is None else (y, h)


def _liger() -> Callable[..., Any]:
    from liger_kernel.ops.fused_add_rms_norm import LigerFusedAddRMSNormFunction

    def apply(x: Tensor, weight: Tensor, residual: Tensor, eps: float = 1e-6) -> Any:
        return LigerFusedAddRMSNormFunction.apply(x, residual, weight, eps, 0.0, "llama", False)

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    parameters = case.shape[-1] * itemsize
    return Cost(
        forward_bytes=4 * n * itemsize + parameters,
        backward_bytes=4 * n * itemsize + 2 * parameters,
        forward_flops=5 * n,
        backward_flops=10 * n,
    )


SPEC = Spec(
    name="rms_norm",
    op=rms_norm,
    reference=rms_norm_reference,
    make=_make,
    eager=_eager,
    liger=_liger,
    cost=_cost,
    tolerance=ToleranceClass.COMPOSED,
    grads=("x", "weight", "residual"),
    cases=(
        *row_cases(),
        Case(id="no residual", shape=(7, 129), params={"residual": False}),
        Case(id="no residual, long row", shape=(2, 33000), params={"residual": False}),
        Case(
            id="no residual, strided",
            shape=(7, 129),
            params={"residual": False, "eps": 1e-3},
            layout=Layout.STRIDED,
        ),
        Case(id="over two dimensions", shape=(5, 7, 9), params={"from_dim": -2}),
    ),
    bench=tuple(Case(id=f"{m}x{n}", shape=(m, n)) for m, n in BENCH_SHAPES),
    mutants=(
        Mutant(
            why="the mean of squares counts the padding",
            old="rstd = 1.0 / tl.sqrt(tl.sum(h * h, axis=1)[:, None] / n_cols + eps)",
            new="rstd = 1.0 / tl.sqrt(tl.sum(h * h, axis=1)[:, None] / BLOCK_N + eps)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the second output is x, not the sum",
            old="tl.store(h_ptr + rows * n_cols + cols, rounded, mask=inside)",
            new="tl.store(h_ptr + rows * n_cols + cols, rounded * 0.5, mask=inside)",
            cases=("rows of 128",),
        ),
        Mutant(
            why="the gradient of the scale is left out",
            old="dx = rstd * (g - normed * along)",
            new="dx = rstd * g",
            cases=("rows of 127",),
        ),
        Mutant(
            why="the gradient through the residual is lost",
            old="if dh_ptr is not None:",
            new="if dh_ptr is None:",
            cases=("rows of 127",),
        ),
        Mutant(
            why="blocks after a program's first are skipped",
            old="program, tl.cdiv(n_rows, BLOCK_M), tl.num_programs(1), num_stages=STAGES",
            new="program, program + 1, tl.num_programs(1), num_stages=STAGES",
            cases=("rows past the last program", "rows of 4,096 on every multiprocessor"),
        ),
    ),
)
