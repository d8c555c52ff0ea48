"""Sixteen bytes at a time, whatever the size: rows rounded out to whole vectors.

**Why.** A thread moves up to 16 bytes by one instruction, a *vector* of 8 bf16 or 4 fp32, where
their address is a multiple of 16 and one mask holds for all of them. Where either is in doubt the
compiler takes entry after entry: eight times the instructions, and a kernel bound by memory falls
to a third of its speed. Doubt is the rule. `cols < n_cols` may fall between any two entries unless
n_cols is known to be a multiple of the vector; of rows of 4,097 entries one in eight begins at a
multiple of 16 bytes; and Triton itself knows no more of a size than whether 16 divides it.

**Rounding out.** A program looks at a row through a *frame* that begins at the last multiple of 16
bytes at or before the row. In it the row is the lanes from `skip` to `end`. Loads take every vector
that holds an entry of the row, whole: their mask ends at a multiple of VEC, computed as such, from
which the compiler concludes that it cuts no vector. What the first and last vector hold of
neighbours is memory that can be read, since an entry of the row shares its 16 bytes, and is put
aside (`inside`). Stores may not touch neighbours: those of whole vectors go at once, and the
entries of the cut vectors, at most two times VEC - 1 a row, follow one by one (`store_lanes`).

**Without edges.** Rows that start and end at multiples of VEC have `skip` 0 and no cut vector.
EDGES is then false, and what is left of all this is that the compiler learns that VEC divides the
numbers: `n // VEC * VEC`.

**Columns.** What belongs to a column, such as a weight, lies at lane `skip + column`, and `skip`
differs from row to row, but not between rows that are VEC apart. A program that takes every P-th
row, VEC dividing P, finds its columns at the same lanes each time.

**Pieces.** A tile's width is a power of two, a row's length is not: 5,000 entries in a tile of
8,192 leave threads idle. So a row can be held as several tiles side by side, a tuple: what is done
to each is a loop that the compiler unrolls.

The text and the code are the project's own (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

VECTOR_BYTES = 16


def row_vectors(n_cols: int, strides: Sequence[int], *tensors: Tensor) -> tuple[int, bool]:
    """VEC and EDGES for rows of n_cols entries, unit last stride, at these strides in each tensor.

    Entries at a time that the alignment of all allows; all of a vector, with edges, where the rows
    of all tensors lie alike. Under torch.compile, where sizes are symbols, 1: the mask is then as
    wide as Triton finds it to be.
    """
    if torch.compiler.is_compiling():
        return 1, False
    vec = VECTOR_BYTES // max(t.element_size() for t in tensors)
    aligned = all(_place(t) % vec == 0 for t in tensors)
    if aligned and n_cols % vec == 0 and all(s % vec == 0 for s in strides):
        return vec, False
    if aligned and all((s - strides[0]) % vec == 0 for s in strides):
        return vec, True
    return common_vector(n_cols, *strides, of=tensors), False


def common_vector(*numbers: int, of: Sequence[Tensor]) -> int:
    """Entries at a time that these sizes and strides, and the tensors' alignment, allow: 1 to 8."""
    if torch.compiler.is_compiling():
        return 1
    vec = VECTOR_BYTES // max(t.element_size() for t in of)
    places = [_place(t) for t in of]
    while any(n % vec for n in (*numbers, *places)):
        vec //= 2
    return vec


def flat_vectors(*tensors: Tensor) -> int:
    """VEC for tensors without gaps that are walked from end to end; 1 where one is misaligned."""
    if torch.compiler.is_compiling():
        return 1
    vec = VECTOR_BYTES // max(t.element_size() for t in tensors)
    return vec if all(_place(t) % vec == 0 for t in tensors) else 1


def _place(tensor: Tensor) -> int:
    """How many entries lie between a multiple of 16 bytes and the tensor's first."""
    return tensor.data_ptr() % VECTOR_BYTES // tensor.element_size()


@triton.jit
def frame(start, n_cols, VEC: tl.constexpr, EDGES: tl.constexpr):
    """Where the frame of a row begins, and its lanes from skip to end, for a row at `start`."""
    first = frame_start(start, VEC)
    if EDGES:
        skip = (start - first).to(tl.int32)
        end = skip + n_cols
    else:
        skip = (start * 0).to(tl.int32)
        end = n_cols // VEC * VEC
    return first, skip, end


