"""Variance over any dimensions, by two passes or by Welford's one.

**The maths.** `var = sum of (x - mean)^2 / (n - correction)`. The textbook's E[x^2] - E[x]^2 is the
same on paper and wrong in fp32: for values near 1,000 with a spread of 1, both terms are a million
and all that differs is lost. Two ways keep the digits:

- method="two_pass": the mean first, then the squares of the distances from it. A row that fits in
  registers is read once for both; a longer one is read twice.
- method="welford": mean and sum of squares M2 are brought up to date with every entry, so one pass
  does: d = x - mean; mean += d / count; M2 += d (x - mean). Each lane keeps its own triple. Lanes
  with counts c_i then meet by Chan's rule, all at once:

      mean = sum c_i mean_i / n        M2 = sum M2_i + sum c_i (mean_i - mean)^2

**How work maps to program instances.** As in `sum`. Where n is split, Welford's chunks meet by the
same rule in a second launch; two passes become two sums.

**Traps.**
- A masked lane is zero when loaded, but minus the mean after centring, and its square joins the
  sum. The mask has to be applied again, to the difference.
- d / count is a division an entry; all lanes of a step have the same count, so one is enough.
- One entry has no variance: 0 / 0 is NaN, and PyTorch says so too.

**What bounds the speed.** Reading: one pass, or two for rows that do not fit; Welford's five
operations an entry do not quite keep up with it. Along rows of 4,096 an H200 reaches 0.91 of the
bandwidth of a copy by two passes and 0.75 by Welford's.

Welford, Technometrics 4 (1962); Chan, Golub and LeVeque, "Updating formulae and a pairwise
algorithm for computing sample variances", Stanford STAN-CS-79-773 (1979). Licence: MIT.
"""

from __future__ import annotations

import dataclasses
import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.cases import reduction_bench, reduction_cases, row_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import cdiv, check_no_grad, next_power_of_2, takes
from verified_kernels.ops.sum import sum_view
from verified_kernels.reduction import (
    TILE,
    Blocks,
    Dims,
    hashable,
    kept_is_contiguous,
    plan_blocks,
    reduced_view,
)
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import Arguments, Case, Cost, Draw, Mutant, Spec, ToleranceClass, Values
from verified_kernels.vectors import kept_frames, lane_masks, whole_steps

# The longest row that two passes hold in registers between them.
LONGEST_IN_REGISTERS = 16384
ENTRIES_PER_WARP = 1024
# Up to the first length, and from the second on, a row is held in a tile that it may not fill.
SHORT, LONG = 1024, 8192


@triton.jit
def _add_step(total, ptrs, loaded, entries, mean, SQUARES: tl.constexpr, MASKED: tl.constexpr):
    """Total and what is at ptrs, with SQUARES its squared distance from mean."""
    x = tl.load(ptrs, mask=loaded, other=0.0).to(tl.float32)  # [BLOCK_K, BLOCK_R]
    if SQUARES:
        x -= mean[:, None]
    if MASKED:
        x = tl.where(entries, x, 0.0)
    if SQUARES:
        x *= x
    return total + x


