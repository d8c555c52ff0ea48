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
from collections.abc import Callable, Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autocast import result_dtype
from verified_kernels.autograd import gradients_in_pytorch, is_differentiated_again, wants_grad
from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import (
    affordable_stages,
    as_rows,
    check_device,
    next_power_of_2,
    normalized_size,
    persistent_programs,
    shape_of,
    takes,
)
from verified_kernels.long_rows import gradients_long, normalize_long
from verified_kernels.partials import sum_partials
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
)

LONGEST_ROW_FORWARD = 32768
# The accumulator of `_backward` and one row of its inputs fill the registers: rows of 32 KiB.
LONGEST_ROW_BACKWARD_BYTES = 32768
_EPS = 2.0**-23


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

    x and residual [n_rows, n_cols] by row stride, w [n_cols] or None, y and h contiguous; residual
    and h are both given or both None; rstd [n_rows] fp32, None where no gradient is wanted. BLOCK_M
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
    y = h * rstd
    if w_ptr is not None:
        y *= tl.load(w_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
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
    """Fills dx [n_rows, n_cols] contiguous, and partials dw [programs, n_cols] in fp32, or None.

    dy, dh and h by row stride; dh, the gradient that reached h past the norm, may be None; rstd
    [n_rows] fp32. BLOCK_M spans rows, BLOCK_N a row or, with HALVES = 2, half a row. Grid:
    (HALVES, programs), any number of programs; program p takes blocks p, p + programs, ... of
    rows, and STAGES - 1 of them are being fetched ahead.
    """
    # This program handles its half of every num_programs-th block of BLOCK_M rows.
    half, program = tl.program_id(0), tl.program_id(1)
    cols = half * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    w = tl.zeros_like(cols).to(tl.float32) + 1.0
    if w_ptr is not None:
        w = tl.load(w_ptr + cols, mask=cols < n_cols, other=0.0).to(tl.float32)
    dw = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    if HALVES == 2:
        others = (1 - half) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
        w_others = w
        if w_ptr is not None:
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
    if dw_ptr is not None:
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


@remembered
def _normalize(
    x: Tensor,
    residual: Tensor | None,
    weight: Tensor | None,
    shape: tuple[int, ...] | None,
    eps: float,
    dtype: torch.dtype,
    save: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The norm in `dtype`; h, with a residual; and rstd [n_rows] where `save` asks for it."""
    n_cols = normalized_size("rms_norm", x, weight, None, shape)
    check_device("rms_norm", x=x, residual=residual, weight=weight)
    if residual is not None and residual.shape != x.shape:
        raise ArgumentError(
            f"rms_norm: residual has shape {tuple(residual.shape)} and x {tuple(x.shape)}; "
            "they must be alike"
        )
    n_rows = x.numel() // n_cols if n_cols else 0
    y = torch.empty(x.shape, dtype=dtype, device=x.device)
    h = None
    if residual is not None:
        wider = torch.promote_types(x.dtype, residual.dtype)
        h = torch.empty(x.shape, dtype=wider, device=x.device)
    rstd = torch.empty(n_rows, dtype=torch.float32, device=x.device) if save else None
    if n_rows == 0:
        return y, h, rstd
    x = as_rows(x.reshape(n_rows, n_cols))
    residual = None if residual is None else as_rows(residual.reshape(n_rows, n_cols))
    weight = None if weight is None else weight.contiguous()
    if n_cols > LONGEST_ROW_FORWARD:
        if h is not None:
            x = torch.add(x, residual, out=h.view(n_rows, n_cols))
        normalize_long(x, weight, None, y, None, rstd, eps, centre=False)
        return y, h, rstd
    block_m, block_n, num_warps = forward_config(n_cols)
    launch(_forward, (triton.cdiv(n_rows, block_m),))(
        x,
        residual,
        weight,
        y,
        h,
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


@remembered
def _gradients(
    dy: Tensor,
    dh: Tensor | None,
    h: Tensor,
    weight: Tensor | None,
    rstd: Tensor,
    with_weight: bool,
) -> tuple[Tensor, Tensor | None]:
    """The gradient of h, with dh added where given, and where it is wanted that of weight."""
    dx = torch.empty(h.shape, dtype=h.dtype, device=h.device)
    n_rows = rstd.numel()
    if h.numel() == 0:
        return dx, torch.zeros_like(weight) if weight is not None and with_weight else None
    n_cols = h.numel() // n_rows
    h, dy = as_rows(h.reshape(n_rows, n_cols)), as_rows(dy.reshape(n_rows, n_cols))
    dh = None if dh is None else as_rows(dh.reshape(n_rows, n_cols))
    n_sums, shape, dtype = 0, None, h.dtype
    if weight is not None:
        n_sums, shape, dtype = int(with_weight), weight.shape, weight.dtype
        weight = weight.contiguous()
    if n_cols * h.element_size() > LONGEST_ROW_BACKWARD_BYTES:
        sums = gradients_long(dy, h, weight, None, rstd, dx, n_sums, dtype)
        dx = dx if dh is None else dx.add_(dh.view(dx.shape))
        return dx, None if sums is None else sums.view(shape)
    block_m, block_n, halves, per_multiprocessor, stages, num_warps = backward_config(n_cols)
    # h and dy in whole rows, dh only where this program writes.
    itemsizes = halves * (dy.element_size() + h.element_size()) + h.element_size()
    stages = affordable_stages(stages, block_m * block_n * per_multiprocessor * itemsizes, h.device)
    programs = persistent_programs(n_rows, block_m, per_multiprocessor, h.device, halves)
    partials = None
    if n_sums:
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
    return dx, None if partials is None else sum_partials(partials, dtype).view(shape)


def _gradients_again(
    h: Tensor, weight: Tensor | None, dy: Tensor, shape: tuple[int, ...] | None, eps: float
) -> tuple[Tensor | None, Tensor | None]:
    given = [h] if weight is None else [h, weight]

    def norm(h: Tensor, weight: Tensor | None = None) -> Tensor:
        return rms_norm_reference(h, weight, None, eps, shape)

    found = gradients_in_pytorch(norm, given, dy)
    return found[0], found[1] if len(found) > 1 else None


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        shape: tuple[int, ...] | None,
        eps: float,
        dtype: torch.dtype,
    ) -> Tensor:
        y, _, rstd = _normalize(x, None, weight, shape, eps, dtype, True)
        ctx.save_for_backward(x, weight, rstd)
        ctx.shape, ctx.eps = shape, eps
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, rstd = ctx.saved_tensors
        if is_differentiated_again():
            return *_gradients_again(x, weight, dy, ctx.shape, ctx.eps), None, None, None
        dx, dw = _gradients(dy, None, x, weight, rstd, ctx.needs_input_grad[1])
        return dx, dw, None, None, None


class _ResidualRMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor,
        weight: Tensor | None,
        shape: tuple[int, ...] | None,
        eps: float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        y, h, rstd = _normalize(x, residual, weight, shape, eps, dtype, True)
        assert h is not None
        ctx.save_for_backward(h, weight, rstd)
        ctx.shape, ctx.eps, ctx.dtypes = shape, eps, (x.dtype, residual.dtype)
        return y, h

    @staticmethod
    def backward(ctx: Any, dy: Tensor, dh: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, rstd = ctx.saved_tensors
        if is_differentiated_again():
            through, dw = _gradients_again(h, weight, dy, ctx.shape, ctx.eps)
            dx = dh if through is None else through + dh
        else:
            dx, dw = _gradients(dy, dh, h, weight, rstd, ctx.needs_input_grad[2])
        return *(dx.to(dtype) for dtype in ctx.dtypes), dw, None, None, None


def rms_norm(
    x: Tensor,
    weight: Tensor | None = None,
    residual: Tensor | None = None,
    eps: float | None = None,
    *,
    normalized_shape: Sequence[int] | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """RMS norm over the last dimensions, in x's dtype, under autocast in PyTorch's.

    It spans the dimensions of `normalized_shape`, else those of weight, else the last one. With a
    residual: the norm of `x + residual`, and that sum, in the wider dtype of the two. `eps` is
    PyTorch's by default: 2**-23, fp32's. float64 is left to PyTorch.

    Raises:
        ArgumentError: x does not end in weight's shape, residual has not x's, or devices differ.
        DtypeError: a dtype is no floating one.
    """
    shape = None if normalized_shape is None else tuple(normalized_shape)
    if not takes(x, weight, residual):
        h = x if residual is None else x + residual
        y = torch.nn.functional.rms_norm(h, shape_of(x, weight, None, shape), weight, eps)
        return y if residual is None else (y, h)
    if eps is None:
        eps = _EPS
    if residual is None:
        dtype = result_dtype("rms_norm", x)
        if wants_grad(x, weight):
            return _RMSNorm.apply(x, weight, shape, eps, dtype)
        return _normalize(x, None, weight, shape, eps, dtype, False)[0]
    if residual is x:
        # torch.compile counts a tensor that is passed twice once, and its gradient too.
        residual = x.view_as(x)
    wider = residual if residual.dtype is torch.float32 else x
    dtype = result_dtype("rms_norm", wider)
    if x.dtype is not residual.dtype and dtype is not torch.float32:
        # fp16 and bf16 meet in fp32.
        dtype = torch.float32
    if wants_grad(x, residual, weight):
        return _ResidualRMSNorm.apply(x, residual, weight, shape, eps, dtype)
    y, h, _ = _normalize(x, residual, weight, shape, eps, dtype, False)
    assert h is not None
    return y, h


def rms_norm_reference(
    x: Tensor,
    weight: Tensor | None = None,
    residual: Tensor | None = None,
    eps: float | None = None,
    normalized_shape: tuple[int, ...] | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """RMS norm from its definition."""
    h = x if residual is None else x + residual
    dims = tuple(range(-len(shape_of(x, weight, None, normalized_shape)), 0))
    y = h * torch.rsqrt((h * h).mean(dims, keepdim=True) + (_EPS if eps is None else eps))
    y = y if weight is None else y * weight
    return y if residual is None else (y, h)


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    shape = case.shape[params.pop("from_dim", -1) :]
    arguments = {"x": draw.normal(*case.shape)}
    if params.pop("weight", True):
        arguments["weight"] = draw.plain(*shape, mean=1.0, std=0.5)
    if params.pop("residual", True):
        arguments["residual"] = draw.normal(*case.shape)
    return {**arguments, "eps": 1e-6, **params}


def _eager(
    x: Tensor,
    weight: Tensor | None = None,
    residual: Tensor | None = None,
    eps: float | None = None,
    normalized_shape: tuple[int, ...] | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    h = x if residual is None else x + residual
    shape = shape_of(x, weight, None, normalized_shape)
    y = torch.nn.functional.rms_norm(h, shape, weight, eps)
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
        Case(id="no weight", shape=(6, 40), params={"weight": False}),
        Case(
            id="no weight, no residual", shape=(6, 40), params={"weight": False, "residual": False}
        ),
        Case(id="no weight, long row", shape=(2, 33000), params={"weight": False}),
    ),
    bench=bench_cases(),
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
