"""The gradient of queries for Hopper in Gluon; parts and barriers as in `attention_hopper.py`.

Two consumers of 64 queries each, one producer that brings keys and values in a ring. A step has
three products: scores `s = q k^T`, `dp = do v^T`, and `dq += ds k` of the step before. They are
issued together and waited for one by one, so that `p = exp(s - L)` is computed while dp is being
multiplied, and `ds = p * (dp - delta)` while dq is. Keys are needed once more a step later than
values, so one barrier for both says that a buffer is free.

dk and dv are left to `attention.py`: there the compiler keeps p^T and ds^T in registers and two
programs share a multiprocessor, and Gluon gains 2% at most (measured on an H200).
"""

from __future__ import annotations

from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from verified_kernels.launch import cdiv
from verified_kernels.ops.attention_hopper import (
    CONSUMER_REGISTERS,
    CONSUMERS,
    PRODUCER_REGISTERS,
    REGISTERS,
    ROWS,
    block_of,
    descriptor,
    load_tile,
    readable,
    steps_of,
    store_tile,
    tile_of,
    visible,
)
from verified_kernels.structure import Structure
from verified_kernels.tiles import launch_on

# Heads that run side by side: queries and their gradients take L2 cache beside keys and values.
CHUNK = 4


@gluon.jit
def _producer(
    q_desc,
    do_desc,
    k_desc,
    v_desc,
    q_tiles,
    do_tiles,
    k_tiles,
    v_tiles,
    q_full,
    k_full,
    v_full,
    empty,
    batch_heads,
    n_heads,
    group,
    n_queries,
    n_keys,
    CAUSAL: gl.constexpr,
    CHUNK: gl.constexpr,
    STAGES: gl.constexpr,
    CONSUMERS: gl.constexpr,
):
    """Fetches queries and do once, then keys and values from the last block to the first."""
    ROWS: gl.constexpr = q_desc.block_type.shape[2]
    BLOCK_N: gl.constexpr = k_desc.block_type.shape[2]
    BLOCK_M: gl.constexpr = ROWS * CONSUMERS
    n_blocks = gl.cdiv(n_queries, BLOCK_M)
    head, block = block_of(gl.program_id(0), batch_heads, n_blocks, CHUNK)
    batch = head // n_heads
    head_q = head % n_heads
    head_k = head_q // group
    for c in gl.static_range(CONSUMERS):
        row = block * BLOCK_M + c * ROWS
        mbarrier.expect(q_full.index(c), 2 * q_desc.block_type.nbytes)
        load_tile(q_desc, [batch, head_q, row, 0], q_full.index(c), q_tiles.index(c))
        load_tile(do_desc, [batch, head_q, row, 0], q_full.index(c), do_tiles.index(c))
    steps = steps_of(block * BLOCK_M, n_keys, BLOCK_M, BLOCK_N, CAUSAL)
    for step in range(steps):
        row = (steps - 1 - step) * BLOCK_N
        slot = step % STAGES
        mbarrier.wait(empty.index(slot), ((step // STAGES) & 1) ^ 1)
        mbarrier.expect(k_full.index(slot), k_desc.block_type.nbytes)
        load_tile(k_desc, [batch, head_k, row, 0], k_full.index(slot), k_tiles.index(slot))
        mbarrier.expect(v_full.index(slot), v_desc.block_type.nbytes)
        load_tile(v_desc, [batch, head_k, row, 0], v_full.index(slot), v_tiles.index(slot))


@gluon.jit
def _consumer(
    dq_desc,
    lse_ptr,
    delta_ptr,
    q_tiles,
    do_tiles,
    k_tiles,
    v_tiles,
    q_full,
    k_full,
    v_full,
    empty,
    batch_heads,
    n_heads,
    n_queries,
    n_keys,
    scale,
    natural_scale,
    MEMBER: gl.constexpr,
    CAUSAL: gl.constexpr,
    CHUNK: gl.constexpr,
    STAGES: gl.constexpr,
    CONSUMERS: gl.constexpr,
):
    """The gradient of ROWS queries."""
    ROWS: gl.constexpr = dq_desc.block_type.shape[2]
    D: gl.constexpr = dq_desc.block_type.shape[3]
    BLOCK_N: gl.constexpr = k_tiles.shape[3]
    BLOCK_M: gl.constexpr = ROWS * CONSUMERS
    dtype: gl.constexpr = dq_desc.dtype
    s_layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BLOCK_N, 16])
    dq_layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, D, 16])
    ds_layout: gl.constexpr = gl.DotOperandLayout(0, dq_layout, k_width=2)
    n_blocks = gl.cdiv(n_queries, BLOCK_M)
    head, block = block_of(gl.program_id(0), batch_heads, n_blocks, CHUNK)
    first_q = block * BLOCK_M + MEMBER * ROWS
    steps = steps_of(block * BLOCK_M, n_keys, BLOCK_M, BLOCK_N, CAUSAL)
    queries = first_q + gl.arange(0, ROWS, layout=gl.SliceLayout(1, s_layout))
    at = head.to(gl.int64) * n_queries + queries
    # Queries past the end: p = exp(s - inf) = 0.
    lse = gl.load(lse_ptr + at, mask=queries < n_queries, other=float("inf"))
    delta = gl.load(delta_ptr + at, mask=queries < n_queries, other=0.0)
    zeros = gl.zeros([ROWS, BLOCK_N], gl.float32, s_layout)
    dq = gl.zeros([ROWS, D], gl.float32, dq_layout)
    mbarrier.wait(q_full.index(MEMBER), 0)
    q = tile_of(q_tiles, MEMBER)
    do = tile_of(do_tiles, MEMBER)
    mbarrier.wait(k_full.index(0), 0)
    s = warpgroup_mma(q, tile_of(k_tiles, 0).permute([1, 0]), zeros, use_acc=False, is_async=True)
    mbarrier.wait(v_full.index(0), 0)
    dp = warpgroup_mma(do, tile_of(v_tiles, 0).permute([1, 0]), zeros, use_acc=False, is_async=True)
    s = warpgroup_mma_wait(1, deps=(s,))
    p = gl.exp2(s * scale - lse[:, None])
    p = gl.where(visible(p, first_q, (steps - 1) * BLOCK_N, n_keys, CAUSAL), p, 0.0)
    dp = warpgroup_mma_wait(0, deps=(dp,))
    ds = gl.convert_layout((p * (dp - delta[:, None])).to(dtype), ds_layout)
    for step in range(1, steps):
        slot = step % STAGES
        last = (step - 1) % STAGES
        phase = (step // STAGES) & 1
        mbarrier.wait(k_full.index(slot), phase)
        k = tile_of(k_tiles, slot).permute([1, 0])
        s = warpgroup_mma(q, k, zeros, use_acc=False, is_async=True)
        mbarrier.wait(v_full.index(slot), phase)
        v = tile_of(v_tiles, slot).permute([1, 0])
        dp = warpgroup_mma(do, v, zeros, use_acc=False, is_async=True)
        dq = warpgroup_mma(ds, tile_of(k_tiles, last), dq, is_async=True)
        s = warpgroup_mma_wait(2, deps=(s,))
        p = gl.exp2(s * scale - lse[:, None])
        if CAUSAL and BLOCK_N < BLOCK_M:
            seen = visible(p, first_q, (steps - 1 - step) * BLOCK_N, n_keys, CAUSAL)
            p = gl.where(seen, p, 0.0)
        dp = warpgroup_mma_wait(1, deps=(dp,))
        ds = (p * (dp - delta[:, None])).to(dtype)
        dq = warpgroup_mma_wait(0, deps=(dq,))
        mbarrier.arrive(empty.index(last), count=1)
        ds = gl.convert_layout(ds, ds_layout)
    dq = warpgroup_mma(ds, tile_of(k_tiles, (steps - 1) % STAGES), dq, is_async=True)
    dq = warpgroup_mma_wait(0, deps=(dq,))
    # The tensor cores are done with the queries: their place serves for the gradient.
    q.store((dq * natural_scale).to(dtype))
    fence_async_shared()
    store_tile(dq_desc, [head // n_heads, head % n_heads, first_q, 0], q_tiles.index(MEMBER))
    tma.store_wait(0)


@gluon.jit(do_not_specialize=["n_queries", "n_keys"])
def _backward_q(
    q_desc,
    do_desc,
    k_desc,
    v_desc,
    dq_desc,
    lse_ptr,
    delta_ptr,
    batch_heads,
    n_heads,
    group,
    n_queries,
    n_keys,
    scale,
    natural_scale,
    CAUSAL: gl.constexpr,
    CHUNK: gl.constexpr,
    STAGES: gl.constexpr,
    CONSUMERS: gl.constexpr,
    CONSUMER_REGISTERS: gl.constexpr,
    PRODUCER_REGISTERS: gl.constexpr,
):
    """`dq = ds k * natural_scale`, with `ds = p * (do v^T - delta)`.

    Tensors and their descriptors as in `attention_hopper`, do and dq as q, delta as lse. Grid:
    (n_batch * n_heads * cdiv(n_queries, CONSUMERS * ROWS),).
    """
    # This program handles CONSUMERS * ROWS queries of one head.
    dtype: gl.constexpr = q_desc.dtype
    ROWS: gl.constexpr = q_desc.block_type.shape[2]
    BLOCK_N: gl.constexpr = k_desc.block_type.shape[2]
    D: gl.constexpr = q_desc.block_type.shape[3]
    q_tiles = gl.allocate_shared_memory(dtype, [CONSUMERS, 1, 1, ROWS, D], q_desc.layout)
    do_tiles = gl.allocate_shared_memory(dtype, [CONSUMERS, 1, 1, ROWS, D], do_desc.layout)
    k_tiles = gl.allocate_shared_memory(dtype, [STAGES, 1, 1, BLOCK_N, D], k_desc.layout)
    v_tiles = gl.allocate_shared_memory(dtype, [STAGES, 1, 1, BLOCK_N, D], v_desc.layout)
    barriers: gl.constexpr = mbarrier.MBarrierLayout()
    q_full = gl.allocate_shared_memory(gl.int64, [CONSUMERS, 1], barriers)
    k_full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers)
    v_full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers)
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], barriers)
    for i in gl.static_range(CONSUMERS):
        mbarrier.init(q_full.index(i), count=1)
    for i in gl.static_range(STAGES):
        mbarrier.init(k_full.index(i), count=1)
        mbarrier.init(v_full.index(i), count=1)
        mbarrier.init(empty.index(i), count=CONSUMERS)
    gl.warp_specialize(
        [
            (
                _consumer,
                (
                    dq_desc,
                    lse_ptr,
                    delta_ptr,
                    q_tiles,
                    do_tiles,
                    k_tiles,
                    v_tiles,
                    q_full,
                    k_full,
                    v_full,
                    empty,
                    batch_heads,
                    n_heads,
                    n_queries,
                    n_keys,
                    scale,
                    natural_scale,
                    0,
                    CAUSAL,
                    CHUNK,
                    STAGES,
                    CONSUMERS,
                ),
            ),
            (
                _consumer,
                (
                    dq_desc,
                    lse_ptr,
                    delta_ptr,
                    q_tiles,
                    do_tiles,
                    k_tiles,
                    v_tiles,
                    q_full,
                    k_full,
                    v_full,
                    empty,
                    batch_heads,
                    n_heads,
                    n_queries,
                    n_keys,
                    scale,
                    natural_scale,
                    1,
                    CAUSAL,
                    CHUNK,
                    STAGES,
                    CONSUMERS,
                ),
            ),
            (
                _producer,
                (
                    q_desc,
                    do_desc,
                    k_desc,
                    v_desc,
                    q_tiles,
                    do_tiles,
                    k_tiles,
                    v_tiles,
                    q_full,
                    k_full,
                    v_full,
                    empty,
                    batch_heads,
                    n_heads,
                    group,
                    n_queries,
                    n_keys,
                    CAUSAL,
                    CHUNK,
                    STAGES,
                    CONSUMERS,
                ),
            ),
        ],
        [4, 1],
        [CONSUMER_REGISTERS, PRODUCER_REGISTERS],
    )