@triton.jit
def _add_steps(
    row_ptrs,
    first,
    last,
    n,
    stride_r,
    known,
    skip,
    end,
    mean,
    SQUARES: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """Sums along a chunk, with SQUARES those of squared distances from mean, for each lane."""
    total = tl.zeros([BLOCK_K, BLOCK_R], tl.float32)
    lanes = tl.arange(0, BLOCK_R)
    every = known[:, None]
    ptrs = row_ptrs[:, None] + lanes[None, :] * stride_r
    begin, whole = whole_steps(first, last, n, EDGES, BLOCK_R)
    if EDGES:
        loaded, inside = lane_masks(first + lanes, known, skip, end, VEC, EDGES, False)
        total = _add_step(total, ptrs + first * stride_r, loaded, inside, mean, SQUARES, True)
    for start in range(begin, whole, BLOCK_R):
        total = _add_step(total, ptrs + start * stride_r, every, every, mean, SQUARES, False)
    for start in range(whole, last, BLOCK_R):
        loaded, inside = lane_masks(start + lanes, known, skip, end, VEC, EDGES, False)
        total = _add_step(total, ptrs + start * stride_r, loaded, inside, mean, SQUARES, True)
    return total


@triton.jit
def _two_pass_kernel(
    x_ptr,
    sum_ptr,
    out_ptr,
    n_kept,
    n,
    n_inner,
    stride_outer,
    stride_r,
    stride_inner,
    chunk,
    correction,
    HAS_SUM: tl.constexpr,
    ONE_STEP: tl.constexpr,
    EVEN: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """`out[k] = sum over r of (x[k, r] - mean[k])^2 / (n - correction)`.

    x: [n_outer, n, n_inner] by strides, fp32, fp16 or bf16; kept entry k stands at outer
    k // n_inner, inner k % n_inner. With HAS_SUM, sum_ptr [n_kept] fp32 is read, and
    out[s, k] is the sum for r in chunk s, not divided; without it the chunk is all of n and is
    summed here. ONE_STEP: n <= BLOCK_R. EVEN: no tile is cut short. out_ptr: [splits, n_kept].
    BLOCK_K spans kept entries, BLOCK_R a step along n. Grid: (cdiv(n_kept, BLOCK_K), splits). All
    sums are fp32.
    """
    # One program instance handles one chunk of BLOCK_K variances.
    kept = tl.program_id(0).to(tl.int64) * BLOCK_K + tl.arange(0, BLOCK_K)  # [BLOCK_K]
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, n + (VEC - 1) * EDGES)
    row_ptrs, skip, end = kept_frames(
        x_ptr, kept, n, n_inner, stride_outer, stride_inner, VEC, EDGES
    )
    stored = kept < n_kept
    lanes = tl.arange(0, BLOCK_R)

    if ONE_STEP:
        loaded, inside = lane_masks(lanes, stored, skip, end, VEC, EDGES, EVEN)
        x = tl.load(row_ptrs[:, None] + lanes[None, :] * stride_r, mask=loaded, other=0.0)
        x = tl.where(inside, x.to(tl.float32), 0.0)  # [BLOCK_K, BLOCK_R]
        mean = tl.sum(x, axis=1) / n
        # Masked lanes hold zero, so here they would be -mean.
        centred = tl.where(inside, x - mean[:, None], 0.0)
        squares = centred * centred
    else:
        if HAS_SUM:
            mean = tl.load(sum_ptr + kept, mask=stored, other=0.0) / n
        else:
            total = _add_steps(
                row_ptrs,
                first,
                last,
                n,
                stride_r,
                stored,
                skip,
                end,
                0.0,
                False,
                VEC,
                EDGES,
                BLOCK_K,
                BLOCK_R,
            )
            mean = tl.sum(total, axis=1) / n
        squares = _add_steps(
            row_ptrs,
            first,
            last,
            n,
            stride_r,
            stored,
            skip,
            end,
            mean,
            True,
            VEC,
            EDGES,
            BLOCK_K,
            BLOCK_R,
        )

    out = tl.sum(squares, axis=1)  # [BLOCK_K]
    if not HAS_SUM:
        out = out / tl.maximum((n - correction) * 1.0, 0.0)
    out_ptrs = out_ptr + tl.program_id(1) * n_kept + kept
    tl.store(out_ptrs, out.to(out_ptr.dtype.element_ty), mask=stored)


@triton.jit
def _merge(count, mean, m2, n):
    """Mean and M2 of n entries from groups along axis 1: counts, means and M2s, all fp32."""
    whole = tl.sum(count * mean, axis=1) / n
    distance = tl.where(count > 0, mean - whole[:, None], 0.0)
    return whole, tl.sum(m2 + count * distance * distance, axis=1)


@triton.jit
def _welford_kernel(
    x_ptr,
    mean_ptr,
    out_ptr,
    n_kept,
    n,
    n_inner,
    stride_outer,
    stride_r,
    stride_inner,
    chunk,
    correction,
    HAS_MEAN: tl.constexpr,
    EVEN: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_R: tl.constexpr,
):
    """`out[k] = M2 of x[k, :] / (n - correction)`, or with HAS_MEAN mean and M2 of each chunk.

    x, blocks, EVEN and grid as in `_two_pass_kernel`. mean_ptr: [splits, n_kept] fp32, out_ptr the
    same of any float dtype. All in fp32.
    """
    # One program instance handles one chunk of BLOCK_K variances.
    kept = tl.program_id(0).to(tl.int64) * BLOCK_K + tl.arange(0, BLOCK_K)  # [BLOCK_K]
    first = tl.program_id(1).to(tl.int64) * chunk
    last = tl.minimum(first + chunk, n + (VEC - 1) * EDGES)
    row_ptrs, skip, end = kept_frames(
        x_ptr, kept, n, n_inner, stride_outer, stride_inner, VEC, EDGES
    )
    stored = kept < n_kept
    lanes = tl.arange(0, BLOCK_R)

    begins = tl.program_id(1) == 0
    mean = tl.zeros([BLOCK_K, BLOCK_R], tl.float32)
    m2 = tl.zeros([BLOCK_K, BLOCK_R], tl.float32)
    for start in range(first, last, BLOCK_R):
        r = start + lanes
        loaded, inside = lane_masks(r, stored, skip, end, VEC, EDGES, EVEN)
        x = tl.load(row_ptrs[:, None] + r[None, :] * stride_r, mask=loaded, other=0.0)
        x = tl.where(inside, x.to(tl.float32), 0.0)  # [BLOCK_K, BLOCK_R]
        distance = tl.where(inside, x - mean, 0.0)
        # How many entries each lane inside the mask has met, this one included.
        met = ((start - first) // BLOCK_R + 1).to(tl.float32)
        share = 1.0 / met
        if EDGES:
            # One less where the first step began before the row.
            share = tl.where(
                begins & (lanes[None, :] < skip), 1.0 / tl.maximum(met - 1, 1.0), share
            )
        mean += distance * share
        m2 += distance * (x - mean)

    if EDGES:
        # The lanes of the chunk that are entries; the chunk's first step may begin before the row.
        last = tl.minimum(last, end)[:, None]
        count = (last - first - lanes[None, :] + BLOCK_R - 1) // BLOCK_R
        count -= (begins & (lanes[None, :] < skip)).to(tl.int64)
        count = tl.maximum(count, 0).to(tl.float32)
        entries = tl.sum(count, axis=1)
    else:
        count = ((last - first - lanes + BLOCK_R - 1) // BLOCK_R).to(tl.float32)[None, :]
        entries = (last - first).to(tl.float32)
    whole, out = _merge(count, mean, m2, entries)
    offsets = tl.program_id(1) * n_kept + kept
    if HAS_MEAN:
        tl.store(mean_ptr + offsets, whole, mask=stored)
    else:
        out = out / tl.maximum((n - correction) * 1.0, 0.0)
    tl.store(out_ptr + offsets, out.to(out_ptr.dtype.element_ty), mask=stored)


@triton.jit
def _merge_kernel(
    mean_ptr,
    m2_ptr,
    out_ptr,
    n_kept,
    n,
    chunk,
    splits,
    correction,
    BLOCK_K: tl.constexpr,
    BLOCK_S: tl.constexpr,
):
    """`out[k] = M2 of all chunks of k / (n - correction)`, from mean and m2 [splits, n_kept] fp32.

    Chunks hold `chunk` entries each, the last what is left of n. out_ptr: [n_kept]. BLOCK_K spans
    kept entries, BLOCK_S all chunks. Grid: (cdiv(n_kept, BLOCK_K),).
    """
    # One program instance handles BLOCK_K variances.
    kept = tl.program_id(0).to(tl.int64) * BLOCK_K + tl.arange(0, BLOCK_K)  # [BLOCK_K]
    split = tl.arange(0, BLOCK_S).to(tl.int64)
    inside = (kept < n_kept)[:, None] & (split < splits)[None, :]
    offsets = split[None, :] * n_kept + kept[:, None]
    mean = tl.load(mean_ptr + offsets, mask=inside, other=0.0)  # [BLOCK_K, BLOCK_S]
    m2 = tl.load(m2_ptr + offsets, mask=inside, other=0.0)
    left = tl.minimum(tl.maximum(n - split * chunk, 0), chunk)
    _, out = _merge(left.to(tl.float32)[None, :], mean, m2, n)
    out = out / tl.maximum((n - correction) * 1.0, 0.0)
    tl.store(out_ptr + kept, out.to(out_ptr.dtype.element_ty), mask=kept < n_kept)


def _two_pass(view: Tensor, correction: float) -> Tensor:
    blocks = plan_blocks(view, whole=_fits(view))
    n_kept = view.shape[0] * view.shape[2]
    if blocks.splits == 1:
        out = torch.empty(n_kept, dtype=view.dtype, device=view.device)
        _launch_two_pass(view, None, out, blocks, correction)
        return out
    sums = sum_view(view, torch.float32)
    partials = torch.empty((1, blocks.splits, n_kept), dtype=torch.float32, device=view.device)
    _launch_two_pass(view, sums, partials, blocks, correction)
    return sum_view(partials, torch.float32).div_(max(view.shape[1] - correction, 0)).to(view.dtype)


def _fits(view: Tensor) -> bool:
    """True where a program holds the whole of what it reduces in registers.

    Not where a tile, a power of two, would be too empty: rows are then read again, from the cache.
    """
    n = view.shape[1]
    whole = next_power_of_2(n)
    full = whole <= SHORT or n > LONG or 8 * n > 7 * whole
    return _stays_near(view) and full


def _stays_near(view: Tensor) -> bool:
    """True where registers or the nearest cache hold a row until it is read again."""
    return view.shape[1] <= LONGEST_IN_REGISTERS and not kept_is_contiguous(view)


def _launch_two_pass(
    view: Tensor, sums: Tensor | None, out: Tensor, blocks: Blocks, correction: float
) -> None:
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    block_k, block_r, chunk, splits, even, num_warps, vec, edges = blocks
    launch(_two_pass_kernel, (cdiv(n_kept, block_k), splits))(
        view,
        view if sums is None else sums,
        out,
        n_kept,
        n,
        n_inner,
        *view.stride(),
        chunk,
        correction,
        HAS_SUM=sums is not None,
        ONE_STEP=n <= block_r,
        EVEN=even,
        VEC=vec,
        EDGES=edges,
        BLOCK_K=block_k,
        BLOCK_R=block_r,
        num_warps=max(num_warps, block_k * block_r // ENTRIES_PER_WARP),
    )


def _welford(view: Tensor, correction: float) -> Tensor:
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    block_k, block_r, chunk, splits, even, num_warps, vec, edges = plan_blocks(view)
    if splits > 1:
        # Chunks are merged by how many entries they hold, which may not differ from row to row.
        splits = cdiv(n, chunk)
        vec, edges = (vec, edges) if n_kept == 1 or not edges else (1, False)
    out = torch.empty(n_kept, dtype=view.dtype, device=view.device)
    means = m2s = out
    if splits > 1:
        means = torch.empty((splits, n_kept), dtype=torch.float32, device=view.device)
        m2s = torch.empty_like(means)
    launch(_welford_kernel, (cdiv(n_kept, block_k), splits))(
        view,
        means,
        m2s,
        n_kept,
        n,
        n_inner,
        *view.stride(),
        chunk,
        correction,
        splits > 1,
        even,
        vec,
        edges,
        block_k,
        block_r,
        num_warps=num_warps,
    )
    if splits > 1:
        block_s = next_power_of_2(splits)
        block_k = min(next_power_of_2(n_kept), max(TILE // block_s, 1))
        launch(_merge_kernel, (cdiv(n_kept, block_k),))(
            means, m2s, out, n_kept, n, chunk, splits, correction, block_k, block_s, num_warps=4
        )
    return out


def var(
    x: Tensor,
    dim: Dims = None,
    *,
    correction: float = 1,
    keepdim: bool = False,
    method: str | None = None,
) -> Tensor:
    """Variance over `dim` (all dimensions by default) in x's dtype; no gradient.

    `method` is "two_pass" or "welford"; without one, two passes where registers or the nearest
    cache hold a row, Welford's one pass elsewhere: x is then read once in either case. The divisor
    is n - correction, at least 0; NaN where there is no entry, or one and correction 1.

    float64 is left to PyTorch.

    Raises:
        DimensionError: x has no such dimension.
        ArgumentError: `method` is neither "two_pass" nor "welford", or a dimension is named twice.
        UnsupportedError: x wants a gradient.
    """
    check_no_grad("var", x)
    if method not in (None, "two_pass", "welford"):
        raise ArgumentError(f'var: method is {method!r}; "two_pass" or "welford" is needed')
    if not takes(x):
        return torch.var(x, hashable(dim), correction=correction, keepdim=keepdim)
    return _var(x, hashable(dim), correction, keepdim, method)


@remembered
def _var(x: Tensor, dim: Dims, correction: float, keepdim: bool, method: str | None) -> Tensor:
    view, shape = reduced_view("var", x, dim, keepdim)
    if view.numel() == 0:
        return torch.full(shape, math.nan, dtype=x.dtype, device=x.device)
    if method is None:
        method = "two_pass" if _stays_near(view) else "welford"
    # An integer where it is one: torch.compile takes a float of 1.0 for an integer all the same.
    correction = int(correction) if correction == int(correction) else correction
    return (_two_pass if method == "two_pass" else _welford)(view, correction).view(shape)


def var_reference(
    x: Tensor,
    dim: Dims = None,
    *,
    correction: float = 1,
    keepdim: bool = False,
    method: str | None = None,
) -> Tensor:
    """The definition; `torch.var` is the same, with a warning where the divisor is 0."""
    dims = tuple(range(x.ndim)) if dim is None else dim
    centred = x - x.mean(dims, keepdim=True)
    total = centred.square().sum(dims, keepdim=keepdim)
    n = x.numel() // max(total.numel(), 1)
    return total / max(n - correction, 0)


def _make(case: Case, draw: Draw) -> Arguments:
    return {"x": draw.normal(*case.shape, mean=0.5), **case.params}


def _eager(x: Tensor, dim: Dims = None, method: str | None = None) -> Tensor:
    return torch.var(x, dim)


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    kept = math.prod(var_reference(torch.zeros(case.shape, device="meta"), **case.params).shape)
    return Cost(forward_bytes=(n + kept) * itemsize, forward_flops=4 * n)


def _by(method: str, case: Case) -> Case:
    """The case for one method, under a name of its own."""
    named = f"{method}, {case.id}".replace("_", " ")
    return dataclasses.replace(case, id=named, params={**case.params, "method": method})


_CASES = (
    *row_cases(dim=-1),
    *reduction_cases(),
    Case(id="three rows of a length that does not fit", shape=(3, 20011), params={"dim": 1}),
    Case(id="everything, far from zero", shape=(13, 2503), values=Values.OFFSET),
    Case(id="no correction", shape=(3, 129), params={"dim": 1, "correction": 0}),
    Case(id="two dimensions", shape=(3, 5, 7), params={"dim": (0, 2)}),
    Case(id="no entries in a row", shape=(3, 0), params={"dim": 1}),
)

SPEC = Spec(
    name="var",
    op=var,
    reference=var_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    cases=tuple(_by(method, case) for method in ("two_pass", "welford") for case in _CASES),
    bench=(
        *reduction_bench(),
        _by("welford", Case(id="16384x4096", shape=(16384, 4096), params={"dim": -1})),
        _by("two_pass", Case(id="8192x8192, columns", shape=(8192, 8192), params={"dim": 0})),
    ),
    mutants=(
        Mutant(
            why="masked lanes join the sum of squares",
            old="centred = tl.where(inside, x - mean[:, None], 0.0)",
            new="centred = x - mean[:, None]",
            cases=("two pass, rows of 127",),
        ),
        Mutant(
            why="masked lanes join the sum of squares of a longer row",
            old="x = tl.where(entries, x, 0.0)",
            new="x = tl.where(entries, x, x)",
            cases=("two pass, three rows of a length that does not fit",),
        ),
        Mutant(
            why="E[x^2] in place of centred squares",
            old="squares = centred * centred",
            new="squares = x * x - (mean * mean)[:, None] * inside",
            cases=("two pass, far from zero",),
        ),
        Mutant(
            why="welford: masked lanes move",
            old="distance = tl.where(inside, x - mean, 0.0)",
            new="distance = x - mean",
            cases=("welford, three rows of a length that does not fit",),
        ),
        Mutant(
            why="welford: the mean moves by half the share",
            old="mean += distance * share",
            new="mean += distance * share * 0.5",
            cases=("welford, rows of a prime, 4,099", "welford, rows of 127"),
        ),
        Mutant(
            why="welford: lanes meet without the distance of their means",
            old="tl.sum(m2 + count * distance * distance, axis=1)",
            new="tl.sum(m2, axis=1)",
            cases=("welford, rows of 127",),
        ),
        Mutant(
            why="welford: the last chunk counts as full",
            old="tl.minimum(tl.maximum(n - split * chunk, 0), chunk)",
            new="tl.where(split < splits, chunk, 0)",
            cases=("welford, everything, in chunks",),
        ),
    ),
)
