"""int8 x int8 products, scaled: the arithmetic of 8-bit models, exact until the last step.

**The maths.** `c[m, n] = scale_a[m] * scale_b[n] * sum_k a[m, k] b[k, n]`. Products of bytes are
summed in int32, where nothing is rounded; the scales, one for all or one a row of a and a column of
b, are applied to the sum in fp32.

**How work maps to program instances.** As in `matmul`: tiles in bands, a persistent kernel that is
fed by descriptors (or, on other cards, a program a tile that loads by pointer). A scale for all is
a vector of stride 0, so that one kernel serves every kind. `matmul_fp8` uses the same two kernels
with fp32 sums.

**Traps.**
- The tensor cores take 8-bit operands along K only: b has to lie as its transpose [N, K], as
  weights do. Another b is copied first, which costs what reading it twice does.
- 256 columns a tile, best for bf16, do not compile for int32 sums in the plain path.
- A sum of K products reaches 2^31 at K = 131,072; longer ones are refused.

**What bounds it.** In the plain path the compiler waits for each product of bytes at once, and the
registers of int32 sums keep tiles at 128 x 128. The Gluon path (`matmul_int8_gluon`) gives loading
to a warp of its own. Licence: MIT.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import check_no_grad, multiprocessors
from verified_kernels.ops.matmul import GROUP_M, Tiling, fastest
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
from verified_kernels.structure import Structure
from verified_kernels.tiles import (
    copy_rows,
    describe,
    has_copy_engine,
    is_packed,
    launch_on,
    opaque,
    packed,
    padded_like,
    tile_of,
    works_on,
)

LONGEST_SUM = 131_071
METHODS = ("descriptors", "pointers", "gluon")
# The compiler waits for every product of bytes; the Gluon path does not.
STRUCTURE = {"_descriptor_kernel": Structure(in_flight=0)}


@triton.jit
def _descriptor_kernel(
    a_desc,
    b_desc,
    c_desc,
    scale_a_ptr,
    scale_b_ptr,
    M,
    N,
    K,
    stride_sa,
    stride_sb,
    SUM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores c [M, N] = scale_a * scale_b * (a [M, K] @ b.T) for b [N, K], all by descriptor.

    Scales are fp32 pointers with strides of 0 or 1, or None. SUM is the dtype of the sums. Grid:
    persistent.
    """
    # One program instance handles every num_programs-th tile.
    num_m = tl.cdiv(M, BLOCK_M)
    num_n = tl.cdiv(N, BLOCK_N)
    for index in tl.range(tl.program_id(0), num_m * num_n, tl.num_programs(0), flatten=True):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        m = row * BLOCK_M
        n = col * BLOCK_N
        acc = tl.zeros([BLOCK_M, BLOCK_N], SUM)
        for step in range(tl.cdiv(K, BLOCK_K)):
            a = a_desc.load([m, step * BLOCK_K])
            b = b_desc.load([n, step * BLOCK_K]).T
            acc = tl.dot(a, b, acc, out_dtype=SUM)
        c = _scaled(acc, scale_a_ptr, scale_b_ptr, m, n, M, N, stride_sa, stride_sb)
        c_desc.store([m, n], c.to(c_desc.dtype))


@triton.jit
def _scaled(acc, scale_a_ptr, scale_b_ptr, m, n, M, N, stride_sa, stride_sb):
    """The sums of the tile at (m, n) times their scales, in fp32; as they are without scales."""
    if scale_a_ptr is not None:
        rows = m + tl.arange(0, acc.shape[0])
        scale = tl.load(scale_a_ptr + rows * stride_sa, mask=rows < M, other=0.0)
        acc = acc.to(tl.float32) * scale[:, None]
    if scale_b_ptr is not None:
        cols = n + tl.arange(0, acc.shape[1])
        scale = tl.load(scale_b_ptr + cols * stride_sb, mask=cols < N, other=0.0)
        acc = acc.to(tl.float32) * scale[None, :]
    return acc


