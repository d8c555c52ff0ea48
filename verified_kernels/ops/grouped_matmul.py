"""Grouped products: each group of rows times a matrix of its own, as experts of a mixture need.

**The maths.** Rows of a [M, K] are sorted by group; group g holds rows offsets[g-1] to offsets[g],
and `c[i] = a[i] @ b[g]` for each of them. Sums are fp32. Gradients: `da[i] = dc[i] @ b[g]^T`, the
same kernel with b transposed, and `db[g] = a_g^T @ dc_g`, a product whose *inner* size differs from
group to group.

**How work maps to program instances.** How many rows a group has is known on the GPU only, and a
read back would stop the queue. So a first small kernel maps tiles: group g has cdiv(rows, BLOCK_M)
tiles of rows, none if it is empty, and slot j of a table says which group it serves and at which
slot that group begins. The table has room for the worst case, cdiv(M, BLOCK_M) + groups. The
product itself is persistent, as in `matmul`, over the tiles that the table holds; within a group
row tiles run fastest, so that programs side by side share a tile of b.

**Traps.**
- The last row tile of a group reaches into rows of the next one. They are loaded and multiplied by
  the wrong matrix, which does no harm, and must not be stored.
- For db they must not be summed either: rows past the end are zeroed in *both* operands, for an
  infinity times zero is NaN.
- An empty group has no tile, but its db is zero and has to be written.

**What bounds it.** Tensor cores; with 64 groups of about 512 rows, also the half-empty last tiles.

Tile maps on the device: MegaBlocks, https://arxiv.org/abs/2211.15841. Licence: MIT.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again
from verified_kernels.launch import cdiv, multiprocessors, next_power_of_2, wants_grad
from verified_kernels.ops.matmul import GROUP_M, Tiling, check_operands
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
    ALIGNMENT,
    as_autocast,
    describe,
    float32_precision,
    has_copy_engine,
    is_packed,
    launch_on,
    lies_transposed,
    opaque,
    packed,
    tile_of,
)

SLOTS = 128  # of the table, a program of the map
METHODS = ("descriptors", "pointers")
STRUCTURE = {"_forward_kernel": Structure(unless="BY_POINTER")}


@triton.jit
def _map_kernel(
    offsets_ptr,
    group_ptr,
    begin_ptr,
    count_ptr,
    n_groups,
    BLOCK_M: tl.constexpr,
    BLOCK_G: tl.constexpr,
    SLOTS: tl.constexpr,
):
    """For each row tile: its group, and the first tile of that group; in count how many there are.

    offsets [n_groups] are the ends of the groups; group and begin int32 [slots]; BLOCK_G spans the
    groups. Grid: (cdiv(slots, SLOTS),).
    """
    # One program instance fills SLOTS slots, and counts all tiles to do so.
    groups = tl.arange(0, BLOCK_G)
    real = groups < n_groups
    ends = tl.load(offsets_ptr + groups, mask=real, other=0).to(tl.int32)
    starts = tl.load(offsets_ptr + groups - 1, mask=real & (groups > 0), other=0).to(tl.int32)
    tiles = tl.where(real, (ends - starts + BLOCK_M - 1) // BLOCK_M, 0)
    after = tl.cumsum(tiles, 0)  # [BLOCK_G], tiles up to and with each group
    slots = tl.program_id(0) * SLOTS + tl.arange(0, SLOTS)
    passed = (after[None, :] <= slots[:, None]) & real[None, :]  # [SLOTS, BLOCK_G]
    tl.store(group_ptr + slots, tl.sum(passed.to(tl.int32), axis=1))
    tl.store(begin_ptr + slots, tl.max(tl.where(passed, after[None, :], 0), axis=1))
    tl.store(count_ptr, tl.sum(tiles, 0))


@triton.jit
def _forward_kernel(
    a_in,
    b_in,
    c_ptr,
    offsets_ptr,
    group_ptr,
    begin_ptr,
    count_ptr,
    M,
    N,
    K,
    stride_am,
    stride_ak,
    stride_bg,
    stride_bk,
    stride_bn,
    BY_POINTER: tl.constexpr,
    B_TRANSPOSED: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Stores c [M, N]: rows of a [M, K] times the matrix of their group in b [groups, K, N].

    a_in and b_in are descriptors (b's over [groups, N, K] if B_TRANSPOSED) or, BY_POINTER,
    pointers; c is contiguous. offsets, group, begin and count as `_map_kernel` has them. Grid:
    persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile.
    num_n = tl.cdiv(N, BLOCK_N)
    total = tl.load(count_ptr) * num_n
    for index in tl.range(tl.program_id(0), total, tl.num_programs(0), flatten=True):
        group = tl.load(group_ptr + index // num_n)
        begin = tl.load(begin_ptr + index // num_n)
        end = tl.load(offsets_ptr + group).to(tl.int32)
        start = tl.load(offsets_ptr + group - 1, mask=group > 0, other=0).to(tl.int32)
        num_m = tl.cdiv(end - start, BLOCK_M)
        within = index - begin * num_n
        m = start + within % num_m * BLOCK_M
        n = within // num_m * BLOCK_N
        acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for step in range(tl.cdiv(K, BLOCK_K)):
            k = step * BLOCK_K
            if BY_POINTER:
                rows = m + tl.arange(0, BLOCK_M)
                cols = n + tl.arange(0, BLOCK_N)
                ks = k + tl.arange(0, BLOCK_K)
                a_ptrs = a_in + rows.to(tl.int64)[:, None] * stride_am + ks[None, :] * stride_ak
                a = tl.load(a_ptrs, mask=(rows < end)[:, None] & (ks < K)[None, :], other=0.0)
                b_ptrs = b_in + group.to(tl.int64) * stride_bg
                b_ptrs += ks.to(tl.int64)[:, None] * stride_bk
                b_ptrs += cols.to(tl.int64)[None, :] * stride_bn
                b = tl.load(b_ptrs, mask=(ks < K)[:, None] & (cols < N)[None, :], other=0.0)
            else:
                a = a_in.load([m, k])
                if B_TRANSPOSED:
                    b = b_in.load([group, n, k]).reshape(BLOCK_N, BLOCK_K).T
                else:
                    b = b_in.load([group, k, n]).reshape(BLOCK_K, BLOCK_N)
            acc = tl.dot(a, b, acc, input_precision=PRECISION)
        # By pointer and masked: the rows after `end` are another tile's.
        tile_rows = tl.arange(0, BLOCK_M)
        tile_cols = tl.arange(0, BLOCK_N)
        inside = (tile_rows < end - m)[:, None] & (tile_cols < N - n)[None, :]
        corner = c_ptr + m.to(tl.int64) * N + n
        offsets = tile_rows[:, None] * N + tile_cols[None, :]
        tl.store(corner + offsets, acc.to(c_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _weights_kernel(
    a_ptr,
    d_ptr,
    out_ptr,
    offsets_ptr,
    N,
    K,
    stride_am,
    stride_ak,
    stride_dm,
    stride_dn,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores out [groups, K, N], sums over the rows of each group of a [M, K]^T times d [M, N].

    Here BLOCK_K x BLOCK_N is the tile of the output and BLOCK_M a step along the rows. Grid:
    (groups * tiles,). Sums are fp32.
    """
    # One program instance handles one tile of one group's matrix.
    num_k = tl.cdiv(K, BLOCK_K)
    num_n = tl.cdiv(N, BLOCK_N)
    group = tl.program_id(0) // (num_k * num_n)
    row, col = tile_of(tl.program_id(0) % (num_k * num_n), num_k, num_n, GROUP_M)
    end = tl.load(offsets_ptr + group).to(tl.int32)
    start = tl.load(offsets_ptr + group - 1, mask=group > 0, other=0).to(tl.int32)
    ks = row * BLOCK_K + tl.arange(0, BLOCK_K)
    ns = col * BLOCK_N + tl.arange(0, BLOCK_N)
    ms = (start + tl.arange(0, BLOCK_M)).to(tl.int64)
    a_ptrs = a_ptr + ms[None, :] * stride_am + ks[:, None] * stride_ak  # [BLOCK_K, BLOCK_M]
    d_ptrs = d_ptr + ms[:, None] * stride_dm + ns[None, :] * stride_dn  # [BLOCK_M, BLOCK_N]
    acc = tl.zeros([BLOCK_K, BLOCK_N], tl.float32)
    for step in range(tl.cdiv(end - start, BLOCK_M)):
        inside = tl.arange(0, BLOCK_M) < end - start - step * BLOCK_M
        a = tl.load(a_ptrs, mask=(ks < K)[:, None] & inside[None, :], other=0.0)
        d = tl.load(d_ptrs, mask=inside[:, None] & (ns < N)[None, :], other=0.0)
        acc = tl.dot(a, d, acc, input_precision=PRECISION)
        a_ptrs += BLOCK_M * stride_am
        d_ptrs += BLOCK_M * stride_dm
    corner = out_ptr + group.to(tl.int64) * K * N
    offsets = ks.to(tl.int64)[:, None] * N + ns[None, :]
    mask = (ks < K)[:, None] & (ns < N)[None, :]
    tl.store(corner + offsets, acc.to(out_ptr.dtype.element_ty), mask=mask)


