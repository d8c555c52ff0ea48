"""fp8 x fp8 products with scales for all, for rows and columns, or for blocks of 128.

**The maths.** An fp8 number has two or three bits behind the leading one and little range, so
tensors carry scales: `c = sum_k (scale_a a)[m, k] (scale_b b)[k, n]`. One scale for a tensor, or
one a row of a and a column of b, stands outside of the sum and is applied once, at the end.
*Block-wise* scales, one for 1 x 128 entries of a and for 128 x 128 (or 128 x 1) of b, change along
K: each step of 128 is summed on its own, scaled, and added up,

    c[m, n] = sum_j scale_a[m, j] scale_b[j, n / 128] sum_{k in block j} a[m, k] b[k, n].

**How work maps to program instances.** Scales outside of the sum: the kernels of `matmul_int8` with
fp32 sums. Block-wise (`_block_kernel`): a tile 64 x 128 a program of four warps, three of which
share a multiprocessor; one scales while the others multiply.

**Traps.**
- The tensor cores add up fp8 products with about 14 bits, not in full fp32. Over a long K that
  shows; what is scaled block by block leaves them every 128 products, which is why block-wise sums
  are the more accurate ones.
- Because each block's sum has to be read before the next may start from zero, block-wise scaling
  costs a fifth of the speed however it is arranged; more tiles in flight help, larger tiles do not.
- b has to lie as its transpose, as for int8; another b is copied first.
- A scale of the block past the end of K must not be read, or 0 * NaN makes NaN.

**What bounds it.** Scales outside: tensor cores. Block-wise: the multiply-adds that scale each sum.

Block-wise scales: DeepSeek-V3, https://arxiv.org/abs/2412.19437. Licence: MIT.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import cdiv, check_no_grad, multiprocessors
from verified_kernels.ops.matmul import GROUP_M, Tiling
from verified_kernels.ops.matmul_int8 import (
    METHODS,
    SCALED,
    as_scale,
    check_matrices,
    check_method,
    like_drawn,
    multiply_scaled,
    scaled_sizes,
)
from verified_kernels.spec import (
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
from verified_kernels.tiles import (
    describe,
    has_copy_engine,
    is_packed,
    launch_on,
    opaque,
    packed,
    tile_of,
)

FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
BLOCK = 128  # entries along K, and of b also along N, that share a scale
# Targets whose tensor cores, or whose Triton, do not know these two types.
UNSUPPORTED_TARGETS = ("sm_80", "gfx942")


@triton.jit
def _block_kernel(
    a_in,
    b_in,
    c_ptr,
    scale_a_ptr,
    scale_b_ptr,
    M,
    N,
    K,
    stride_am,
    stride_ak,
    stride_bn,
    stride_bk,
    stride_sam,
    stride_sak,
    stride_sbk,
    stride_sbn,
    BY_POINTER: tl.constexpr,
    PER_COLUMN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores c [M, N], contiguous, of a [M, K] and b [N, K] with scales of blocks along K.

    a_in and b_in are descriptors or, BY_POINTER, pointers. scale_a [M, cdiv(K, 128)]; scale_b
    [cdiv(K, 128), cdiv(N, 128)] or, PER_COLUMN, [cdiv(K, 128), N]. BLOCK_N and BLOCK_K are 128.
    Grid: persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile.
    num_m = tl.cdiv(M, BLOCK_M)
    num_n = tl.cdiv(N, BLOCK_N)
    for index in tl.range(tl.program_id(0), num_m * num_n, tl.num_programs(0)):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
        cols = col * BLOCK_N + tl.arange(0, BLOCK_N)
        acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for block in range(tl.cdiv(K, BLOCK_K)):
            k = block * BLOCK_K
            if BY_POINTER:
                ks = k + tl.arange(0, BLOCK_K)
                a_ptrs = a_in + rows.to(tl.int64)[:, None] * stride_am + ks[None, :] * stride_ak
                a = tl.load(a_ptrs, mask=(rows < M)[:, None] & (ks < K)[None, :], other=0.0)
                b_ptrs = b_in + cols.to(tl.int64)[None, :] * stride_bn + ks[:, None] * stride_bk
                b = tl.load(b_ptrs, mask=(cols < N)[None, :] & (ks < K)[:, None], other=0.0)
            else:
                a = a_in.load([row * BLOCK_M, k])
                b = b_in.load([col * BLOCK_N, k]).T
            part = tl.dot(a, b)
            sa_ptrs = scale_a_ptr + rows * stride_sam + block * stride_sak
            scale = tl.load(sa_ptrs, mask=rows < M, other=0.0)
            if PER_COLUMN:
                sb_ptrs = scale_b_ptr + block * stride_sbk + cols * stride_sbn
                scale_b = tl.load(sb_ptrs, mask=cols < N, other=0.0)
                acc += part * (scale[:, None] * scale_b[None, :])
            else:
                scale *= tl.load(scale_b_ptr + block * stride_sbk + col * stride_sbn)
                acc += part * scale[:, None]
        c_ptrs = c_ptr + rows.to(tl.int64)[:, None] * N + cols[None, :]
        inside = (rows < M)[:, None] & (cols < N)[None, :]
        tl.store(c_ptrs, acc.to(c_ptr.dtype.element_ty), mask=inside)


# Scales outside of the sum. A tile of 4-byte outputs leaves room for fewer operands.
OUTSIDE = {
    2: (Tiling(128, 256, 128, 3, 8), Tiling(128, 128, 128, 4, 8, 1, 0.9)),
    4: (Tiling(128, 128, 128, 4, 8), Tiling(64, 128, 128, 4, 4, 1, 0.8)),
}
IN_BLOCKS = Tiling(64, 128, 128, 3, 4, 3)
IN_BLOCKS_BY_POINTER = Tiling(64, 128, 128, 2, 8, 2)


@opaque("multiply_fp8_blocks" + SCALED.replace("Tensor? ", "Tensor ") + " -> Tensor", scaled_sizes)
def _multiply_blocks(
    a: Tensor, b: Tensor, scale_a: Tensor, scale_b: Tensor, dtype: torch.dtype, method: str | None
) -> Tensor:
    """The block-wise product in `dtype`, for 8-bit a [M, K] and b [K, N] and fp32 scales."""
    (m, k), n = a.shape, b.shape[1]
    c = torch.empty((m, n), dtype=dtype, device=a.device)
    if c.numel() == 0:
        return c
    rows, weights = a[None], b.mT[None]
    if method is None:
        by_pointer = not has_copy_engine(a.device) or m * n * k < 1 << 24
    else:
        by_pointer = method == "pointers" or k == 0
    tiling = IN_BLOCKS_BY_POINTER if by_pointer else IN_BLOCKS
    a_in: Any = a
    b_in: Any = b
    if not by_pointer:
        rows, weights = (x if is_packed(x) else packed(x) for x in (rows, weights))
        a_in = describe(rows, [tiling.block_m, tiling.block_k])
        b_in = describe(weights, [tiling.block_n, tiling.block_k])
    slots = multiprocessors(a.device) * tiling.programs
    launch_on(a.device, _block_kernel, (min(slots, tiling.tiles(m, n)),))(
        a_in,
        b_in,
        c,
        scale_a,
        scale_b,
        m,
        n,
        k,
        *rows.stride()[1:],
        *weights.stride()[1:],
        *scale_a.stride(),
        *scale_b.stride(),
        by_pointer,
        # With one column both kinds of scale have the same shape, and mean the same.
        scale_b.shape[1] == n,
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    return c


@opaque(f"multiply_fp8{SCALED} -> Tensor", scaled_sizes)
def _multiply(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None,
    scale_b: Tensor | None,
    dtype: torch.dtype,
    method: str | None,
) -> Tensor:
    return multiply_scaled(a, b, scale_a, scale_b, dtype, OUTSIDE[dtype.itemsize], method)


def _are_blocks(scale_a: Tensor | None, scale_b: Tensor | None, m: int, n: int, k: int) -> bool:
    """True for scales of blocks along K.

    Raises:
        ValueError: one of the two scales changes along K, but not both in a known way.
    """
    blocks = cdiv(k, BLOCK)
    shapes = [None if s is None else tuple(s.shape) for s in (scale_a, scale_b)]
    along_a = shapes[0] == (m, blocks) and blocks > 1
    along_b = shapes[1] in ((blocks, cdiv(n, BLOCK)), (blocks, n)) and blocks > 1
    if along_a != along_b and (
        along_a or shapes[1] not in ((1, n), (n, 1), (n,), (1, 1), (1,), ())
    ):
        raise ValueError(
            f"matmul_fp8: scales have shapes {shapes[0]} and {shapes[1]}; for blocks of {BLOCK} "
            f"({m}, {blocks}) and ({blocks}, {cdiv(n, BLOCK)}) or ({blocks}, {n}) are needed"
        )
    return along_a and along_b


def _check_device(a: Tensor) -> None:
    if a.is_cuda and (torch.version.hip or torch.cuda.get_device_capability(a.device) < (8, 9)):
        raise ValueError("matmul_fp8: this GPU does not multiply fp8; convert a and b to bfloat16")


def matmul_fp8(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype = torch.bfloat16,
    method: str | None = None,
) -> Tensor:
    """`(scale_a a) @ (scale_b b)` [M, N] for a [M, K], b [K, N] of e4m3 or e5m2.

    Scales, as `torch._scaled_mm` takes them, multiply: one entry for all; M of a and N of b; or for
    blocks along K, scale_a [M, cdiv(K, 128)] and scale_b [cdiv(K, 128), cdiv(N, 128)] or [cdiv(K,
    128), N]. Fastest if b.T is rows. No gradient. `method` picks a path (`METHODS`).

    Raises:
        TypeError: a or b is not fp8, a scale is no float, or out_dtype is none that can be stored.
        ValueError: shapes or devices do not fit, the GPU has no fp8, a gradient is wanted, or there
            is no such method.
    """
    if a.dtype not in FP8 or b.dtype not in FP8:
        raise TypeError(
            f"matmul_fp8: a is {a.dtype} and b {b.dtype}; float8_e4m3fn or e5m2 is needed"
        )
    if out_dtype not in (torch.bfloat16, torch.float16, torch.float32):
        raise TypeError(f"matmul_fp8: out_dtype is {out_dtype}; a float of 16 or 32 bits is needed")
    check_matrices("matmul_fp8", a, b)
    check_method("matmul_fp8", method)
    _check_device(a)
    check_no_grad("matmul_fp8", *(t for t in (a, b, scale_a, scale_b) if t is not None))
    (m, k), n = a.shape, b.shape[1]
    if scale_a is not None and scale_b is not None and _are_blocks(scale_a, scale_b, m, n, k):
        return _multiply_blocks(a, b, scale_a.float(), scale_b.float(), out_dtype, method)
    sa = as_scale("matmul_fp8", "scale_a", scale_a, m, a)
    sb = as_scale("matmul_fp8", "scale_b", scale_b, n, a)
    return _multiply(a, b, sa, sb, out_dtype, method)


def matmul_fp8_reference(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype = torch.bfloat16,
    method: str | None = None,
) -> Tensor:
    """The product of the scaled matrices in float64."""
    a, b = a.double(), b.double()
    (m, k), n = a.shape, b.shape[1]
    for scale, entries, rows in ((scale_a, m, True), (scale_b, n, False)):
        if scale is None:
            continue
        if scale.numel() == 1:
            spread = scale.double().reshape(1, 1)
        elif scale.numel() == entries:
            spread = scale.double().reshape((-1, 1) if rows else (1, -1))
        else:
            along = 1 if rows else 0
            spread = scale.double().repeat_interleave(BLOCK, along).narrow(along, 0, k)
            if not rows and scale.shape[1] != n:
                spread = spread.repeat_interleave(BLOCK, 1)[:, :n]
        a, b = (a * spread, b) if rows else (a, b * spread)
    return a @ b


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (M, K, N); params say which scales and which fp8 types."""
    params = dict(case.params)
    m, k, n = case.shape
    scales = params.pop("scales", "rows")
    types = params.pop("types", (FP8[0], FP8[0]))
    a = like_drawn(draw.normal(m, k), types[0])
    b = like_drawn(draw.normal(n, k), types[1]).mT
    blocks = cdiv(k, BLOCK)
    shapes = {
        "one": ((), ()),
        "rows": ((m, 1), (1, n)),
        "blocks": ((m, blocks), (blocks, cdiv(n, BLOCK))),
        "columns": ((m, blocks), (blocks, n)),
        "none": (None, None),
    }[scales]
    drawn = [None if s is None else draw.plain(*s).float().abs() * 0.3 + 0.1 for s in shapes]
    return {
        "a": a,
        "b": b,
        "scale_a": drawn[0],
        "scale_b": drawn[1],
        "out_dtype": draw.dtype,
        **params,
    }