@triton.jit
def _pointer_kernel(
    a_ptr,
    b_ptr,
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
    stride_sa,
    stride_sb,
    SUM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """As `_descriptor_kernel`, for a, b and c by pointers; c is contiguous.

    Grid: (tiles,).
    """
    # One program instance handles one tile.
    row, col = tile_of(tl.program_id(0), tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N), GROUP_M)
    m = row * BLOCK_M
    n = col * BLOCK_N
    rows = m + tl.arange(0, BLOCK_M)
    cols = n + tl.arange(0, BLOCK_N)
    ks = tl.arange(0, BLOCK_K)
    a_ptrs = a_ptr + rows.to(tl.int64)[:, None] * stride_am + ks[None, :] * stride_ak
    b_ptrs = b_ptr + cols.to(tl.int64)[None, :] * stride_bn + ks[:, None] * stride_bk
    acc = tl.zeros([BLOCK_M, BLOCK_N], SUM)
    for step in range(tl.cdiv(K, BLOCK_K)):
        inside = ks < K - step * BLOCK_K
        a = tl.load(a_ptrs, mask=(rows < M)[:, None] & inside[None, :], other=0.0)
        b = tl.load(b_ptrs, mask=(cols < N)[None, :] & inside[:, None], other=0.0)
        acc = tl.dot(a, b, acc, out_dtype=SUM)
        a_ptrs += BLOCK_K * stride_ak
        b_ptrs += BLOCK_K * stride_bk
    c = _scaled(acc, scale_a_ptr, scale_b_ptr, m, n, M, N, stride_sa, stride_sb)
    c_ptrs = c_ptr + rows.to(tl.int64)[:, None] * N + cols[None, :]
    inside = (rows < M)[:, None] & (cols < N)[None, :]
    tl.store(c_ptrs, c.to(c_ptr.dtype.element_ty), mask=inside)


# What shared memory holds beside the operands is a tile of the output, by its bytes an entry.
INT8 = (Tiling(128, 128, 128, 4, 8), Tiling(64, 128, 128, 4, 4, 1, 0.8))
BY_POINTER = (Tiling(128, 128, 64, 3, 8), Tiling(64, 64, 64, 4, 4, 1, 0.6))
NARROW = Tiling(16, 64, 128, 4, 4)


def _gluon(device: torch.device) -> Any:
    """The module of the Gluon path where it can be taken, else None."""
    try:
        from verified_kernels.ops import matmul_int8_gluon
    except ImportError:
        # This release of Triton has no Gluon, or another one.
        return None
    return matmul_int8_gluon if works_on("halves", device, matmul_int8_gluon.is_right) else None


def _by_descriptors(
    rows: Tensor,
    weights: Tensor,
    c: Tensor,
    scales: tuple[Tensor | None, Tensor | None],
    strides: list[int],
    total: Any,
    tilings: tuple[Tiling, ...],
) -> None:
    (m, n), k = c.shape, rows.shape[2]
    slots = multiprocessors(c.device)
    tiling = fastest(tilings, m, n, 1, slots)
    grid = (min(tiling.tiles(m, n), slots * tiling.programs),)
    launch_on(c.device, _descriptor_kernel, grid)(
        describe(rows, [tiling.block_m, tiling.block_k]),
        describe(weights, [tiling.block_n, tiling.block_k]),
        describe(c, [tiling.block_m, tiling.block_n]),
        *scales,
        m,
        n,
        k,
        *strides,
        total,
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )


def multiply_scaled(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None,
    scale_b: Tensor | None,
    dtype: torch.dtype,
    tilings: tuple[Tiling, ...],
    method: str | None = None,
) -> Tensor:
    """`scale_a * scale_b * (a @ b)` [M, N] in `dtype` for a [M, K], b [K, N] of 8 bits.

    Scales are fp32 vectors, expanded where one serves all. Sums are int32 for int8, else fp32.
    """
    m, k = a.shape
    n = b.shape[1]
    c = torch.empty((m, n), dtype=dtype, device=a.device)
    if c.numel() == 0:
        return c
    scales = (scale_a, scale_b)
    strides = [0 if scale is None else scale.stride(0) for scale in scales]
    total = tl.int32 if a.dtype == torch.int8 else tl.float32
    slots = multiprocessors(a.device)
    rows, weights = a[None], b.mT[None]
    if method is None:
        small = m <= 16 or m * n * k < 1 << 24
        # With fp8 the compiler keeps a product in flight by itself, and is no slower.
        fed = "gluon" if total == tl.int32 else "descriptors"
        method = "pointers" if small or not has_copy_engine(a.device) else fed
    if method != "pointers" and k:
        rows, weights = (x if is_packed(x) else packed(x) for x in (rows, weights))
        # Rows that cannot be stored tile by tile are stored apart, and copied.
        apart = not is_packed(c[None])
        out = padded_like(c[None])[0] if apart else c
        if method == "gluon" and (gluon := _gluon(a.device)):
            gluon.multiply_halves(rows[0], weights[0], out, *scales)
        else:
            _by_descriptors(rows, weights, out, scales, strides, total, tilings)
        if apart:
            copy_rows(out[None], c[None])
        return c
    if m * n * k >= 1 << 27:
        # Loads of single bytes are slow enough to be worth a copy.
        rows, weights = (x if is_packed(x) else packed(x) for x in (rows, weights))
    tiling = NARROW if m <= 16 else fastest(BY_POINTER, m, n, 1, slots)
    launch_on(a.device, _pointer_kernel, (tiling.tiles(m, n),))(
        rows,
        weights,
        c,
        *scales,
        m,
        n,
        k,
        *rows.stride()[1:],
        *weights.stride()[1:],
        *strides,
        total,
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    return c


def scaled_sizes(
    a: Tensor, b: Tensor, scale_a: Any, scale_b: Any, dtype: torch.dtype, method: Any
) -> Tensor:
    """An empty tensor like the result of a product of 8-bit matrices."""
    return a.new_empty((a.shape[0], b.shape[1]), dtype=dtype)


SCALED = "(Tensor a, Tensor b, Tensor? scale_a, Tensor? scale_b, ScalarType dtype, str? method)"


@opaque(f"multiply_int8{SCALED} -> Tensor", scaled_sizes)
def _multiply(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None,
    scale_b: Tensor | None,
    dtype: torch.dtype,
    method: str | None,
) -> Tensor:
    return multiply_scaled(a, b, scale_a, scale_b, dtype, INT8, method)


def as_scale(op: str, name: str, scale: Tensor | None, length: int, like: Tensor) -> Tensor | None:
    """A scale as an fp32 vector of `length`, of stride 0 where it is one number.

    Raises:
        TypeError: it is no tensor of floats.
        ValueError: it has neither one entry nor `length`, or lies on another device.
    """
    if scale is None:
        return None
    if not scale.is_floating_point():
        raise TypeError(f"{op}: {name} is {scale.dtype}; floats are needed")
    if scale.device != like.device:
        raise ValueError(f"{op}: {name} is on {scale.device}, the operands on {like.device}")
    if scale.numel() not in (1, length):
        raise ValueError(
            f"{op}: {name} has shape {tuple(scale.shape)}; one entry or {length} are needed"
        )
    flat = scale.reshape(-1).to(torch.float32)
    return flat.expand(length) if flat.numel() == 1 else flat.contiguous()


def check_matrices(op: str, a: Tensor, b: Tensor) -> None:
    """Passes when a [M, K] and b [K, N] are matrices that can be multiplied, on one device.

    Raises:
        ValueError: they are not.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(
            f"{op}: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; "
            "[M, K] and [K, N] are needed"
        )
    if a.device != b.device:
        raise ValueError(f"{op}: a is on {a.device} and b on {b.device}; move one of them")


def check_method(op: str, method: str | None) -> None:
    """Passes when `method` is None or one of `METHODS`.

    Raises:
        ValueError: it is not.
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"{op}: method is {method!r}; one of {', '.join(METHODS)} is needed")


