"""Matrix products on tensor cores: tiles, the order they are walked in, and what feeds them.

**The maths.** `c[m, n] = sum_k a[m, k] b[k, n]`, added up in fp32 whatever the operands are,
rounded once. A product of 4096^3 moves 0.1 GB and computes 137 GFLOP: all depends on keeping the
tensor cores fed.

**How work maps to program instances.** An output tile BLOCK_M x BLOCK_N is one program's, which
walks down K in steps of BLOCK_K. Per step it reads (BLOCK_M + BLOCK_N) * BLOCK_K entries and does 2
* BLOCK_M * BLOCK_N * BLOCK_K operations, so large tiles read less an operation; 128 x 256 is as
much as the registers of two groups of four warps can add up in. Tiles are walked in bands of
GROUP_M rows (`tiles.tile_of`), so that what runs side by side shares operands in the L2 cache.

Three paths.
- *Descriptors* (sm_90 and newer). The copy engine brings whole tiles to shared memory, without
  registers, addresses or masks: what lies outside a matrix arrives as zero. The kernel is
  persistent, a program a multiprocessor, and `flatten=True` makes one loop of tiles and steps: the
  operands of the next tile are on their way while the last one is rounded and stored.
- *Pointers*: every other card, and sizes too small to gain by descriptors.
- *Splits*: a narrow output has fewer tiles than the card has multiprocessors. K is cut in pieces,
  each piece writes fp32 sums of its own, and a second kernel adds them up in a fixed order.

**Traps.**
- The copy engine needs rows that begin at multiples of 16 bytes. Of bf16 matrices with an odd
  number of columns every second row does not, and loads by pointer fall to 2 bytes each. A copy
  with padded rows costs `2 / N` of what the product reads, and the product then runs at full speed.
- Masked lanes must be zero in *both* operands: an infinity in a padded column times zero is NaN.
- `tl.dot` waits for its own result unless the compiler pipelines the loop; what it keeps in flight
  (one product here) is checked in the compile matrix, without a GPU.
- A tile that is transposed in memory is loaded as it lies and transposed on the way to the tensor
  cores, which read both orders of 16-bit operands.
- fp32 operands go through the tensor cores only where torch allows tf32; else plain fp32
  arithmetic.

**What bounds it.** Tensor cores, and on an H200 the power they draw: the same product runs 14%
faster on a card that has rested.

Tiles in bands and the persistent loop: https://triton-lang.org/main/getting-started/tutorials/ (03
and 09). Licence: MIT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again
from verified_kernels.launch import cdiv, multiprocessors, next_power_of_2, wants_grad
from verified_kernels.replay import remembered
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
from verified_kernels.structure import Structure
from verified_kernels.tiles import (
    activate,
    as_autocast,
    copy_rows,
    describe,
    float32_precision,
    has_copy_engine,
    is_packed,
    launch_on,
    lies_transposed,
    opaque,
    packed,
    padded_like,
    tile_of,
    works_on,
)

GROUP_M = 8
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
METHODS = ("descriptors", "pointers", "splits", "gluon")
STRUCTURE = {"_descriptor_kernel": Structure()}


@triton.jit
def _descriptor_kernel(
    a_desc,
    b_desc,
    c_desc,
    z_desc,
    bias_ptr,
    M,
    N,
    K,
    n_batch,
    a_step,
    b_step,
    A_TRANSPOSED: tl.constexpr,
    B_TRANSPOSED: tl.constexpr,
    BATCHED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores c = activation(a @ b + bias) for a [n_batch, M, K] and b [n_batch, K, N].

    bias [N] may be None. Descriptors are over [M, K] or, with A_TRANSPOSED, [K, M], with a leading
    n_batch if BATCHED; a_step 0 stands for one matrix that all of a batch share. z_desc, if not
    None, is given the sums before the activation. Grid: persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile of all products.
    num_m = tl.cdiv(M, BLOCK_M)
    num_n = tl.cdiv(N, BLOCK_N)
    n_tiles = num_m * num_n
    for index in tl.range(tl.program_id(0), n_tiles * n_batch, tl.num_programs(0), flatten=True):
        batch = index // n_tiles
        row, col = tile_of(index % n_tiles, num_m, num_n, GROUP_M)
        m = row * BLOCK_M
        n = col * BLOCK_N
        acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for step in range(tl.cdiv(K, BLOCK_K)):
            k = step * BLOCK_K
            a = _tile(a_desc, batch * a_step, m, k, BLOCK_M, BLOCK_K, A_TRANSPOSED, BATCHED)
            b = _tile(b_desc, batch * b_step, k, n, BLOCK_K, BLOCK_N, B_TRANSPOSED, BATCHED)
            acc = tl.dot(a, b, acc, input_precision=PRECISION)
        if bias_ptr is not None:
            cols = n + tl.arange(0, BLOCK_N)
            bias = tl.load(bias_ptr + cols, mask=cols < N, other=0.0)
            acc += bias.to(tl.float32)[None, :]
        if z_desc is not None:
            _store(z_desc, acc, batch, m, n, BLOCK_M, BLOCK_N, BATCHED)
        acc = activate(acc, ACTIVATION)
        _store(c_desc, acc, batch, m, n, BLOCK_M, BLOCK_N, BATCHED)


@triton.jit
def _tile(
    desc,
    batch,
    row,
    col,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    BATCHED: tl.constexpr,
):
    """The tile [ROWS, COLS] of a matrix at (row, col); TRANSPOSED says how it lies in memory."""
    if BATCHED:
        if TRANSPOSED:
            tile = desc.load([batch, col, row]).reshape(COLS, ROWS).T
        else:
            tile = desc.load([batch, row, col]).reshape(ROWS, COLS)
    elif TRANSPOSED:
        tile = desc.load([col, row]).T
    else:
        tile = desc.load([row, col])
    return tile


@triton.jit
def _store(
    desc,
    tile,
    batch,
    row,
    col,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BATCHED: tl.constexpr,
):
    """Writes a tile of [batch, M, N] at (row, col), rounded to the output's dtype."""
    if BATCHED:
        desc.store([batch, row, col], tile.to(desc.dtype).reshape(1, BLOCK_M, BLOCK_N))
    else:
        desc.store([row, col], tile.to(desc.dtype))