@triton.jit
def frame_start(start, VEC: tl.constexpr):
    """Where the frame of a row begins, for a row at `start`."""
    return start // VEC * VEC


@triton.jit
def touched(lanes, end, VEC: tl.constexpr):
    """Which lanes lie in a vector that holds an entry before `end`: the mask of a load."""
    return lanes < (end + (VEC - 1)) // VEC * VEC


@triton.jit
def inside(lanes, skip, end):
    """Which lanes are entries of the row."""
    return (lanes >= skip) & (lanes < end)


@triton.jit
def load_lanes(
    ptr,
    lanes,
    known,
    skip,
    end,
    other,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    POLICY: tl.constexpr,
):
    """The entries at `lanes` of a frame at ptr, in fp32; `other` outside the row and if unknown."""
    values = tl.load(
        ptr + lanes, mask=known & touched(lanes, end, VEC), other=other, eviction_policy=POLICY
    ).to(tl.float32)
    if EDGES:
        values = tl.where(inside(lanes, skip, end), values, other)
    return values


@triton.jit
def store_lanes(
    ptr, lanes, values, known, skip, end, at_edge, VEC: tl.constexpr, EDGES: tl.constexpr
):
    """Stores values at those lanes of a frame at ptr that are entries of the row.

    `at_edge` may be false where no lane lies in a vector that the row's start or end cuts.
    """
    values = values.to(ptr.dtype.element_ty)
    low = (skip + (VEC - 1)) // VEC * VEC
    high = end // VEC * VEC
    tl.store(ptr + lanes, values, mask=known & (lanes >= low) & (lanes < high))
    if EDGES:  # noqa: SIM102 - known when compiled, the other is not
        if at_edge:
            cut = (lanes < low) | (lanes >= high)
            tl.store(ptr + lanes, values, mask=known & inside(lanes, skip, end) & cut)


@triton.jit
def load_flat(ptr, offsets, n_elements, VEC: tl.constexpr):
    """Entries at `offsets` of a vector [n_elements], in their dtype; anything beyond its end."""
    return tl.load(ptr + offsets, mask=touched(offsets, n_elements, VEC))


@triton.jit
def store_flat(ptr, offsets, values, n_elements, VEC: tl.constexpr):
    """Stores values at those offsets that are below n_elements."""
    values = values.to(ptr.dtype.element_ty)
    whole = n_elements // VEC * VEC
    tl.store(ptr + offsets, values, mask=offsets < whole)
    # Only the last program holds the vector that the end cuts.
    if VEC > 1:  # noqa: SIM102 - known when compiled, the other is not
        if tl.program_id(0) == tl.num_programs(0) - 1:
            tl.store(ptr + offsets, values, mask=(offsets >= whole) & (offsets < n_elements))


@triton.jit
def kept_frames(
    x_ptr,
    kept,
    n,
    n_inner,
    stride_outer,
    stride_inner,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
):
    """Frames of what is reduced to each kept entry of [n_outer, n, n_inner], and their lanes."""
    starts = (kept // n_inner) * stride_outer + (kept % n_inner) * stride_inner
    first, skip, end = frame(starts, n, VEC, EDGES)
    return x_ptr + first, skip[:, None], end


@triton.jit
def whole_steps(first, last, n, EDGES: tl.constexpr, BLOCK_R: tl.constexpr):
    """Of steps of BLOCK_R from first to last: where those begin and end that need no mask.

    With EDGES the first may begin before the row. A frame's lanes below n are all before its end.
    """
    begin = first
    if EDGES:
        begin += BLOCK_R
    steps = tl.maximum(tl.minimum(last, n) - begin, 0) // BLOCK_R
    return begin, begin + steps * BLOCK_R


@triton.jit
def lane_masks(
    lanes, stored, skip, end, VEC: tl.constexpr, EDGES: tl.constexpr, EVEN: tl.constexpr
):
    """Of a tile [BLOCK_K, BLOCK_R] what is to be loaded, and what is an entry.

    EVEN: all of it.
    """
    if EDGES:
        end = end[:, None]
    lanes = lanes[None, :]
    loaded = stored[:, None] & touched(lanes, end, VEC) | EVEN
    entries = loaded
    if EDGES:
        entries = stored[:, None] & inside(lanes, skip, end)
    return loaded, entries