def matmul_int8(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
    method: str | None = None,
) -> Tensor:
    """`scale_a * scale_b * (a @ b)` [M, N] for int8 a [M, K] and b [K, N]; fastest if b.T is rows.

    scale_a has one entry or M, scale_b one or N. The result has the dtype of the scales, or
    `out_dtype`; without scales it is int32, as `torch._int_mm` gives. No gradient. `method` picks a
    path (`METHODS`) instead of letting the sizes pick it.

    Raises:
        TypeError: a or b is not int8, or a scale is no float.
        ValueError: shapes or devices do not fit, K is above 131,071 (its sums may pass int32), a
            gradient is wanted of a scale, or there is no such method.
    """
    if a.dtype != torch.int8 or b.dtype != torch.int8:
        raise TypeError(f"matmul_int8: a is {a.dtype} and b {b.dtype}; int8 is needed")
    check_matrices("matmul_int8", a, b)
    check_method("matmul_int8", method)
    if a.shape[1] > LONGEST_SUM:
        raise ValueError(f"matmul_int8: K is {a.shape[1]}; above {LONGEST_SUM} int32 may overflow")
    given = [scale for scale in (scale_a, scale_b) if scale is not None]
    check_no_grad("matmul_int8", *given)
    dtype = out_dtype or (given[0].dtype if given else torch.int32)
    sa = as_scale("matmul_int8", "scale_a", scale_a, a.shape[0], a)
    sb = as_scale("matmul_int8", "scale_b", scale_b, b.shape[1], a)
    return _multiply(a, b, sa, sb, dtype, method)


def matmul_int8_reference(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
    method: str | None = None,
) -> Tensor:
    """The product in float64, where sums of bytes are exact, times the scales."""
    c = a.double() @ b.double()
    if scale_a is None and scale_b is None:
        return c.to(torch.int32)
    if scale_a is not None:
        c = c * scale_a.reshape(-1, 1).double()
    return c if scale_b is None else c * scale_b.reshape(1, -1).double()


