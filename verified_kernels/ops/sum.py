"""Sum over any dimensions: the plainest reduction, and how many lanes become one number.

**The maths.** `out[k] = sum over r of x[k, r]`, in fp32 (int64 for integers) whatever the input.

**How work maps to program instances.** `verified_kernels/reduction.py` tells how entries meet. A
program keeps a tile of running sums [BLOCK_K, BLOCK_R] in registers, one for every lane, and adds
each step's tile to it entry by entry. Only after the last step do lanes talk to each other:
`tl.sum` over the tile, once. Were it called at every step, the program would wait for shuffles and
shared memory as long as for its loads.

**Traps.**
- A running sum in fp16 stops growing at 2,048, where adding 1 changes nothing.
- A million numbers added one after another in fp32 lose three digits; thousands of lanes that add
  a few hundred each and then meet pairwise lose hardly one.
- A masked lane must hold the neutral entry of the operation: zero, for a sum.

**What bounds the speed.** Reading: one pass, and next to nothing to write. An H200 reaches 0.88 of
the bandwidth of a copy along rows of 4,096 and 0.81 along columns; where n is split, the second
launch takes a tenth of the time.

Pairwise summation: Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14
(1993). Licence: MIT.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autocast import result_dtype
from verified_kernels.cases import reduction_bench, reduction_cases, row_cases
from verified_kernels.launch import FLOAT_DTYPES, cdiv, check_no_grad
from verified_kernels.reduction import (
    NUMBER_DTYPES,
    Blocks,
    Dims,
    hashable,
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
)
from verified_kernels.vectors import kept_frames, lane_masks, whole_steps


@triton.jit
def _add_step(total, ptrs, loaded, entries, MASKED: tl.constexpr):
    """Total and what is at ptrs, all [BLOCK_K, BLOCK_R]."""
    x = tl.load(ptrs, mask=loaded, other=0)
    if MASKED:
        x = tl.where(entries, x, 0)
    total += x.to(total.dtype)
    return total


@triton.jit
def _sum_kernel(
    x_ptr,
    out_ptr,
    n_kept,
    n,
    n_inner,
    stride_outer,
    stride_r,
    stride_inner,
    chunk,
    EVEN: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """`out[s, k] = sum of x[k, r]` for r in chunk s, x being [n_outer, n, n_inner] by strides.

    Kept entry k stands at outer k // n_inner, inner k % n_inner. x_ptr: fp32, fp16, bf16 or
    integers. out_ptr: [splits, n_kept]. BLOCK_K spans kept entries, BLOCK_R a step along n; chunk
    is a multiple of BLOCK_R. EVEN: no tile is cut short. Grid: (cdiv(n_kept, BLOCK_K), splits).
    Sums are fp32 or int64.
    """
    # One program instance handles one chunk of BLOCK_K sums.
    kept = tl.program_id(0).to(tl.int64) * BLOCK_K + tl.arange(0, BLOCK_K)  # [BLOCK_K]
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, n + (VEC - 1) * EDGES)
    row_ptrs, skip, end = kept_frames(
        x_ptr, kept, n, n_inner, stride_outer, stride_inner, VEC, EDGES
    )

    if x_ptr.dtype.element_ty.is_floating():
        total = tl.zeros([BLOCK_K, BLOCK_R], tl.float32)
    else:
        total = tl.zeros([BLOCK_K, BLOCK_R], tl.int64)
    known = kept < n_kept
    stored = known[:, None] | EVEN
    ptrs = row_ptrs[:, None] + tl.arange(0, BLOCK_R)[None, :] * stride_r
    begin, whole = whole_steps(first, last, n, EDGES, BLOCK_R)
    if EDGES:
        r = first + tl.arange(0, BLOCK_R)
        loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
        total = _add_step(total, ptrs + first * stride_r, loaded, entries, True)
    for start in range(begin, whole, BLOCK_R):
        total = _add_step(total, ptrs + start * stride_r, stored, stored, False)
    if not EVEN:
        for start in range(whole, last, BLOCK_R):
            r = start + tl.arange(0, BLOCK_R)
            loaded, entries = lane_masks(r, known, skip, end, VEC, EDGES, EVEN)
            total = _add_step(total, ptrs + start * stride_r, loaded, entries, True)

    out = tl.sum(total, axis=1)  # [BLOCK_K]
    out_ptrs = out_ptr + tl.program_id(1) * n_kept + kept
    tl.store(out_ptrs, out.to(out_ptr.dtype.element_ty), mask=kept < n_kept)


def sum_view(view: Tensor, dtype: torch.dtype) -> Tensor:
    """Sums over the middle of a view [n_outer, n, n_inner], as a vector of kept entries."""
    n_kept = view.shape[0] * view.shape[2]
    if view.numel() == 0:
        return torch.zeros(n_kept, dtype=dtype, device=view.device)
    blocks = plan_blocks(view)
    if blocks.splits > 1:
        wide = torch.float32 if view.is_floating_point() else torch.int64
        partials = torch.empty((1, blocks.splits, n_kept), dtype=wide, device=view.device)
        _launch(view, partials, blocks)
        view, blocks = partials, plan_combine(partials)
    out = torch.empty(n_kept, dtype=dtype, device=view.device)
    _launch(view, out, blocks)
    return out


def _launch(view: Tensor, out: Tensor, blocks: Blocks) -> None:
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    block_k, block_r, chunk, splits, even, num_warps, vec, edges = blocks
    launch(_sum_kernel, (cdiv(n_kept, block_k), splits))(
        view,
        out,
        n_kept,
        n,
        n_inner,
        *view.stride(),
        chunk,
        even,
        vec,
        edges,
        block_k,
        block_r,
        num_warps=num_warps,
    )


@remembered
def _sum(x: Tensor, dim: Dims, keepdim: bool, dtype: torch.dtype) -> Tensor:
    view, shape = reduced_view("sum", x, dim, keepdim)
    return sum_view(view, dtype).view(shape)


def sum(
    x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Sum over `dim` (all dimensions by default), of integers in int64; no gradient.

    In `dtype`, else in x's, under autocast as PyTorch's. Other dtypes than fp32, fp16, bf16 and
    integers are left to PyTorch.

    Raises:
        DimensionError: x has no such dimension.
        ArgumentError: a dimension is named twice.
        UnsupportedError: x wants a gradient.
    """
    check_no_grad("sum", x)
    if dtype is None and x.dtype in NUMBER_DTYPES:
        dtype = result_dtype("sum", x) if x.is_floating_point() else torch.int64
    elif x.dtype not in FLOAT_DTYPES or dtype not in FLOAT_DTYPES:
        return torch.sum(x, hashable(dim), keepdim, dtype=dtype)
    return _sum(x, hashable(dim), keepdim, dtype)


