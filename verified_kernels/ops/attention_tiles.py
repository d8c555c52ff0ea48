"""What the kernels of attention share: where a program stands, and the rows that it reads.

Sequences come in two forms. Padded: `[batch, heads, seq, head_dim]`, every entry of the batch as
long as the others. Packed: one behind the other in `[1, heads, tokens, head_dim]`, and a tensor
`cu` of batch + 1 integers says where each begins and the last one ends. Either has any strides.

A *view* of a head's rows, as `head_view` makes it, is what `load_rows` reads: a pointer to the
first row, the stride between rows, and the row and column at which the head begins in a tensor
descriptor, for cards that have those. The descriptor sees the tensor as a matrix whose
rows are one position apart, whatever lies within and between them: a head of
`[batch, seq, heads, head_dim]` is a range of columns, one of `[batch, heads, seq, head_dim]` a
range of rows. So it does not know where a sequence ends: past the end it reads into the next one.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from verified_kernels.launch import cdiv

# The copy engine reads rows that begin at multiples of so many bytes.
ALIGNMENT = 16
# Heads whose keys and values fit the L2 cache together.
CHUNK = 16


@triton.jit
def place(
    cu_ptr,
    n_batch,
    n_heads,
    n_rows,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    LAST_FIRST: tl.constexpr,
):
    """The batch entry, head and block of BLOCK rows that the program stands on.

    Heads come in chunks of CHUNK; within a chunk the last block of every head comes first, or,
    without LAST_FIRST, the first. cu_ptr is None for padded sequences.
    """
    if cu_ptr is None:
        heads = n_batch * n_heads
        tiles = tl.cdiv(n_rows, BLOCK)
    else:
        # Sequence i has the tiles from cu[i] // BLOCK + i on: room for a ragged end each. Rows
        # after the last one count as a sequence too, number n_batch.
        heads = n_heads
        tiles = n_rows // BLOCK + n_batch + 1
    chunk = tl.program_id(0) // (CHUNK * tiles) * CHUNK
    size = tl.minimum(heads - chunk, CHUNK)
    rest = tl.program_id(0) % (CHUNK * tiles)
    head = chunk + rest % size
    tile = rest // size
    if LAST_FIRST:
        tile = tiles - 1 - tile
    if cu_ptr is None:
        batch = head // n_heads
        head = head % n_heads
    else:
        begun = tl.zeros([], tl.int32)
        for start in range(0, n_batch + 1, 256):
            i = start + tl.arange(0, 256)
            begin = tl.load(cu_ptr + i, mask=i <= n_batch, other=0) // BLOCK + i
            begun += tl.sum(((begin <= tile) & (i <= n_batch)).to(tl.int32), axis=0)
        batch = begun - 1
        tile -= (tl.load(cu_ptr + batch) // BLOCK).to(tl.int32) + batch
    return batch, head, tile


def n_programs(n_batch: int, n_heads: int, n_rows: int, block: int, packed: bool) -> int:
    """How many programs `place` counts on."""
    if packed:
        return n_heads * (n_rows // block + n_batch + 1)
    return n_batch * n_heads * cdiv(n_rows, block)


@triton.jit
def sequence(cu_ptr, batch, n_batch, n_rows, OWN: tl.constexpr):
    """Where a sequence begins in the packed rows, and its length; 0 and n_rows if padded.

    Rows after the last sequence belong to themselves (OWN), and see and are seen by none.
    """
    start = tl.zeros([], tl.int64)
    if cu_ptr is not None:
        start += tl.load(cu_ptr + batch)
        end = tl.load(cu_ptr + tl.minimum(batch + 1, n_batch)).to(tl.int64)
        if OWN:
            end = tl.where(batch == n_batch, n_rows, end)
        n_rows = (end - start).to(tl.int32)
    return start, n_rows


@triton.jit
def head_offset(batch, head, start, strides):
    """Entries before row `start` of a head; strides of batch, head and row."""
    return batch.to(tl.int64) * strides[0] + head.to(tl.int64) * strides[1] + start * strides[2]


@triton.jit
def head_view(ptr, batch, head, start, strides):
    """The rows of a head from `start` on: pointer, stride, row and column in the descriptor."""
    offset = head_offset(batch, head, start, strides)
    row = offset // strides[2]
    col = offset - row * strides[2]
    return ptr + offset, strides[2], row.to(tl.int32), col.to(tl.int32)


@triton.jit
def row_ptrs(ptr, first, stride, BLOCK: tl.constexpr, BLOCK_D: tl.constexpr):
    """Pointers to rows [BLOCK, BLOCK_D] from `first` on."""
    rows = first + tl.arange(0, BLOCK)
    return ptr + rows.to(tl.int64)[:, None] * stride + tl.arange(0, BLOCK_D)[None, :]


@triton.jit
def row_mask(first, n_rows, HEAD_DIM: tl.constexpr, BLOCK: tl.constexpr, BLOCK_D: tl.constexpr):
    """Which entries of rows [BLOCK, BLOCK_D] from `first` on exist."""
    rows = first + tl.arange(0, BLOCK)
    return (rows < n_rows)[:, None] & (tl.arange(0, BLOCK_D) < HEAD_DIM)[None, :]


@triton.jit
def load_rows(
    view,
    desc,
    first,
    n_rows,
    RAGGED: tl.constexpr,
    CLEAN: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Rows [BLOCK, D] of a view from `first` on, D the power of two from HEAD_DIM on.

    RAGGED: some may lie past n_rows. Those are zeros if CLEAN, else whatever comes next in memory,
    NaN too. Entries past HEAD_DIM are zeros.
    """
    D: tl.constexpr = triton.next_power_of_2(HEAD_DIM) if HEAD_DIM > 16 else 16
    ptr, stride, row, col = view
    if desc is not None:
        x = desc.load([row + first, col])
        if RAGGED and CLEAN:
            x = tl.where(row_mask(first, n_rows, HEAD_DIM, BLOCK, D), x, 0.0)
    elif RAGGED or HEAD_DIM != D:
        bound = n_rows if RAGGED else first + BLOCK
        mask = row_mask(first, bound, HEAD_DIM, BLOCK, D)
        x = tl.load(row_ptrs(ptr, first, stride, BLOCK, D), mask=mask, other=0.0)
    else:
        x = tl.load(row_ptrs(ptr, first, stride, BLOCK, D))
    return x