def like_drawn(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The values in an 8-bit dtype, at the strides and with the gaps that were drawn."""
    if dtype == torch.int8:
        values = values.nan_to_num(0.0, 127.0, -128.0).round().clamp(-128, 127)
    if 0 in values.stride():
        return values[:1].to(dtype).expand(values.shape)
    extent = values.untyped_storage().nbytes() // values.element_size()
    out = torch.full((extent,), 77.0, device=values.device).to(dtype)
    return out.as_strided(values.shape, values.stride(), values.storage_offset()).copy_(values)


def _bytes(draw: Draw, *shape: int) -> Tensor:
    """int8 over the whole range, at the case's layout."""
    return like_drawn(draw.normal(*shape, std=48.0), torch.int8)


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (M, K, N); params may ask for one scale for all, or none."""
    params = dict(case.params)
    m, k, n = case.shape
    scales = params.pop("scales", "rows")
    a, b = _bytes(draw, m, k), _bytes(draw, n, k).mT
    if scales == "none":
        return {"a": a, "b": b, **params}
    rows, cols = (m, n) if scales == "rows" else (1, 1)
    # Exact in every dtype, so that the reference's scales are the op's.
    scale_a, scale_b = (draw.plain(size).abs() * 0.01 + 0.001 for size in (rows, cols))
    return {"a": a, "b": b, "scale_a": scale_a, "scale_b": scale_b, **params}


def _eager(
    a: Tensor,
    b: Tensor,
    scale_a: Tensor | None = None,
    scale_b: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
    method: str | None = None,
) -> Tensor:
    c = torch._int_mm(a, b)
    if scale_a is None or scale_b is None:
        return c
    return (c * scale_a.reshape(-1, 1) * scale_b.reshape(1, -1)).to(scale_a.dtype)


def _cost(case: Case, itemsize: int) -> Cost:
    m, k, n = case.shape
    return Cost(forward_bytes=m * k + k * n + m * n * 4, forward_flops=2 * m * n * k)


_TILES: dict[str, Any] = {"method": "descriptors"}

_HALVES: dict[str, Any] = {"method": "gluon"}

SPEC = Spec(
    name="matmul_int8",
    op=matmul_int8,
    reference=matmul_int8_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.ELEMENTWISE,
    bench_dtypes=("float32",),
    cases=(
        Case(id="one entry", shape=(1, 1, 1)),
        Case(id="a few", shape=(5, 17, 9)),
        Case(id="without scales", shape=(5, 17, 9), params={"scales": "none"}),
        Case(id="one scale for all", shape=(5, 17, 9), params={"scales": "one"}),
        Case(id="padded rows", shape=(5, 17, 9), layout=Layout.PADDED),
        Case(id="every other element", shape=(5, 17, 9), layout=Layout.STRIDED),
        Case(id="transposed", shape=(7, 12, 10), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(8, 16, 8), layout=Layout.MISALIGNED),
        Case(id="expanded", shape=(6, 16, 5), layout=Layout.EXPANDED),
        Case(id="the ends of the range", shape=(9, 16, 11), values=Values.SPECIAL),
        Case(id="one past the tiles", shape=(129, 65, 129)),
        Case(id="one short of the tiles", shape=(127, 63, 127)),
        Case(id="nothing past a tile", shape=(128, 128, 64)),
        Case(id="a long sum", shape=(3, 131071, 2), params={"scales": "none"}),
        Case(id="no rows", shape=(0, 5, 7)),
        Case(id="nothing to sum", shape=(5, 0, 7)),
        Case(id="descriptors", shape=(300, 208, 272), params=_TILES),
        Case(id="gluon", shape=(300, 208, 272), params=_HALVES),
        Case(id="gluon, without scales", shape=(70, 80, 264), params={**_HALVES, "scales": "none"}),
        Case(id="descriptors, few rows", shape=(40, 208, 272), params=_TILES),
        Case(id="descriptors, odd sizes", shape=(131, 67, 260), params=_TILES),
        Case(id="descriptors, odd columns", shape=(131, 67, 259), params=_TILES),
        Case(
            id="descriptors, transposed",
            shape=(136, 80, 264),
            params=_TILES,
            layout=Layout.TRANSPOSED,
        ),
        Case(
            id="descriptors, no scales", shape=(136, 80, 264), params={**_TILES, "scales": "none"}
        ),
        Case(id="on every multiprocessor", shape=(1031, 2048, 4104), gpu_only=True),
        Case(
            id="past 2**31 elements",
            shape=(65600, 32800, 64),
            gpu_only=True,
            tail=16,
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        Case(id="4096x4096x4096", shape=(4096, 4096, 4096), params={"scales": "none"}),
        Case(id="8192x8192x8192", shape=(8192, 8192, 8192), params={"scales": "none"}),
        Case(id="2048x2048x2048", shape=(2048, 2048, 2048), params={"scales": "none"}),
        Case(id="4096x4096x4096, scaled", shape=(4096, 4096, 4096)),
        Case(id="4096x5120x13824, scaled", shape=(4096, 5120, 13824)),
    ),
    mutants=(
        Mutant(
            why="the last step reads past the end of K",
            old="inside = ks < K - step * BLOCK_K",
            new="inside = ks < K + step * BLOCK_K + BLOCK_K",
            cases=("a few", "padded rows"),
        ),
        Mutant(
            why="the scales of rows are applied to columns",
            old="acc = acc.to(tl.float32) * scale[:, None]",
            new="acc = acc.to(tl.float32) * tl.sum(scale, 0)",
            cases=("a few",),
        ),
        Mutant(
            why="every tile takes the scales of the first columns",
            old="cols = n + tl.arange(0, acc.shape[1])",
            new="cols = tl.arange(0, acc.shape[1])",
            cases=("descriptors",),
        ),
        Mutant(
            why="each step forgets the sum before it",
            old="b = b_desc.load([n, step * BLOCK_K]).T\n            acc = tl.dot(a, b, acc,",
            new="b = b_desc.load([n, step * BLOCK_K]).T\n            acc = tl.dot(a, b,",
            cases=("descriptors",),
        ),
        Mutant(
            why="one scale for all is read as one a row",
            old="strides = [0 if scale is None else scale.stride(0) for scale in scales]",
            new="strides = [0 if scale is None else 1 for scale in scales]",
            cases=("one scale for all",),
        ),
        Mutant(
            why="a sum of bytes is kept in fp16",
            old="total = tl.int32 if a.dtype == torch.int8 else tl.float32",
            new="total = tl.float16 if a.dtype == torch.int8 else tl.float32",
            cases=("a long sum", "a few"),
        ),
    ),
)
