"""Maximum and minimum over any dimensions, with NaN kept: `amax` and `amin`.

**The maths.** `amax[k] = max over r of x[k, r]`; `amin(x) = -amax(-x)`, and that is how it is
computed, so that there is one kernel to get right. Negating a float is exact. The smallest integer
has no negative, but its bits turned over, `~x = -x - 1`, reverse the order of all integers alike.

**How work maps to program instances.** As in `sum`: a tile of running maxima, one for every lane,
which meet after the last step.

**Traps.**
- The GPU's maximum of NaN and 1 is 1. PyTorch's is NaN, and so must a loss's be: `tl.maximum` is
  told to propagate NaN, and the last reduction over lanes looks for it itself.
- A masked lane must hold -inf. Zero would win against a row of negative numbers.
- There is no neutral entry to return for no entries at all: that is an error, not -inf.

**What bounds the speed.** Reading, as for `sum`. An H200 reaches 0.76 to 0.87 of the bandwidth
of a copy.

The method is folklore; the text is the project's own (MIT).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.cases import reduction_bench, reduction_cases, row_cases
from verified_kernels.launch import cdiv, check_no_grad
from verified_kernels.reduction import (
    NUMBER_DTYPES,
    Blocks,
    Dims,
    check_not_empty,
    hashable,
    plan_blocks,
    plan_combine,
    reduced_view,
)
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import FLOATS, Arguments, Case, Cost, Draw, Mutant, Spec, ToleranceClass
from verified_kernels.vectors import kept_frames, lane_masks, whole_steps


@triton.jit
def turned(x):
    """The same entries in reverse order: -x for floats, ~x for integers. Its own inverse."""
    return -x if x.dtype.is_floating() else ~x


@triton.jit
def _raise_step(best, ptrs, loaded, entries, lowest, IS_MAX: tl.constexpr, MASKED: tl.constexpr):
    """The greater of best and what is at ptrs, all [BLOCK_K, BLOCK_R]."""
    x = tl.load(ptrs, mask=loaded, other=0)
    x = x.to(best.dtype)
    if not IS_MAX:
        x = turned(x)
    if MASKED:
        x = tl.where(entries, x, lowest)
    return tl.maximum(best, x, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _extremum_kernel(
    x_ptr,
    out_ptr,
    n_kept,
    n,
    n_inner,
    stride_outer,
    stride_r,
    stride_inner,
    chunk,
    IS_MAX: tl.constexpr,
    EVEN: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """`out[s, k] = max (or min) of x[k, r]` for r in chunk s, x being [n_outer, n, n_inner].

    Kept entry k stands at outer k // n_inner, inner k % n_inner. x_ptr, out_ptr: fp32, fp16, bf16
    or integers; out: [splits, n_kept]. BLOCK_K spans kept entries, BLOCK_R a step along n; chunk is
    a multiple of BLOCK_R. EVEN: no tile is cut short. Grid: (cdiv(n_kept, BLOCK_K), splits).
    Compares in fp32 or int64.
    """
    # One program instance handles one chunk of BLOCK_K maxima.
    kept = tl.program_id(0).to(tl.int64) * BLOCK_K + tl.arange(0, BLOCK_K)  # [BLOCK_K]
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, n + (VEC - 1) * EDGES)
    row_ptrs, skip, end = kept_frames(
        x_ptr, kept, n, n_inner, stride_outer, stride_inner, VEC, EDGES
    )

    if x_ptr.dtype.element_ty.is_floating():
        best = tl.full([BLOCK_K, BLOCK_R], -float("inf"), tl.float32)
    else:
        best = tl.full([BLOCK_K, BLOCK_R], -9223372036854775808, tl.int64)
    lowest = best
    known = kept < n_kept
    stored = known[:, None] | EVEN
    ptrs = row_ptrs[:, None] + tl.arange(0, BLOCK_R)[None, :] * stride_r
    begin, whole = whole_steps(first, last, n, EDGES, BLOCK_R)
    if EDGES:
        r = first + tl.arange(0, BLOCK_R)
        loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
        best = _raise_step(best, ptrs + first * stride_r, loaded, entries, lowest, IS_MAX, True)
    for start in range(begin, whole, BLOCK_R):
        best = _raise_step(best, ptrs + start * stride_r, stored, stored, lowest, IS_MAX, False)
    if not EVEN:
        for start in range(whole, last, BLOCK_R):
            r = start + tl.arange(0, BLOCK_R)
            loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
            best = _raise_step(best, ptrs + start * stride_r, loaded, entries, lowest, IS_MAX, True)

    out = tl.max(best, axis=1)  # [BLOCK_K]
    if best.dtype.is_floating():
        spoilt = tl.max((best != best).to(tl.int32), axis=1)
        out = tl.where(spoilt > 0, float("nan"), out)
    if not IS_MAX:
        out = turned(out)
    out_ptrs = out_ptr + tl.program_id(1) * n_kept + kept
    tl.store(out_ptrs, out.to(out_ptr.dtype.element_ty), mask=kept < n_kept)


@remembered
def _extremum(op: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    view, shape = reduced_view(op, x, dim, keepdim)
    check_not_empty(op, view)
    n_kept = view.shape[0] * view.shape[2]
    out = torch.empty(shape, dtype=x.dtype, device=x.device)
    if n_kept == 0:
        return out
    blocks = plan_blocks(view)
    if blocks.splits > 1:
        # An extremum is one of the entries: the chunks' results lose nothing in x's own dtype.
        partials = torch.empty((1, blocks.splits, n_kept), dtype=x.dtype, device=x.device)
        _launch(op, view, partials, blocks)
        view, blocks = partials, plan_combine(partials)
    _launch(op, view, out, blocks)
    return out


def _launch(op: str, view: Tensor, out: Tensor, blocks: Blocks) -> None:
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    block_k, block_r, chunk, splits, even, num_warps, vec, edges = blocks
    launch(_extremum_kernel, (cdiv(n_kept, block_k), splits))(
        view,
        out,
        n_kept,
        n,
        n_inner,
        *view.stride(),
        chunk,
        op == "amax",
        even,
        vec,
        edges,
        block_k,
        block_r,
        num_warps=num_warps,
    )


def amax(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Maximum over `dim` (all dimensions by default), NaN where one is met; no gradient.

    Other dtypes than fp32, fp16, bf16 and integers are left to PyTorch.

    Raises:
        DimensionError: x has no such dimension, or nothing is left to choose from.
        ArgumentError: a dimension is named twice.
        UnsupportedError: x wants a gradient.
    """
    check_no_grad("amax", x)
    if x.dtype not in NUMBER_DTYPES:
        return amax_reference(x, dim, keepdim)
    return _extremum("amax", x, hashable(dim), keepdim)


