"""Rotary position embedding, forward and backward: each pair of features turned by an angle.

**The maths.** The first half of a head's features pairs with the second: with x = (a, b), and
cosines and sines of position times frequency,

    y_a = a cos_a - b sin_a            da = g_a cos_a + g_b sin_b
    y_b = b cos_b + a sin_b            db = g_b cos_b - g_a sin_a

where (g_a, g_b) is the gradient of y. With one angle for both halves, as is usual, this is a
rotation, and the backward is the rotation by the opposite angle. (Another convention pairs
neighbours, features 2i and 2i + 1. It is this one after a fixed permutation of the features.)

**Layouts.** x is [..., heads, seq, head_dim]. cos and sin are [seq, head_dim] or, one angle for
both halves, [seq, head_dim / 2]; dimensions in front, such as positions that differ by batch,
broadcast against those of x: [batch, 1, seq, head_dim]. An x whose memory is ordered [batch, seq,
heads, head_dim] and which was transposed is read where it is, and y gets its strides.

**How work maps to program instances.** A program turns a tile of positions and heads. The angles
are the same for every head: they are loaded once a position, and broadcast over the tile. In bf16
with fp32 angles they would otherwise be as many bytes as x itself, though from cache. The tile is
long along whichever of the two is closer together in memory: all heads of a position or two where
heads are neighbours, several positions of a few heads where positions are.

**Traps.**
- Both halves are read before either is written: y_b needs a.
- Angles in bf16 are good to three digits, which at position 4,000 is no angle at all; that is for
  the caller to decide, and cos and sin may stay fp32 beside an x in bf16.

**What bounds the speed.** Memory: x once in, once out. An H200 reaches 0.94 of the bandwidth of a
copy forward and 0.93 backward.

RoFormer: https://arxiv.org/abs/2104.09864. Licence: MIT.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again, wants_grad
from verified_kernels.errors import ArgumentError, UnsupportedError
from verified_kernels.launch import cdiv, check_device, check_float, next_power_of_2
from verified_kernels.replay import launch, remembered
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

NUM_WARPS = 4
# Pairs of features that a program turns at once: 8 a thread.
TILE = 1024
# Heads that share one load of the angles where the positions of a head are neighbours.
FEW_HEADS = 4
LONGEST_BLOCK_D = 256


@triton.jit
def _rope_kernel(
    x_ptr,
    y_ptr,
    cos_ptr,
    sin_ptr,
    n_heads,
    n_seq,
    half,
    shift_b,
    stride_xb,
    stride_xh,
    stride_xs,
    stride_yb,
    stride_yh,
    stride_ys,
    stride_cb,
    stride_cs,
    BACKWARD: tl.constexpr,
    BLOCK_S: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """`y = rope(x)`, or with BACKWARD its gradient, where x holds dy and y is dx.

    x, y: [n_batch, n_heads, n_seq, 2 * half] by strides, unit along the last. cos, sin: alike by
    strides without the heads; the angles of the second half of the features stand shift_b entries
    after those of the first, 0 where the halves share them. All are fp32, fp16 or bf16. BLOCK_S
    spans positions, BLOCK_H heads, BLOCK_D a part of half the features. Grid: (n_batch *
    cdiv(n_heads, BLOCK_H) * cdiv(n_seq, BLOCK_S) * cdiv(half, BLOCK_D),). Computes in fp32.
    """
    # One program instance handles BLOCK_S positions of BLOCK_H heads of one batch entry.
    feature_blocks = tl.cdiv(half, BLOCK_D)
    head_blocks = tl.cdiv(n_heads, BLOCK_H)
    seq_blocks = tl.cdiv(n_seq, BLOCK_S)
    rest = tl.program_id(0)
    feature = rest % feature_blocks * BLOCK_D + tl.arange(0, BLOCK_D)[None, None, :]
    rest = rest // feature_blocks
    head = (rest % head_blocks).to(tl.int64) * BLOCK_H + tl.arange(0, BLOCK_H)[None, :, None]
    rest = rest // head_blocks
    seq = (rest % seq_blocks).to(tl.int64) * BLOCK_S + tl.arange(0, BLOCK_S)[:, None, None]
    batch = (rest // seq_blocks).to(tl.int64)

    angles = batch * stride_cb + seq * stride_cs + feature  # [BLOCK_S, 1, BLOCK_D]
    known = (seq < n_seq) & (feature < half)
    cos_a = tl.load(cos_ptr + angles, mask=known, other=0.0).to(tl.float32)
    sin_a = tl.load(sin_ptr + angles, mask=known, other=0.0).to(tl.float32)
    cos_b = tl.load(cos_ptr + shift_b + angles, mask=known, other=0.0).to(tl.float32)
    sin_b = tl.load(sin_ptr + shift_b + angles, mask=known, other=0.0).to(tl.float32)

    inside = known & (head < n_heads)
    x_ptrs = x_ptr + batch * stride_xb + head * stride_xh + seq * stride_xs + feature
    y_ptrs = y_ptr + batch * stride_yb + head * stride_yh + seq * stride_ys + feature
    a = tl.load(x_ptrs, mask=inside, other=0.0).to(tl.float32)  # [BLOCK_S, BLOCK_H, BLOCK_D]
    b = tl.load(x_ptrs + half, mask=inside, other=0.0).to(tl.float32)
    if BACKWARD:
        y_a = a * cos_a + b * sin_b
        y_b = b * cos_b - a * sin_a
    else:
        y_a = a * cos_a - b * sin_a
        y_b = b * cos_b + a * sin_b
    tl.store(y_ptrs, y_a.to(y_ptr.dtype.element_ty), mask=inside)
    tl.store(y_ptrs + half, y_b.to(y_ptr.dtype.element_ty), mask=inside)


def tile_config(x: Tensor) -> tuple[int, int, int]:
    """BLOCK_S, BLOCK_H and BLOCK_D for x [n_batch, n_heads, n_seq, head_dim]."""
    _, n_heads, n_seq, head_dim = x.shape
    block_d = min(next_power_of_2(head_dim // 2), LONGEST_BLOCK_D)
    heads_are_neighbours = x.stride(1) <= x.stride(2)
    most = TILE // block_d if heads_are_neighbours else FEW_HEADS
    block_h = min(next_power_of_2(n_heads), most)
    return min(next_power_of_2(n_seq), TILE // (block_d * block_h)), block_h, block_d


def _launch(x: Tensor, cos: Tensor, sin: Tensor, backward: bool) -> Tensor:
    """Rope of x [n_batch, n_heads, n_seq, head_dim]; angles without the heads, one batch or all."""
    y = torch.empty_like(x)
    n_batch, n_heads, n_seq, head_dim = x.shape
    half = head_dim // 2
    block_s, block_h, block_d = tile_config(x)
    blocks = cdiv(n_seq, block_s) * cdiv(n_heads, block_h) * cdiv(half, block_d)
    launch(_rope_kernel, (n_batch * blocks,))(
        x,
        y,
        cos,
        sin,
        n_heads,
        n_seq,
        half,
        half if cos.shape[2] == head_dim else 0,
        *x.stride()[:3],
        *y.stride()[:3],
        cos.stride(0) if cos.shape[0] > 1 else 0,
        cos.stride(1),
        backward,
        block_s,
        block_h,
        block_d,
        num_warps=NUM_WARPS,
    )
    return y


@remembered
def _turn(x: Tensor, cos: Tensor, sin: Tensor, backward: bool) -> Tensor:
    """Rope, or its gradient, for any leading dimensions of x and of the angles."""
    _check(x, cos, sin)
    if x.numel() == 0:
        return torch.empty_like(x)
    if x.stride(-1) != 1:
        x = x.contiguous()
    if cos.stride() != sin.stride() or cos.stride(-1) != 1:
        cos, sin = cos.contiguous(), sin.contiguous()
    if x.ndim == 4 and cos.ndim == 2:
        return _launch(x, cos.unsqueeze(0), sin.unsqueeze(0), backward)
    shape, lead = x.shape, x.shape[:-2]
    # Heads share angles that have no dimension for them, or one of size 1.
    shared = cos.ndim == 2 or cos.shape[-3] == 1
    n_heads = lead[-1] if lead and shared else 1
    x = x.reshape(math.prod(lead) // n_heads, n_heads, *shape[-2:])
    cos, sin = (_angles(t, lead, shared) for t in (cos, sin))
    return _launch(x, cos, sin, backward).view(shape)


def _angles(angles: Tensor, lead: torch.Size, shared: bool) -> Tensor:
    """Angles as [1, n_seq, width], or [n_batch, n_seq, width] where they differ by batch."""
    if angles.ndim == 2:
        return angles.unsqueeze(0)
    angles = angles.expand(*lead, *angles.shape[-2:])
    if shared:
        angles = angles.select(-3, 0)
    return angles.reshape(-1, *angles.shape[-2:])


class _Rope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, backward: bool) -> Tensor:
        ctx.save_for_backward(cos, sin)
        ctx.backward = backward
        return _turn(x, cos, sin, backward)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        cos, sin = ctx.saved_tensors
        if is_differentiated_again():
            # Linear in dy: the derivative of the turn back is the turn.
            return _Rope.apply(dy, cos, sin, not ctx.backward), None, None, None
        return _turn(dy, cos, sin, not ctx.backward), None, None, None


def _check(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    check_float("rope", x=x)
    check_float("rope", cos=cos, sin=sin)
    check_device("rope", x=x, cos=cos)
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ArgumentError(f"rope: x is {list(x.shape)}; [..., seq, an even head_dim] is needed")
    if sin.shape != cos.shape:
        raise ArgumentError(f"rope: cos is {list(cos.shape)} and sin {list(sin.shape)}")
    n_seq, head_dim = x.shape[-2:]
    lead = cos.shape[:-2]
    fits = 2 <= cos.ndim <= x.ndim and cos.shape[-2] == n_seq
    fits = fits and cos.shape[-1] in (head_dim, head_dim // 2)
    if lead and fits:
        pairs = zip(reversed(lead), reversed(x.shape[:-2]), strict=False)
        fits = all(a in (1, b) for a, b in pairs)
    if not fits:
        raise ArgumentError(
            f"rope: cos is {list(cos.shape)}; [..., {n_seq}, {head_dim} or {head_dim // 2}] is "
            f"needed beside x of {list(x.shape)}"
        )


def rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """X [..., heads, seq, head_dim] turned by its positions' angles; differentiable in x.

    cos, sin: [..., seq, head_dim] or [..., seq, head_dim / 2], broadcast against x's leading
    dimensions; fp32, fp16 or bf16, not necessarily x's. The result has x's dtype and, where x has
    no gaps, its strides. float64 is left to PyTorch's operators.

    Raises:
        DtypeError: a dtype is no floating one, or cos and sin differ.
        ArgumentError: head_dim is odd, or shapes or devices do not fit.
        UnsupportedError: cos or sin wants a gradient.
    """
    if wants_grad(cos, sin):
        raise UnsupportedError("rope: cos and sin get no gradient; detach them")
    if x.dtype is torch.float64:
        _check(x.detach().float(), cos.detach().float(), sin.detach().float())
        return rope_reference(x, cos, sin)
    if wants_grad(x):
        return _Rope.apply(x, cos, sin, False)
    return _turn(x, cos, sin, False)


def rope_reference(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x * cos + rotate_half(x) * sin`, with angles for both halves."""
    if cos.shape[-1] < x.shape[-1]:
        cos, sin = torch.cat((cos, cos), dim=-1), torch.cat((sin, sin), dim=-1)
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def _make(case: Case, draw: Draw) -> Arguments:
    """Draw x in the case's shape, and angles in that of its `angles`."""
    if case.params.get("seq_before_heads"):
        batch, heads, seq, width = case.shape
        x = draw.normal(batch, seq, heads, width).transpose(1, 2)
    else:
        x = draw.normal(*case.shape)
    angles = draw.plain(*case.params["angles"], std=3.0)
    return {"x": x, "cos": angles.cos(), "sin": angles.sin()}


