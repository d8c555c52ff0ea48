"""8-bit products in Gluon on sm_90: one warp loads, two groups of warps halve each tile.

The path of `matmul_int8` and of `matmul_fp8`. Sums of bytes take the tensor cores half the time
that sums of 16-bit numbers do, so that a step is short and whoever waits, waits often: the plain
kernel, whose eight warps load, wait and multiply together, reaches two thirds of this one.

**How work maps to warps.** A program is three partitions. The *producer*, one warp, keeps a ring of
STAGES steps full by the copy engine: two half tiles of a, one tile of b. Each *consumer* of four
warps multiplies its half of a by the b that both share, and stores its half of the output.

**Traps.** Those of `matmul_gluon`; here no order between the consumers is needed, because both take
part in every step and neither can be a ring ahead. Products of bytes with 256 columns do not
compile.

Licence: MIT.
"""

from __future__ import annotations

from typing import Any

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
from verified_kernels.ops.matmul_gluon import (
    ENTRY_REGISTERS,
    GROUP_M,
    PRODUCER_REGISTERS,
    REGISTERS,
    tile_of,
)
from verified_kernels.structure import Structure
from verified_kernels.tiles import launch_on

STRUCTURE = {"_kernel": Structure(specialised=True)}
BLOCK_M, BLOCK_K = 64, 128  # rows of a consumer; bytes of a step


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
        m = row * 2 * BLOCK_M
        for k in range(0, K, BLOCK_K):
            stage = turn % STAGES
            mbarrier.wait(empty.index(stage), ((turn // STAGES) & 1) ^ 1)
            bar = ready.index(stage)
            mbarrier.expect(bar, 2 * a_desc.block_type.nbytes + b_desc.block_type.nbytes)
            tma.async_copy_global_to_shared(a_desc, [m, k], bar, a_ring.index(2 * stage))
            tma.async_copy_global_to_shared(
                a_desc, [m + BLOCK_M, k], bar, a_ring.index(2 * stage + 1)
            )
            tma.async_copy_global_to_shared(b_desc, [col * BLOCK_N, k], bar, b_ring.index(stage))
            turn += 1


@gluon.jit
def _consumer(
    c_desc,
    scale_a_ptr,
    scale_b_ptr,
    a_ring,
    b_ring,
    c_bufs,
    empty,
    ready,
    num_m,
    num_n,
    M,
    N,
    K,
    stride_sa,
    stride_sb,
    HALF: gl.constexpr,
    SUM: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr,
    GROUP_M: gl.constexpr,
):
    """Multiplies and stores the HALF-th half of every tile of this program."""
    layout: gl.constexpr = gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, BLOCK_N, 32]
    )
    turn = 0
    for index in range(gl.program_id(0), num_m * num_n, gl.num_programs(0)):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        stage = turn % STAGES
        mbarrier.wait(ready.index(stage), (turn // STAGES) & 1)
        acc = warpgroup_mma(
            a_ring.index(2 * stage + HALF),
            b_ring.index(stage).permute([1, 0]),
            gl.zeros([BLOCK_M, BLOCK_N], SUM, layout),
            use_acc=False,
            is_async=True,
        )
        acc = warpgroup_mma_wait(1, deps=(acc,))
        turn += 1
        for _ in range(BLOCK_K, K, BLOCK_K):
            stage = turn % STAGES
            mbarrier.wait(ready.index(stage), (turn // STAGES) & 1)
            acc = warpgroup_mma(
                a_ring.index(2 * stage + HALF),
                b_ring.index(stage).permute([1, 0]),
                acc,
                is_async=True,
            )
            acc = warpgroup_mma_wait(1, deps=(acc,))
            mbarrier.arrive(empty.index((turn - 1) % STAGES), count=1)
            turn += 1
        acc = warpgroup_mma_wait(0, deps=(acc,))
        mbarrier.arrive(empty.index((turn - 1) % STAGES), count=1)
        m = (2 * row + HALF) * BLOCK_M
        n = col * BLOCK_N
        if scale_a_ptr is not None:
            rows = m + gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, layout))
            scale = gl.load(scale_a_ptr + rows * stride_sa, mask=rows < M, other=0.0)
            acc = acc.to(gl.float32) * scale[:, None]
        if scale_b_ptr is not None:
            cols = n + gl.arange(0, BLOCK_N, layout=gl.SliceLayout(0, layout))
            scale = gl.load(scale_b_ptr + cols * stride_sb, mask=cols < N, other=0.0)
            acc = acc.to(gl.float32) * scale[None, :]
        tma.store_wait(0)
        out = c_bufs.index(HALF)
        out.store(acc.to(c_desc.dtype))
        fence_async_shared()
        tma.async_copy_shared_to_global(c_desc, [m, n], out)
    tma.store_wait(0)


@gluon.jit
def _kernel(
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
    SUM: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr,
    GROUP_M: gl.constexpr,
    REGISTERS: gl.constexpr,
    PRODUCER_REGISTERS: gl.constexpr,
):
    """Stores c [M, N] = scale_a * scale_b * (a [M, K] @ b.T) for b [N, K], all by descriptor.

    Scales are fp32 pointers with strides of 0 or 1, or None. Grid: persistent.
    """
    # One program instance handles every num_programs-th tile, a consumer each half of it.
    a_tile: gl.constexpr = a_desc.block_type.shape
    b_tile: gl.constexpr = b_desc.block_type.shape
    c_tile: gl.constexpr = c_desc.block_type.shape
    a_ring = gl.allocate_shared_memory(
        a_desc.dtype, [2 * STAGES, a_tile[0], a_tile[1]], a_desc.layout
    )
    b_ring = gl.allocate_shared_memory(b_desc.dtype, [STAGES, b_tile[0], b_tile[1]], b_desc.layout)
    c_bufs = gl.allocate_shared_memory(c_desc.dtype, [2, c_tile[0], c_tile[1]], c_desc.layout)
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for i in gl.static_range(STAGES):
        mbarrier.init(empty.index(i), count=2)
        mbarrier.init(ready.index(i), count=1)
    num_m = gl.cdiv(M, 2 * BLOCK_M)
    num_n = gl.cdiv(N, BLOCK_N)
    gl.warp_specialize(
        [
            (
                _consumer,
                (
                    c_desc, scale_a_ptr, scale_b_ptr, a_ring, b_ring, c_bufs, empty, ready, num_m,
                    num_n, M, N, K, stride_sa, stride_sb, 0, SUM, BLOCK_M, BLOCK_N, BLOCK_K,
                    STAGES, GROUP_M,
                ),
            ),
            (
                _consumer,
                (
                    c_desc, scale_a_ptr, scale_b_ptr, a_ring, b_ring, c_bufs, empty, ready, num_m,
                    num_n, M, N, K, stride_sa, stride_sb, 1, SUM, BLOCK_M, BLOCK_N, BLOCK_K,
                    STAGES, GROUP_M,
                ),
            ),
            (
                _producer,
                (
                    a_desc, b_desc, a_ring, b_ring, empty, ready, num_m, num_n, K, BLOCK_M,
                    BLOCK_N, BLOCK_K, STAGES, GROUP_M,
                ),
            ),
        ],
        [4, 1],
        [REGISTERS, PRODUCER_REGISTERS],
    )  # fmt: skip


_ELEMENTS: dict[torch.dtype, Any] = {
    torch.int8: gl.int8,
    torch.float8_e4m3fn: gl.float8e4nv,
    torch.float8_e5m2: gl.float8e5,
    torch.int32: gl.int32,
    torch.float32: gl.float32,
    torch.float16: gl.float16,
    torch.bfloat16: gl.bfloat16,
}


def _describe(x: Tensor, block: list[int]) -> TensorDescriptor:
    layout = gl.NVMMASharedLayout.get_default_for(block, _ELEMENTS[x.dtype])
    return TensorDescriptor(x, list(x.shape), [x.stride(0), 1], block, layout)


def is_right(device: torch.device) -> bool:
    """Whether a small product comes out right here."""
    a = torch.arange(192 * 144, device=device).remainder(255).sub(127).reshape(192, 144)
    b = torch.arange(272 * 144, device=device).remainder(253).sub(126).reshape(272, 144)
    a, b = a.to(torch.int8), b.to(torch.int8)
    c = torch.empty((192, 272), dtype=torch.int32, device=device)
    multiply_halves(a, b, c, None, None)
    return torch.equal(c.cpu(), (a.cpu().double() @ b.cpu().double().T).to(torch.int32))


def multiply_halves(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    scale_a: Tensor | None,
    scale_b: Tensor | None,
) -> None:
    """Writes `scale_a * scale_b * (a @ b.T)` to c [M, N] for a [M, K] and b [N, K] of 8 bits.

    The rows of all three begin at multiples of 16 bytes.
    """
    m, n = c.shape
    is_int8 = a.dtype == torch.int8
    # fp32 sums of 256 columns fit where outputs of two bytes leave the room.
    block_n, stages = (256, 3) if not is_int8 and c.element_size() == 2 else (128, 5)
    grid = (min(multiprocessors(c.device), cdiv(m, 2 * BLOCK_M) * cdiv(n, block_n)),)
    launch_on(c.device, _kernel, grid)(
        _describe(a, [BLOCK_M, BLOCK_K]),
        _describe(b, [block_n, BLOCK_K]),
        _describe(c, [BLOCK_M, block_n]),
        scale_a,
        scale_b,
        m,
        n,
        a.shape[1],
        0 if scale_a is None else scale_a.stride(0),
        0 if scale_b is None else scale_b.stride(0),
        gl.int32 if is_int8 else gl.float32,
        BLOCK_M,
        block_n,
        BLOCK_K,
        stages,
        GROUP_M,
        REGISTERS,
        PRODUCER_REGISTERS,
        num_warps=4,
        maxnreg=ENTRY_REGISTERS,
    )
