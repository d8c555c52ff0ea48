"""Attention, forward and backward, without the matrix of scores ever being stored.

The maths. For one head, `s = scale * q k^T`, `p = softmax(s)` by rows, `o = p v`. With the row's
log-sum-exp L saved, backward needs no softmax of its own: `p = exp(s - L)`, `dv = p^T do`,
`dp = do v^T`, `ds = p * (dp - delta)` with `delta = rowsum(do * o)`, `dq = scale * ds k`,
`dk = scale * ds^T q`. Exponentials are base 2, as in the hardware: scale carries log2(e).

Mapping. `_forward`: a program takes BLOCK_M queries of one head and walks along the keys, BLOCK_N
at a time. It keeps of each row the highest score so far, the sum of exponentials beneath it and
the weighted sum of values; when the highest rises, both sums are scaled down (*online* softmax).
`_backward_q` walks the same way for dq. `_backward_kv` stands on BLOCK_N keys and walks along the
queries of every head that shares those keys, so that dk and dv need no atomics: two runs agree to
the bit, for seven products where one kernel would do five. It computes scores as [keys, queries],
which makes p^T and ds^T left operands of the next products, and those stay in registers.

Blocks that need no mask (all but the diagonal and a ragged end) have a loop of their own. Tiles
come through tensor descriptors where the card has them: 8 to 15% over pointers on an H200. A
descriptor reads past the end of a sequence into the next one, and p = 0 times a NaN there is NaN;
so where lengths are no multiple of the blocks (RAGGED), the masked loop puts zeros there. Programs
are ordered in chunks of heads whose keys and values share the L2 cache. Within a chunk the longest
come first, those of the last queries or the first keys, or one of them would be the last to start:
the other way round a causal dk and dv took 4 to 21% more time on an H200.

Traps. A row may see nothing but -inf for a while, and -inf - -inf is NaN: shift by zero there. A
row without any key is 0, one whose scores are all -inf is NaN, as in PyTorch. Queries past the end
have L = +inf, so that their p is 0. Blocks of 128 queries with 8 warps look better on paper and
are slower: two small programs on a multiprocessor hide each other's softmax.

What bounds it: the tensor cores, and the wait for them. A program that waits for its product
before it starts on the softmax leaves them idle, and the compiler does not overlap the two within
a program; `attention_hopper.py` does so by hand.

Method: Dao, FlashAttention-2, https://arxiv.org/abs/2307.08691; online softmax as in Milakov and
Gimelshein, https://arxiv.org/abs/1805.02867.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from verified_kernels.autograd import gradients_in_pytorch, is_differentiated_again, wants_grad
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import cdiv, check_float, launch_options, next_power_of_2
from verified_kernels.ops.attention_tiles import (
    CHUNK,
    describe_rows,
    head_offset,
    head_view,
    load_rows,
    n_programs,
    place,
    sequence,
    store_rows,
)
from verified_kernels.replay import launch
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
from verified_kernels.tiles import as_autocast, float32_precision, has_copy_engine

try:
    from verified_kernels.ops import attention_hopper as hopper
    from verified_kernels.ops import attention_hopper_backward as hopper_backward
except ImportError:  # this Triton has no Gluon for Hopper
    hopper = None  # type: ignore[assignment]

LOG2_E = 1.4426950408889634
LONGEST_HEAD = 256
# The compiler waits for each product; what masks and pointers add may spill.
STRUCTURE = dict.fromkeys(
    ("_forward", "_backward_kv", "_backward_q"), Structure(in_flight=0, unless="RAGGED")
)


@triton.jit
def _visible(queries, keys, n_keys, CAUSAL: tl.constexpr):
    """Which keys exist and, if CAUSAL, stand no later than the query; shapes broadcast."""
    seen = keys < n_keys
    if CAUSAL:
        seen = seen & (keys <= queries)
    return seen


@triton.jit
def _keys_to_visit(
    first_q, n_queries, n_keys, CAUSAL: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    """Two bounds: every query of a block sees keys [0, plain), some see keys [plain, end)."""
    plain = n_keys // BLOCK_N * BLOCK_N
    end = tl.where(first_q < n_queries, n_keys, 0)
    if CAUSAL:
        plain = tl.minimum(plain, first_q // BLOCK_N * BLOCK_N)
        end = tl.minimum(end, first_q + BLOCK_M)
    return tl.minimum(plain, end), end


@triton.jit
def _attend(
    q,
    acc,
    total,
    high,
    k_view,
    v_view,
    k_desc,
    v_desc,
    queries,
    first,
    n_keys,
    scale,
    MASKED: tl.constexpr,
    RAGGED: tl.constexpr,
    CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """The weighted sum of values, sum of exponentials and highest score, BLOCK_N keys later."""
    k = load_rows(k_view, k_desc, first, n_keys, RAGGED, False, HEAD_DIM, BLOCK_N)
    s = tl.dot(q, k.T, input_precision=PRECISION)  # [BLOCK_M, BLOCK_N]
    if MASKED:
        keys = first + tl.arange(0, BLOCK_N)[None, :]
        s = tl.where(_visible(queries[:, None], keys, n_keys, CAUSAL), s * scale, -float("inf"))
        higher = tl.maximum(high, tl.max(s, 1))
        shift = tl.where(higher == -float("inf"), 0.0, higher)
        p = tl.exp2(s - shift[:, None])
    else:
        # scale > 0, so that the highest score is the highest product.
        higher = tl.maximum(high, tl.max(s, 1) * scale)
        shift = tl.where(higher == -float("inf"), 0.0, higher)
        p = tl.exp2(s * scale - shift[:, None])
    fade = tl.exp2(high - shift)
    total = total * fade + tl.sum(p, 1)
    acc = acc * fade[:, None]
    v = load_rows(v_view, v_desc, first, n_keys, RAGGED, True, HEAD_DIM, BLOCK_N)
    acc = tl.dot(p.to(v.dtype), v, acc, input_precision=PRECISION)
    return acc, total, higher


@triton.jit
def _forward(
    q_ptr,
    k_ptr,
    v_ptr,
    o_ptr,
    lse_ptr,
    k_desc,
    v_desc,
    cu_q_ptr,
    cu_k_ptr,
    strides_q,
    strides_k,
    strides_v,
    strides_o,
    strides_l,
    n_batch,
    n_heads,
    group,
    n_queries,
    n_keys,
    scale,
    CAUSAL: tl.constexpr,
    RAGGED: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """`o = softmax(q k^T * scale / log2(e)) v` and `lse = log2(sum(exp2(q k^T * scale)))`.

    q, o [n_batch, n_heads, n_queries, HEAD_DIM], k, v [n_batch, n_heads / group, n_keys, HEAD_DIM]
    by strides of batch, head and row, unit along the last; lse [n_batch, n_heads, n_queries] fp32.
    cu_q, cu_k: None, or [n_batch + 1], and then n_queries and n_keys are those of all sequences
    together. k_desc, v_desc: `describe_rows` in blocks of BLOCK_N, or None. scale > 0 holds the
    factor log2(e). BLOCK_M spans queries, BLOCK_N a step along the keys. Grid: (n_programs,).
    Scores and sums in fp32, p rounded to v's dtype.
    """
    # This program handles BLOCK_M queries of one head.
    batch, head, tile = place(cu_q_ptr, n_batch, n_heads, n_queries, BLOCK_M, CHUNK, True)
    start_q, n_queries = sequence(cu_q_ptr, batch, n_batch, n_queries, True)
    start_k, n_keys = sequence(cu_k_ptr, batch, n_batch, n_keys, False)
    q_view = head_view(q_ptr, batch, head, start_q, strides_q)
    k_view = head_view(k_ptr, batch, head // group, start_k, strides_k)
    v_view = head_view(v_ptr, batch, head // group, start_k, strides_v)
    first_q = tile * BLOCK_M
    queries = first_q + tl.arange(0, BLOCK_M)
    q = load_rows(q_view, None, first_q, n_queries, True, True, HEAD_DIM, BLOCK_M)  # [BLOCK_M, D]
    acc = tl.zeros(q.shape, tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)
    high = tl.full([BLOCK_M], -float("inf"), tl.float32)

    plain, end = _keys_to_visit(first_q, n_queries, n_keys, CAUSAL, BLOCK_M, BLOCK_N)
    for first in tl.range(0, plain, BLOCK_N):
        acc, total, high = _attend(
            q,
            acc,
            total,
            high,
            k_view,
            v_view,
            k_desc,
            v_desc,
            queries,
            first,
            n_keys,
            scale,
            False,
            False,
            CAUSAL,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    for first in tl.range(plain, end if CAUSAL or RAGGED else plain, BLOCK_N, num_stages=1):
        acc, total, high = _attend(
            q,
            acc,
            total,
            high,
            k_view,
            v_view,
            k_desc,
            v_desc,
            queries,
            first,
            n_keys,
            scale,
            True,
            RAGGED,
            CAUSAL,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    # Without any key the row is 0; where all scores are -inf it is 0 / 0 = NaN.
    o = acc / tl.where(end == 0, 1.0, total)[:, None]
    store_rows(o_ptr, o, batch, head, start_q, strides_o, first_q, n_queries, HEAD_DIM)
    lse_ptrs = lse_ptr + head_offset(batch, head, start_q, strides_l) + queries
    tl.store(lse_ptrs, high + tl.log2(total), mask=queries < n_queries)


@triton.jit
def _delta(
    o_ptr,
    do_ptr,
    delta_ptr,
    strides_o,
    strides_d,
    strides_l,
    n_heads,
    n_queries,
    HEAD_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
):
    """`delta = rowsum(o * do)` in fp32 [n_batch, n_heads, n_queries]; o, do as in `_forward`.

    BLOCK_M spans queries. Grid: (n_batch * n_heads * cdiv(n_queries, BLOCK_M),).
    """
    # This program handles BLOCK_M queries of one head.
    tiles = tl.cdiv(n_queries, BLOCK_M)
    first = tl.program_id(0) % tiles * BLOCK_M
    batch = tl.program_id(0) // tiles // n_heads
    head = tl.program_id(0) // tiles % n_heads
    o_view = head_view(o_ptr, batch, head, 0, strides_o)
    do_view = head_view(do_ptr, batch, head, 0, strides_d)
    o = load_rows(o_view, None, first, n_queries, True, True, HEAD_DIM, BLOCK_M).to(tl.float32)
    do = load_rows(do_view, None, first, n_queries, True, True, HEAD_DIM, BLOCK_M).to(tl.float32)
    rows = first + tl.arange(0, BLOCK_M)
    delta_ptrs = delta_ptr + head_offset(batch, head, 0, strides_l) + rows
    tl.store(delta_ptrs, tl.sum(o * do, 1), mask=rows < n_queries)


@triton.jit
def _gather_kv(
    dk,
    dv,
    k,
    v,
    q_view,
    do_view,
    q_desc,
    do_desc,
    lse_ptr,
    delta_ptr,
    keys,
    first,
    n_queries,
    n_keys,
    scale,
    MASKED: tl.constexpr,
    RAGGED: tl.constexpr,
    CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
):
    """Gradients dk and dv, BLOCK_M queries later."""
    queries = first + tl.arange(0, BLOCK_M)
    q = load_rows(q_view, q_desc, first, n_queries, RAGGED, True, HEAD_DIM, BLOCK_M)
    s = tl.dot(k, q.T, input_precision=PRECISION)  # [BLOCK_N, BLOCK_M]
    there = queries < n_queries
    if MASKED:
        lse = tl.load(lse_ptr + queries, mask=there, other=float("inf"))
    else:
        lse = tl.load(lse_ptr + queries)
    do = load_rows(do_view, do_desc, first, n_queries, RAGGED, True, HEAD_DIM, BLOCK_M)
    dp = tl.dot(v, do.T, input_precision=PRECISION)
    p = tl.exp2(s * scale - lse[None, :])
    if MASKED:
        p = tl.where(_visible(queries[None, :], keys[:, None], n_keys, CAUSAL), p, 0.0)
    dv = tl.dot(p.to(do.dtype), do, dv, input_precision=PRECISION)
    # Loaded late: both vectors at once would take registers that dk and dv need.
    if MASKED:
        delta = tl.load(delta_ptr + queries, mask=there, other=0.0)
    else:
        delta = tl.load(delta_ptr + queries)
    ds = p * (dp - delta[None, :])
    dk = tl.dot(ds.to(q.dtype), q, dk, input_precision=PRECISION)
    return dk, dv


@triton.jit
def _backward_kv(
    q_ptr,
    k_ptr,
    v_ptr,
    do_ptr,
    dk_ptr,
    dv_ptr,
    lse_ptr,
    delta_ptr,
    q_desc,
    do_desc,
    cu_q_ptr,
    cu_k_ptr,
    strides_q,
    strides_k,
    strides_v,
    strides_d,
    strides_dk,
    strides_dv,
    strides_l,
    n_batch,
    n_heads,
    group,
    n_queries,
    n_keys,
    scale,
    natural_scale,
    CAUSAL: tl.constexpr,
    RAGGED: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """`dv = p^T do` and `dk = ds^T q * natural_scale`, with `ds = p * (do v^T - delta)`.

    Tensors as in `_forward`; n_heads are heads of keys here, each shared by `group` of queries. do
    is as q, dk and dv as k and v, delta as lse. q_desc, do_desc: `describe_rows` in blocks of
    BLOCK_M, or None. BLOCK_N spans keys, BLOCK_M a step along the queries. p and ds are rounded to
    q's dtype, sums are in fp32.
    """
    # This program handles BLOCK_N keys of one head, and every query that sees them. The first keys
    # are seen by most, so they come first.
    batch, head, tile = place(cu_k_ptr, n_batch, n_heads, n_keys, BLOCK_N, CHUNK, False)
    start_q, n_queries = sequence(cu_q_ptr, batch, n_batch, n_queries, False)
    start_k, n_keys = sequence(cu_k_ptr, batch, n_batch, n_keys, True)
    k_view = head_view(k_ptr, batch, head, start_k, strides_k)
    v_view = head_view(v_ptr, batch, head, start_k, strides_v)
    first_k = tile * BLOCK_N
    keys = first_k + tl.arange(0, BLOCK_N)
    k = load_rows(k_view, None, first_k, n_keys, True, True, HEAD_DIM, BLOCK_N)  # [BLOCK_N, D]
    v = load_rows(v_view, None, first_k, n_keys, True, True, HEAD_DIM, BLOCK_N)
    dk = tl.zeros(k.shape, tl.float32)
    dv = tl.zeros(k.shape, tl.float32)

    # Blocks of queries in [begin, plain) stand on the diagonal, the one at `full` is ragged;
    # those in [plain, full) need no mask.
    begin = 0
    plain = 0
    if CAUSAL:
        begin = first_k // BLOCK_M * BLOCK_M
        plain = tl.cdiv(first_k + BLOCK_N, BLOCK_M) * BLOCK_M
    full = n_queries // BLOCK_M * BLOCK_M
    on_diagonal = tl.cdiv(tl.maximum(tl.minimum(plain, n_queries) - begin, 0), BLOCK_M)
    ragged = tl.where((full < n_queries) & (full >= plain), 1, 0)
    masked = tl.where(first_k < n_keys, on_diagonal + ragged, 0)
    end = tl.where(first_k < n_keys, full, 0)
    # The masked steps of all heads come last: in front of the others, they made the compiler wait
    # for each product before it starts the next.
    for member in tl.range(0, group):
        head_q = head * group + member
        q_view = head_view(q_ptr, batch, head_q, start_q, strides_q)
        do_view = head_view(do_ptr, batch, head_q, start_q, strides_d)
        at_l = head_offset(batch, head_q, start_q, strides_l)
        for first in tl.range(plain, end, BLOCK_M):
            dk, dv = _gather_kv(
                dk,
                dv,
                k,
                v,
                q_view,
                do_view,
                q_desc,
                do_desc,
                lse_ptr + at_l,
                delta_ptr + at_l,
                keys,
                first,
                n_queries,
                n_keys,
                scale,
                False,
                False,
                CAUSAL,
                PRECISION,
                HEAD_DIM,
                BLOCK_M,
            )
    for member in tl.range(0, group if CAUSAL or RAGGED else 0):
        head_q = head * group + member
        q_view = head_view(q_ptr, batch, head_q, start_q, strides_q)
        do_view = head_view(do_ptr, batch, head_q, start_q, strides_d)
        at_l = head_offset(batch, head_q, start_q, strides_l)
        for step in tl.range(0, masked, num_stages=1):
            first = tl.where(step < on_diagonal, begin + step * BLOCK_M, full)
            dk, dv = _gather_kv(
                dk,
                dv,
                k,
                v,
                q_view,
                do_view,
                q_desc,
                do_desc,
                lse_ptr + at_l,
                delta_ptr + at_l,
                keys,
                first,
                n_queries,
                n_keys,
                scale,
                True,
                RAGGED,
                CAUSAL,
                PRECISION,
                HEAD_DIM,
                BLOCK_M,
            )
    dk *= natural_scale
    store_rows(dk_ptr, dk, batch, head, start_k, strides_dk, first_k, n_keys, HEAD_DIM)
    store_rows(dv_ptr, dv, batch, head, start_k, strides_dv, first_k, n_keys, HEAD_DIM)


@triton.jit
def _gather_q(
    dq,
    q,
    do,
    lse,
    delta,
    k_view,
    v_view,
    k_desc,
    v_desc,
    queries,
    first,
    n_keys,
    scale,
    MASKED: tl.constexpr,
    RAGGED: tl.constexpr,
    CAUSAL: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Gradient dq, BLOCK_N keys later."""
    k = load_rows(k_view, k_desc, first, n_keys, RAGGED, True, HEAD_DIM, BLOCK_N)
    s = tl.dot(q, k.T, input_precision=PRECISION)  # [BLOCK_M, BLOCK_N]
    v = load_rows(v_view, v_desc, first, n_keys, RAGGED, False, HEAD_DIM, BLOCK_N)
    dp = tl.dot(do, v.T, input_precision=PRECISION)
    p = tl.exp2(s * scale - lse[:, None])
    ds = p * (dp - delta[:, None])
    if MASKED:
        keys = first + tl.arange(0, BLOCK_N)[None, :]
        ds = tl.where(_visible(queries[:, None], keys, n_keys, CAUSAL), ds, 0.0)
    return tl.dot(ds.to(k.dtype), k, dq, input_precision=PRECISION)