def _liger() -> Callable[..., Tensor]:
    from liger_kernel.ops.rope import LigerRopeFunction

    made: dict[torch.Size, Tensor] = {}

    def apply(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        # It turns queries and keys in one call: one head of keys is the least it can be given, and
        # it must be no part of x, into whose gradient a part's would have to be added.
        if x.shape not in made:
            batch, _, seq, width = x.shape
            made[x.shape] = x.new_zeros(batch, seq, 1, width).transpose(1, 2)
        key = made[x.shape]
        return LigerRopeFunction.apply(x, key, cos.unsqueeze(0), sin.unsqueeze(0))[0]

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    one_way = (2 * n + 2 * math.prod(case.params["angles"])) * itemsize
    return Cost(
        forward_bytes=one_way, backward_bytes=one_way, forward_flops=3 * n, backward_flops=3 * n
    )


def _case(name: str, shape: tuple[int, ...], angles: tuple[int, ...], **more: Any) -> Case:
    params = {"angles": angles, "seq_before_heads": more.pop("seq_before_heads", False)}
    return Case(id=name, shape=shape, params=params, **more)


# Batch, heads, positions and width of heads, those of models in use; positions odd in half of them.
_BENCH_SHAPES = (
    *((1, 8, 512, 128), (4, 32, 4096, 128), (8, 32, 2048, 128), (2, 64, 4096, 128)),
    *((4, 16, 4096, 64), (16, 12, 2048, 64), (1, 32, 16384, 128), (4, 40, 2048, 96)),
    *((4, 32, 4095, 128), (3, 32, 4097, 128), (1, 32, 16383, 128), (7, 28, 2047, 128)),
    *((5, 14, 4093, 64), (3, 12, 8191, 64), (1, 71, 8193, 64), (3, 32, 4001, 80)),
)

SPEC = Spec(
    name="rope",
    op=rope,
    reference=rope_reference,
    make=_make,
    eager=rope_reference,
    liger=_liger,
    cost=_cost,
    tolerance=ToleranceClass.ELEMENTWISE,
    grads=("x",),
    cases=(
        _case("one pair", (1, 1, 1, 2), (1, 2)),
        _case("heads of 128", (2, 3, 37, 128), (37, 128)),
        _case("one angle for both halves", (2, 3, 37, 128), (37, 64)),
        _case("five heads, a block and one", (1, 5, 9, 64), (9, 64)),
        _case("heads of 254", (1, 2, 7, 254), (7, 127)),
        _case("heads of 2,050, in blocks", (1, 2, 3, 2050), (3, 2050)),
        _case("a prime of 1,031 positions", (1, 2, 1031, 16), (1031, 16)),
        _case("no heads", (33, 32), (33, 32)),
        _case("no batch", (3, 33, 32), (33, 32)),
        _case("five dimensions", (2, 2, 3, 9, 16), (9, 16)),
        _case("positions that differ by batch", (3, 5, 9, 16), (3, 1, 9, 16)),
        _case("angles that differ by head", (3, 5, 9, 16), (5, 9, 8)),
        _case("sequence before heads in memory", (2, 6, 19, 64), (19, 64), seq_before_heads=True),
        _case("padded rows", (2, 3, 5, 64), (5, 64), layout=Layout.PADDED),
        _case("every other element", (2, 3, 5, 64), (5, 64), layout=Layout.STRIDED),
        _case("transposed", (2, 3, 5, 64), (5, 64), layout=Layout.TRANSPOSED),
        _case("expanded", (3, 2, 5, 64), (5, 64), layout=Layout.EXPANDED),
        _case("misaligned", (2, 3, 5, 64), (5, 64), layout=Layout.MISALIGNED),
        _case("NaN and infinity", (1, 3, 3, 64), (3, 64), values=Values.SPECIAL),
        _case("far from zero", (1, 3, 3, 64), (3, 64), values=Values.OFFSET),
        _case("no positions", (2, 3, 0, 64), (0, 64)),
        _case(
            "past 2**31 elements",
            (17, 32, 32769, 128),
            (32769, 64),
            gpu_only=True,
            tail=1,
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        *(
            _case("x".join(map(str, shape)), shape, shape[-2:], seq_before_heads=True)
            for shape in _BENCH_SHAPES
        ),
        _case("4x32x4096x128, by heads", (4, 32, 4096, 128), (4096, 128)),
    ),
    mutants=(
        Mutant(
            why="the backward turns the same way",
            old="y_a = a * cos_a + b * sin_b",
            new="y_a = a * cos_a - b * sin_b",
            cases=("heads of 128",),
        ),
        Mutant(
            why="the sine has the wrong sign",
            old="y_a = a * cos_a - b * sin_a",
            new="y_a = a * cos_a + b * sin_a",
            cases=("heads of 128",),
        ),
        Mutant(
            why="a last block of heads turns heads that are not there",
            old="inside = known & (head < n_heads)",
            new="inside = known & (head <= n_heads)",
            cases=("five heads, a block and one",),
        ),
        Mutant(
            why="both halves are turned by the first one's angles",
            old="half if cos.shape[2] == head_dim else 0",
            new="0",
            cases=("heads of 128",),
        ),
        Mutant(
            why="every batch has the first one's angles",
            old="cos.stride(0) if cos.shape[0] > 1 else 0",
            new="0",
            cases=("positions that differ by batch",),
        ),
        Mutant(
            why="y is written at the strides of x",
            old="*y.stride()[:3]",
            new="*x.stride()[:3]",
            cases=("padded rows",),
        ),
    ),
)
