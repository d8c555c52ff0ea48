"""How a reduction is laid over program instances: which entries meet, in which blocks.

A reduction over dimensions in the middle of a tensor is one over the middle of
[n_outer, n, n_inner]; the n_outer * n_inner results are the *kept* entries. A program owns a tile
of BLOCK_K kept entries and walks along n in steps of BLOCK_R. The tile is wide along whichever
axis is contiguous in memory: rows of a matrix are read BLOCK_R entries at a time, columns as
BLOCK_K neighbours at a time. Tiles are small, so that many programs share a multiprocessor: their
number, not the size of one load, is what hides the latency of memory.

With few kept entries (a sum over everything has one) too few programs would run, so n is *split*:
each program reduces one chunk, and a second launch reduces the chunks' results. No atomics: the
order of additions is that of the shape alone, and a result repeats to the bit on every GPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from verified_kernels.errors import ArgumentError, DimensionError, DtypeError
from verified_kernels.launch import FLOAT_DTYPES, cdiv, next_power_of_2, normalized_dim
from verified_kernels.vectors import row_vectors

NUMBER_DTYPES = FLOAT_DTYPES | {torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64}
# Entries of a tile: 16 a thread, which is two 16-byte loads of bf16 in flight.
TILE = 1024
NUM_WARPS = 2
# A tile along rows is an eighth of them, within these: lanes meet once for eight steps.
SHORTEST_STEP, LONGEST_STEP = 256, 1024
# Steps that a tile of columns takes at once.
STEPS = 32
# Programs that keep a large GPU busy; with fewer kept tiles than half of this, n is split.
ENOUGH_PROGRAMS = 2048
# The tile where n is split along its contiguous axis, and how many programs that is worth.
SPLIT_TILE = 2048
SPLIT_WARPS = 8
SPLIT_PROGRAMS = 4096
# A chunk shorter than this many steps is not worth the second launch.
LEAST_STEPS = 4

Dims = int | Sequence[int] | None


class Blocks(NamedTuple):
    """Tile and chunks of one launch: grid (cdiv(n_kept, block_k), splits).

    `even`: every tile is full, so that no entry needs a mask. `vec` and `edges`: how rows are read
    (`vectors.py`); n then counts the lanes of a frame.
    """

    block_k: int
    block_r: int
    chunk: int
    splits: int
    even: bool
    num_warps: int
    vec: int
    edges: bool


def check_number(op: str, x: Tensor) -> None:
    """Passes when x is fp32, fp16, bf16 or an integer tensor.

    Raises:
        DtypeError: it is not.
    """
    if x.dtype not in NUMBER_DTYPES:
        raise DtypeError(
            f"{op}: x is {x.dtype}; float32, float16, bfloat16 or an integer type is needed"
        )


def hashable(dim: Dims) -> int | tuple[int, ...] | None:
    """`dim` as a launcher can be given it: a list becomes a tuple."""
    return dim if dim is None or isinstance(dim, int) else tuple(dim)


def check_not_empty(op: str, view: Tensor) -> None:
    """Passes when every kept entry of [n_outer, n, n_inner] has something to be chosen from.

    Raises:
        DimensionError: n is zero.
    """
    if view.shape[1] == 0 and view.shape[0] * view.shape[2] > 0:
        raise DimensionError(f"{op}: there is no entry to choose from along a dimension of size 0")


def reduced_view(op: str, x: Tensor, dim: Dims, keepdim: bool) -> tuple[Tensor, list[int]]:
    """`x` as [n_outer, n, n_inner] with n to be reduced, and the shape of the result.

    A view wherever strides allow. `dim` None or empty means all dimensions, as in PyTorch.

    Raises:
        DimensionError: there is no such dimension.
        ArgumentError: a dimension is named twice.
    """
    # Under torch.compile `dim` may be a symbol: neither `isinstance(dim, int)` nor `in` knows it.
    named = tuple(dim or range(x.ndim)) if dim is None or isinstance(dim, Sequence) else (dim,)
    found = [normalized_dim(op, d, x.ndim) for d in named]
    dims = [d for d in range(max(x.ndim, 1)) if any(d == f for f in found)]
    if len(dims) < len(found):
        raise ArgumentError(f"{op}: dim {named} names a dimension twice")
    if x.ndim == 0:
        return x.reshape(1, 1, 1), []
    shape = [1 if d in dims else size for d, size in enumerate(x.shape) if keepdim or d not in dims]
    first, last = dims[0], dims[-1]
    if last - first >= len(dims):
        # Other dimensions lie between: bring the reduced ones together at the end.
        x = x.movedim(dims, list(range(-len(dims), 0)))
        first, last = x.ndim - len(dims), x.ndim - 1
    sizes = (x.shape[:first], x.shape[first : last + 1], x.shape[last + 1 :])
    return x.reshape([math.prod(part) for part in sizes]), shape


def plan_blocks(view: Tensor, *, whole: bool = False) -> Blocks:
    """Blocks for a view [n_outer, n, n_inner] that holds at least one entry.

    Measured on an H200. `whole`: a tile spans all of n, and n is not split.
    """
    n_outer, n, n_inner = view.shape
    n_kept = n_outer * n_inner
    vec, edges = _vectors_of(view)
    if edges:
        n += vec - 1
    longest = next_power_of_2(n)
    tile, num_warps, enough = TILE, NUM_WARPS, ENOUGH_PROGRAMS
    if whole:
        tile = max(tile, longest)
        block_r = longest
    elif kept_is_contiguous(view):
        block_r = min(longest, STEPS)
    elif n_kept < ENOUGH_PROGRAMS and n >= SPLIT_TILE:
        tile, num_warps, enough = SPLIT_TILE, SPLIT_WARPS, SPLIT_PROGRAMS
        block_r = SPLIT_TILE
    else:
        block_r = min(longest, max(SHORTEST_STEP, min(longest // 8, LONGEST_STEP)))
    block_k = min(next_power_of_2(n_kept), tile // block_r)
    if not whole:
        # What too few kept entries leave of the tile.
        block_r = min(longest, tile // block_k)
    even = n_kept % block_k == 0 and n % block_r == 0 and not edges
    steps, programs = cdiv(n, block_r), cdiv(n_kept, block_k)
    splits = 1
    if 2 * programs < enough and steps >= 2 * LEAST_STEPS:
        splits = min(cdiv(enough, programs), steps // LEAST_STEPS)
    chunk = cdiv(steps, splits) * block_r
    return Blocks(block_k, block_r, chunk, cdiv(n, chunk), even, num_warps, vec, edges)


def _vectors_of(view: Tensor) -> tuple[int, bool]:
    """VEC and EDGES of the rows that are reduced; entry by entry where they are no rows."""
    if view.stride(1) != 1 or kept_is_contiguous(view):
        return 1, False
    kept = [s for s, n in zip(view.stride()[::2], view.shape[::2], strict=True) if n > 1]
    return row_vectors(view.shape[1], kept or [0], view)


def plan_combine(partials: Tensor) -> Blocks:
    """Blocks for the second launch, over partials [1, splits, n_kept]: never split again."""
    blocks = plan_blocks(partials)
    return blocks._replace(chunk=blocks.chunk * blocks.splits, splits=1)


def kept_is_contiguous(view: Tensor) -> bool:
    """True when neighbouring results come from neighbouring entries: a tile is wide that way."""
    stride_outer, stride, stride_inner = view.stride()
    if view.shape[2] > 1:
        return stride_inner == 1
    return view.shape[0] > 1 and stride_outer == 1 and stride != 1