# With a single key as a constant, ptxas of Triton 3.6 crashes.
@triton.jit(do_not_specialize=("n_keys",))
def _backward_q(
    q_ptr,
    k_ptr,
    v_ptr,
    do_ptr,
    dq_ptr,
    lse_ptr,
    delta_ptr,
    k_desc,
    v_desc,
    cu_q_ptr,
    cu_k_ptr,
    strides_q,
    strides_k,
    strides_v,
    strides_d,
    strides_dq,
    strides_l,
    n_batch,
    n_heads,
    group,
    n_queries,
    n_keys,
    scale,
    natural_scale,
    CAUSAL: tl.constexpr,
    RAGGED: tl.constexpr,
    PRECISION: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """`dq = ds k * natural_scale`, `ds = p * (do v^T - delta)`; all else as `_forward`."""
    # This program handles BLOCK_M queries of one head.
    batch, head, tile = place(cu_q_ptr, n_batch, n_heads, n_queries, BLOCK_M, CHUNK, True)
    start_q, n_queries = sequence(cu_q_ptr, batch, n_batch, n_queries, True)
    start_k, n_keys = sequence(cu_k_ptr, batch, n_batch, n_keys, False)
    q_view = head_view(q_ptr, batch, head, start_q, strides_q)
    k_view = head_view(k_ptr, batch, head // group, start_k, strides_k)
    v_view = head_view(v_ptr, batch, head // group, start_k, strides_v)
    do_view = head_view(do_ptr, batch, head, start_q, strides_d)
    first_q = tile * BLOCK_M
    queries = first_q + tl.arange(0, BLOCK_M)
    q = load_rows(q_view, None, first_q, n_queries, True, True, HEAD_DIM, BLOCK_M)  # [BLOCK_M, D]
    do = load_rows(do_view, None, first_q, n_queries, True, True, HEAD_DIM, BLOCK_M)
    at_l = head_offset(batch, head, start_q, strides_l)
    lse = tl.load(lse_ptr + at_l + queries, mask=queries < n_queries, other=float("inf"))
    delta = tl.load(delta_ptr + at_l + queries, mask=queries < n_queries, other=0.0)
    dq = tl.zeros(q.shape, tl.float32)

    plain, end = _keys_to_visit(first_q, n_queries, n_keys, CAUSAL, BLOCK_M, BLOCK_N)
    for first in tl.range(0, plain, BLOCK_N):
        dq = _gather_q(
            dq,
            q,
            do,
            lse,
            delta,
            k_view,
            v_view,
            k_desc,
            v_desc,
            queries,
            first,
            n_keys,
            scale,
            False,
            False,
            CAUSAL,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    for first in tl.range(plain, end if CAUSAL or RAGGED else plain, BLOCK_N, num_stages=1):
        dq = _gather_q(
            dq,
            q,
            do,
            lse,
            delta,
            k_view,
            v_view,
            k_desc,
            v_desc,
            queries,
            first,
            n_keys,
            scale,
            True,
            RAGGED,
            CAUSAL,
            PRECISION,
            HEAD_DIM,
            BLOCK_N,
        )
    dq *= natural_scale
    store_rows(dq_ptr, dq, batch, head, start_q, strides_dq, first_q, n_queries, HEAD_DIM)


def forward_config(x: Tensor) -> tuple[int, int, dict[str, int]]:
    """BLOCK_M, BLOCK_N and options of `_forward` for heads as x's; measured on an H200."""
    if x.dtype == torch.float32:
        return 32, 32, {"num_stages": 2, **launch_options(4)}
    if x.shape[-1] <= 64:
        # So many registers that three programs share a multiprocessor.
        return 64, 128, {"num_stages": 2, **launch_options(4, 168)}
    if x.shape[-1] <= 128:
        return 64, 64, {"num_stages": 3, **launch_options(4)}
    return 128, 32, {"num_stages": 2, **launch_options(8)}


def backward_config(x: Tensor, per_query: bool) -> tuple[int, int, dict[str, int]]:
    """Rows that a program keeps, rows of a step, options: of `_backward_q` or `_backward_kv`."""
    if x.dtype == torch.float32:
        return 32, 32, {"num_stages": 1, **launch_options(4)}
    if x.shape[-1] <= 64:
        return 64, 64, {"num_stages": 2, **launch_options(4, 128 if per_query else None)}
    if x.shape[-1] <= 128:
        return 64, 64, {"num_stages": 2, **launch_options(4)}
    return 64, 32 if per_query else 64, {"num_stages": 2, **launch_options(8)}


def _by_rows(x: Tensor, block: int) -> tuple[Tensor, Any]:
    """`x` with unit last stride, and its descriptor; a copy where the copy engine wants one."""
    described = has_copy_engine(x.device) and x.dtype != torch.float32
    desc = describe_rows(x, block) if described else None
    head_dim = x.shape[-1]
    if desc is None and described and head_dim >= 16 and head_dim == next_power_of_2(head_dim):
        x = x.clone(memory_format=torch.contiguous_format)
        desc = describe_rows(x, block)
    return (x if x.stride(-1) == 1 else x.contiguous()), desc


def _strides(x: Tensor, cu: Tensor | None) -> tuple[int, ...]:
    """Strides of batch, head and row; packed sequences lie side by side in one entry."""
    return (0 if cu is not None else x.stride(0), *x.stride()[1:3])


def _on_hopper(q: Tensor) -> bool:
    return hopper is not None and hopper.suits(q)


def _precision(x: Tensor) -> str:
    return float32_precision() if x.dtype == torch.float32 else "tf32"


def forward_pass(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Attention of q [batch, heads, n_queries, head_dim], in q's strides, and lse in base 2."""
    n_batch, n_heads, n_queries, _ = q.shape
    o = torch.empty_like(q)
    lse = torch.empty((n_batch, n_heads, n_queries), dtype=torch.float32, device=q.device)
    if q.numel() == 0 or k.numel() == 0:
        return o.zero_(), lse.fill_(-math.inf)
    if scale < 0:
        # The kernel takes the highest product for the highest score.
        q, scale = -q, -scale
    if not (
        scale > 0
        and cu_q is None
        and _on_hopper(q)
        and hopper.forward(q, k, v, o, lse, causal, scale * LOG2_E)
    ):
        plain_forward(q, k, v, o, lse, cu_q, cu_k, causal, scale)
    return o, lse


def plain_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    lse: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
) -> None:
    """Fills o and lse by `_forward`."""
    n_batch, n_heads, n_queries, head_dim = q.shape
    block_m, block_n, options = forward_config(q)
    q = q if q.stride(-1) == 1 else q.contiguous()
    (k, k_desc), (v, v_desc) = _by_rows(k, block_n), _by_rows(v, block_n)
    out = o if o.stride(-1) == 1 else o.new_empty(o.shape)
    if cu_q is not None:
        n_batch = cu_q.numel() - 1
    grid = (n_programs(n_batch, n_heads, n_queries, block_m, cu_q is not None),)
    launch(_forward, grid)(
        q,
        k,
        v,
        out,
        lse,
        k_desc,
        v_desc,
        cu_q,
        cu_k,
        *(_strides(x, cu_q) for x in (q, k, v, out, lse.unsqueeze(-1))),
        n_batch,
        n_heads,
        n_heads // k.shape[1],
        n_queries,
        k.shape[2],
        scale * LOG2_E,
        causal,
        cu_k is not None or k.shape[2] % block_n > 0,
        _precision(q),
        head_dim,
        block_m,
        block_n,
        CHUNK,
        **options,
    )
    if out is not o:
        o.copy_(out)


def backward_pass(
    do: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    lse: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients dq, dk and dv, contiguous; o and lse as `forward_pass` gave them."""
    dq, dk, dv = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (q, k, v))
    if q.numel() == 0 or k.numel() == 0:
        return dq.zero_(), dk.zero_(), dv.zero_()
    n_batch, n_heads, n_queries, head_dim = q.shape
    do = do if do.stride(-1) == 1 else do.contiguous()
    o = o if o.stride(-1) == 1 else o.contiguous()
    delta = torch.empty_like(lse)
    block = 32
    launch(_delta, (n_batch * n_heads * cdiv(n_queries, block),))(
        o,
        do,
        delta,
        *(_strides(x, None) for x in (o, do, lse.unsqueeze(-1))),
        n_heads,
        n_queries,
        head_dim,
        block,
        num_warps=4,
    )
    plain_backward_kv(do, q, k, v, lse, delta, dk, dv, cu_q, cu_k, causal, scale)
    if not (
        cu_q is None
        and _on_hopper(q)
        and hopper_backward.backward_q(do, q, k, v, lse, delta, dq, causal, scale * LOG2_E, scale)
    ):
        plain_backward_q(do, q, k, v, lse, delta, dq, cu_q, cu_k, causal, scale)
    return dq, dk, dv


def plain_backward_kv(
    do: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lse: Tensor,
    delta: Tensor,
    dk: Tensor,
    dv: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
) -> None:
    """Fills dk and dv."""
    n_batch, kv_heads, n_keys, head_dim = k.shape
    block_n, block_m, options = backward_config(q, False)
    (q, q_desc), (do, do_desc) = _by_rows(q, block_m), _by_rows(do, block_m)
    k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (k, v))
    if cu_k is not None:
        n_batch = cu_k.numel() - 1
    launch(_backward_kv, (n_programs(n_batch, kv_heads, n_keys, block_n, cu_k is not None),))(
        q,
        k,
        v,
        do,
        dk,
        dv,
        lse,
        delta,
        q_desc,
        do_desc,
        cu_q,
        cu_k,
        *(_strides(x, cu_q) for x in (q, k, v, do, dk, dv, lse.unsqueeze(-1))),
        n_batch,
        kv_heads,
        q.shape[1] // kv_heads,
        q.shape[2],
        n_keys,
        scale * LOG2_E,
        scale,
        causal,
        cu_q is not None or q.shape[2] % block_m > 0,
        _precision(q),
        head_dim,
        block_m,
        block_n,
        CHUNK,
        **options,
    )


def plain_backward_q(
    do: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lse: Tensor,
    delta: Tensor,
    dq: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
) -> None:
    """Fills dq."""
    n_batch, n_heads, n_queries, head_dim = q.shape
    block_m, block_n, options = backward_config(q, True)
    q = q if q.stride(-1) == 1 else q.contiguous()
    (k, k_desc), (v, v_desc) = _by_rows(k, block_n), _by_rows(v, block_n)
    if cu_q is not None:
        n_batch = cu_q.numel() - 1
    launch(_backward_q, (n_programs(n_batch, n_heads, n_queries, block_m, cu_q is not None),))(
        q,
        k,
        v,
        do,
        dq,
        lse,
        delta,
        k_desc,
        v_desc,
        cu_q,
        cu_k,
        *(_strides(x, cu_q) for x in (q, k, v, do, dq, lse.unsqueeze(-1))),
        n_batch,
        n_heads,
        n_heads // k.shape[1],
        n_queries,
        k.shape[2],
        scale * LOG2_E,
        scale,
        causal,
        cu_k is not None or k.shape[2] % block_n > 0,
        _precision(q),
        head_dim,
        block_m,
        block_n,
        CHUNK,
        **options,
    )


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        cu_q: Tensor | None,
        cu_k: Tensor | None,
        causal: bool,
        scale: float,
        reference: Callable[..., Tensor],
    ) -> Tensor:
        o, lse = forward_pass(q, k, v, cu_q, cu_k, causal, scale)
        ctx.save_for_backward(q, k, v, o, lse, cu_q, cu_k)
        ctx.causal, ctx.scale, ctx.reference = causal, scale, reference
        return o

    @staticmethod
    def backward(ctx: Any, do: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, o, lse, cu_q, cu_k = ctx.saved_tensors
        rest = (cu_q, cu_k, ctx.causal, ctx.scale)
        if is_differentiated_again():
            found = gradients_in_pytorch(lambda *x: ctx.reference(*x, *rest), (q, k, v), do)
        else:
            found = list(backward_pass(do, q, k, v, o, lse, *rest))
        return *found, None, None, None, None, None


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_q: Tensor | None,
    cu_k: Tensor | None,
    causal: bool,
    scale: float,
    reference: Callable[..., Tensor],
) -> Tensor:
    """Attention of checked arguments, padded or packed as [1, heads, tokens, head_dim].

    `reference` is the same in PyTorch's operators, of all arguments but the last; it gives what
    the kernels do not: float64, and gradients of gradients.
    """
    rest = (cu_q, cu_k, causal, scale)
    if q.dtype is torch.float64:
        return reference(q, k, v, *rest)
    if torch.compiler.is_compiling():
        return _library_forward(q, k, v, *rest)[0]
    if wants_grad(q, k, v):
        return _Attention.apply(q, k, v, *rest, reference)
    return forward_pass(q, k, v, *rest)[0]


# torch.compile does not look into these: it knows neither descriptors nor Gluon.
_library_forward = torch.library.custom_op(
    f"verified_kernels::{__name__.rpartition('.')[2]}_forward", forward_pass, mutates_args=()
)
_library_backward = torch.library.custom_op(
    f"verified_kernels::{__name__.rpartition('.')[2]}_backward", backward_pass, mutates_args=()
)


@_library_forward.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(q), q.new_empty(q.shape[:3], dtype=torch.float32)


@_library_backward.register_fake
def _(do: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, cu_q, cu_k, *rest = inputs
    ctx.save_for_backward(q, k, v, *output, cu_q, cu_k)
    ctx.rest = tuple(rest)
    ctx.mark_non_differentiable(output[1])


def _library_gradients(ctx: Any, do: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return *_library_backward(do, *ctx.saved_tensors, *ctx.rest), None, None, None, None


_library_forward.register_autograd(_library_gradients, setup_context=_save)


def check_heads(op: str, q: Tensor, k: Tensor, v: Tensor, layout: str) -> None:
    """Passes when q, k and v, of the dimensions that `layout` names, fit each other.

    Raises:
        DtypeError: a dtype is not fp32, fp16, bf16 or float64, or two differ.
        ArgumentError: shapes or devices do not fit.
    """
    doubles = q.dtype is torch.float64
    check_float(
        op,
        **{
            n: x.detach().float() if doubles and x.dtype is q.dtype else x
            for n, x in (("q", q), ("k", k), ("v", v))
        },
    )
    shapes = f"q {list(q.shape)}, k {list(k.shape)}, v {list(v.shape)}"
    ndim = layout.count(",") + 1
    if not q.ndim == k.ndim == v.ndim == ndim:
        raise ArgumentError(f"{op}: {shapes}; each must be {layout}")
    if k.shape != v.shape or q.shape[-1] != k.shape[-1] or (ndim == 4 and q.shape[0] != k.shape[0]):
        raise ArgumentError(f"{op}: {shapes}; k and v must be alike, with q's batch and head_dim")
    if not 1 <= q.shape[-1] <= LONGEST_HEAD:
        raise ArgumentError(f"{op}: head_dim is {q.shape[-1]}; 1 to {LONGEST_HEAD} are supported")
    if k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        raise ArgumentError(
            f"{op}: {q.shape[1]} heads of q and {k.shape[1]} of k and v; "
            "the first must be a multiple of the second"
        )


def attention(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, scale: float | None = None
) -> Tensor:
    """`softmax(scale * q k^T) v` as `F.scaled_dot_product_attention`; differentiable in q, k and v.

    q [batch, heads, n_queries, head_dim]; k, v [batch, kv_heads, n_keys, head_dim], where each
    head of k and v serves heads / kv_heads of q. fp32, fp16 or bf16, any strides, head_dim up to
    256; float64 is left to PyTorch's operators. `causal`: query i sees keys 0 to i, aligned at the
    beginning where the lengths differ, as `is_causal` does. `scale` is 1 / sqrt(head_dim) unless
    given. A query without keys gives 0. The result has q's dtype, or autocast's, and where q has
    no gaps its strides.

    Raises:
        DtypeError: a dtype is none of those, or two differ.
        ArgumentError: shapes or devices do not fit.
    """
    q, k, v = as_autocast(q, k, v)
    check_heads("attention", q, k, v, "[batch, heads, seq, head_dim]")
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return attend(q, k, v, None, None, causal, scale, _padded_reference)


def _padded_reference(
    q: Tensor, k: Tensor, v: Tensor, cu_q: None, cu_k: None, causal: bool, scale: float
) -> Tensor:
    return attention_reference(q, k, v, causal, scale)


def attention_reference(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, scale: float | None = None
) -> Tensor:
    """Attention with all scores at once."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    return scores.softmax(-1) @ v


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    batch, heads, n_queries, head_dim = case.shape
    kv_heads, n_keys = params.pop("kv_heads", heads), params.pop("n_keys", n_queries)
    poisoned, seq_first = params.pop("poisoned", False), params.pop("seq_first", False)

    def tensor(n_heads: int, n_rows: int) -> Tensor:
        if seq_first:
            return draw.normal(batch, n_rows, n_heads, head_dim).transpose(1, 2)
        return draw.normal(batch, n_heads, n_rows, head_dim)

    q, k, v = tensor(heads, n_queries), tensor(kv_heads, n_keys), tensor(kv_heads, n_keys)
    if poisoned:
        # The second head of two: what the first one reads past its end.
        k[:, 1], v[:, 1] = math.nan, math.nan
    return {"q": q, "k": k, "v": v, **params}


def _eager(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, scale: float | None = None
) -> Tensor:
    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(order, set_priority=True):
        return scaled_dot_product_attention(
            q, k, v, is_causal=causal, scale=scale, enable_gqa=k.shape[1] != q.shape[1]
        )


def _cost(case: Case, itemsize: int) -> Cost:
    batch, heads, n_queries, head_dim = case.shape
    n_keys, kv_heads = case.params.get("n_keys", n_queries), case.params.get("kv_heads", heads)
    q, kv = math.prod(case.shape) * itemsize, batch * kv_heads * n_keys * head_dim * itemsize
    # One product of queries and keys; forward has two, backward needs five.
    product = 2 * math.prod(case.shape) * n_keys // (2 if case.params.get("causal") else 1)
    return Cost(
        forward_bytes=2 * q + 2 * kv,
        backward_bytes=4 * q + 4 * kv,
        forward_flops=2 * product,
        backward_flops=5 * product,
    )


def _case(name: str, shape: tuple[int, ...], **more: Any) -> Case:
    own = {n: more.pop(n) for n in ("layout", "values", "dtypes", "gpu_only", "tail") if n in more}
    return Case(id=name, shape=shape, params=more, **own)


SPEC = Spec(
    name="attention",
    op=attention,
    reference=attention_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.PRODUCTS,
    grads=("q", "k", "v"),
    # A masked NaN is nothing to us; in the reference 0 times NaN is NaN.
    special_grads=False,
    cases=(
        _case("one query, one key", (1, 1, 1, 64)),
        _case("127 rows, heads of 64", (1, 2, 127, 64)),
        _case("128 rows, heads of 128", (2, 1, 128, 128)),
        _case("129 rows, heads of 256", (1, 1, 129, 256)),
        _case("causal, 128 rows", (1, 1, 128, 64), causal=True),
        _case("causal, 129 rows", (1, 2, 129, 64), causal=True),
        _case("causal, 257 rows, heads of 128", (1, 1, 257, 128), causal=True),
        _case("causal, more keys than queries", (1, 2, 70, 64), n_keys=131, causal=True),
        _case("causal, more queries than keys", (1, 2, 131, 64), n_keys=70, causal=True),
        _case("fewer keys than a block", (1, 2, 200, 64), n_keys=3),
        _case("four heads share two", (2, 4, 100, 64), kv_heads=2, causal=True),
        _case("three heads share one", (1, 3, 65, 64), kv_heads=1),
        _case("twenty heads, a chunk and four", (1, 20, 33, 16), causal=True),
        _case("heads of 80", (1, 2, 70, 80), causal=True),
        _case("heads of 5", (1, 2, 70, 5)),
        _case("a scale of its own", (1, 2, 70, 64), scale=0.3),
        _case("a negative scale", (1, 2, 70, 64), scale=-0.2, causal=True),
        _case("sequence before heads in memory", (2, 3, 130, 64), seq_first=True, causal=True),
        _case("padded rows", (1, 2, 37, 16), layout=Layout.PADDED),
        _case("every other element", (1, 2, 37, 16), layout=Layout.STRIDED),
        _case("transposed", (1, 2, 37, 16), layout=Layout.TRANSPOSED),
        _case("expanded", (2, 2, 37, 16), layout=Layout.EXPANDED),
        _case("misaligned", (1, 2, 37, 16), layout=Layout.MISALIGNED),
        _case("NaN and infinity", (2, 2, 30, 16), values=Values.SPECIAL),
        _case("NaN in the next head", (1, 2, 70, 64), poisoned=True),
        _case("no queries", (1, 2, 0, 64), n_keys=5),
        _case("no keys", (1, 2, 5, 64), n_keys=0),
        _case("a prime of 1,031 rows", (2, 8, 1031, 128), gpu_only=True, causal=True),
        _case(
            "past 2**31 elements",
            (8199, 16, 128, 128),
            gpu_only=True,
            dtypes=("bfloat16",),
            tail=1,
            causal=True,
        ),
    ),
    bench=(
        _case("4x32x4096x128 causal", (4, 32, 4096, 128), causal=True),
        _case("4x32x4096x128", (4, 32, 4096, 128)),
        _case("4x32x4096x64 causal", (4, 32, 4096, 64), causal=True),
        _case("2x32x3001x128 causal, 8 shared", (2, 32, 3001, 128), causal=True, kv_heads=8),
    ),
    mutants=(
        Mutant(
            why="a query sees the key after it",
            old="keys <= queries",
            new="keys <= queries + 1",
            cases=("causal, 129 rows",),
        ),
        Mutant(
            why="keys past the end take part",
            old="seen = keys < n_keys\n",
            new="seen = keys < n_keys + 1\n",
            cases=("127 rows, heads of 64",),
        ),
        Mutant(
            why="values are not scaled down when the highest score rises",
            old="acc = acc * fade[:, None]",
            new="acc = acc * 1.0",
            cases=("127 rows, heads of 64", "129 rows, heads of 256"),
        ),
        Mutant(
            why="queries past the end reach dv",
            old='mask=there, other=float("inf")',
            new="mask=there, other=0.0",
            cases=("127 rows, heads of 64",),
        ),
        Mutant(
            why="ds without delta",
            old="ds = p * (dp - delta[None, :])",
            new="ds = p * dp",
            cases=("127 rows, heads of 64",),
        ),
        Mutant(
            why="dk and dv of one of the heads that share them",
            old="tl.range(0, group)",
            new="tl.range(0, 1)",
            cases=("three heads share one",),
        ),
        Mutant(
            why="the ragged block of queries is left out where the diagonal ends before it",
            old="on_diagonal + ragged, 0)",
            new="on_diagonal, 0)",
            cases=("127 rows, heads of 64",),
        ),
    ),
)
