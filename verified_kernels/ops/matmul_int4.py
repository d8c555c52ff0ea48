"""int4 weights, unpacked inside the product: a few rows of x times a matrix read at four bits.

**The maths.** A weight is `(q - zero) * scale` with q of 0 to 15; scale and zero hold for a group
of neighbours along K: `y[m, n] = sum_g scale[g, n] sum_{k in g} x[m, k] (q[n, k] - zero[g, n])`.
With up to 64 rows a product only reads weights, and at four bits reads a quarter of them.

**How work maps to program instances.** A program owns BLOCK_N columns of y and one of SPLITS parts
of K; per step it unpacks 128 entries of each of its columns, multiplies them by all rows of x on
the tensor cores, and adds the result, scaled, to fp32 sums. The parts of a column block meet in a
buffer; the program that arrives last adds them up, in a fixed order.

**Traps.**
- The speed is decided by how weights lie. The tensor core wants thread t to hold entries 2t, 2t+1,
  2t+8 and 2t+9 of each 16 along K. Packed in the order of K, unpacked weights would have to change
  threads through shared memory. `pack_int4` stores words in the order of those fragments: a thread
  loads 16 bytes and holds what it will multiply.
- Unpacking must not cost more than reading. `q | 0x4300` is the bf16 number 128 + q, so two nibbles
  16 bits apart become two numbers by one logical operation, and subtracting 128 + zero is exact.
  That is the one place of this package with inline assembly; where it cannot be had, plain
  arithmetic stands.
- Scales and zeros of 16 bits are no copy for the pipeline, which takes four bytes at least and only
  what a product waits for. Loaded a step ahead they were waited for all the same. As words of two
  columns, both by one load, they come as many steps ahead as the weights: 7 to 20% faster.
- A counter decides who is last, so it has to be zero before and after.

**What bounds it.** Instructions to unpack: reading alone would take 0.6 of the time. Above 64 rows
the weights are unpacked once and go through `matmul`.

The layout follows from the fragments of mma.m16n8k16 (PTX ISA). The idea: Marlin,
https://arxiv.org/abs/2408.11743. Licence: MIT.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import cdiv, check_no_grad, multiprocessors, wants_grad
from verified_kernels.ops.matmul import differentiable, product_again
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
from verified_kernels.tiles import as_autocast, launch_on, opaque

STEP = 128  # entries along K that are packed together, in 16 words
WORDS = 16
MOST_ROWS = 64
# Inline assembly is NVIDIA's; elsewhere plain arithmetic unpacks.
TARGET_CONSTANTS = {"gfx942": {"ASSEMBLY": False}}
HALVES = (torch.float16, torch.bfloat16)


@triton.jit
def _unpack_bf16(words, offset):
    """Nibbles 0 and 4 of each word as the bits of bf16 numbers, plus what `offset` holds twice."""
    # bf16 pairs can be multiplied and added from sm_80 on, but only added from sm_90 on.
    return tl.inline_asm_elementwise(
        "{ .reg .b32 t, one; lop3.b32 t, $2, 0x000F000F, 0x43004300, 0xEA;"
        " mov.b32 one, 0x3F803F80; fma.rn.bf16x2 t, t, one, $3; mov.b32 {$0, $1}, t; }",
        "=h,=h,r,r",
        [words, offset],
        dtype=(tl.int16, tl.int16),
        is_pure=True,
        pack=1,
    )


@triton.jit
def _unpack_fp16(words, offset):
    """As `_unpack_bf16`; here 0x6400 | q is the fp16 number 1024 + q."""
    return tl.inline_asm_elementwise(
        "{ .reg .b32 t; lop3.b32 t, $2, 0x000F000F, 0x64006400, 0xEA;"
        " add.f16x2 t, t, $3; mov.b32 {$0, $1}, t; }",
        "=h,=h,r,r",
        [words, offset],
        dtype=(tl.int16, tl.int16),
        is_pure=True,
        pack=1,
    )


@triton.jit
def _unpack(words, zero, IS_BF16: tl.constexpr, ASSEMBLY: tl.constexpr):
    """Nibbles 0 and 4 of words [BLOCK_N, 16], less zero [BLOCK_N], as two tensors."""
    if ASSEMBLY:
        if IS_BF16:
            bits = ((-128.0 - zero.to(tl.float32)).to(tl.int32, bitcast=True) >> 16) & 0xFFFF
            offset = tl.broadcast_to((bits | (bits << 16))[:, None], words.shape)
            low, high = _unpack_bf16(words, offset)
            low, high = low.to(tl.bfloat16, bitcast=True), high.to(tl.bfloat16, bitcast=True)
        else:
            bits = (-1024.0 - zero.to(tl.float32)).to(tl.float16).to(tl.int16, bitcast=True)
            bits = bits.to(tl.int32) & 0xFFFF
            offset = tl.broadcast_to((bits | (bits << 16))[:, None], words.shape)
            low, high = _unpack_fp16(words, offset)
            low, high = low.to(tl.float16, bitcast=True), high.to(tl.float16, bitcast=True)
    else:
        base = zero.to(tl.float32)[:, None]
        kind: tl.constexpr = tl.bfloat16 if IS_BF16 else tl.float16
        low = ((words & 15).to(tl.float32) - base).to(kind)
        high = (((words >> 16) & 15).to(tl.float32) - base).to(kind)
    return low, high


@triton.jit
def _columns(pairs, dtype: tl.constexpr):
    """Pairs of 16-bit numbers [n], as int32, as numbers [2 n]."""
    low = pairs.to(tl.int16).to(dtype, bitcast=True)
    high = (pairs >> 16).to(tl.int16).to(dtype, bitcast=True)
    return tl.join(low, high).reshape(2 * pairs.shape[0])


@triton.jit
def _kernel(
    x_ptr,
    packed_ptr,
    scales_ptr,
    zeros_ptr,
    y_ptr,
    part_ptr,
    count_ptr,
    M,
    N,
    K,
    stride_xm,
    stride_xk,
    n_groups,
    GROUP: tl.constexpr,
    STEPS: tl.constexpr,
    SPLITS: tl.constexpr,
    EVEN: tl.constexpr,
    PAIRS: tl.constexpr,
    ASSEMBLY: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Stores y [M, N], x [M, K] times the weights that packed, scales and zeros hold.

    packed is int32 [steps, N, 16], scales and zeros [n_groups, N]. BLOCK_M spans all rows, BLOCK_N
    columns; a split takes STEPS steps of 128. part is fp32 [SPLITS, M, N], count int32 [column
    blocks], zero before and after; both only for several splits. EVEN: nothing of N or K is left
    over; PAIRS: so, and scales and zeros of two columns can be read as one word. Grid: (cdiv(N,
    BLOCK_N), SPLITS). Sums are fp32.
    """
    # One program instance handles one split of BLOCK_N columns.
    is_bf16: tl.constexpr = x_ptr.dtype.element_ty == tl.bfloat16
    block = tl.program_id(0)
    split = tl.program_id(1)
    rows = tl.arange(0, BLOCK_M)
    cols = block * BLOCK_N + tl.arange(0, BLOCK_N)
    words = tl.arange(0, 16)
    ks = tl.arange(0, 128)
    inside = cols < N
    if EVEN:
        inside = tl.full([BLOCK_N], 1, tl.int1)
    first = split * STEPS
    acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    group = tl.minimum(first * 128 // GROUP, n_groups - 1)
    if PAIRS:
        # Of four bytes, and one load: so they are copied as many steps ahead as the weights.
        side = tl.arange(0, 2)
        bases = tl.where(side == 0, scales_ptr.to(tl.int64), zeros_ptr.to(tl.int64))
        pairs = block * (BLOCK_N // 2) + tl.arange(0, BLOCK_N // 2)
        pair_ptrs = bases.to(tl.pointer_type(tl.int32))[None, :] + pairs[:, None]
    else:
        next_scale = tl.load(scales_ptr + group * N + cols, mask=inside, other=0.0)
        next_zero = tl.load(zeros_ptr + group * N + cols, mask=inside, other=0.0)
    q_ptrs = packed_ptr + first.to(tl.int64) * N * 16 + cols[:, None] * 16 + words[None, :]
    for step in range(first, first + STEPS):
        k = step * 128 + ks
        k_inside = k < K
        q_mask = inside[:, None]
        if EVEN:
            k_inside = tl.full([128], 1, tl.int1)
        else:
            q_mask = q_mask & (step * 128 + 0 * words < K)[None, :]
        q = tl.load(q_ptrs, mask=q_mask, other=0, eviction_policy="evict_first")
        q_ptrs += N * 16
        x_ptrs = x_ptr + rows.to(tl.int64)[:, None] * stride_xm + k[None, :] * stride_xk
        x = tl.load(x_ptrs, mask=(rows < M)[:, None] & k_inside[None, :], other=0.0)
        if PAIRS:
            sides = tl.load(pair_ptrs + step * 128 // GROUP * (N // 2))
            of_scales, of_zeros = tl.split(sides)
            scale = _columns(of_scales, scales_ptr.dtype.element_ty).to(tl.float32)
            zero = _columns(of_zeros, zeros_ptr.dtype.element_ty)
        else:
            scale = next_scale.to(tl.float32)
            zero = next_zero
        if GROUP < 128:
            # Several groups a step: their zeros and scales are applied below, entry by entry.
            zero = tl.full([BLOCK_N], 8, tl.float32)
        elif not PAIRS:
            group = tl.minimum((step + 1) * 128 // GROUP, n_groups - 1)
            next_scale = tl.load(scales_ptr + group * N + cols, mask=inside, other=0.0)
            next_zero = tl.load(zeros_ptr + group * N + cols, mask=inside, other=0.0)
        a0, b0 = _unpack(q, zero, is_bf16, ASSEMBLY)
        a1, b1 = _unpack(q >> 4, zero, is_bf16, ASSEMBLY)
        a2, b2 = _unpack(q >> 8, zero, is_bf16, ASSEMBLY)
        a3, b3 = _unpack(q >> 12, zero, is_bf16, ASSEMBLY)
        even = tl.join(tl.join(a0, b0), tl.join(a1, b1))
        odd = tl.join(tl.join(a2, b2), tl.join(a3, b3))
        # Of word 4 t + 2 h + p, nibble 4 l + 2 j + i is entry 64 p + 32 j + 16 i + 8 h + 2 t + l.
        w = tl.join(even, odd).reshape(BLOCK_N, 4, 2, 2, 2, 2, 2)  # n, t, h, p, l, i, j
        w = w.permute(3, 6, 5, 2, 1, 4, 0).reshape(128, BLOCK_N)
        if GROUP < 128:
            of_step: tl.constexpr = 128 // GROUP
            groups = step * of_step + tl.arange(0, of_step)
            g_ptrs = groups[:, None] * N + cols[None, :]
            g_mask = (groups < n_groups)[:, None] & inside[None, :]
            scales = tl.load(scales_ptr + g_ptrs, mask=g_mask, other=0.0).to(tl.float32)
            zeros = tl.load(zeros_ptr + g_ptrs, mask=g_mask, other=0.0).to(tl.float32)
            w = w.reshape(of_step, GROUP, BLOCK_N).to(tl.float32)
            w = (w + (8.0 - zeros)[:, None, :]) * scales[:, None, :]
            acc = tl.dot(x, w.reshape(128, BLOCK_N).to(x.dtype), acc)
        else:
            acc += tl.dot(x, w) * scale[None, :]
    out = rows[:, None] * N + cols[None, :]
    mask = (rows < M)[:, None] & inside[None, :]
    if SPLITS == 1:
        tl.store(y_ptr + out, acc.to(y_ptr.dtype.element_ty), mask=mask)
    else:
        tl.store(part_ptr + split * M * N + out, acc, mask=mask)
        # All warps have stored before the count says so.
        tl.debug_barrier()
        arrived = tl.atomic_add(count_ptr + block, 1, sem="acq_rel")
        if arrived == SPLITS - 1:
            total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
            for other in tl.static_range(SPLITS):
                part_ptrs = part_ptr + other * M * N + out
                # From the L2 cache: the first level may hold what was there before.
                total += tl.load(part_ptrs, mask=mask, other=0.0, cache_modifier=".cg")
            tl.store(y_ptr + out, total.to(y_ptr.dtype.element_ty), mask=mask)
            tl.atomic_xchg(count_ptr + block, 0, sem="relaxed")


# By rows that they are for at most: column block, warps, stages, and programs a multiprocessor that
# splits are to give. Measured on an H200.
SHAPES = {1: (64, 2, 3, 8), 16: (32, 1, 5, 8), 32: (128, 4, 3, 2), 64: (128, 4, 3, 2)}
# Counters are handed out by so many: they lie on lines of the cache of their own.
_LINE = 32
_MOST_BLOCKS = 1 << 14
# By device and stream: counters that the products of one stream share, which runs them in order.
_of_stream: dict[tuple[int | None, int], Tensor] = {}
# By device: counters that captured launches own, and how many are given away.
_of_graphs: dict[int | None, tuple[Tensor, int]] = {}


def _counters(blocks: int, device: torch.device) -> Tensor:
    """Zeros, one for each column block; the kernel leaves them at zero.

    Graphs may be replayed side by side whatever stream they were captured on, so a captured launch
    shares its counters with no other. Filling them anew would cost a fifth of the product's time.
    """
    if device.type != "cuda":
        return torch.zeros(blocks, dtype=torch.int32, device=device)
    if torch.cuda.is_current_stream_capturing():
        pool, taken = _of_graphs.get(device.index, (None, 0))
        end = taken + cdiv(blocks, _LINE) * _LINE
        if pool is None or end > len(pool):
            return torch.zeros(blocks, dtype=torch.int32, device=device)
        _of_graphs[device.index] = (pool, end)
        return pool[taken:end]
    if device.index not in _of_graphs:
        # What is filled while a graph is captured would be filled in every replay.
        pool = torch.zeros(64 * _MOST_BLOCKS, dtype=torch.int32, device=device)
        _of_graphs[device.index] = (pool, 0)
    key = (device.index, torch.cuda.current_stream(device).cuda_stream)
    if key not in _of_stream:
        _of_stream[key] = torch.zeros(_MOST_BLOCKS, dtype=torch.int32, device=device)
    return _of_stream[key]


def _splits_for(blocks: int, steps: int, programs: int, device: torch.device) -> int:
    """How many parts of K: a power of two that gives every multiprocessor work, few steps each."""
    splits = 1
    while splits < 16 and blocks * splits < programs * multiprocessors(device) * 0.75:
        splits *= 2
    while splits > 1 and steps // splits < 4:
        splits //= 2
    return splits


def _few_rows_sizes(x: Tensor, packed: Tensor, *_: Any) -> Tensor:
    return x.new_empty((x.shape[0], packed.shape[1]))


@opaque(
    "multiply_int4(Tensor x, Tensor packed, Tensor scales, Tensor zeros, int group_size) -> Tensor",
    _few_rows_sizes,
)
def _few_rows(x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int) -> Tensor:
    """Y [M, N] for up to 64 rows x [M, K]."""
    m, k = x.shape
    steps, n, _ = packed.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    block_m = 16 if m <= 16 else 32 if m <= 32 else 64
    block_n, num_warps, num_stages, programs = SHAPES[1 if m == 1 else block_m]
    blocks = cdiv(n, block_n)
    splits = _splits_for(blocks, steps, programs, x.device)
    if blocks > _MOST_BLOCKS:
        splits = 1
    part = count = None
    if splits > 1:
        part = torch.empty((splits, m, n), dtype=torch.float32, device=x.device)
        count = _counters(blocks, x.device)
    per_split = cdiv(steps, splits)
    even = n % block_n == 0 and k == per_split * splits * STEP
    sides = (scales, zeros)
    in_pairs = all(t.element_size() == 2 and t.data_ptr() % 4 == 0 for t in sides)
    assembly = torch.version.hip is None and not triton.knobs.runtime.interpret
    launch_on(x.device, _kernel, (blocks, splits))(
        x,
        packed,
        scales,
        zeros,
        y,
        part,
        count,
        m,
        n,
        k,
        *x.stride(),
        scales.shape[0],
        group_size,
        per_split,
        splits,
        even,
        even and in_pairs and group_size >= STEP,
        assembly,
        block_m,
        block_n,
        num_warps=num_warps,
        num_stages=num_stages,
    )
    return y


def pack_int4(weight: Tensor, group_size: int = 128) -> tuple[Tensor, Tensor, Tensor]:
    """(packed, scales, zeros) for `matmul_int4`, of a weight [N, K] of fp16, bf16 or fp32.

    Each row is cut along K in groups of `group_size`, the last of which may be shorter; a group's
    range, widened to hold zero, is divided into 15 steps. packed is int32 [cdiv(K, 128), N, 16],
    scales and zeros [cdiv(K, group_size), N] in the weight's dtype, zeros being whole numbers of 0
    to 15.

    Raises:
        TypeError: the weight is no float.
        ValueError: it is no matrix, or group_size is none of 16, 32, 64 and multiples of 128.
    """
    _check_group("pack_int4", group_size)
    if not weight.is_floating_point():
        raise TypeError(f"pack_int4: weight is {weight.dtype}; a float is needed")
    if weight.ndim != 2:
        raise ValueError(f"pack_int4: weight has shape {tuple(weight.shape)}; [N, K] is needed")
    n, k = weight.shape
    groups = cdiv(k, group_size)
    # Repeating the last column fills the last group without widening its range.
    short = groups * group_size - k
    wide = weight.detach().float()
    if short:
        wide = torch.cat([wide, wide[:, -1:].expand(n, short)], dim=1)
    wide = wide.view(n, groups, group_size)
    low, high = wide.amin(-1).clamp(max=0.0), wide.amax(-1).clamp(min=0.0)
    scales = ((high - low) / 15.0).to(weight.dtype)
    # A group of zeros, or one whose step is lost in the dtype, has any scale.
    scales = torch.where(scales > 0, scales, torch.ones_like(scales))
    spread = scales.float()
    zeros = (-low / spread).round().clamp(0, 15)
    q = ((wide / spread[..., None]).round() + zeros[..., None]).clamp(0, 15)
    packed = _pack(q.view(n, -1)[:, :k].to(torch.int64))
    return packed, scales.t().contiguous(), zeros.to(weight.dtype).t().contiguous()


def _pack(q: Tensor) -> Tensor:
    """int32 [steps, N, 16] of whole numbers q [N, K] of 0 to 15."""
    n, k = q.shape
    steps = cdiv(k, STEP)
    q = torch.nn.functional.pad(q, (0, steps * STEP - k))
    # Entry 64 p + 32 j + 16 i + 8 h + 2 t + l of a step is nibble 4 l + 2 j + i of word 4 t + 2 h
    # + p.
    q = q.view(n, steps, 2, 2, 2, 2, 4, 2).permute(1, 0, 6, 5, 2, 7, 3, 4)  # t, h, p, l, j, i
    shifts = 4 * torch.arange(8, device=q.device)
    words = (q.reshape(steps, n, WORDS, 8) << shifts).sum(-1)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32).contiguous()


def unpack_int4(
    packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int, n_columns: int | None = None
) -> Tensor:
    """The weight [N, K] that `matmul_int4` multiplies by, in the dtype of the scales.

    K is `n_columns`, by default all that is packed.
    """
    steps, n, _ = packed.shape
    shifts = 4 * torch.arange(8, device=packed.device)
    q = (packed[..., None].to(torch.int64) >> shifts) & 15
    q = q.view(steps, n, 4, 2, 2, 2, 2, 2).permute(1, 0, 4, 6, 7, 3, 2, 5)  # p, j, i, h, t, l
    q = q.reshape(n, steps * STEP)[:, :n_columns]
    of = torch.arange(q.shape[1], device=q.device) // group_size
    of = of.clamp(max=scales.shape[0] - 1)
    return (q.to(scales.dtype) - zeros.t()[:, of]) * scales.t()[:, of]


class _MatmulInt4(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int
    ) -> Tensor:
        ctx.save_for_backward(packed, scales, zeros)
        ctx.sizes = group_size, x.shape[1]
        return _multiply(x, packed, scales, zeros, group_size)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        packed, scales, zeros = ctx.saved_tensors
        weight = unpack_int4(packed, scales, zeros, *ctx.sizes).to(dy.dtype)
        return product_again(dy[None], weight[None])[0], None, None, None, None


def _multiply(x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int) -> Tensor:
    if x.shape[0] <= MOST_ROWS:
        return _few_rows(x, packed, scales, zeros, group_size)
    weight = unpack_int4(packed, scales, zeros, group_size, x.shape[1]).to(x.dtype)
    return differentiable(x[None], weight.mT[None])[0]


def _check_group(op: str, group_size: int) -> None:
    if group_size not in (16, 32, 64) and (group_size < STEP or group_size % STEP):
        raise ValueError(
            f"{op}: group_size is {group_size}; 16, 32, 64 or a multiple of {STEP} is needed"
        )


def matmul_int4(
    x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int = 128
) -> Tensor:
    """Y [..., N] of x [..., K] of fp16 or bf16 times the weight that `pack_int4` packed.

    Weights are `(q - zero) * scale`. Differentiable in x, any number of times.

    Raises:
        TypeError: x is neither fp16 nor bf16, or packed is not int32.
        ValueError: shapes, devices or group_size do not fit, or a gradient is wanted of a scale or
            zero.
    """
    (x,) = as_autocast(x)
    _check_group("matmul_int4", group_size)
    if x.dtype not in HALVES:
        raise TypeError(f"matmul_int4: x is {x.dtype}; float16 or bfloat16 is needed")
    if packed.dtype != torch.int32:
        raise TypeError(f"matmul_int4: packed is {packed.dtype}; int32 from pack_int4 is needed")
    k = x.shape[-1] if x.ndim else 0
    n = packed.shape[1] if packed.ndim == 3 else -1
    if x.ndim == 0 or tuple(packed.shape) != (cdiv(k, STEP), n, WORDS):
        raise ValueError(
            f"matmul_int4: x has shape {tuple(x.shape)} and packed {tuple(packed.shape)}; "
            f"[..., K] and [cdiv(K, {STEP}), N, {WORDS}] are needed"
        )
    wanted = (cdiv(k, group_size), n)
    if tuple(scales.shape) != wanted or tuple(zeros.shape) != wanted:
        raise ValueError(
            f"matmul_int4: scales have shape {tuple(scales.shape)} and zeros "
            f"{tuple(zeros.shape)}; {wanted} is needed for groups of {group_size}"
        )
    for name, tensor in (("packed", packed), ("scales", scales), ("zeros", zeros)):
        if tensor.device != x.device:
            raise ValueError(f"matmul_int4: {name} is on {tensor.device} and x on {x.device}")
    check_no_grad("matmul_int4", scales, zeros)
    rows = x.reshape(math.prod(x.shape[:-1]), k)
    given = (packed.contiguous(), scales.contiguous(), zeros.contiguous(), group_size)
    y = _MatmulInt4.apply(rows, *given) if wants_grad(x) else _multiply(rows, *given)
    return y.view(*x.shape[:-1], n)


def matmul_int4_reference(
    x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int = 128
) -> Tensor:
    """The product with the unpacked weight."""
    return x @ unpack_int4(packed, scales, zeros, group_size, x.shape[-1]).mT


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (*rows, K, N)."""
    *rows, k, n = case.shape
    group_size = case.params.get("group_size", 128)
    weight = draw.plain(n, k, mean=0.1) if k else draw.plain(n, 0)
    packed, scales, zeros = pack_int4(weight, group_size)
    return {
        "x": draw.normal(*rows, k),
        "packed": packed,
        "scales": scales,
        "zeros": zeros,
        "group_size": group_size,
    }


def _eager(
    x: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor, group_size: int = 128
) -> Tensor:
    """The product by weights of 16 bits, which is what int4 stands beside."""
    key = (packed.data_ptr(), packed.shape)
    if key not in _UNPACKED:
        _UNPACKED.clear()
        _UNPACKED[key] = unpack_int4(packed, scales, zeros, group_size, x.shape[-1])
    return x @ _UNPACKED[key].mT


_UNPACKED: dict[Any, Tensor] = {}


def _cost(case: Case, itemsize: int) -> Cost:
    *rows, k, n = case.shape
    m = math.prod(rows)
    groups = cdiv(k, case.params.get("group_size", 128))
    moved = m * k * itemsize + n * k // 2 + 2 * groups * n * itemsize + m * n * itemsize
    return Cost(
        forward_bytes=moved,
        backward_bytes=moved,
        forward_flops=2 * m * n * k,
        backward_flops=2 * m * n * k,
    )


SPEC = Spec(
    name="matmul_int4",
    op=matmul_int4,
    reference=matmul_int4_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.COMPOSED,
    grads=("x",),
    dtypes=("float16", "bfloat16"),
    cases=(
        Case(id="one entry", shape=(1, 1, 1)),
        Case(id="a few", shape=(3, 100, 6)),
        Case(id="a vector", shape=(200, 9)),
        Case(id="padded rows", shape=(3, 100, 6), layout=Layout.PADDED),
        Case(id="every other element", shape=(3, 100, 6), layout=Layout.STRIDED),
        Case(id="transposed", shape=(5, 40, 7), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(2, 128, 4), layout=Layout.MISALIGNED),
        Case(id="NaN and infinity", shape=(9, 20, 11), values=Values.SPECIAL),
        Case(id="one row of 1,024", shape=(1, 1024, 129)),
        Case(id="splits", shape=(3, 2048, 40)),
        Case(id="splits, ragged", shape=(17, 2500, 37)),
        Case(id="sixteen rows", shape=(16, 512, 128)),
        Case(id="17 rows", shape=(17, 257, 127)),
        Case(id="64 rows", shape=(64, 256, 65)),
        Case(id="65 rows", shape=(65, 256, 65)),
        Case(id="two leading dimensions", shape=(2, 3, 384, 70)),
        Case(id="groups of 16", shape=(3, 200, 70), params={"group_size": 16}),
        Case(id="groups of 32", shape=(3, 288, 70), params={"group_size": 32}),
        Case(id="groups of 64", shape=(3, 512, 64), params={"group_size": 64}),
        Case(id="groups of 256", shape=(3, 1100, 70), params={"group_size": 256}),
        Case(id="no rows", shape=(0, 128, 7)),
        Case(id="16 rows on every multiprocessor", shape=(16, 4096, 12288), gpu_only=True),
        Case(id="past 2**31 nibbles", shape=(2, 65536, 40000), gpu_only=True, dtypes=("bfloat16",)),
    ),
    bench=(
        Case(id="1x8192x8192", shape=(1, 8192, 8192)),
        Case(id="16x8192x8192", shape=(16, 8192, 8192)),
        Case(id="64x8192x8192", shape=(64, 8192, 8192)),
        Case(id="1x4096x14336", shape=(1, 4096, 14336)),
        Case(id="1x5000x5001, odd", shape=(1, 5000, 5001)),
    ),
    mutants=(
        Mutant(
            why="the halves of a fragment are swapped",
            old="w = w.permute(3, 6, 5, 2, 1, 4, 0)",
            new="w = w.permute(3, 5, 6, 2, 1, 4, 0)",
            cases=("a few",),
        ),
        Mutant(
            why="the high nibble keeps its neighbours",
            old="high = (((words >> 16) & 15)",
            new="high = (((words >> 16) & 31)",
            cases=("a few",),
        ),
        Mutant(
            why="every step takes the first group's scales",
            old="group = tl.minimum((step + 1) * 128 // GROUP, n_groups - 1)",
            new="group = tl.minimum(step * 0, n_groups - 1)",
            cases=("one row of 1,024",),
        ),
        Mutant(
            why="small groups forget their zeros",
            old="w = (w + (8.0 - zeros)[:, None, :])",
            new="w = (w + (8.0 - zeros * 0)[:, None, :])",
            cases=("groups of 32",),
        ),
        Mutant(
            why="the last split adds itself alone",
            old="part_ptrs = part_ptr + other * M * N + out",
            new="part_ptrs = part_ptr + split * M * N + out",
            cases=("splits",),
        ),
    ),
)