@triton.jit
def _pointer_kernel(
    a_ptr,
    b_ptr,
    c_ptr,
    z_ptr,
    bias_ptr,
    M,
    N,
    K,
    stride_ab,
    stride_am,
    stride_ak,
    stride_bb,
    stride_bk,
    stride_bn,
    n_splits,
    steps,
    EVEN_K: tl.constexpr,
    PARTIAL: tl.constexpr,
    ACTIVATION: tl.constexpr,
    PRECISION: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """As `_descriptor_kernel`, by pointers and strides; c and z [n_batch, M, N] are contiguous.

    A split sums `steps` steps of BLOCK_K. PARTIAL: c is [n_batch, n_splits, M, N] in the dtype of
    the sum, without bias or activation. EVEN_K: no step passes the end of K. Grid: (tiles *
    n_splits * n_batch,).
    """
    # One program instance handles one tile of one split of one product.
    num_m = tl.cdiv(M, BLOCK_M)
    num_n = tl.cdiv(N, BLOCK_N)
    index = tl.program_id(0)
    row, col = tile_of(index % (num_m * num_n), num_m, num_n, GROUP_M)
    part = index // (num_m * num_n)
    split = part % n_splits
    batch = (part // n_splits).to(tl.int64)
    rows = row * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = col * BLOCK_N + tl.arange(0, BLOCK_N)
    first = split * steps * BLOCK_K
    ks = first + tl.arange(0, BLOCK_K)
    row_inside = (rows < M)[:, None]
    col_inside = (cols < N)[None, :]
    a_ptrs = a_ptr + batch * stride_ab + rows.to(tl.int64)[:, None] * stride_am
    a_ptrs += ks.to(tl.int64)[None, :] * stride_ak  # [BLOCK_M, BLOCK_K]
    b_ptrs = b_ptr + batch * stride_bb + ks.to(tl.int64)[:, None] * stride_bk
    b_ptrs += cols.to(tl.int64)[None, :] * stride_bn  # [BLOCK_K, BLOCK_N]
    acc = tl.zeros([BLOCK_M, BLOCK_N], SUM)
    for step in range(tl.minimum(steps, tl.cdiv(K - first, BLOCK_K))):
        if EVEN_K:
            a = tl.load(a_ptrs, mask=row_inside, other=0.0)
            b = tl.load(b_ptrs, mask=col_inside, other=0.0)
        else:
            left = K - first - step * BLOCK_K
            k_inside = tl.arange(0, BLOCK_K) < left
            a = tl.load(a_ptrs, mask=row_inside & k_inside[None, :], other=0.0)
            b = tl.load(b_ptrs, mask=k_inside[:, None] & col_inside, other=0.0)
        acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=SUM)
        a_ptrs += BLOCK_K * stride_ak
        b_ptrs += BLOCK_K * stride_bk
    offsets = (part.to(tl.int64) * M + rows)[:, None] * N + cols[None, :]
    inside = row_inside & col_inside
    if not PARTIAL:
        if bias_ptr is not None:
            acc += tl.load(bias_ptr + cols, mask=cols < N, other=0.0).to(SUM)[None, :]
        if z_ptr is not None:
            tl.store(z_ptr + offsets, acc.to(z_ptr.dtype.element_ty), mask=inside)
        acc = activate(acc, ACTIVATION)
    tl.store(c_ptr + offsets, acc.to(c_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _join_kernel(
    part_ptr,
    c_ptr,
    z_ptr,
    bias_ptr,
    n_entries,
    N,
    n_splits,
    ACTIVATION: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """Stores c [n_batch, M, N] = activation(sum of part [n_batch, n_splits, M, N] + bias).

    n_entries is M * N. Grid: (cdiv(n_entries, BLOCK_SIZE), n_batch). Splits are added in order.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries of one product.
    entries = tl.program_id(0).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    inside = entries < n_entries
    batch = tl.program_id(1).to(tl.int64)
    part_ptrs = part_ptr + batch * n_splits * n_entries + entries
    total = tl.load(part_ptrs, mask=inside, other=0.0)
    for _ in range(1, n_splits):
        part_ptrs += n_entries
        total += tl.load(part_ptrs, mask=inside, other=0.0)
    if bias_ptr is not None:
        total += tl.load(bias_ptr + entries % N, mask=inside, other=0.0).to(total.dtype)
    out = batch * n_entries + entries
    if z_ptr is not None:
        tl.store(z_ptr + out, total.to(z_ptr.dtype.element_ty), mask=inside)
    total = activate(total, ACTIVATION)
    tl.store(c_ptr + out, total.to(c_ptr.dtype.element_ty), mask=inside)


@dataclass(frozen=True, slots=True)
class Tiling:
    """A tile, how it is pipelined, programs a multiprocessor, and its share of full speed."""

    block_m: int
    block_n: int
    block_k: int
    num_stages: int
    num_warps: int
    programs: int = 1
    share: float = 1.0

    def tiles(self, m: int, n: int) -> int:
        """How many tiles cover an output [m, n]."""
        return cdiv(m, self.block_m) * cdiv(n, self.block_n)

    def seconds(self, m: int, n: int, batch: int, slots: int) -> float:
        """Time in units of one entry's sum: the multiprocessor with the most tiles ends last."""
        most = cdiv(batch * self.tiles(m, n), slots)
        return most * self.block_m * self.block_n / self.share


# By bytes of an entry. Measured on an H200; what is left of a tile's share is what it reads more.
BY_DESCRIPTOR = {
    2: (
        Tiling(128, 256, 64, 3, 8),
        Tiling(256, 128, 64, 3, 8),
        Tiling(128, 128, 64, 4, 4, 1, 0.93),
        Tiling(64, 128, 64, 4, 4, 2, 0.85),
    ),
    4: (Tiling(128, 128, 32, 4, 8), Tiling(64, 128, 32, 4, 4, 1, 0.8)),
}
BY_POINTER = {
    2: (Tiling(128, 128, 64, 3, 4), Tiling(64, 64, 64, 3, 4, 1, 0.6)),
    4: (Tiling(128, 64, 32, 3, 4), Tiling(64, 64, 32, 3, 4, 1, 0.8)),
}
# fp32 and fp64 without tensor cores: what a tile holds is bound by registers.
PLAIN = Tiling(64, 64, 16, 2, 4)
# Splits sum at least this many steps, so that writing their sums is a small part of the work.
FEWEST_STEPS = 8
# Below so many multiply-adds the copy of a misaligned operand costs more than slow loads.
SMALL = 1 << 27


def fastest(tilings: tuple[Tiling, ...], m: int, n: int, batch: int, slots: int) -> Tiling:
    """The tiling that finishes first on a card with so many multiprocessors."""
    return min(tilings, key=lambda tiling: tiling.seconds(m, n, batch, slots))


def _narrow_tiling(m: int, n: int, itemsize: int) -> Tiling:
    """For splits: the narrow side in one tile where it can be, 32 KiB of operands a step."""
    block_m = min(max(next_power_of_2(m), 16), 128)
    block_n = min(max(next_power_of_2(n), 16), 128 if m > 64 else 64)
    return Tiling(block_m, block_n, 128 // itemsize * (1 if block_m > 64 else 2), 4, 4)


def _is_plain(dtype: torch.dtype) -> bool:
    return dtype == torch.float64 or (dtype == torch.float32 and float32_precision() == "ieee")


def method_for(
    m: int,
    n: int,
    k: int,
    batch: int,
    dtype: torch.dtype,
    device: torch.device,
    activation: str | None = None,
) -> str:
    """The path that a product of these sizes takes."""
    slots = multiprocessors(device)
    smallest = BY_DESCRIPTOR[2][-1]
    if 2 * batch * smallest.tiles(m, n) <= slots and k >= 512:
        return "splits"
    if _is_plain(dtype) or not has_copy_engine(device) or batch * m * n * k < SMALL:
        return "pointers"
    return "gluon" if _pays_in_turns(m, n, k, activation) else "descriptors"


def _pays_in_turns(m: int, n: int, k: int, activation: str | None) -> bool:
    """Whether one consumer's epilogue is long enough, beside its sums, to be worth hiding."""
    return m * n >= 1 << 25 and (k <= 1024 or activation == "gelu_tanh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One call: operands [batch, M, K] and [batch, K, N], outputs, and what is done to the sums."""

    a: Tensor
    b: Tensor
    c: Tensor
    z: Tensor | None
    bias: Tensor | None
    activation: str | None

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Batch, M, N, K."""
        batch, m, k = self.a.shape
        return batch, m, self.b.shape[2], k

    @property
    def precision(self) -> str:
        """What `tl.dot` is told of fp32 operands."""
        return float32_precision() if self.a.dtype == torch.float32 else "ieee"


def _gluon(product: Product) -> Any:
    """The module of the Gluon path where this product can take it, else None."""
    if product.a.element_size() != 2 or product.z is not None or product.a.shape[0] > 1:
        return None
    try:
        from verified_kernels.ops import matmul_gluon
    except ImportError:
        # This release of Triton has no Gluon, or another one.
        return None
    works = works_on("turns", product.a.device, matmul_gluon.is_right)
    return matmul_gluon if works else None


def _operand(x: Tensor, *, transposed: bool | None) -> tuple[Tensor, bool]:
    """X or, where `transposed`, its transpose as the copy engine can read it, and which it is."""
    if transposed is None:
        transposed = lies_transposed(x)
    x = x.mT if transposed else x
    return x if is_packed(x) else packed(x), transposed


def _by_descriptors(product: Product, *, in_turns: bool) -> None:
    batch, m, n, k = product.sizes
    size = product.a.element_size()
    # The tensor cores read 16-bit operands in either order, wider ones only along K.
    a, a_transposed = _operand(product.a, transposed=None if size == 2 else False)
    b, b_transposed = _operand(product.b, transposed=None if size == 2 else True)
    # Rows that cannot be stored tile by tile are stored apart, and copied.
    apart = not is_packed(product.c)
    given = (product.c, product.z)
    outs: list[Any] = [out if out is None or not apart else padded_like(out) for out in given]
    if in_turns and (gluon := _gluon(product)):
        gluon.multiply_in_turns(
            a[0], b[0], outs[0][0], product.bias, product.activation, a_transposed, b_transposed
        )
    else:
        slots = multiprocessors(product.a.device)
        tiling = fastest(BY_DESCRIPTOR[size], m, n, batch, slots)
        shapes = (
            (tiling.block_k, tiling.block_m) if a_transposed else (tiling.block_m, tiling.block_k),
            (tiling.block_n, tiling.block_k) if b_transposed else (tiling.block_k, tiling.block_n),
            (tiling.block_m, tiling.block_n),
            (tiling.block_m, tiling.block_n),
        )
        lead = [1] if batch > 1 else []
        shared = [batch > 1 and x.stride(0) == 0 for x in (a, b)]
        described = [
            None if x is None else describe(x[:1] if x.stride(0) == 0 else x, [*lead, *shape])
            for x, shape in zip((a, b, *outs), shapes, strict=True)
        ]
        grid = (min(batch * tiling.tiles(m, n), slots * tiling.programs),)
        launch_on(product.a.device, _descriptor_kernel, grid)(
            *described,
            product.bias,
            m,
            n,
            k,
            batch,
            *(0 if is_shared else 1 for is_shared in shared),
            a_transposed,
            b_transposed,
            batch > 1,
            product.activation,
            product.precision,
            tiling.block_m,
            tiling.block_n,
            tiling.block_k,
            GROUP_M,
            num_stages=tiling.num_stages,
            num_warps=tiling.num_warps,
        )
    if apart:
        for out, wanted in zip(outs, given, strict=True):
            if wanted is not None:
                copy_rows(out, wanted)


def _by_pointers(product: Product, *, split: bool) -> None:
    a, b, c = product.a, product.b, product.c
    batch, m, n, k = product.sizes
    slots = multiprocessors(a.device)
    if _is_plain(a.dtype):
        tiling = PLAIN
    elif split:
        tiling = _narrow_tiling(m, n, a.element_size())
    else:
        tiling = fastest(BY_POINTER[a.element_size()], m, n, batch, slots)
    tiles, steps, splits = tiling.tiles(m, n), cdiv(k, tiling.block_k), 1
    if split:
        wanted = cdiv(2 * slots, batch * tiles)
        steps = max(cdiv(steps, wanted), FEWEST_STEPS)
        splits = cdiv(k, steps * tiling.block_k)
    partial = splits > 1
    sums = torch.float64 if a.dtype == torch.float64 else torch.float32
    out = torch.empty((batch, splits, m, n), dtype=sums, device=c.device) if partial else c
    launch_on(c.device, _pointer_kernel, (tiles * splits * batch,))(
        a,
        b,
        out,
        None if partial else product.z,
        None if partial else product.bias,
        m,
        n,
        k,
        *a.stride(),
        *b.stride(),
        splits,
        steps,
        k % tiling.block_k == 0,
        partial,
        product.activation,
        product.precision,
        tl.float64 if sums == torch.float64 else tl.float32,
        tiling.block_m,
        tiling.block_n,
        tiling.block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    if partial:
        block = 128 if m * n <= 1024 * slots else 1024
        launch_on(c.device, _join_kernel, (cdiv(m * n, block), batch))(
            out, c, product.z, product.bias, m * n, n, splits, product.activation, block
        )


def _multiply_sizes(
    a: Tensor, b: Tensor, bias: Any, activation: Any, keep: bool, method: Any
) -> list[Tensor]:
    return [a.new_empty((*a.shape[:2], b.shape[2])) for _ in range(2 if keep else 1)]


@opaque(
    "multiply(Tensor a, Tensor b, Tensor? bias=None, str? activation=None, bool keep=False, "
    "str? method=None) -> Tensor[]",
    _multiply_sizes,
)
def multiply(
    a: Tensor,
    b: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    keep: bool = False,
    method: str | None = None,
) -> list[Tensor]:
    """`activation(a @ b + bias)` [batch, M, N] for a [batch, M, K] and b [batch, K, N], contiguous.

    With `keep` a second tensor holds the sums before the activation. One matrix that all of a batch
    share may have stride 0.
    """
    # The third argument of what is remembered stands for a setting that may change.
    return list(_multiply(a, b, float32_precision(), bias, activation, keep, method))


@remembered
def _multiply(
    a: Tensor,
    b: Tensor,
    _: str,
    bias: Tensor | None,
    activation: str | None,
    keep: bool,
    method: str | None,
) -> tuple[Tensor, ...]:
    batch, m, k = a.shape
    n = b.shape[2]
    c = torch.empty((batch, m, n), dtype=a.dtype, device=a.device)
    z = torch.empty_like(c) if keep else None
    product = Product(a=a, b=b, c=c, z=z, bias=bias, activation=activation)
    if c.numel():
        method = method or method_for(m, n, k, batch, a.dtype, a.device, activation)
        if method in ("descriptors", "gluon") and k:
            _by_descriptors(product, in_turns=method == "gluon")
        else:
            _by_pointers(product, split=method == "splits")
    return (c,) if z is None else (c, z)


class _Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, method: str | None) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.method = method
        return multiply(a, b, method=method)[0]

    @staticmethod
    def backward(ctx: Any, dc: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        a, b = ctx.saved_tensors
        da = product_again(dc, b.mT, ctx.method) if ctx.needs_input_grad[0] else None
        db = product_again(a.mT, dc, ctx.method) if ctx.needs_input_grad[1] else None
        return da, db, None


def differentiable(a: Tensor, b: Tensor, method: str | None = None) -> Tensor:
    """`a @ b` of three dimensions each, recorded by autograd where a gradient is wanted."""
    if wants_grad(a, b):
        product: Tensor = _Matmul.apply(a, b, method)
        return product
    return multiply(a, b, method=method)[0]


def product_again(a: Tensor, b: Tensor, method: str | None = None) -> Tensor:
    """`a @ b` within a backward pass: recorded where second derivatives are wanted."""
    if is_differentiated_again():
        return differentiable(a, b, method)
    return multiply(a, b, method=method)[0]


def check_operands(op: str, **tensors: Tensor | None) -> None:
    """Passes when the tensors have one dtype that can be multiplied, and one device.

    Raises:
        TypeError: a dtype is no float of 16, 32 or 64 bits, or two differ.
        ValueError: two tensors lie on different devices.
    """
    given = [(name, t) for name, t in tensors.items() if t is not None]
    (first_name, first), *others = given
    if first.dtype not in DTYPES:
        raise TypeError(
            f"{op}: {first_name} is {first.dtype}; a float of 16, 32 or 64 bits is needed"
        )
    for name, tensor in others:
        if tensor.dtype != first.dtype:
            raise TypeError(
                f"{op}: {name} is {tensor.dtype} and {first_name} is {first.dtype}; convert one"
            )
        if tensor.device != first.device:
            raise ValueError(
                f"{op}: {name} is on {tensor.device} and {first_name} on {first.device}; move one"
            )


def _check_method(op: str, method: str | None) -> None:
    if method is not None and method not in METHODS:
        raise ValueError(f"{op}: method is {method!r}; one of {', '.join(METHODS)} is needed")


def matmul(a: Tensor, b: Tensor, method: str | None = None) -> Tensor:
    """`torch.matmul(a, b)`: the product of the last two dimensions, over all before them.

    Vectors, broadcast batches, any strides and empty tensors as in PyTorch; fp32 is multiplied as
    `torch.backends.cuda.matmul` says, autocast's dtype is followed. Differentiable any number of
    times. `method` picks a path (`METHODS`) instead of letting the sizes pick it.

    Raises:
        TypeError: the dtypes differ, or are no floats of 16, 32 or 64 bits.
        ValueError: the shapes do not fit, the devices differ, or there is no such method.
    """
    a, b = as_autocast(a, b)
    check_operands("matmul", a=a, b=b)
    _check_method("matmul", method)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul: a tensor without dimensions cannot be multiplied; use mul")
    left = a.unsqueeze(0) if a.ndim == 1 else a
    right = b.unsqueeze(1) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"matmul: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; "
            f"{left.shape[-1]} columns cannot meet {right.shape[-2]} rows"
        )
    c = _batched(left, right, method)
    if a.ndim == 1:
        c = c.squeeze(-2)
    return c.squeeze(-1) if b.ndim == 1 else c


def _batched(a: Tensor, b: Tensor, method: str | None) -> Tensor:
    """The product of matrices with any number of batch dimensions, broadcast."""
    if b.ndim == 2 and (a.ndim != 3 or a.stride(0) == a.shape[1] * a.stride(1)):
        # One matrix for all of a, whose rows are then rows of one product.
        rows = a.reshape(1, -1 if a.shape[-1] else math.prod(a.shape[:-1]), a.shape[-1])
        return differentiable(rows, b.unsqueeze(0), method).view(*a.shape[:-1], b.shape[1])
    try:
        batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except RuntimeError:
        raise ValueError(
            f"matmul: a has shape {tuple(a.shape)} and b {tuple(b.shape)}; "
            "their batch dimensions cannot be broadcast"
        ) from None
    n_batch = math.prod(batch)
    a = a.expand(*batch, *a.shape[-2:]).reshape(n_batch, *a.shape[-2:])
    b = b.expand(*batch, *b.shape[-2:]).reshape(n_batch, *b.shape[-2:])
    c = differentiable(a, b, method)
    return c.view(*batch, *c.shape[1:])


def matmul_reference(a: Tensor, b: Tensor, method: str | None = None) -> Tensor:
    """`torch.matmul`."""
    return torch.matmul(a, b)


def _make(case: Case, draw: Draw) -> Arguments:
    """Operands of a case of shape (*batch, M, K, N), or of the shapes that its params give."""
    params = dict(case.params)
    *batch, m, k, n = case.shape
    left = params.pop("left", (*batch, m, k))
    right = params.pop("right", (*batch, k, n))
    return {"a": draw.normal(*left), "b": draw.normal(*right), **params}


def _cost(case: Case, itemsize: int) -> Cost:
    *_, m, k, n = case.shape
    batch = math.prod(case.shape[:-3])
    moved = batch * (m * k + k * n + m * n) * itemsize
    work = 2 * batch * m * n * k
    return Cost(
        forward_bytes=moved,
        backward_bytes=2 * moved,
        forward_flops=work,
        backward_flops=2 * work,
    )


def _eager(a: Tensor, b: Tensor, method: str | None = None) -> Tensor:
    return torch.matmul(a, b)


_TURNS = {"method": "gluon"}
_TILES, _SPLITS = {"method": "descriptors"}, {"method": "splits"}
_HALF = ("float16", "bfloat16")

SPEC = Spec(
    name="matmul",
    op=matmul,
    reference=matmul_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    # Of a matrix that a batch shares, the gradient sums products that were rounded.
    grad_tolerance=ToleranceClass.COMPOSED,
    grads=("a", "b"),
    dtypes=FLOATS,
    cases=(
        Case(id="one entry", shape=(1, 1, 1)),
        Case(id="a few", shape=(5, 17, 9)),
        Case(id="padded rows", shape=(5, 17, 9), layout=Layout.PADDED),
        Case(id="every other element", shape=(5, 17, 9), layout=Layout.STRIDED),
        Case(id="transposed", shape=(7, 12, 10), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(8, 16, 8), layout=Layout.MISALIGNED),
        Case(id="NaN and infinity", shape=(9, 13, 11), values=Values.SPECIAL),
        Case(id="one past the tiles", shape=(129, 65, 129)),
        Case(id="one short of the tiles", shape=(127, 63, 127)),
        Case(id="nothing past a tile", shape=(128, 128, 64)),
        Case(id="bands of tiles", shape=(650, 20, 200)),
        Case(id="a batch", shape=(3, 33, 40, 70)),
        Case(id="two batch dimensions", shape=(2, 3, 5, 7, 9)),
        Case(id="a batch of one matrix", shape=(3, 17, 9, 20), layout=Layout.EXPANDED),
        Case(id="a batch, transposed", shape=(2, 17, 9, 20), layout=Layout.TRANSPOSED),
        Case(
            id="batches broadcast",
            shape=(5, 7, 9),
            params={"left": (2, 1, 5, 7), "right": (3, 7, 9)},
        ),
        Case(
            id="a batch and a matrix", shape=(5, 7, 9), params={"left": (4, 5, 7), "right": (7, 9)}
        ),
        Case(
            id="a matrix and a batch", shape=(5, 7, 9), params={"left": (5, 7), "right": (4, 7, 9)}
        ),
        Case(id="two vectors", shape=(1, 50, 1), params={"left": (50,), "right": (50,)}),
        Case(
            id="a matrix and a vector", shape=(20, 50, 1), params={"left": (20, 50), "right": (50,)}
        ),
        Case(id="a vector and a batch", shape=(1, 9, 5), params={"left": (9,), "right": (2, 9, 5)}),
        Case(id="no rows", shape=(0, 5, 7)),
        Case(id="nothing to sum", shape=(5, 0, 7)),
        Case(id="descriptors, wide tiles", shape=(128, 136, 256), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, tall tiles", shape=(256, 72, 128), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, square tiles", shape=(128, 200, 128), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, small tiles", shape=(64, 128, 128), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, several tiles", shape=(300, 72, 520), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, odd sizes", shape=(131, 67, 259), params=_TILES, dtypes=_HALF),
        Case(
            id="descriptors, transposed",
            shape=(136, 72, 264),
            params=_TILES,
            layout=Layout.TRANSPOSED,
            dtypes=_HALF,
        ),
        Case(
            id="descriptors, odd and transposed",
            shape=(131, 67, 259),
            params=_TILES,
            layout=Layout.TRANSPOSED,
            dtypes=_HALF,
        ),
        Case(id="descriptors, a batch", shape=(3, 136, 72, 264), params=_TILES, dtypes=_HALF),
        Case(id="descriptors, an odd batch", shape=(2, 131, 67, 259), params=_TILES, dtypes=_HALF),
        Case(
            id="descriptors, a matrix and a batch",
            shape=(5, 7, 9),
            params={"left": (40, 72), "right": (3, 72, 136), **_TILES},
            dtypes=_HALF,
        ),
        Case(id="gluon", shape=(300, 200, 392), params=_TURNS, dtypes=_HALF),
        Case(
            id="gluon, transposed",
            shape=(264, 72, 136),
            params=_TURNS,
            layout=Layout.TRANSPOSED,
            dtypes=_HALF,
        ),
        Case(id="gluon, odd sizes", shape=(131, 67, 260), params=_TURNS, dtypes=_HALF),
        Case(id="splits", shape=(9, 2056, 40), params=_SPLITS),
        Case(id="splits, one row", shape=(1, 1031, 130), params=_SPLITS),
        Case(id="splits, a tall product", shape=(150, 1031, 10), params=_SPLITS),
        Case(id="splits, a batch", shape=(2, 9, 1031, 40), params=_SPLITS),
        Case(id="odd sizes on every multiprocessor", shape=(1031, 515, 2053), gpu_only=True),
        Case(id="tiles on every multiprocessor", shape=(2048, 1024, 4096), gpu_only=True),
        Case(
            id="gluon on every multiprocessor",
            shape=(2056, 1000, 4104),
            params=_TURNS,
            gpu_only=True,
            dtypes=_HALF,
        ),
        Case(id="a batch on every multiprocessor", shape=(24, 520, 264, 520), gpu_only=True),
        Case(
            id="operands past 2**31 elements",
            shape=(65600, 32800, 64),
            gpu_only=True,
            tail=16,
            dtypes=("bfloat16",),
        ),
        Case(
            id="an output past 2**31 elements",
            shape=(65600, 64, 32803),
            gpu_only=True,
            tail=16,
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        Case(id="4096x4096x4096", shape=(4096, 4096, 4096)),
        Case(id="8192x8192x8192", shape=(8192, 8192, 8192)),
        Case(id="2048x2048x2048", shape=(2048, 2048, 2048)),
        Case(id="8192x1024x8192", shape=(8192, 1024, 8192)),
        Case(id="4095x4097x4099, odd", shape=(4095, 4097, 4099)),
        Case(id="4000x5120x13824", shape=(4000, 5120, 13824)),
        Case(id="16x8192x8192, narrow", shape=(16, 8192, 8192)),
        Case(id="64 of 512x128x512", shape=(64, 512, 128, 512)),
    ),
    mutants=(
        Mutant(
            why="the last step reads past the end of K",
            old="left = K - first - step * BLOCK_K",
            new="left = K - first",
            cases=("a few",),
        ),
        Mutant(
            why="each step forgets the sum before it",
            old="acc = tl.dot(a, b, acc, input_precision=PRECISION)",
            new="acc = tl.dot(a, b, input_precision=PRECISION)",
            cases=("descriptors, square tiles",),
        ),
        Mutant(
            why="columns are dropped where the output is no multiple of a tile",
            old="num_n = tl.cdiv(N, BLOCK_N)\n    n_tiles",
            new="num_n = tl.maximum(N // BLOCK_N, 1)\n    n_tiles",
            cases=("descriptors, several tiles",),
        ),
        Mutant(
            why="every product of a batch takes the first b",
            old="_tile(b_desc, batch * b_step, k, n,",
            new="_tile(b_desc, 0, k, n,",
            cases=("descriptors, a batch",),
        ),
        Mutant(
            why="an odd output is not copied to where it was asked for",
            old="apart = not is_packed(product.c)",
            new="apart = not is_packed(product.c) and product.c.data_ptr() == 0",
            cases=("descriptors, odd sizes",),
        ),
        Mutant(
            why="every split begins at the first column",
            old="first = split * steps * BLOCK_K",
            new="first = split * 0",
            cases=("splits",),
        ),
        Mutant(
            why="the first split is added twice",
            old="for _ in range(1, n_splits):\n        part_ptrs += n_entries\n",
            new="for _ in range(1, n_splits):\n",
            cases=("splits",),
        ),
        Mutant(
            why="the gradient of b is transposed the wrong way around",
            old="differentiable(a.mT, dc, ctx.method)",
            new="differentiable(dc.mT, a, ctx.method).mT.flip(-1)",
            cases=("a few",),
        ),
    ),
)
