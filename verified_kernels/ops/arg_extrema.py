"""Index of the maximum or minimum: `argmax` and `argmin`.

**The maths.** `argmax[k]` is the first r with `x[k, r] = max over r of x[k, r]`; a NaN counts as
larger than everything, and the first one wins. `argmin(x) = argmax(-x)`, as in `extrema`.

**How work maps to program instances.** As in `sum`, with two tiles: the best entry each lane has
met, and the step that brought it. Step and lane give the index, once, at the end. An entry replaces
the best only if it is *greater*, so a lane keeps the first of equals. When the lanes meet, the
maximum is found first, and then the smallest index among the lanes that hold it. A split row gives
one entry and index a chunk; the second launch finds the winning chunk by the same rules and looks
its index up.

**Traps.**
- Lanes see every BLOCK_R-th entry, so the first lane with the maximum need not hold its first
  occurrence: ties are settled by index, not by lane.
- A row of nothing but -inf has an argmax too: index 0. No entry is greater than the -inf that a
  lane starts with, so a lane starts with its own first entry.
- `NaN == NaN` is false: the lanes that hold the maximum are found by `best != best` in that case.

**What bounds the speed.** Comparing: two comparisons and two choices an entry take longer than the
bytes of a bf16. On an H200 it reaches 0.64 to 0.72 of the bandwidth of a copy, 1.8 times PyTorch.

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
from verified_kernels.launch import cdiv
from verified_kernels.ops.extrema import turned
from verified_kernels.reduction import (
    NUMBER_DTYPES,
    Blocks,
    check_not_empty,
    plan_blocks,
    plan_combine,
    reduced_view,
)
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import (
    FLOATS,
    Arguments,
    Case,
    Cost,
    Draw,
    Mutant,
    Spec,
    ToleranceClass,
    Values,
)
from verified_kernels.vectors import kept_frames, lane_masks, whole_steps


@triton.jit
def _raise_step(
    best,
    step,
    ptrs,
    place,
    loaded,
    entries,
    lowest,
    IS_MAX: tl.constexpr,
    MASKED: tl.constexpr,
):
    """The greater of best and what is at ptrs, and the step that brought it, `place` being this."""
    x = tl.load(ptrs, mask=loaded, other=0)
    x = x.to(best.dtype)  # [BLOCK_K, BLOCK_R]
    if not IS_MAX:
        x = turned(x)
    if MASKED:
        x = tl.where(entries, x, lowest)
    # A NaN is not at most the best either, and nothing is greater than the first NaN.
    greater = ~(x <= best) & (best == best)
    best = tl.where(greater, x, best)
    step = tl.where(greater, place, step)
    return best, step


@triton.jit
def _arg_extremum_kernel(
    x_ptr,
    index_ptr,
    best_ptr,
    out_ptr,
    n_kept,
    n,
    n_inner,
    stride_outer,
    stride_r,
    stride_inner,
    chunk,
    IS_MAX: tl.constexpr,
    HAS_INDEX: tl.constexpr,
    EVEN: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """`out[s, k]` = first r of chunk s where x[k, r] is greatest (least), `best[s, k]` that entry.

    x: [n_outer, n, n_inner] by strides, fp32, fp16, bf16 or integers; kept entry k stands at outer
    k // n_inner, inner k % n_inner. best_ptr: [splits, n_kept] of x's dtype; out_ptr: the same of
    int64. HAS_INDEX: x holds the `best` of an earlier launch, index_ptr [n, n_kept] its `out`, and
    indices are looked up there; else index_ptr is not read. BLOCK_K spans kept entries, BLOCK_R a
    step along n; chunk is a multiple of BLOCK_R. EVEN: no tile is cut short. Grid:
    (cdiv(n_kept, BLOCK_K), splits).
    """
    # One program instance handles one chunk of BLOCK_K results.
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
    # The step that brought each lane its best, counted from `first`: a chunk is shorter than 2**31.
    step = tl.zeros([BLOCK_K, BLOCK_R], tl.int32)
    known = kept < n_kept
    every = known[:, None] | EVEN
    ptrs = row_ptrs[:, None] + tl.arange(0, BLOCK_R)[None, :] * stride_r
    begin, whole = whole_steps(first, last, n, EDGES, BLOCK_R)
    if EDGES:
        r = first + tl.arange(0, BLOCK_R)
        loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
        best, step = _raise_step(
            best, step, ptrs + first * stride_r, 0, loaded, entries, lowest, IS_MAX, True
        )
    for start in range(begin, whole, BLOCK_R):
        place = (start - first).to(tl.int32)
        best, step = _raise_step(
            best, step, ptrs + start * stride_r, place, every, every, lowest, IS_MAX, False
        )
    if not EVEN:
        for start in range(whole, last, BLOCK_R):
            r = start + tl.arange(0, BLOCK_R)
            loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
            place = (start - first).to(tl.int32)
            best, step = _raise_step(
                best, step, ptrs + start * stride_r, place, loaded, entries, lowest, IS_MAX, True
            )

    top = tl.max(tl.where(best == best, best, lowest), axis=1)  # [BLOCK_K]
    is_nan = best != best
    has_nan = tl.max(is_nan.to(tl.int32), axis=1) > 0
    holds = tl.where(has_nan[:, None], is_nan, best == top[:, None])
    where = step + tl.arange(0, BLOCK_R)[None, :]
    # Lanes before the row hold the least there is, which a whole row may hold too.
    holds = holds & (first + where >= skip)
    index = first + tl.min(tl.where(holds, where - skip, 2147483647), axis=1)  # [BLOCK_K]

    stored = kept < n_kept
    if HAS_INDEX:
        index = tl.load(index_ptr + index * n_kept + kept, mask=stored, other=0)
    if best.dtype.is_floating():
        top = tl.where(has_nan, float("nan"), top)
    if not IS_MAX:
        top = turned(top)
    offsets = tl.program_id(1) * n_kept + kept
    tl.store(best_ptr + offsets, top.to(best_ptr.dtype.element_ty), mask=stored)
    tl.store(out_ptr + offsets, index, mask=stored)


@remembered
def _arg_extremum(op: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    view, shape = reduced_view(op, x, dim, keepdim)
    check_not_empty(op, view)
    n_kept = view.shape[0] * view.shape[2]
    out = torch.empty(shape, dtype=torch.int64, device=x.device)
    if n_kept == 0:
        return out
    blocks = plan_blocks(view)
    sizes = (1, blocks.splits, n_kept)
    best = torch.empty(sizes, dtype=x.dtype, device=x.device)
    if blocks.splits == 1:
        _launch(op, view, None, best, out, blocks)
        return out
    index = torch.empty(sizes, dtype=torch.int64, device=x.device)
    _launch(op, view, None, best, index, blocks)
    winner = torch.empty(n_kept, dtype=x.dtype, device=x.device)
    _launch(op, best, index, winner, out, plan_combine(best))
    return out


def _launch(
    op: str, view: Tensor, index: Tensor | None, best: Tensor, out: Tensor, blocks: Blocks
) -> None:
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    block_k, block_r, chunk, splits, even, num_warps, vec, edges = blocks
    launch(_arg_extremum_kernel, (cdiv(n_kept, block_k), splits))(
        view,
        out if index is None else index,
        best,
        out,
        n_kept,
        n,
        n_inner,
        *view.stride(),
        chunk,
        op == "argmax",
        index is not None,
        even,
        vec,
        edges,
        block_k,
        block_r,
        num_warps=num_warps,
    )


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the first maximum along `dim`; by default in x as one long row.

    A NaN is greater than everything. Other dtypes than fp32, fp16, bf16 and integers are left to
    PyTorch.

    Raises:
        DimensionError: x has no such dimension, or nothing is there to choose from.
    """
    if x.dtype not in NUMBER_DTYPES:
        return argmax_reference(x, dim, keepdim)
    return _arg_extremum("argmax", x, dim, keepdim)


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the first minimum, or of the first NaN, along `dim`; otherwise as `argmax`."""
    if x.dtype not in NUMBER_DTYPES:
        return argmin_reference(x, dim, keepdim)
    return _arg_extremum("argmin", x, dim, keepdim)


def argmax_reference(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """`torch.argmax`."""
    return torch.argmax(x, dim, keepdim)


def argmin_reference(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """`torch.argmin`."""
    return torch.argmin(x, dim, keepdim)


def _make(case: Case, draw: Draw) -> Arguments:
    x = draw.normal(*case.shape)
    if case.id.startswith("ties"):
        x = x.sign() if x.is_floating_point() else x.clamp(-1, 1)
    return {"x": x, **case.params}


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    kept = math.prod(argmax_reference(torch.zeros(case.shape, device="meta"), **case.params).shape)
    return Cost(forward_bytes=n * itemsize + kept * 8, forward_flops=n)


def _spec(op: Callable[..., Tensor], reference: Callable[..., Tensor], *own: Mutant) -> Spec:
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
            Case(id="ties", shape=(5, 4099), params={"dim": 1}),
            Case(id="ties across chunks", shape=(13, 2503)),
            Case(id="ties in columns", shape=(1031, 20), params={"dim": 0}),
            Case(id="NaN across chunks", shape=(9, 9000), values=Values.SPECIAL),
        ),
        bench=reduction_bench(),
        mutants=(*own, *SPEC_MUTANTS),
    )


# Bugs that both ops could have.
SPEC_MUTANTS = (
    Mutant(
        why="the last of equals wins within a lane",
        old="greater = ~(x <= best)",
        new="greater = ~(x < best)",
        cases=("ties",),
    ),
    Mutant(
        why="the last of equals wins among lanes",
        old="index = first + tl.min(tl.where(holds, where - skip, 2147483647), axis=1)",
        new="index = first + tl.max(tl.where(holds, where - skip, -1), axis=1)",
        cases=("ties",),
    ),
    Mutant(
        why="NaN is passed over",
        old="greater = ~(x <= best) & (best == best)",
        new="greater = x > best",
        cases=("NaN and infinity",),
    ),
    Mutant(
        why="an index counts from the front of its chunk",
        old="index = first + tl.min(",
        new="index = 0 * first + tl.min(",
        cases=("everything, in chunks", "columns in chunks"),
    ),
)

SPECS = (
    _spec(
        argmax,
        argmax_reference,
        Mutant(
            why="a row of -inf has no index",
            old="step = tl.zeros([BLOCK_K, BLOCK_R], tl.int32)",
            new="step = tl.zeros([BLOCK_K, BLOCK_R], tl.int32) + n",
            cases=("NaN and infinity",),
        ),
        Mutant(why="the smallest is sought", old='op == "argmax"', new='op == "argmin"'),
    ),
    _spec(
        argmin,
        argmin_reference,
        Mutant(why="the greatest is sought", old="x = turned(x)", new="x = x"),
    ),
)
