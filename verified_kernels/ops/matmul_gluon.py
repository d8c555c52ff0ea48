"""Products in Gluon on sm_90: one warp loads, two groups of warps take turns at the tensor cores.

The path of `matmul` and `linear` where the end of a tile costs as much as it does with few steps or
an activation. Gluon says what `tl` leaves to the compiler: which warps do what, what lies in shared
memory, and who waits for whom.

**How work maps to warps.** A program is three partitions. The *producer*, one warp with 24
registers a thread, keeps a ring of STAGES pairs of tiles full by the copy engine. Two *consumers*
of four warps each own every second tile of the program: while one rounds, activates and stores its
sums, the other has the tensor cores to itself. `tl`'s persistent kernel overlaps the loads of the
next tile with the end of the last one, but not its products.

**Who waits for whom.** `ready[s]`: the bytes of stage s have arrived. `empty[s]`: its products are
done. `turn[c]`: consumer c may start its products.

**Traps.**
- A barrier knows one bit of history. A consumer that waited for a stage of its *next* tile while
  the other is still a full ring behind would take an old phase for a new one, and both stop for
  ever: `turn` keeps them in order.
- A product is asynchronous. Its stage may be given back only after the next product was issued and
  `warpgroup_mma_wait(1)` says that the older one is done; to wait at once leaves the tensor cores
  idle.
- The sums start with the first product (`use_acc=False`): zeros made beforehand would keep their
  registers alive through the loop.
- What is stored to shared memory is not what the copy engine sees until `fence_async_shared`.

The scheme is CUTLASS's "ping-pong" kernel: https://github.com/NVIDIA/cutlass. Licence: MIT.
"""

from __future__ import annotations

import torch
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
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from verified_kernels.launch import cdiv, multiprocessors
from verified_kernels.structure import Structure
from verified_kernels.tiles import activate, launch_on

GROUP_M = 8
STRUCTURE = {"_kernel": Structure(specialised=True)}
REGISTERS = 240  # of a consumer's thread; the producer leaves the rest of 64 Ki
PRODUCER_REGISTERS = 24
ENTRY_REGISTERS = 168  # what all threads start with; setmaxnreg needs such a bound


@gluon.jit
def tile_of(index, num_m, num_n, GROUP_M: gl.constexpr):
    """As in `tiles`."""
    band = index // (GROUP_M * num_n)
    height = gl.minimum(num_m - band * GROUP_M, GROUP_M)
    within = index % (GROUP_M * num_n)
    return band * GROUP_M + within % height, within // height