def amin(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Minimum over `dim`; otherwise as `amax`."""
    check_no_grad("amin", x)
    if x.dtype not in NUMBER_DTYPES:
        return amin_reference(x, dim, keepdim)
    return _extremum("amin", x, hashable(dim), keepdim)


def amax_reference(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """`torch.amax`."""
    return torch.amax(x, () if dim is None else dim, keepdim)


def amin_reference(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """`torch.amin`."""
    return torch.amin(x, () if dim is None else dim, keepdim)


def _make(case: Case, draw: Draw) -> Arguments:
    x = draw.normal(*case.shape)
    if case.id == "the smallest integer":
        x[:, 4] = torch.iinfo(x.dtype).min
    return {"x": x, **case.params}


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    kept = math.prod(amax_reference(torch.zeros(case.shape, device="meta"), **case.params).shape)
    return Cost(forward_bytes=(n + kept) * itemsize, forward_flops=n)


def _spec(op: Callable[..., Tensor], reference: Callable[..., Tensor], own: Mutant) -> Spec:
    return Spec(
        name=op.__name__,
        op=op,
        reference=reference,
        make=_make,
        eager=reference,
        cost=_cost,
        dtypes=(*FLOATS, "int32", "int64"),
        tolerance=ToleranceClass.EXACT,
        cases=(
            *row_cases(dim=-1),
            *reduction_cases(),
            Case(id="the smallest integer", shape=(4, 9), params={"dim": 1}, dtypes=("int64",)),
            Case(id="two dimensions", shape=(3, 5, 7), params={"dim": (0, 2)}),
        ),
        bench=reduction_bench(),
        mutants=(own, *SPEC_MUTANTS),
    )


# Bugs that both ops could have.
SPEC_MUTANTS = (
    Mutant(
        why="NaN is dropped between steps",
        old="return tl.maximum(best, x, propagate_nan=tl.PropagateNan.ALL)",
        new="return tl.where(x > best, x, best)",
        cases=("columns with NaN and infinity", "NaN and infinity"),
    ),
    Mutant(
        why="a masked lane joins in",
        old="x = tl.where(entries, x, lowest)",
        new="x = tl.where(entries, x, 10000)",
        cases=("rows of 127",),
    ),
    Mutant(
        why="every chunk starts at the front",
        old="first = tl.program_id(1).to(tl.int64) * chunk",
        new="first = tl.program_id(1).to(tl.int64) * 0",
        cases=("everything, in chunks", "columns in chunks"),
    ),
    Mutant(
        why="the outer coordinate is taken for the inner",
        old="stride_outer, stride_inner, VEC",
        new="stride_outer, stride_outer, VEC",
        cases=("the middle of three",),
    ),
)

SPECS = (
    _spec(
        amax,
        amax_reference,
        Mutant(why="the smallest is taken", old='op == "amax"', new='op == "amin"'),
    ),
    _spec(
        amin,
        amin_reference,
        Mutant(
            why="integers are negated, which leaves the smallest as it is",
            old="-x if x.dtype.is_floating() else ~x",
            new="-x",
            cases=("the smallest integer",),
        ),
    ),
)
