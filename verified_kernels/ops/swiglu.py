"""SwiGLU and GeGLU, forward and backward: an activated gate times a value.

**The maths.** `swiglu(gate, up) = silu(gate) * up` and `geglu(gate, up) = gelu(gate) * up`. With g
the gradient of the product: `dup = g * act(gate)` and `dgate = g * up * act'(gate)`.

**How work maps to program instances.** As in `activations`, a block of neighbouring entries each,
but by rows: `gate` and `up` are most often the halves of one matrix, `x.chunk(2, dim=-1)`, each
with a gap after every row. They are read where they are. Two tensors without gaps are one long
row. The grid is one-dimensional (the second axis of a CUDA grid ends at 65,535): a program finds
its row, and its block within the row, from one number.

**Traps.**
- Everything is computed in fp32 and rounded once. silu(gate) rounded to bf16 before the product,
  as two PyTorch calls do, costs a bit of every result.
- The backward computes the activation again from the gate. To keep it would cost a tensor of
  memory and save no time: its bytes take longer to read than it takes to compute.

**What bounds the speed.** Memory: three tensors forward, five backward. The two activations and
their slopes are those of `activations`, where one exponential serves both. From 128 MiB a tensor on
an H200 is as fast as in copying.

GLU variants: Shazeer, https://arxiv.org/abs/2002.05202. Licence: MIT.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import gradients_in_pytorch, is_differentiated_again, wants_grad
from verified_kernels.cases import bench_cases, row_cases
from verified_kernels.errors import ArgumentError
from verified_kernels.launch import as_rows, cdiv, check_device, next_power_of_2, takes
from verified_kernels.ops.activations import gelu_and_slope, gelu_tanh_and_slope, sigmoid_and_slope
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import (
    Arguments,
    Case,
    Cost,
    Draw,
    Mutant,
    Spec,
    ToleranceClass,
    Values,
)
from verified_kernels.vectors import frame, row_vectors, store_lanes, touched

NUM_WARPS = 4
# Of each input, a thread takes one load of 16 bytes, or two in the large forward pass, where fewer
# programs are faster. Measured on an H200.
BYTES_PER_THREAD = 16
LARGE = 1 << 24  # elements


@triton.jit
def _activated(x, OP: tl.constexpr):
    """act(x) and its derivative for fp32 x."""
    if OP == "silu":
        s, s_slope = sigmoid_and_slope(x)
        y = x * s
        slope = s + x * s_slope
    elif OP == "gelu":
        y, slope = gelu_and_slope(x)
    else:
        y, slope = gelu_tanh_and_slope(x)
    return y, slope


@triton.jit
def _place(program, blocks_per_row, FLAT: tl.constexpr):
    """Row and block within it of a program; with one row the division is saved."""
    row = (program * 0).to(tl.int64)
    block = program
    if not FLAT:
        # In 32 bits: a division in 64 takes longer than all else.
        row = (program // blocks_per_row).to(tl.int64)
        block = program % blocks_per_row
    return row, block


@triton.jit
def _forward_kernel(
    gate_ptr,
    up_ptr,
    y_ptr,
    stride_gate,
    stride_up,
    n_cols,
    blocks_per_row,
    OP: tl.constexpr,
    FLAT: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """`y = act(gate) * up`, for gate and up [n_rows, n_cols] by row stride, y contiguous.

    All fp32, fp16 or bf16 alike. BLOCK_SIZE spans lanes of a row's frame (`vectors.py`), which
    blocks_per_row of them hold. FLAT: there is one row. Grid: (n_rows * blocks_per_row,). Computes
    in fp32.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries of one row.
    row, block = _place(tl.program_id(0), blocks_per_row, FLAT)
    lanes = block.to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    first_gate, skip, end = frame(row * stride_gate, n_cols, VEC, EDGES)
    first_up, _, _ = frame(row * stride_up, n_cols, VEC, EDGES)
    first, _, _ = frame(row * n_cols, n_cols, VEC, EDGES)
    at_edge = (block == 0) | ((block.to(tl.int64) + 1) * BLOCK_SIZE > end - VEC)
    mask = touched(lanes, end, VEC)
    gate = tl.load(gate_ptr + first_gate + lanes, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(up_ptr + first_up + lanes, mask=mask, other=0.0).to(tl.float32)
    activated, _ = _activated(gate, OP)  # [BLOCK_SIZE]
    y = activated * up
    store_lanes(y_ptr + first, lanes, y, True, skip, end, at_edge, VEC, EDGES)


@triton.jit
def _backward_kernel(
    gate_ptr,
    up_ptr,
    dy_ptr,
    dgate_ptr,
    dup_ptr,
    stride_gate,
    stride_up,
    stride_dy,
    n_cols,
    blocks_per_row,
    OP: tl.constexpr,
    FLAT: tl.constexpr,
    VEC: tl.constexpr,
    EDGES: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """`dgate = dy * up * act'(gate)` and `dup = dy * act(gate)`, both [n_rows, n_cols] contiguous.

    gate, up, dy: [n_rows, n_cols] by row stride. Blocks, grid and arithmetic as forward.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries of one row.
    row, block = _place(tl.program_id(0), blocks_per_row, FLAT)
    lanes = block.to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    first_gate, skip, end = frame(row * stride_gate, n_cols, VEC, EDGES)
    first_up, _, _ = frame(row * stride_up, n_cols, VEC, EDGES)
    first, _, _ = frame(row * n_cols, n_cols, VEC, EDGES)
    at_edge = (block == 0) | ((block.to(tl.int64) + 1) * BLOCK_SIZE > end - VEC)
    mask = touched(lanes, end, VEC)
    gate = tl.load(gate_ptr + first_gate + lanes, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(up_ptr + first_up + lanes, mask=mask, other=0.0).to(tl.float32)
    first_dy, _, _ = frame(row * stride_dy, n_cols, VEC, EDGES)
    dy = tl.load(dy_ptr + first_dy + lanes, mask=mask, other=0.0).to(tl.float32)
    activated, slope = _activated(gate, OP)  # [BLOCK_SIZE]
    dgate = dy * up * slope
    dup = dy * activated
    store_lanes(dgate_ptr + first, lanes, dgate, True, skip, end, at_edge, VEC, EDGES)
    store_lanes(dup_ptr + first, lanes, dup, True, skip, end, at_edge, VEC, EDGES)


def _as_rows(*tensors: Tensor) -> tuple[int, int, list[Tensor], list[int]]:
    """n_rows, n_cols, the tensors and their row strides; one long row where none has gaps."""
    if all(t.is_contiguous() for t in tensors):
        return 1, tensors[0].numel(), list(tensors), [0] * len(tensors)
    rows = [as_rows(t) for t in tensors]
    return *rows[0].shape, rows, [t.stride(0) for t in rows]


def _blocks(n_lanes: int, itemsize: int, loads: int = 1) -> tuple[int, int]:
    """BLOCK_SIZE, and how many of them a row's frame takes."""
    block_size = NUM_WARPS * 32 * BYTES_PER_THREAD * loads // itemsize
    block_size = min(block_size, max(next_power_of_2(n_lanes), 32))
    return block_size, cdiv(n_lanes, block_size)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@remembered
def _forward(gate: Tensor, up: Tensor, op: str) -> Tensor:
    check_device(_NAMES[op], gate=gate, up=up)
    y = _like(gate)
    if y.numel():
        gate, up = (gate.reshape(1), up.reshape(1)) if gate.ndim == 0 else (gate, up)
        n_rows, n_cols, inputs, strides = _as_rows(gate, up)
        loads = 2 if y.numel() >= LARGE else 1
        vec, edges = row_vectors(n_cols, [*strides, n_cols if n_rows > 1 else 0], *inputs, y)
        block_size, blocks = _blocks(n_cols + (vec - 1) * edges, y.element_size(), loads)
        launch(_forward_kernel, (n_rows * blocks,))(
            *inputs,
            y,
            *strides,
            n_cols,
            blocks,
            op,
            n_rows == 1,
            vec,
            edges,
            block_size,
            num_warps=NUM_WARPS,
        )
    return y


@remembered
def _backward(gate: Tensor, up: Tensor, dy: Tensor, op: str) -> tuple[Tensor, Tensor]:
    dgate, dup = _like(gate), _like(gate)
    if dgate.numel():
        if gate.ndim == 0:
            gate, up, dy = gate.reshape(1), up.reshape(1), dy.reshape(1)
        n_rows, n_cols, inputs, strides = _as_rows(gate, up, dy)
        vec, edges = row_vectors(n_cols, [*strides, n_cols if n_rows > 1 else 0], *inputs, dgate)
        block_size, blocks = _blocks(n_cols + (vec - 1) * edges, dgate.element_size())
        launch(_backward_kernel, (n_rows * blocks,))(
            *inputs,
            dgate,
            dup,
            *strides,
            n_cols,
            blocks,
            op,
            n_rows == 1,
            vec,
            edges,
            block_size,
            num_warps=NUM_WARPS,
        )
    return dgate, dup


class _GatedUnit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, op: str) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.op = op
        return _forward(gate, up, op)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        gate, up = ctx.saved_tensors
        if is_differentiated_again():
            dgate, dup = gradients_in_pytorch(_IN_PYTORCH[ctx.op], [gate, up], dy)
            return dgate, dup, None
        return *_backward(gate, up, dy, ctx.op), None


def _gated(gate: Tensor, up: Tensor, op: str) -> Tensor:
    if gate.shape != up.shape:
        shapes = f"gate is {list(gate.shape)} and up {list(up.shape)}"
        raise ArgumentError(f"{_NAMES[op]}: {shapes}; their shapes must be equal")
    if gate.dtype is not up.dtype or not takes(gate):
        return _IN_PYTORCH[op](gate, up)
    if wants_grad(gate, up):
        return _GatedUnit.apply(gate, up, op)
    return _forward(gate, up, op)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """`silu(gate) * up`, in their dtype, contiguous.

    Other dtypes than fp32, fp16 and bf16, and two that differ, are left to PyTorch.

    Raises:
        ArgumentError: shapes or devices differ.
    """
    return _gated(gate, up, "silu")


def geglu(gate: Tensor, up: Tensor, approximate: str = "none") -> Tensor:
    """`gelu(gate, approximate) * up`; otherwise as `swiglu`.

    Raises:
        ArgumentError: `approximate` is neither "none" nor "tanh".
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f'geglu: approximate is {approximate!r}; "none" or "tanh" is needed')
    return _gated(gate, up, "gelu" if approximate == "none" else "gelu_tanh")


def swiglu_reference(gate: Tensor, up: Tensor) -> Tensor:
    """`silu(gate) * up`."""
    return torch.nn.functional.silu(gate) * up


def geglu_reference(gate: Tensor, up: Tensor, approximate: str = "none") -> Tensor:
    """`gelu(gate) * up`."""
    return torch.nn.functional.gelu(gate, approximate=approximate) * up


_IN_PYTORCH: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "silu": swiglu_reference,
        "gelu": geglu_reference,
        "gelu_tanh": functools.partial(geglu_reference, approximate="tanh"),
    }
)
_NAMES: Mapping[str, str] = MappingProxyType(
    {"silu": "swiglu", "gelu": "geglu", "gelu_tanh": "geglu"}
)


def _make(case: Case, draw: Draw) -> Arguments:
    params = dict(case.params)
    if params.pop("halves", False):
        gate, up = draw.plain(*case.shape[:-1], 2 * case.shape[-1], std=2.0).chunk(2, dim=-1)
        # Leaves of their own that share memory: autograd takes gradients of each.
        return {"gate": gate.detach(), "up": up.detach(), **params}
    gate = draw.normal(*case.shape, std=2.0)
    return {"gate": gate, "up": draw.plain(*case.shape), **case.params}


def _liger_swiglu() -> Callable[..., Tensor]:
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    def apply(gate: Tensor, up: Tensor) -> Tensor:
        return LigerSiLUMulFunction.apply(gate, up)

    return apply


def _liger_geglu() -> Callable[..., Tensor]:
    from liger_kernel.ops.geglu import LigerGELUMulFunction

    def apply(gate: Tensor, up: Tensor, approximate: str = "tanh") -> Tensor:
        return LigerGELUMulFunction.apply(gate, up)

    return apply


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    return Cost(
        forward_bytes=3 * n * itemsize,
        backward_bytes=5 * n * itemsize,
        forward_flops=6 * n,
        backward_flops=10 * n,
    )


def _cases(**params: Any) -> tuple[Case, ...]:
    # Not the values about 100, where the slope's last term is less than float32 can hold.
    rows = (case for case in row_cases(**params) if case.values is not Values.OFFSET)
    return (
        *rows,
        Case(id="two halves of one matrix", shape=(5, 3, 129), params={**params, "halves": True}),
        Case(id="a tensor without dimensions", shape=(), params=params),
    )


def _bench(**params: Any) -> tuple[Case, ...]:
    """Timed sizes, some of them as the halves of one tensor, which a fused projection gives."""
    fused = {**params, "halves": True}
    return (
        *bench_cases(**params),
        Case(id="8192x11008, halves of one tensor", shape=(8192, 11008), params=fused),
        Case(id="8191x5001, halves of one tensor", shape=(8191, 5001), params=fused),
    )


# Bugs that both ops could have.
SPEC_MUTANTS = (
    Mutant(
        why="up is read by the row stride of gate",
        old="tl.load(up_ptr + first_up + lanes, mask=mask, other=0.0).to(tl.float32)\n"
        "    activated, _",
        new="tl.load(up_ptr + first_gate + lanes, mask=mask, other=0.0).to(tl.float32)\n"
        "    activated, _",
        cases=("padded rows",),
    ),
    Mutant(
        why="the two gradients change places",
        old="return *_backward(gate, up, dy, ctx.op), None",
        new="return *reversed(_backward(gate, up, dy, ctx.op)), None",
        cases=("rows of 127",),
    ),
    Mutant(
        why="the gradient of gate lacks up",
        old="dgate = dy * up * slope",
        new="dgate = dy * slope",
        cases=("rows of 127",),
    ),
    Mutant(
        why="the output is stored past its end",
        old="lanes, y, True, skip, end, at_edge",
        new="lanes, y, True, skip, end + 1, at_edge",
        cases=("rows of 127",),
    ),
)


def _spec(op: Callable[..., Tensor], reference: Callable[..., Tensor], **more: Any) -> Spec:
    return Spec(
        name=op.__name__,
        op=op,
        reference=reference,
        make=_make,
        eager=reference,
        cost=_cost,
        tolerance=ToleranceClass.ELEMENTWISE,
        grads=("gate", "up"),
        **more,
    )


SPECS = (
    _spec(
        swiglu,
        swiglu_reference,
        liger=_liger_swiglu,
        cases=_cases(),
        bench=_bench(),
        mutants=(
            Mutant(
                why="the slope treats the sigmoid as a constant",
                old="slope = s + x * s_slope",
                new="slope = s",
                cases=("rows of 127",),
            ),
            *SPEC_MUTANTS,
        ),
    ),
    _spec(
        geglu,
        geglu_reference,
        liger=_liger_geglu,
        cases=(
            *_cases(),
            Case(id="tanh, rows of 129", shape=(4, 129), params={"approximate": "tanh"}),
            Case(
                id="tanh, NaN and infinity",
                shape=(9, 130),
                params={"approximate": "tanh"},
                values=Values.SPECIAL,
            ),
        ),
        bench=_bench(approximate="tanh"),
        mutants=(
            Mutant(
                why="the tanh form is used for both",
                old='"gelu" if approximate == "none" else',
                new='"gelu_tanh" if approximate == "none" else',
                cases=("rows of 127",),
            ),
            *SPEC_MUTANTS,
        ),
    ),
)