STRUCTURE = {"_backward_q": Structure(in_flight=2, specialised=True)}
# Keys of a step, and buffers for them.
RINGS = {128: (64, 4), 256: (32, 2)}


def backward_q(
    do: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lse: Tensor,
    delta: Tensor,
    dq: Tensor,
    causal: bool,
    scale: float,
    natural_scale: float,
) -> bool:
    """Fills dq and says so; `scale` holds the factor log2(e). False: this Triton cannot."""
    n_batch, n_heads, n_queries, head_dim = q.shape
    block_n, stages = RINGS[head_dim]
    dq_desc = descriptor(dq, ROWS)
    if dq_desc is None:
        return False
    n_tiles = n_batch * n_heads * cdiv(n_queries, CONSUMERS * ROWS)
    launch_on(q.device, _backward_q, (n_tiles,))(
        readable(q, ROWS),
        readable(do, ROWS),
        readable(k, block_n),
        readable(v, block_n),
        dq_desc,
        lse,
        delta,
        n_batch * n_heads,
        n_heads,
        n_heads // k.shape[1],
        n_queries,
        k.shape[2],
        scale,
        natural_scale,
        causal,
        CHUNK,
        stages,
        CONSUMERS,
        CONSUMER_REGISTERS,
        PRODUCER_REGISTERS,
        num_warps=4,
        maxnreg=REGISTERS,
    )
    return True