@triton.jit
def store_rows(ptr, x, batch, head, start, strides, first, n_rows, HEAD_DIM: tl.constexpr):
    """Stores x [BLOCK, D] as rows from `first` on of a head that has n_rows from `start` on."""
    mask = row_mask(first, n_rows, HEAD_DIM, x.shape[0], x.shape[1])
    ptr += head_offset(batch, head, start, strides)
    ptrs = row_ptrs(ptr, first, strides[2], x.shape[0], x.shape[1])
    tl.store(ptrs, x.to(ptr.dtype.element_ty), mask=mask)


def describe_rows(x: Tensor, block: int) -> TensorDescriptor | None:
    """A descriptor of x [batch, heads, seq, head_dim] as rows, in blocks of `block` of them.

    None where it cannot be: head_dim is no power of two, or the rows do not begin at multiples of
    16 bytes, or two heads do not lie side by side or one behind the other.
    """
    n_batch, n_heads, n_rows, head_dim = x.shape
    stride_b, stride_h, stride, unit = x.stride()
    if head_dim & (head_dim - 1) or head_dim < ALIGNMENT or unit != 1 or stride < head_dim:
        return None
    if x.data_ptr() % ALIGNMENT or stride * x.element_size() % ALIGNMENT:
        return None
    extent = (n_batch - 1) * (stride_b % stride) + (n_heads - 1) * (stride_h % stride) + head_dim
    if extent > stride:
        return None
    rows = (n_batch - 1) * (stride_b // stride) + (n_heads - 1) * (stride_h // stride) + n_rows
    return TensorDescriptor(x, [rows, extent], [stride, 1], [block, head_dim])