@gluon.jit
def _producer(
    a_desc,
    b_desc,
    a_ring,
    b_ring,
    empty,
    ready,
    num_m,
    num_n,
    K,
    A_TRANSPOSED: gl.constexpr,
    B_TRANSPOSED: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr,
    GROUP_M: gl.constexpr,
):
    """Fills the ring with the operands of every step of every tile of this program."""
    turn = 0
    for index in range(gl.program_id(0), num_m * num_n, gl.num_programs(0)):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        m = row * BLOCK_M
        n = col * BLOCK_N
        for k in range(0, K, BLOCK_K):
            stage = turn % STAGES
            mbarrier.wait(empty.index(stage), ((turn // STAGES) & 1) ^ 1)
            bar = ready.index(stage)
            mbarrier.expect(bar, a_desc.block_type.nbytes + b_desc.block_type.nbytes)
            if A_TRANSPOSED:
                tma.async_copy_global_to_shared(a_desc, [k, m], bar, a_ring.index(stage))
            else:
                tma.async_copy_global_to_shared(a_desc, [m, k], bar, a_ring.index(stage))
            if B_TRANSPOSED:
                tma.async_copy_global_to_shared(b_desc, [n, k], bar, b_ring.index(stage))
            else:
                tma.async_copy_global_to_shared(b_desc, [k, n], bar, b_ring.index(stage))
            turn += 1


@gluon.jit
def _operand(ring, stage, TRANSPOSED: gl.constexpr):
    """The tile of a stage as the product wants it."""
    tile = ring.index(stage)
    if TRANSPOSED:
        tile = tile.permute([1, 0])
    return tile


@gluon.jit
def _consumer(
    c_desc,
    bias_ptr,
    a_ring,
    b_ring,
    c_bufs,
    empty,
    ready,
    turns,
    num_m,
    num_n,
    N,
    K,
    WHICH: gl.constexpr,
    ACTIVATION: gl.constexpr,
    A_TRANSPOSED: gl.constexpr,
    B_TRANSPOSED: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr,
    GROUP_M: gl.constexpr,
):
    """Multiplies and stores every second tile, beginning with the WHICH-th."""
    layout: gl.constexpr = gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, BLOCK_N, 16]
    )
    steps = gl.cdiv(K, BLOCK_K)
    turn = WHICH * steps
    programs = gl.num_programs(0)
    for index in range(gl.program_id(0) + WHICH * programs, num_m * num_n, 2 * programs):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        # How many tiles this consumer has behind it gives the phase.
        mbarrier.wait(turns.index(WHICH), ((index // (2 * programs)) & 1) ^ (1 - WHICH))
        stage = turn % STAGES
        mbarrier.wait(ready.index(stage), (turn // STAGES) & 1)
        acc = warpgroup_mma(
            _operand(a_ring, stage, A_TRANSPOSED),
            _operand(b_ring, stage, B_TRANSPOSED),
            gl.zeros([BLOCK_M, BLOCK_N], gl.float32, layout),
            use_acc=False,
            is_async=True,
        )
        acc = warpgroup_mma_wait(1, deps=(acc,))
        turn += 1
        for _ in range(BLOCK_K, K, BLOCK_K):
            stage = turn % STAGES
            mbarrier.wait(ready.index(stage), (turn // STAGES) & 1)
            acc = warpgroup_mma(
                _operand(a_ring, stage, A_TRANSPOSED),
                _operand(b_ring, stage, B_TRANSPOSED),
                acc,
                is_async=True,
            )
            acc = warpgroup_mma_wait(1, deps=(acc,))
            mbarrier.arrive(empty.index((turn - 1) % STAGES), count=1)
            turn += 1
        mbarrier.arrive(turns.index(1 - WHICH), count=1)
        acc = warpgroup_mma_wait(0, deps=(acc,))
        mbarrier.arrive(empty.index((turn - 1) % STAGES), count=1)
        # The other consumer's tile came in between.
        turn += steps
        if bias_ptr is not None:
            cols = col * BLOCK_N + gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, layout))
            bias = gl.load(bias_ptr + cols, mask=cols < N, other=0.0)
            acc = acc + bias.to(gl.float32)[None, :]
        acc = activate(acc, ACTIVATION)
        tma.store_wait(0)
        out = c_bufs.index(WHICH)
        out.store(acc.to(c_desc.dtype))
        fence_async_shared()
        tma.async_copy_shared_to_global(c_desc, [row * BLOCK_M, col * BLOCK_N], out)
    tma.store_wait(0)


@gluon.jit
def _kernel(
    a_desc,
    b_desc,
    c_desc,
    bias_ptr,
    M,
    N,
    K,
    ACTIVATION: gl.constexpr,
    A_TRANSPOSED: gl.constexpr,
    B_TRANSPOSED: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr,
    GROUP_M: gl.constexpr,
    REGISTERS: gl.constexpr,
    PRODUCER_REGISTERS: gl.constexpr,
):
    """Stores c [M, N] = activation(a @ b + bias), all by descriptor; bias [N] a pointer or None.

    a is [M, K] or, with A_TRANSPOSED, [K, M]; b likewise. Grid: persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile, consumers in turns.
    a_tile: gl.constexpr = a_desc.block_type.shape
    b_tile: gl.constexpr = b_desc.block_type.shape
    c_tile: gl.constexpr = c_desc.block_type.shape
    a_ring = gl.allocate_shared_memory(a_desc.dtype, [STAGES, a_tile[0], a_tile[1]], a_desc.layout)
    b_ring = gl.allocate_shared_memory(b_desc.dtype, [STAGES, b_tile[0], b_tile[1]], b_desc.layout)
    c_bufs = gl.allocate_shared_memory(c_desc.dtype, [2, c_tile[0], c_tile[1]], c_desc.layout)
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    turns = gl.allocate_shared_memory(gl.int64, [2, 1], mbarrier.MBarrierLayout())
    for i in gl.static_range(2):
        mbarrier.init(turns.index(i), count=1)
    for i in gl.static_range(STAGES):
        mbarrier.init(empty.index(i), count=1)
        mbarrier.init(ready.index(i), count=1)
    num_m = gl.cdiv(M, BLOCK_M)
    num_n = gl.cdiv(N, BLOCK_N)
    gl.warp_specialize(
        [
            (
                _consumer,
                (
                    c_desc, bias_ptr, a_ring, b_ring, c_bufs, empty, ready, turns, num_m, num_n,
                    N, K, 0, ACTIVATION, A_TRANSPOSED, B_TRANSPOSED, BLOCK_M, BLOCK_N, BLOCK_K,
                    STAGES, GROUP_M,
                ),
            ),
            (
                _consumer,
                (
                    c_desc, bias_ptr, a_ring, b_ring, c_bufs, empty, ready, turns, num_m, num_n,
                    N, K, 1, ACTIVATION, A_TRANSPOSED, B_TRANSPOSED, BLOCK_M, BLOCK_N, BLOCK_K,
                    STAGES, GROUP_M,
                ),
            ),
            (
                _producer,
                (
                    a_desc, b_desc, a_ring, b_ring, empty, ready, num_m, num_n, K, A_TRANSPOSED,
                    B_TRANSPOSED, BLOCK_M, BLOCK_N, BLOCK_K, STAGES, GROUP_M,
                ),
            ),
        ],
        [4, 1],
        [REGISTERS, PRODUCER_REGISTERS],
    )  # fmt: skip


def _describe(x: Tensor, block: list[int]) -> TensorDescriptor:
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[x.dtype]
    layout = gl.NVMMASharedLayout.get_default_for(block, element)
    return TensorDescriptor(x, list(x.shape), [x.stride(0), 1], block, layout)


def is_right(device: torch.device) -> bool:
    """Whether a small product comes out right here."""
    a = torch.arange(192 * 136, device=device).remainder(7).sub(3).reshape(192, 136)
    b = torch.arange(136 * 264, device=device).remainder(5).sub(2).reshape(136, 264)
    # Whole numbers small enough to be exact in every dtype.
    a, b = a.to(torch.float16), b.to(torch.float16)
    c = torch.empty((192, 264), dtype=torch.float16, device=device)
    multiply_in_turns(a, b, c, None, None, False, False)
    return torch.equal(c.cpu().float(), a.cpu().float() @ b.cpu().float())


def multiply_in_turns(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    bias: Tensor | None,
    activation: str | None,
    a_transposed: bool,
    b_transposed: bool,
    block_m: int = 128,
    block_n: int = 128,
    stages: int = 5,
) -> None:
    """Writes `activation(a @ b + bias)` to c, for operands as they lie.

    The rows of all three begin at multiples of 16 bytes.
    """
    m, n = c.shape
    k = a.shape[0 if a_transposed else 1]
    block_k = 64
    grid = (min(multiprocessors(c.device), cdiv(m, block_m) * cdiv(n, block_n)),)
    launch_on(c.device, _kernel, grid)(
        _describe(a, [block_k, block_m] if a_transposed else [block_m, block_k]),
        _describe(b, [block_n, block_k] if b_transposed else [block_k, block_n]),
        _describe(c, [block_m, block_n]),
        bias,
        m,
        n,
        k,
        activation,
        a_transposed,
        b_transposed,
        block_m,
        block_n,
        block_k,
        stages,
        GROUP_M,
        REGISTERS,
        PRODUCER_REGISTERS,
        num_warps=4,
        maxnreg=ENTRY_REGISTERS,
    )
