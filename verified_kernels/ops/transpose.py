"""Transpose as a copy, twice: the lesson of coalesced memory access.

**The maths.** `y[j, i] = x[i, j]`. No arithmetic at all, and yet the simple way is several times
slower than a copy.

**Coalescing.** A GPU reads memory in sectors of 32 bytes and joins the requests of neighbouring
threads that fall into the same ones. Neighbouring threads on neighbouring addresses use every byte
that moves. If each thread's address is a row away from its neighbour's, every request moves a
sector of its own, and of its 32 bytes 2 or 4 are used.

**How work maps to program instances.**
- method="naive": a program writes BLOCK_SIZE neighbouring entries of one row of y. The writes
  coalesce; the reads go down a column of x, one sector each.
- method="tiled": a program moves a tile of BLOCK_M x BLOCK_N. It reads rows of x and writes rows of
  y, and both are contiguous. In between, `tl.trans` hands entries from the threads that read them
  to the threads that write them, through shared memory, which has no sectors to waste. In CUDA this
  is written by hand, with a column of padding against bank conflicts; Triton derives it from the
  two layouts.

Where x itself is a transposed view, its columns are contiguous and the copy is plain; the compiler
sees the unit stride and picks its layout accordingly, in the same kernel.

**Traps.**
- In Triton a strided tile written as one 2-D block is rearranged by the compiler without being
  asked. The naive kernel is therefore one-dimensional: it has no second axis to rearrange.
- `row * n_cols` passes 2**31 in large matrices: offsets are int64.

**What bounds the speed.** Memory, once both sides coalesce. A tile should be at least 64 entries of
two bytes wide: 128 bytes, a full cache line, on both sides. An H200 reaches 0.94 of the bandwidth
of a copy in fp32 and 0.91 in bf16; the naive kernel 0.26 and 0.14.

Ruetsch and Micikevicius, "Optimizing matrix transpose in CUDA", NVIDIA, 2009. Licence: MIT.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import cdiv, check_no_grad
from verified_kernels.reduction import NUMBER_DTYPES
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import (
    FLOATS,
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
from verified_kernels.vectors import common_vector

NAIVE_BLOCK, NAIVE_WARPS = 512, 4
LARGE = 1 << 24  # entries


@triton.jit
def _naive_kernel(
    x_ptr, y_ptr, n_rows, n_cols, stride_b, stride_m, stride_n, BLOCK_SIZE: tl.constexpr
):
    """`y[b, j, i] = x[b, i, j]`, for x [n_batch, n_rows, n_cols] by strides, y contiguous.

    Any dtype of numbers. BLOCK_SIZE spans entries of a row of y, which is a column of x. Grid:
    (n_batch * n_cols * cdiv(n_rows, BLOCK_SIZE),).
    """
    # One program instance handles BLOCK_SIZE neighbouring entries of one row of y.
    blocks = tl.cdiv(n_rows, BLOCK_SIZE)
    line = (tl.program_id(0) // blocks).to(tl.int64)
    batch, col = line // n_cols, line % n_cols
    rows = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    mask = rows < n_rows
    x = tl.load(x_ptr + batch * stride_b + rows * stride_m + col * stride_n, mask=mask)
    tl.store(y_ptr + line * n_rows + rows, x, mask=mask)


@triton.jit
def _tiled_kernel(
    x_ptr,
    y_ptr,
    n_rows,
    n_cols,
    stride_b,
    stride_m,
    stride_n,
    VEC_M: tl.constexpr,
    VEC_N: tl.constexpr,
    VEC_S: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """`y[b, j, i] = x[b, i, j]`, for x [n_batch, n_rows, n_cols] by strides, y contiguous.

    Any dtype of numbers. VEC_M divides n_rows, VEC_N n_cols and stride_m, VEC_S stride_n, and the
    last two stride_b (`vectors.py`); one of the last two is 1. BLOCK_M spans rows of x, BLOCK_N its
    columns. Grid: (n_batch * cdiv(n_rows, BLOCK_M) * cdiv(n_cols, BLOCK_N),).
    """
    # One program instance handles one tile of one matrix; neighbours share rows of x.
    n_rows = n_rows // VEC_M * VEC_M
    n_cols = n_cols // VEC_N * VEC_N
    stride_b = stride_b // (VEC_N * VEC_S) * (VEC_N * VEC_S)
    stride_m = stride_m // VEC_N * VEC_N
    stride_n = stride_n // VEC_S * VEC_S
    blocks_n = tl.cdiv(n_cols, BLOCK_N)
    blocks_m = tl.cdiv(n_rows, BLOCK_M)
    tile = tl.program_id(0)
    cols = (tile % blocks_n).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = (tile // blocks_n % blocks_m).to(tl.int64) * BLOCK_M + tl.arange(0, BLOCK_M)
    batch = (tile // blocks_n // blocks_m).to(tl.int64)
    x_ptrs = x_ptr + batch * stride_b + rows[:, None] * stride_m + cols[None, :] * stride_n
    x = tl.load(x_ptrs, mask=(rows < n_rows)[:, None] & (cols < n_cols)[None, :])
    # [BLOCK_M, BLOCK_N] -> [BLOCK_N, BLOCK_M]
    y_ptrs = y_ptr + batch * n_rows * n_cols + cols[:, None] * n_rows + rows[None, :]
    tl.store(y_ptrs, tl.trans(x), mask=(cols < n_cols)[:, None] & (rows < n_rows)[None, :])


def tile_config(itemsize: int, n_elements: int) -> tuple[int, int, int]:
    """BLOCK_M, BLOCK_N and num_warps: 128 bytes or more a row of the tile, on both sides.

    Measured on an H200. 256 bytes are better still, where there are tiles enough to go round.
    """
    if itemsize > 2:
        return (64, 64, 8) if n_elements >= LARGE else (32, 64, 8)
    return (128, 128, 16) if n_elements >= LARGE else (128, 64, 8)


def transpose(x: Tensor, method: str = "tiled") -> Tensor:
    """The last two dimensions of x exchanged, as a contiguous copy; no gradient.

    Other dtypes than fp32, fp16, bf16 and integers are left to PyTorch.

    Raises:
        ArgumentError: x has fewer than two dimensions, or `method` is neither "tiled" nor "naive".
        UnsupportedError: x wants a gradient.
    """
    check_no_grad("transpose", x)
    if x.ndim < 2:
        raise ArgumentError(f"transpose: x has {x.ndim} dimensions; at least two are needed")
    if method not in ("tiled", "naive"):
        raise ArgumentError(f'transpose: method is {method!r}; "tiled" or "naive" is needed')
    if x.dtype not in NUMBER_DTYPES:
        return transpose_reference(x)
    return _transpose(x, method)


@remembered
def _transpose(x: Tensor, method: str) -> Tensor:
    n_rows, n_cols = x.shape[-2:]
    y = torch.empty((*x.shape[:-2], n_cols, n_rows), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    x = x.reshape(math.prod(x.shape[:-2]), n_rows, n_cols)
    sizes = (n_rows, n_cols, *x.stride())
    if method == "naive":
        grid = (x.shape[0] * n_cols * cdiv(n_rows, NAIVE_BLOCK),)
        launch(_naive_kernel, grid)(x, y, *sizes, NAIVE_BLOCK, num_warps=NAIVE_WARPS)
    else:
        block_m, block_n, num_warps = tile_config(x.element_size(), x.numel())
        tiles = cdiv(n_rows, block_m) * cdiv(n_cols, block_n)
        launch(_tiled_kernel, (x.shape[0] * tiles,))(
            x, y, *sizes, *_vectors(x, y), block_m, block_n, num_warps=num_warps
        )
    return y


def _vectors(x: Tensor, y: Tensor) -> tuple[int, int, int]:
    """VEC_M, VEC_N and VEC_S for x [n_batch, n_rows, n_cols]."""
    n_batch, n_rows, n_cols = x.shape
    stride_b, stride_m, stride_n = x.stride()
    stride_b = stride_b if n_batch > 1 else 0
    vec_m = common_vector(n_rows, of=[y])
    if stride_m == 1 and stride_n > 1:
        return vec_m, 1, common_vector(stride_n, stride_b, of=[x, y])
    return vec_m, common_vector(n_cols, stride_m, stride_b, of=[x]), 1


def transpose_reference(x: Tensor, method: str = "tiled") -> Tensor:
    """`x.mT`, copied."""
    return x.mT.contiguous()


def _make(case: Case, draw: Draw) -> Arguments:
    return {"x": draw.normal(*case.shape), **case.params}


def _cost(case: Case, itemsize: int) -> Cost:
    return Cost(forward_bytes=2 * math.prod(case.shape) * itemsize)


_NAIVE = {"method": "naive"}

# Square, wide, high and in batches; half of them no multiples of 16.
_BENCH_SHAPES = (
    *((4096, 1024), (8192, 8192), (16384, 4096), (4096, 16384), (8192, 11008), (12288, 4096)),
    *((2048, 32000), (65536, 768), (32, 4096, 768), (128, 1024, 512)),
    *((8200, 8200), (8191, 8193), (16383, 4097), (5001, 8192), (8192, 5001), (2048, 50257)),
    *((65537, 769), (4095, 12290), (31, 4095, 769), (129, 1023, 513)),
)

SPEC = Spec(
    name="transpose",
    op=transpose,
    reference=transpose_reference,
    make=_make,
    eager=transpose_reference,
    cost=_cost,
    dtypes=(*FLOATS, "int32", "int64"),
    bench_dtypes=("float32", "bfloat16"),
    tolerance=ToleranceClass.EXACT,
    cases=(
        *(case for case in row_cases() if len(case.shape) > 1 and case.tail is None),
        Case(id="a column", shape=(1031, 1)),
        Case(id="one tile and one entry", shape=(65, 65)),
        Case(id="a batch", shape=(3, 37, 70)),
        Case(id="a batch of transposed views", shape=(3, 37, 70), layout=Layout.TRANSPOSED),
        Case(id="a batch of one matrix", shape=(3, 37, 70), layout=Layout.EXPANDED),
        Case(id="two batch dimensions", shape=(2, 3, 5, 7)),
        Case(id="naive", shape=(513, 70), params=_NAIVE),
        Case(id="naive, a batch", shape=(2, 37, 70), params=_NAIVE),
        Case(id="naive, padded rows", shape=(37, 70), params=_NAIVE, layout=Layout.PADDED),
        Case(id="naive, NaN and infinity", shape=(9, 70), params=_NAIVE, values=Values.SPECIAL),
        Case(
            id="past 2**31 elements",
            shape=(3, 32771, 32768),
            gpu_only=True,
            tail=1,
            dtypes=("bfloat16",),
        ),
        Case(
            id="naive, past 2**31 elements",
            shape=(3, 32771, 32768),
            params=_NAIVE,
            gpu_only=True,
            tail=1,
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        *bench_cases(_BENCH_SHAPES),
        Case(id="8192x8192, naive", shape=(8192, 8192), params=_NAIVE),
    ),
    mutants=(
        Mutant(
            why="the tile is written as it was read",
            old="tl.store(y_ptrs, tl.trans(x), mask",
            new="tl.store(y_ptrs, tl.reshape(x, [BLOCK_N, BLOCK_M]), mask",
            cases=("one tile and one entry",),
        ),
        Mutant(
            why="rows of y are as long as those of x",
            old="cols[:, None] * n_rows + rows[None, :]",
            new="cols[:, None] * n_cols + rows[None, :]",
            cases=("a batch",),
        ),
        Mutant(
            why="the last tile is written whole",
            old="mask=(cols < n_cols)[:, None] & (rows < n_rows)[None, :])",
            new="mask=(cols < n_cols)[:, None] | (rows < n_rows)[None, :])",
            cases=("one tile and one entry",),
        ),
        Mutant(
            why="every matrix of a batch is the first",
            old="x_ptr + batch * stride_b + rows[:, None]",
            new="x_ptr + rows[:, None]",
            cases=("a batch",),
        ),
        Mutant(
            why="naive: the column is walked in steps of one",
            old="+ rows * stride_m + col * stride_n",
            new="+ rows * stride_n + col * stride_n",
            cases=("naive",),
        ),
    ),
)