def sum_reference(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """`torch.sum`."""
    return torch.sum(x, dim, keepdim)


def _make(case: Case, draw: Draw) -> Arguments:
    # About one, not zero: a sum that cancels has no digits to compare.
    return {"x": draw.normal(*case.shape, mean=1.0), **case.params}


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    kept = math.prod(sum_reference(torch.zeros(case.shape, device="meta"), **case.params).shape)
    return Cost(forward_bytes=(n + kept) * itemsize, forward_flops=n)


SPEC = Spec(
    name="sum",
    op=sum,
    reference=sum_reference,
    make=_make,
    eager=sum_reference,
    cost=_cost,
    dtypes=(*FLOATS, "int32", "int64"),
    tolerance=ToleranceClass.REDUCTION,
    cases=(
        *row_cases(dim=-1),
        *reduction_cases(),
        Case(id="no entries in a row", shape=(3, 0), params={"dim": 1}),
    ),
    bench=reduction_bench(),
    mutants=(
        Mutant(
            why="a masked lane holds one",
            old="tl.where(entries, x, 0)",
            new="tl.where(entries, x, 1)",
            cases=("rows of 127",),
        ),
        Mutant(
            why="only the last step is kept",
            old="total += x.to(total.dtype)",
            new="total = x.to(total.dtype)",
            cases=("a row of 131,072",),
        ),
        Mutant(
            why="every chunk starts at the front",
            old="first = tl.program_id(1).to(tl.int64) * chunk",
            new="first = tl.program_id(1).to(tl.int64) * 0",
            cases=("everything, in chunks",),
        ),
        Mutant(
            why="the inner coordinate is forgotten",
            old="stride_outer, stride_inner, VEC",
            new="stride_outer, stride_inner * 0, VEC",
            cases=("the middle of three",),
        ),
        Mutant(
            why="the last program stores a sum that nobody asked for",
            old="mask=kept < n_kept)",
            new="mask=kept <= n_kept)",
            cases=("many short rows",),
        ),
    ),
)