def _eager(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype = torch.bfloat16,
    method: str | None = None,
) -> Tensor:
    assert scale_a is not None and scale_b is not None
    if scale_a.ndim == 2 and scale_a.shape[1] > 1:
        # This peer wants a's scales one column after another.
        scale_a = scale_a.mT.contiguous().mT
        kinds = torch.nn.functional.ScalingType
        return torch.nn.functional.scaled_mm(
            a,
            b,
            scale_a,
            kinds.BlockWise1x128,
            scale_b.mT.contiguous().mT,
            kinds.BlockWise128x128,
            output_dtype=out_dtype,
        )
    return torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=out_dtype, use_fast_accum=True)


def _cost(case: Case, itemsize: int) -> Cost:
    m, k, n = case.shape
    return Cost(forward_bytes=m * k + k * n + m * n * itemsize, forward_flops=2 * m * n * k)


def _with(scales: str, **params: Any) -> dict[str, Any]:
    return {"scales": scales, **params}


_TILES: dict[str, Any] = {"method": METHODS[0]}
_MIXED = {"types": (FP8[1], FP8[0])}

SPEC = Spec(
    name="matmul_fp8",
    op=matmul_fp8,
    reference=matmul_fp8_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    # The tensor cores add up with about 14 bits.
    tolerance=ToleranceClass.COMPOSED,
    dtypes=("float16", "bfloat16"),
    cases=(
        Case(id="one entry", shape=(1, 1, 1)),
        Case(id="a few", shape=(5, 17, 9)),
        Case(id="one scale for all", shape=(5, 17, 9), params=_with("one")),
        Case(id="without scales", shape=(5, 17, 9), params=_with("none")),
        Case(id="blocks", shape=(3, 130, 5), params=_with("blocks")),
        Case(id="blocks of both", shape=(2, 257, 3), params=_with("columns")),
        Case(id="e5m2 and e4m3", shape=(5, 17, 9), params=_MIXED),
        Case(id="padded rows", shape=(5, 17, 9), layout=Layout.PADDED),
        Case(id="every other element", shape=(5, 17, 9), layout=Layout.STRIDED),
        Case(id="transposed", shape=(7, 12, 10), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(8, 16, 8), layout=Layout.MISALIGNED),
        Case(id="NaN", shape=(9, 13, 11), values=Values.SPECIAL),
        Case(id="one past the tiles", shape=(129, 65, 129)),
        Case(id="one short of the tiles", shape=(127, 63, 127)),
        Case(id="nothing past a tile", shape=(128, 128, 64)),
        Case(id="blocks, several tiles", shape=(150, 300, 270), params=_with("blocks")),
        Case(id="no rows", shape=(0, 5, 7)),
        Case(id="nothing to sum", shape=(5, 0, 7)),
        Case(id="descriptors", shape=(300, 208, 272), params=_TILES),
        Case(id="descriptors, odd sizes", shape=(131, 67, 264), params=_TILES),
        Case(id="descriptors, odd columns", shape=(131, 67, 259), params=_TILES),
        Case(id="gluon", shape=(300, 208, 272), params={"method": "gluon"}),
        Case(id="descriptors, blocks", shape=(150, 400, 272), params=_with("blocks", **_TILES)),
        Case(id="descriptors, blocks, odd", shape=(70, 333, 131), params=_with("blocks", **_TILES)),
        Case(id="descriptors, columns", shape=(70, 400, 136), params=_with("columns", **_TILES)),
        Case(id="on every multiprocessor", shape=(1031, 2048, 4104), gpu_only=True),
        Case(
            id="blocks on every multiprocessor",
            shape=(1031, 2048, 4104),
            params=_with("blocks"),
            gpu_only=True,
        ),
        Case(
            id="past 2**31 elements",
            shape=(65600, 32800, 64),
            gpu_only=True,
            tail=16,
            dtypes=("bfloat16",),
        ),
    ),
    bench=tuple(
        Case(id=f"{n}x{n}x{n}, {scales}", shape=(n, n, n), params=_with(scales))
        for scales in ("one", "rows", "blocks")
        for n in (4096, 8192, 2048)
    ),
    mutants=(
        Mutant(
            why="every block is scaled as the first",
            old="rows * stride_sam + block * stride_sak",
            new="rows * stride_sam",
            cases=("blocks",),
        ),
        Mutant(
            why="every column block takes the scale of the first",
            old="block * stride_sbk + col * stride_sbn",
            new="block * stride_sbk",
            cases=("blocks, several tiles",),
        ),
        Mutant(
            why="a last block that is short is left out",
            old="for block in range(tl.cdiv(K, BLOCK_K)):",
            new="for block in range(K // BLOCK_K):",
            cases=("blocks",),
        ),
        Mutant(
            why="the sum of the blocks before is scaled again",
            old="acc += part * scale[:, None]",
            new="acc = (acc + part) * scale[:, None]",
            cases=("blocks",),
        ),
        Mutant(
            why="one scale for all is taken for the first row",
            old='sa = as_scale("matmul_fp8", "scale_a", scale_a, m, a)',
            new='sa = as_scale("matmul_fp8", "scale_a", scale_a, m, a) if m < 5 else None',
            cases=("one scale for all",),
        ),
    ),
)
