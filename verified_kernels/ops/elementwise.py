"""Vector addition and its kin: add, sub, mul and fma. Where Triton begins.

**The maths.** One output entry needs one entry of each input: `out[i] = x[i] op y[i]`, and
`fma(x, y, z)[i] = x[i] * y[i] + z[i]`.

**How work maps to program instances.** A GPU runs the same function many times at once; in Triton
one such run is a *program instance*, and it handles a block of entries, not one. Instance `p` owns
entries `p * BLOCK_SIZE` to `(p + 1) * BLOCK_SIZE - 1`; the last one is cut short by a mask, since
few tensors hold a multiple of BLOCK_SIZE entries. A tensor that fills its memory without gaps is
for this purpose one long vector, whatever its shape: `_flat_kernel` needs no index arithmetic.

**Broadcasting and gaps.** `_strided_kernel` turns the running number of an entry into coordinates,
and those into one offset for each input. A broadcast dimension has stride 0: the same entry is
read again, from cache, and no copy is made. Dimensions that every input walks through alike are
merged first, so `[batch, seq, width] + [width]` costs one division an entry, not two.

**Traps.**
- A mask that may fall between any two entries splits 16-byte loads into single ones. `vectors.py`
  has the remedy, which all files here use.
- A block number times BLOCK_SIZE passes 2**31 in tensors of that many entries: offsets are int64.
- fp16 and bf16 are computed in fp32 and rounded once; `fma` in fp16 arithmetic would round twice.
- Integers are computed in the type of the result and wrap around, as in PyTorch.

**What bounds the speed.** Memory alone: `add` in fp32 moves 12 bytes for one operation, and a GPU
has time for a hundred. All that matters is that loads are wide (16 bytes a thread) and many are in
flight: BYTES_PER_THREAD below. With 2**28 entries an H200 is as fast as in copying.

The kernel is the folklore of every GPU course; this text of it is the project's own (MIT).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.cases import BENCH_SHAPES
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import cdiv, check_no_grad
from verified_kernels.replay import launch, remembered
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
from verified_kernels.vectors import flat_vectors, load_flat, store_flat

NUM_WARPS = 4
# Of each input, a thread takes one load of 16 bytes; two were slower on an H200.
BYTES_PER_THREAD = 16
MAX_DIMS = 4
_INT_DTYPES = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
_DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16, *_INT_DTYPES})


@triton.jit
def _widen(values, out_ptr):
    """The values in the type to compute in: fp32, or the output's own where that is an integer."""
    if out_ptr.dtype.element_ty.is_floating():
        values = values.to(tl.float32)
    else:
        values = values.to(out_ptr.dtype.element_ty)
    return values


@triton.jit
def _combine(x, y, z, OP: tl.constexpr):
    """The value of one op; `OP` is known at compile time, so only one line of these remains."""
    if OP == "add":
        out = x + y
    elif OP == "sub":
        out = x - y
    elif OP == "mul":
        out = x * y
    elif x.dtype.is_floating():
        out = tl.fma(x, y, z)
    else:
        out = x * y + z
    return out