BY_DESCRIPTOR = {2: Tiling(128, 256, 64, 3, 8), 4: Tiling(128, 128, 32, 3, 8)}
# Rows of c that are no multiple of 16 bytes are stored by the entry; more do not fit in registers.
ODD_COLUMNS = {2: Tiling(128, 128, 64, 4, 8), 4: Tiling(128, 128, 32, 3, 8)}
BY_POINTER = {2: Tiling(64, 128, 64, 3, 4), 4: Tiling(64, 64, 32, 2, 4)}
WEIGHTS = {2: Tiling(64, 128, 128, 3, 8), 4: Tiling(32, 64, 64, 2, 4)}


def _tile_map(offsets: Tensor, n_rows: int, block_m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Group and first tile of each slot, and how many slots are filled, on the device."""
    n_groups = offsets.shape[0]
    programs = cdiv(cdiv(n_rows, block_m) + n_groups, SLOTS)
    table = torch.empty((2, programs * SLOTS), dtype=torch.int32, device=offsets.device)
    count = torch.empty((1,), dtype=torch.int32, device=offsets.device)
    block_g = next_power_of_2(n_groups)
    launch_on(offsets.device, _map_kernel, (programs,))(
        offsets, table[0], table[1], count, n_groups, block_m, block_g, SLOTS, num_warps=4
    )
    return table[0], table[1], count


def _forward_sizes(a: Tensor, b: Tensor, offsets: Tensor, method: Any) -> Tensor:
    return a.new_empty((a.shape[0], b.shape[2]))


@opaque(
    "grouped_forward(Tensor a, Tensor b, Tensor offsets, str? method=None) -> Tensor",
    _forward_sizes,
)
def _forward(a: Tensor, b: Tensor, offsets: Tensor, method: str | None = None) -> Tensor:
    """The rows c [M, N] of a [M, K] and b [groups, K, N] and ends of groups [groups]."""
    (m, k), n = a.shape, b.shape[2]
    c = torch.zeros((m, n), dtype=a.dtype, device=a.device) if k == 0 else a.new_empty((m, n))
    if c.numel() == 0 or k == 0:
        return c
    precision = float32_precision() if a.dtype == torch.float32 else "ieee"
    plain = a.dtype == torch.float32 and precision == "ieee"
    if method is None:
        by_pointer = plain or not has_copy_engine(a.device) or m * n * k < 1 << 24
    else:
        by_pointer = method == "pointers"
    size = a.element_size()
    whole = n * size % ALIGNMENT == 0
    tiling = (BY_POINTER if by_pointer else BY_DESCRIPTOR if whole else ODD_COLUMNS)[size]
    group, begin, count = _tile_map(offsets, m, tiling.block_m)
    transposed = lies_transposed(b)
    a_in: Any = a
    b_in: Any = b
    if not by_pointer:
        rows, weights = a[None], b.mT if transposed else b
        rows = rows if is_packed(rows) else packed(rows)
        weights = weights if is_packed(weights) else packed(weights)
        a_in = describe(rows, [tiling.block_m, tiling.block_k])
        block = [tiling.block_k, tiling.block_n]
        b_in = describe(weights, [1, *(reversed(block) if transposed else block)])
    slots = multiprocessors(a.device) * (2 if by_pointer else 1)
    most = (cdiv(m, tiling.block_m) + b.shape[0]) * cdiv(n, tiling.block_n)
    launch_on(a.device, _forward_kernel, (min(slots, most),))(
        a_in,
        b_in,
        c,
        offsets,
        group,
        begin,
        count,
        m,
        n,
        k,
        *a.stride(),
        *b.stride(),
        by_pointer,
        transposed,
        precision,
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    return c


def _weights_sizes(a: Tensor, d: Tensor, offsets: Tensor) -> Tensor:
    return a.new_empty((offsets.shape[0], a.shape[1], d.shape[1]))


@opaque("grouped_weights(Tensor a, Tensor d, Tensor offsets) -> Tensor", _weights_sizes)
def _weights(a: Tensor, d: Tensor, offsets: Tensor) -> Tensor:
    """[groups, K, N]: the sums of a^T d over the rows of each group, a [M, K], d [M, N]."""
    k, n = a.shape[1], d.shape[1]
    out = a.new_empty((offsets.shape[0], k, n))
    if out.numel() == 0:
        return out
    tiling = WEIGHTS[a.element_size()]
    tiles = cdiv(k, tiling.block_k) * cdiv(n, tiling.block_n)
    launch_on(a.device, _weights_kernel, (offsets.shape[0] * tiles,))(
        a,
        d,
        out,
        offsets,
        n,
        k,
        *a.stride(),
        *d.stride(),
        float32_precision() if a.dtype == torch.float32 else "ieee",
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    return out


class _Grouped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, offsets: Tensor, method: str | None) -> Tensor:
        ctx.save_for_backward(a, b, offsets)
        ctx.method = method
        return _forward(a, b, offsets, method)

    @staticmethod
    def backward(ctx: Any, dc: Tensor) -> tuple[Tensor | None, ...]:
        a, b, offsets = ctx.saved_tensors
        wants_a, wants_b, *_ = ctx.needs_input_grad
        if is_differentiated_again():
            da = _differentiable(dc, b.mT, offsets, ctx.method) if wants_a else None
            db = _GroupedWeights.apply(a, dc, offsets, ctx.method) if wants_b else None
        else:
            da = _forward(dc, b.mT, offsets, ctx.method) if wants_a else None
            db = _weights(a, dc, offsets) if wants_b else None
        return da, db, None, None


class _GroupedWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, d: Tensor, offsets: Tensor, method: str | None) -> Tensor:
        ctx.save_for_backward(a, d, offsets)
        ctx.method = method
        return _weights(a, d, offsets)

    @staticmethod
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:
        a, d, offsets = ctx.saved_tensors
        wants_a, wants_d, *_ = ctx.needs_input_grad
        da = _differentiable(d, dout.mT, offsets, ctx.method) if wants_a else None
        dd = _differentiable(a, dout, offsets, ctx.method) if wants_d else None
        return da, dd, None, None


def _differentiable(a: Tensor, b: Tensor, offsets: Tensor, method: str | None) -> Tensor:
    if wants_grad(a, b):
        c: Tensor = _Grouped.apply(a, b, offsets, method)
        return c
    return _forward(a, b, offsets, method)


def grouped_matmul(a: Tensor, b: Tensor, offsets: Tensor, method: str | None = None) -> Tensor:
    """Each row of a [M, K] times the matrix of its group in b [groups, K, N].

    offsets, int32 or int64 on the same device, are the ends of the groups, the last being M, as
    `torch._grouped_mm` has them; with groups + 1 entries the first is a leading 0. They are not
    read back to be checked: they must not fall. Any strides; differentiable any number of times.
    `method` picks a path (`METHODS`) instead of letting the sizes pick it.

    Raises:
        TypeError: a and b differ in dtype or are no floats of 16 or 32 bits; offsets are no
        integers. ValueError: shapes or devices do not fit, or there is no such method.
    """
    a, b = as_autocast(a, b)
    check_operands("grouped_matmul", a=a, b=b)
    if a.dtype == torch.float64:
        raise TypeError("grouped_matmul: a is float64; float32, float16 or bfloat16 is needed")
    if a.ndim != 2 or b.ndim != 3 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"grouped_matmul: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; "
            "[M, K] and [groups, K, N] are needed"
        )
    if offsets.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"grouped_matmul: offsets are {offsets.dtype}; int32 or int64 is needed")
    if offsets.device != a.device:
        raise ValueError(f"grouped_matmul: offsets are on {offsets.device} and a on {a.device}")
    if offsets.ndim != 1 or offsets.shape[0] not in (b.shape[0], b.shape[0] + 1):
        raise ValueError(
            f"grouped_matmul: offsets have shape {tuple(offsets.shape)}; "
            f"({b.shape[0]},) or ({b.shape[0] + 1},) is needed"
        )
    if method is not None and method not in METHODS:
        raise ValueError(f"grouped_matmul: method is {method!r}; one of {METHODS} is needed")
    ends = offsets[-b.shape[0] :] if b.shape[0] else offsets[:0]
    return _differentiable(a, b, ends.contiguous(), method)


def grouped_matmul_reference(
    a: Tensor, b: Tensor, offsets: Tensor, method: str | None = None
) -> Tensor:
    """One product a group, and the results one below the other."""
    ends = offsets.tolist()[-b.shape[0] :]
    starts = [0, *ends[:-1]]
    parts = [a[s:e] @ b[g] for g, (s, e) in enumerate(zip(starts, ends, strict=True))]
    return torch.cat(parts)


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (M, K, N); params give the groups' sizes, or their number."""
    params = dict(case.params)
    m, k, n = case.shape
    sizes = params.pop("sizes", None)
    if sizes is None:
        of_rows = draw.integers(params.pop("groups"), m)
        counts = torch.bincount(of_rows, minlength=case.params["groups"])
    else:
        counts = torch.tensor(sizes, device=draw.device)
    offsets = counts.cumsum(0).to(params.pop("index", torch.int32))
    if params.pop("leading", False):
        offsets = torch.cat([offsets.new_zeros(1), offsets])
    b = draw.normal(len(counts), k, n)
    return {"a": draw.normal(m, k), "b": b, "offsets": offsets, **params}


def _eager(a: Tensor, b: Tensor, offsets: Tensor, method: str | None = None) -> Tensor:
    return torch._grouped_mm(a, b, offsets)


def _cost(case: Case, itemsize: int) -> Cost:
    m, k, n = case.shape
    groups = case.params.get("groups") or len(case.params["sizes"])
    moved = (m * k + groups * k * n + m * n) * itemsize
    work = 2 * math.prod(case.shape)
    return Cost(
        forward_bytes=moved,
        backward_bytes=2 * moved,
        forward_flops=work,
        backward_flops=2 * work,
    )


_HALF = ("float16", "bfloat16")


def _tiles(**params: Any) -> dict[str, Any]:
    return {"method": "descriptors", **params}


SPEC = Spec(
    name="grouped_matmul",
    op=grouped_matmul,
    reference=grouped_matmul_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    grads=("a", "b"),
    cases=(
        Case(id="one entry", shape=(1, 1, 1), params={"sizes": (1,)}),
        Case(id="a few", shape=(9, 13, 11), params={"sizes": (2, 4, 3)}),
        Case(id="an empty group", shape=(9, 13, 11), params={"sizes": (0, 5, 0, 4, 0)}),
        Case(id="a leading zero", shape=(9, 13, 11), params={"sizes": (2, 7), "leading": True}),
        Case(id="int64", shape=(9, 13, 11), params={"sizes": (2, 7), "index": torch.int64}),
        Case(id="padded rows", shape=(7, 12, 10), params={"sizes": (3, 4)}, layout=Layout.PADDED),
        Case(id="every other", shape=(7, 12, 10), params={"sizes": (3, 4)}, layout=Layout.STRIDED),
        Case(
            id="transposed", shape=(7, 12, 10), params={"sizes": (3, 4)}, layout=Layout.TRANSPOSED
        ),
        Case(id="misaligned", shape=(8, 16, 8), params={"sizes": (3, 5)}, layout=Layout.MISALIGNED),
        Case(id="infinite", shape=(9, 13, 11), params={"sizes": (4, 5)}, values=Values.SPECIAL),
        Case(id="past the tiles", shape=(129, 65, 129), params={"sizes": (64, 65)}),
        Case(id="short of the tiles", shape=(127, 63, 127), params={"sizes": (63, 64)}),
        Case(id="many groups", shape=(300, 40, 70), params={"groups": 37}),
        Case(id="more slots than a program", shape=(128, 16, 17), params={"groups": 200}),
        Case(id="no rows", shape=(0, 5, 7), params={"sizes": (0, 0)}),
        Case(id="nothing to sum", shape=(5, 0, 7), params={"sizes": (2, 3)}),
        Case(
            id="descriptors", shape=(300, 72, 264), params=_tiles(sizes=(128, 0, 172)), dtypes=_HALF
        ),
        Case(
            id="descriptors, odd",
            shape=(261, 67, 259),
            params=_tiles(sizes=(100, 160, 1)),
            dtypes=_HALF,
        ),
        Case(
            id="descriptors, transposed",
            shape=(136, 72, 264),
            params=_tiles(sizes=(100, 36)),
            layout=Layout.TRANSPOSED,
            dtypes=_HALF,
        ),
        Case(
            id="on every multiprocessor",
            shape=(4099, 1024, 2048),
            params={"groups": 16},
            gpu_only=True,
        ),
        Case(
            id="an output past 2**31 elements",
            shape=(65600, 64, 32800),
            params={"sizes": (100, 65500)},
            gpu_only=True,
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        Case(id="64 experts, 32768x4096x2048", shape=(32768, 4096, 2048), params={"groups": 64}),
        Case(id="64 experts, 32768x4096x14336", shape=(32768, 4096, 14336), params={"groups": 64}),
        Case(id="8 experts, 4096x4096x14336", shape=(4096, 4096, 14336), params={"groups": 8}),
        Case(id="64 experts, odd", shape=(32767, 4095, 2047), params={"groups": 64}),
    ),
    mutants=(
        Mutant(
            why="the last tile of a group overwrites the next group's first rows",
            old="inside = (tile_rows < end - m)[:, None]",
            new="inside = (tile_rows < M - m)[:, None]",
            cases=("a few",),
        ),
        Mutant(
            why="a gradient of weights sums rows of the next group",
            old="inside = tl.arange(0, BLOCK_M) < end - start - step * BLOCK_M",
            new="inside = tl.arange(0, BLOCK_M) < end - step * BLOCK_M",
            cases=("a few",),
        ),
        Mutant(
            why="a group's first tile is that of all groups",
            old="within = index - begin * num_n",
            new="within = index",
            cases=("a few",),
        ),
        Mutant(
            why="a last tile that is short is left out of its group",
            old="(ends - starts + BLOCK_M - 1) // BLOCK_M",
            new="(ends - starts) // BLOCK_M",
            cases=("a few",),
        ),
        Mutant(
            why="the gradient of rows takes the matrices untransposed",
            old="_differentiable(dc, b.mT, offsets, ctx.method) if wants_a",
            new="_differentiable(dc, b.mT.flip(1), offsets, ctx.method) if wants_a",
            cases=("a few",),
        ),
        Mutant(
            why="a tile past the end of K adds what lies behind",
            old="mask=(rows < end)[:, None] & (ks < K)[None, :], other=0.0)",
            new="mask=(rows < end)[:, None] & (ks <= K)[None, :], other=0.0)",
            cases=("a few", "padded rows"),
        ),
    ),
)
