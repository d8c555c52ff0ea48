"""The second step of a sum over rows: what each program kept becomes one row.

A gradient of a weight sums over all rows of the input. Atomic adds would do it in one step, in an
order that changes from run to run. Instead each program of a persistent grid adds up its own rows
in fp32 registers and writes one *partial* row; this kernel adds the partials, always in the same
order. There are a few hundred partials whatever the number of rows, so the step is cheap.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import next_power_of_2
from verified_kernels.replay import launch


@triton.jit
def _sum_partials(
    partials_ptr, out_ptr, n_partials, n_cols, BLOCK_P: tl.constexpr, BLOCK_N: tl.constexpr
):
    """out[k, :] = sum over p of partials[k, p, :], for partials [K, n_partials, n_cols] in fp32.

    BLOCK_P spans a step along the partials, BLOCK_N columns. Grid: (cdiv(n_cols, BLOCK_N), K).
    """
    # This program handles BLOCK_N columns of sum k.
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)[None, :]
    k = tl.program_id(1).to(tl.int64)
    total = tl.zeros([BLOCK_P, BLOCK_N], tl.float32)
    for start in range(0, n_partials, BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)[:, None]
        inside = (p < n_partials) & (cols < n_cols)
        offsets = (k * n_partials + p) * n_cols + cols
        total += tl.load(partials_ptr + offsets, mask=inside, other=0.0)
    out = tl.sum(total, axis=0)[None, :]
    tl.store(out_ptr + k * n_cols + cols, out.to(out_ptr.dtype.element_ty), mask=cols < n_cols)


def sum_partials(partials: Tensor, dtype: torch.dtype) -> Tensor:
    """The sums over the middle dimension of fp32 partials [K, P, N], as [K, N] in `dtype`."""
    k, n_partials, n_cols = partials.shape
    out = torch.empty((k, n_cols), dtype=dtype, device=partials.device)
    # Narrow columns, for programs enough on every multiprocessor; 32 fp32 fill a memory sector.
    block_n = min(max(next_power_of_2(n_cols) // 256, 32), 256)
    launch(_sum_partials, (triton.cdiv(n_cols, block_n), k))(
        partials, out, n_partials, n_cols, BLOCK_P=64, BLOCK_N=block_n, num_warps=8
    )
    return out