@triton.jit
def _flat_kernel(
    x_ptr,
    y_ptr,
    z_ptr,
    out_ptr,
    n_elements,
    OP: tl.constexpr,
    VEC: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """`out = x op y` (for fma `x * y + z`) over tensors that lie in memory alike, without gaps.

    x_ptr, y_ptr, z_ptr, out_ptr: [n_elements], all of one dtype; z is read by fma only.
    BLOCK_SIZE spans entries. Grid: (cdiv(n_elements, BLOCK_SIZE),). Floats compute in fp32.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries.
    offsets = tl.program_id(0).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    x = _widen(load_flat(x_ptr, offsets, n_elements, VEC), out_ptr)  # [BLOCK_SIZE]
    y = _widen(load_flat(y_ptr, offsets, n_elements, VEC), out_ptr)  # [BLOCK_SIZE]
    z = y
    if OP == "fma":
        z = _widen(load_flat(z_ptr, offsets, n_elements, VEC), out_ptr)  # [BLOCK_SIZE]
    store_flat(out_ptr, offsets, _combine(x, y, z, OP), n_elements, VEC)


@triton.jit
def _strided_kernel(
    x_ptr,
    y_ptr,
    z_ptr,
    out_ptr,
    n_elements,
    size_0,
    size_1,
    size_2,
    stride_x0,
    stride_x1,
    stride_x2,
    stride_x3,
    stride_y0,
    stride_y1,
    stride_y2,
    stride_y3,
    stride_z0,
    stride_z1,
    stride_z2,
    stride_z3,
    OP: tl.constexpr,
    N_DIMS: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """`out = x op y` (for fma `x * y + z`) with any strides, 0 where an input is broadcast.

    x_ptr, y_ptr, z_ptr: N_DIMS dimensions of any dtype, the innermost numbered 0; out_ptr:
    [n_elements], row-major. Sizes are common to all. The outermost size is not needed: nothing
    lies beyond it. WIDE: offsets pass 2**31. Grid: (cdiv(n_elements, BLOCK_SIZE),).
    """
    # One program instance handles BLOCK_SIZE neighbouring entries of the output.
    pid = tl.program_id(0)
    if WIDE:
        pid = pid.to(tl.int64)
    index = pid * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)  # [BLOCK_SIZE]
    mask = index < n_elements

    # Peel coordinates off the running number, the fastest moving first.
    rest = index
    coordinate = rest
    if N_DIMS > 1:
        coordinate = rest % size_0
        rest = rest // size_0
    x_offset = coordinate * stride_x0
    y_offset = coordinate * stride_y0
    z_offset = coordinate * stride_z0
    if N_DIMS > 1:
        coordinate = rest
        if N_DIMS > 2:
            coordinate = rest % size_1
            rest = rest // size_1
        x_offset += coordinate * stride_x1
        y_offset += coordinate * stride_y1
        z_offset += coordinate * stride_z1
    if N_DIMS > 2:
        coordinate = rest
        if N_DIMS > 3:
            coordinate = rest % size_2
            rest = rest // size_2
        x_offset += coordinate * stride_x2
        y_offset += coordinate * stride_y2
        z_offset += coordinate * stride_z2
    if N_DIMS > 3:
        x_offset += rest * stride_x3
        y_offset += rest * stride_y3
        z_offset += rest * stride_z3

    x = _widen(tl.load(x_ptr + x_offset, mask=mask), out_ptr)  # [BLOCK_SIZE]
    y = _widen(tl.load(y_ptr + y_offset, mask=mask), out_ptr)  # [BLOCK_SIZE]
    z = y
    if OP == "fma":
        z = _widen(tl.load(z_ptr + z_offset, mask=mask), out_ptr)  # [BLOCK_SIZE]
    tl.store(out_ptr + index, _combine(x, y, z, OP), mask=mask)


def add(x: Tensor, y: Tensor | float) -> Tensor:
    """`x + y`, broadcast, in the dtype PyTorch's promotion gives; no gradient.

    Other dtypes than fp32, fp16, bf16 and integers are left to PyTorch.

    Raises:
        ArgumentError: shapes that do not broadcast, or two devices.
        UnsupportedError: an input wants a gradient.
    """
    return _elementwise("add", x, y)


def sub(x: Tensor, y: Tensor | float) -> Tensor:
    """`x - y`; otherwise as `add`."""
    return _elementwise("sub", x, y)


def mul(x: Tensor, y: Tensor | float) -> Tensor:
    """`x * y`; otherwise as `add`."""
    return _elementwise("mul", x, y)


def fma(x: Tensor, y: Tensor | float, z: Tensor | float) -> Tensor:
    """`x * y + z`, rounded once; otherwise as `add`."""
    return _elementwise("fma", x, y, z)


def _elementwise(op: str, x: Tensor, *others: Tensor | float) -> Tensor:
    operands = [x, *[t if isinstance(t, Tensor) else _scalar(t, x) for t in others]]
    check_no_grad(op, *operands)
    for operand in operands:
        if operand.dtype not in _DTYPES:
            return _IN_PYTORCH[op](x, *others)
    return _combined(op, *operands)


@remembered
def _combined(op: str, *operands: Tensor) -> Tensor:
    x = operands[0]
    if any(t.shape != x.shape or t.dtype != x.dtype or t.device != x.device for t in operands):
        return _broadcast(op, operands)
    if all(t.is_contiguous() for t in operands):
        return _launch_flat(op, operands, torch.empty_like(x))
    out = torch.empty_like(x)
    # `empty_like` keeps the strides of a tensor that has no gaps, such as a transposed one.
    if all(t.stride() == out.stride() for t in operands):
        return _launch_flat(op, operands, out)
    return _broadcast(op, operands)


def _scalar(value: float, like: Tensor) -> Tensor:
    """`value` as a tensor without dimensions; beside a float tensor it keeps fp32's digits."""
    dtype = like.dtype
    if isinstance(value, float) and not dtype.is_floating_point:
        dtype = torch.get_default_dtype()
    if dtype.is_floating_point and like.ndim:
        dtype = torch.float32
    return torch.full((), value, dtype=dtype, device=like.device)


def _broadcast(op: str, operands: Sequence[Tensor]) -> Tensor:
    """The op on inputs of different shapes, dtypes or strides; the output is row-major."""
    if len({t.device for t in operands}) > 1:
        places = ", ".join(str(t.device) for t in operands)
        raise ArgumentError(f"{op}: inputs are on {places}; move them to one device")
    try:
        views = list(torch.broadcast_tensors(*operands))
    except RuntimeError:
        shapes = ", ".join(str(list(t.shape)) for t in operands)
        raise ArgumentError(f"{op}: shapes {shapes} do not broadcast") from None
    dtype = _promoted(operands)
    out = torch.empty(views[0].shape, dtype=dtype, device=views[0].device)
    sizes, strides = _merge_dims(views[0].shape, [view.stride() for view in views])
    if len(sizes) > MAX_DIMS:
        return _launch_flat(op, [view.to(dtype).contiguous() for view in views], out)
    return _launch_strided(op, views, out, sizes, strides)


def _promoted(operands: Sequence[Tensor]) -> torch.dtype:
    """The dtype that `torch.result_type` gives, which torch.compile cannot trace.

    Tensors without dimensions count only where they are floats among integers.
    """
    full = [t.dtype for t in operands if t.ndim]
    bare = [t.dtype for t in operands if not t.ndim]
    if not full or not bare:
        return functools.reduce(torch.promote_types, full or bare)
    dtype = functools.reduce(torch.promote_types, full)
    other = functools.reduce(torch.promote_types, bare)
    return other if other.is_floating_point and not dtype.is_floating_point else dtype


def _merge_dims(
    shape: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Sizes, and strides of each tensor, innermost first, with neighbours merged where all can.

    Two dimensions merge when in every tensor the outer stride is the inner one times its size.
    """
    sizes: list[int] = []
    merged: list[list[int]] = [[] for _ in strides]
    for dim in reversed(range(len(shape))):
        size, steps = shape[dim], [stride[dim] for stride in strides]
        if size == 1:
            continue
        if sizes and all(m[-1] * sizes[-1] == s for m, s in zip(merged, steps, strict=True)):
            sizes[-1] *= size
            continue
        sizes.append(size)
        for m, step in zip(merged, steps, strict=True):
            m.append(step)
    return sizes or [1], [m or [1] for m in merged]


def _launch_flat(op: str, operands: Sequence[Tensor], out: Tensor) -> Tensor:
    n_elements = out.numel()
    if n_elements:
        block_size = NUM_WARPS * 32 * BYTES_PER_THREAD // out.element_size()
        grid = (cdiv(n_elements, block_size),)
        x, y, z = operands[0], operands[1], operands[-1]
        vec = flat_vectors(x, y, z, out)
        launch(_flat_kernel, grid)(
            x, y, z, out, n_elements, op, vec, block_size, num_warps=NUM_WARPS
        )
    return out


def _launch_strided(
    op: str, views: Sequence[Tensor], out: Tensor, sizes: list[int], strides: list[list[int]]
) -> Tensor:
    n_elements = out.numel()
    if not n_elements:
        return out
    block_size = NUM_WARPS * 32 * BYTES_PER_THREAD // out.element_size()
    reach = max(sum((n - 1) * s for n, s in zip(sizes, m, strict=True)) for m in strides)
    padding = [0] * (MAX_DIMS - len(sizes))
    x, y, z = views[0], views[1], views[-1]
    stride_x, stride_y, stride_z = strides[0], strides[1], strides[-1]
    launch(_strided_kernel, (cdiv(n_elements, block_size),))(
        x,
        y,
        z,
        out,
        n_elements,
        *(sizes + padding)[: MAX_DIMS - 1],
        *(stride_x + padding),
        *(stride_y + padding),
        *(stride_z + padding),
        OP=op,
        N_DIMS=len(sizes),
        WIDE=max(n_elements + block_size, reach) >= 2**31,
        BLOCK_SIZE=block_size,
        num_warps=NUM_WARPS,
    )
    return out


def add_reference(x: Tensor, y: Tensor) -> Tensor:
    """`torch.add`."""
    return torch.add(x, y)


def sub_reference(x: Tensor, y: Tensor) -> Tensor:
    """`torch.sub`."""
    return torch.sub(x, y)


def mul_reference(x: Tensor, y: Tensor) -> Tensor:
    """`torch.mul`."""
    return torch.mul(x, y)


def fma_reference(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """`x * y + z`; in float64 the second rounding is far below any tolerance here."""
    return x * y + z


def _addcmul(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return torch.addcmul(z, x, y)


_IN_PYTORCH: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "fma": fma_reference}
)


def _make(case: Case, draw: Draw) -> Arguments:
    """Draw x in the case's shape; y, and z for fma, in theirs where the case broadcasts."""
    shapes = {"y": case.shape, "z": case.shape, **case.params}
    names = ("x", "y", "z") if "z" in case.params else ("x", "y")
    return {name: draw.normal(*shapes.get(name, case.shape)) for name in names}


def _cost(case: Case, itemsize: int) -> Cost:
    out = math.prod(case.shape)
    inputs = out + sum(math.prod(case.params.get(name, case.shape)) for name in case.params or "y")
    return Cost(forward_bytes=(inputs + out) * itemsize, forward_flops=out)


def _cases(op: str) -> tuple[Case, ...]:
    """Shapes of x; `params` holds the shape of each other input."""

    def others(*shape: int) -> dict[str, tuple[int, ...]]:
        return {"y": shape, "z": shape} if op == "fma" else {"y": shape}

    def case(name: str, *shape: int, **rest: Any) -> Case:
        return Case(id=name, shape=shape, params=rest.pop("params", others(*shape)), **rest)

    return (
        case("one entry", 1),
        case("a tensor without dimensions"),
        case("127 entries", 127),
        case("128 entries", 128),
        case("129 entries", 129),
        case("a prime of 10,007", 10007),
        case("a long row", 1, 131072),
        case("three dimensions", 3, 17, 19),
        case("padded rows", 5, 127, layout=Layout.PADDED),
        case("every other element", 5, 127, layout=Layout.STRIDED),
        case("transposed", 33, 65, layout=Layout.TRANSPOSED),
        case("expanded", 6, 50, layout=Layout.EXPANDED),
        case("misaligned", 1, 1025, layout=Layout.MISALIGNED),
        case("NaN and infinity", 9, 130, values=Values.SPECIAL, dtypes=FLOATS),
        case("a vector onto rows", 7, 129, params=others(129)),
        case("a column onto rows", 7, 129, params=others(7, 1)),
        case("one entry onto all", 7, 129, params=others()),
        case("x is the smaller one", 1, 129, params=others(7, 129)),
        case("outer onto inner, four deep", 3, 1, 5, 7, params=others(4, 1, 7)),
        case("five dimensions that do not merge", 2, 1, 3, 1, 5, params=others(2, 2, 1, 3, 1)),
        case("no entries", 0, 5),
        case(
            "past 2**31 entries",
            2**31 + 4099,
            gpu_only=True,
            tail=8192,
            dtypes=("float16",),
        ),
        case(
            "rows past 2**31 entries",
            2**15 + 3,
            2**16,
            params=others(2**16),
            gpu_only=True,
            tail=4,
            dtypes=("float16",),
        ),
    )


def _bench(op: str) -> tuple[Case, ...]:
    names = ("y", "z") if op == "fma" else ("y",)
    whole = tuple(
        Case(id="x".join(map(str, shape)), shape=shape, params=dict.fromkeys(names, shape))
        for shape in ((2**28,), *BENCH_SHAPES)
    )
    rows = Case(
        id="16384x4096, a vector onto rows",
        shape=(16384, 4096),
        params=dict.fromkeys(names, (4096,)),
    )
    return (*whole, rows)


def _spec(op: Callable[..., Tensor], reference: Callable[..., Tensor], mutant: Mutant) -> Spec:
    name = op.__name__
    return Spec(
        name=name,
        op=op,
        reference=reference,
        make=_make,
        # One call of PyTorch's, where there is one.
        eager=_addcmul if name == "fma" else reference,
        cost=_cost,
        dtypes=(*FLOATS, "int32", "int64"),
        tolerance=ToleranceClass.ELEMENTWISE,
        cases=_cases(name),
        bench=_bench(name),
        mutants=(mutant, *SPEC_MUTANTS),
    )


# Bugs that every op of this file could have.
SPEC_MUTANTS = (
    Mutant(
        why="the last program runs one entry past the end",
        old="_combine(x, y, z, OP), n_elements, VEC)",
        new="_combine(x, y, z, OP), n_elements + 1, VEC)",
        cases=("127 entries",),
    ),
    Mutant(
        why="programs overlap by one entry and none reaches the end",
        old="tl.program_id(0).to(tl.int64) * BLOCK_SIZE",
        new="tl.program_id(0).to(tl.int64) * (BLOCK_SIZE - 1)",
        cases=("a long row",),
    ),
    Mutant(
        why="a coordinate is taken by the wrong size",
        old="rest = rest // size_0",
        new="rest = rest // size_1",
        cases=("outer onto inner, four deep",),
    ),
    Mutant(
        why="y is walked with the strides of x",
        old="y_offset += coordinate * stride_y1",
        new="y_offset += coordinate * stride_x1",
        cases=("a vector onto rows",),
    ),
    Mutant(
        why="dimensions merge although a gap lies between them",
        old="m[-1] * sizes[-1] == s for m, s",
        new="m[-1] * sizes[-1] >= s for m, s",
        cases=("a vector onto rows",),
    ),
)

SPECS = (
    _spec(
        add,
        add_reference,
        Mutant(why="x is added to itself", old="out = x + y", new="out = x + x"),
    ),
    _spec(
        sub,
        sub_reference,
        Mutant(why="the operands are swapped", old="out = x - y", new="out = y - x"),
    ),
    _spec(
        mul,
        mul_reference,
        Mutant(why="a product has a term too many", old='== "mul":', new='== "times":'),
    ),
    _spec(
        fma,
        fma_reference,
        Mutant(why="y is added in place of z", old="tl.fma(x, y, z)", new="tl.fma(x, y, y)"),
    ),
)
