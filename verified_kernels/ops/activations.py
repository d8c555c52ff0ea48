"""ReLU, GELU, SiLU, sigmoid and tanh, forward and backward: one value in, one value out.

**The maths**, with s(x) = 1 / (1 + exp(-x)), Phi and phi the normal distribution and its density:

    op          y                            dy/dx
    relu        max(x, 0)                    1 where x > 0, else 0
    sigmoid     s(x)                         s(x) s(-x)
    tanh        2 s(2x) - 1                  4 s(2x) s(-2x)
    silu        x s(x)                       s(x) + x s(x) s(-x)
    gelu        x Phi(x)                     Phi(x) + x phi(x)
    gelu, tanh  x s(2 u(x))                  s(2u) + 2 x u'(x) s(2u) s(-2u)

where u(x) = sqrt(2 / pi) (x + 0.044715 x^3). Papers write the last as x/2 (1 + tanh u); that is the
same number, one exponential instead of a tanh, and nothing cancels for negative x.

**How work maps to program instances.** As in `elementwise`: a block of neighbouring entries each.

**Traps.**
- exp(-x) overflows at x = -89. Every exponent here is that of a negative number: exp(-|x|).
- 1 - s(x) has no correct digits left where s(x) rounds to 1. s(-x) is the same quantity, exact.
- For the same reason the backward starts from x. From y it would move as many bytes, but a bf16
  y near 1 no longer knows how far from 1 it was.
- tanh of a small x by exponentials is a difference of nearly equal numbers. A quotient of two
  polynomials has its digits everywhere, and needs no exponential.
- Phi as (1 + erf(x / sqrt 2)) / 2 takes two dozen instructions for erf and cancels where x is
  negative. Its tail is one exponential of a polynomial.
- `x < 0` is false for NaN, so `where(x < 0, 0, x)` keeps it; `maximum(x, 0)` may drop it.

**What bounds the speed.** Memory, though not by far: at 4 TB/s a bf16 tensor leaves an H200 about
25 fp32 instructions an entry. Divisions and exponentials count several each, so each op above is
arranged to need few of either. Of the bandwidth of a copy on an H200, at 128 MiB in bf16, forward
reaches 0.96, tanh 0.92 and gelu 0.93; backward 0.99 or more. What torch.compile makes of relu's
backward takes 0.84 of the time: it has forward write a mask of a byte an entry, and there loses
what it gains here.

GELU: https://arxiv.org/abs/1606.08415. SiLU: https://arxiv.org/abs/1702.03118. The polynomials for
tanh and Phi are this project's own. Licence: MIT.
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
from verified_kernels.launch import cdiv, takes
from verified_kernels.replay import launch, remembered
from verified_kernels.spec import Arguments, Case, Cost, Draw, Mutant, Spec, ToleranceClass, Values
from verified_kernels.vectors import flat_vectors, load_flat, store_flat

NUM_WARPS = 4
# Of each input, a thread takes two loads of 16 bytes forward, one backward. Measured on an H200.
BYTES_PER_THREAD, BYTES_PER_THREAD_BACKWARD = 32, 16


@triton.jit
def sigmoid_and_slope(x):
    """s(x) and its derivative s(x) s(-x), each to full relative precision, for fp32 x."""
    # exp2 is what the hardware has; tl.exp scales around it to keep subnormal numbers.
    e = tl.exp2(-1.4426950408889634 * tl.abs(x))
    larger = 1.0 / (1.0 + e)
    smaller = e * larger
    return tl.where(x < 0, smaller, larger), smaller * larger


@triton.jit
def gelu_and_slope(x):
    """The value x Phi(x) and its derivative for fp32 x.

    log2 of Phi(-a) is nearly a parabola: a polynomial of a, fitted up to 14, beyond which Phi is 0.
    The absolute error of Phi is that of fp32; the relative error stays below 3e-4 down to 1e-38.
    """
    a = tl.minimum(tl.abs(x), 14.2)
    power = -1.6407831901701754e-10 + 1.965421279892271e-12 * a
    power = 6.003159323021154e-09 + power * a
    power = -1.2661943935195885e-07 + power * a
    power = 1.70257840754977e-06 + power * a
    power = -1.5179573887271179e-05 + power * a
    power = 8.894373375445034e-05 + power * a
    power = -0.0003008723255105436 + power * a
    power = 1.7425482166731458e-05 + power * a
    power = 0.006946002113347609 + power * a
    power = -0.05244967514830182 + power * a
    power = -0.4592160940471298 + power * a
    power = -1.1511049208809583 + power * a
    tail = tl.exp2(-0.9999999866427274 + power * a)
    phi = tl.where(x < 0, tail, 1.0 - tail)
    density = 0.3989422804014327 * tl.exp2(-0.7213475204444817 * x * x)
    return x * phi, phi + x * density


@triton.jit
def gelu_tanh_and_slope(x):
    """The tanh approximation of GELU and its derivative for fp32 x."""
    # 2 u(x) and its derivative; 1.59577 is 2 sqrt(2 / pi).
    square = 0.044715 * x * x
    s, slope = sigmoid_and_slope(1.5957691216057308 * x * (1.0 + square))
    return x * s, s + x * slope * (1.5957691216057308 * (1.0 + 3.0 * square))


@triton.jit
def _tanh(x):
    """Tanh of fp32 x: a quotient of polynomials in x^2, fitted up to 9, of relative error 2e-8."""
    x = tl.clamp(x, -9.0, 9.0, propagate_nan=tl.PropagateNan.ALL)
    square = x * x
    above = 2.0583297283536424e-05 + 1.3318813825148536e-08 * square
    above = 0.0034940235569576937 + above * square
    above = 0.13379708753459507 + above * square
    above = 0.9999999790144776 + above * square
    below = 0.00032830747056983534 + 7.76191434622945e-07 * square
    below = 0.025871031576498078 + below * square
    below = 0.4671302399398297 + below * square
    below = 1.0 + below * square
    y = x * above / below
    return tl.clamp(y, -1.0, 1.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _forward_kernel(
    x_ptr, y_ptr, n_elements, OP: tl.constexpr, VEC: tl.constexpr, BLOCK_SIZE: tl.constexpr
):
    """`y = op(x)` for x, y [n_elements] of fp32, fp16 or bf16 that lie in memory alike.

    BLOCK_SIZE spans entries, VEC those of a vector. Grid: (cdiv(n_elements, BLOCK_SIZE),).
    Computes in fp32.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries.
    offsets = tl.program_id(0).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    x = load_flat(x_ptr, offsets, n_elements, VEC).to(tl.float32)  # [BLOCK_SIZE]
    if OP == "relu":
        y = tl.where(x < 0, 0.0, x)
    elif OP == "sigmoid":
        y, _ = sigmoid_and_slope(x)
    elif OP == "tanh":
        y = _tanh(x)
    elif OP == "silu":
        s, _ = sigmoid_and_slope(x)
        y = x * s
    elif OP == "gelu_tanh":
        y, _ = gelu_tanh_and_slope(x)
    else:
        y, _ = gelu_and_slope(x)
    store_flat(y_ptr, offsets, y, n_elements, VEC)


@triton.jit
def _backward_kernel(
    x_ptr,
    dy_ptr,
    dx_ptr,
    n_elements,
    OP: tl.constexpr,
    VEC: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
):
    """`dx = dy * op'(x)` for x, dy, dx [n_elements] that lie in memory alike.

    Blocks, grid and arithmetic as in `_forward_kernel`.
    """
    # One program instance handles BLOCK_SIZE neighbouring entries.
    offsets = tl.program_id(0).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    x = load_flat(x_ptr, offsets, n_elements, VEC).to(tl.float32)  # [BLOCK_SIZE]
    dy = load_flat(dy_ptr, offsets, n_elements, VEC).to(tl.float32)  # [BLOCK_SIZE]
    if OP == "relu":
        # As in PyTorch, a NaN in x lets the gradient through.
        dx = tl.where(x <= 0, 0.0, dy)
    elif OP == "sigmoid":
        _, slope = sigmoid_and_slope(x)
        dx = dy * slope
    elif OP == "tanh":
        # 1 - tanh(x)^2 = 4 s(2x) s(-2x)
        _, slope = sigmoid_and_slope(2.0 * x)
        dx = dy * (4.0 * slope)
    elif OP == "silu":
        s, slope = sigmoid_and_slope(x)
        dx = dy * (s + x * slope)
    elif OP == "gelu_tanh":
        _, slope = gelu_tanh_and_slope(x)
        dx = dy * slope
    else:
        _, slope = gelu_and_slope(x)
        dx = dy * slope
    store_flat(dx_ptr, offsets, dx, n_elements, VEC)


def _without_gaps(x: Tensor) -> Tensor:
    """X itself where its entries fill their memory in any order of dimensions, else a copy."""
    if x.is_contiguous() or torch.empty_like(x).stride() == x.stride():
        return x
    return x.clone(memory_format=torch.preserve_format)


def _laid_out_as(x: Tensor, dy: Tensor) -> Tensor:
    """Entries of dy at the strides of x."""
    return dy if dy.stride() == x.stride() else torch.empty_like(x).copy_(dy)


@remembered
def _forward(x: Tensor, op: str) -> Tensor:
    x = _without_gaps(x)
    y = torch.empty_like(x)
    n_elements = x.numel()
    if n_elements:
        block_size = NUM_WARPS * 32 * BYTES_PER_THREAD // x.element_size()
        grid = (cdiv(n_elements, block_size),)
        vec = flat_vectors(x, y)
        launch(_forward_kernel, grid)(x, y, n_elements, op, vec, block_size, num_warps=NUM_WARPS)
    return y


@remembered
def _backward(x: Tensor, dy: Tensor, op: str) -> Tensor:
    x = _without_gaps(x)
    dx = torch.empty_like(x)
    dy = _laid_out_as(dx, dy)
    n_elements = x.numel()
    if n_elements:
        block_size = NUM_WARPS * 32 * BYTES_PER_THREAD_BACKWARD // x.element_size()
        grid = (cdiv(n_elements, block_size),)
        launch(_backward_kernel, grid)(
            x, dy, dx, n_elements, op, flat_vectors(x, dy, dx), block_size, num_warps=NUM_WARPS
        )
    return dx


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, op: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.op = op
        return _forward(x, op)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None]:
        (x,) = ctx.saved_tensors
        if is_differentiated_again():
            return gradients_in_pytorch(_IN_PYTORCH[ctx.op], [x], dy)[0], None
        return _backward(x, dy, ctx.op), None


def _activation(x: Tensor, op: str) -> Tensor:
    if not takes(x):
        return _IN_PYTORCH[op](x)
    if wants_grad(x):
        return _Activation.apply(x, op)
    return _forward(x, op)


def relu(x: Tensor) -> Tensor:
    """`max(x, 0)`, NaN kept; in x's dtype and, where x has no gaps, its strides.

    Other dtypes than fp32, fp16 and bf16 are left to PyTorch.
    """
    return _activation(x, "relu")


def sigmoid(x: Tensor) -> Tensor:
    """`1 / (1 + exp(-x))`; otherwise as `relu`."""
    return _activation(x, "sigmoid")


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent; otherwise as `relu`."""
    return _activation(x, "tanh")


def silu(x: Tensor) -> Tensor:
    """`x * sigmoid(x)`, also called swish; otherwise as `relu`."""
    return _activation(x, "silu")


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """`x * Phi(x)`, with approximate="tanh" its approximation; otherwise as `relu`.

    Raises:
        ArgumentError: `approximate` is neither "none" nor "tanh".
    """
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f'gelu: approximate is {approximate!r}; "none" or "tanh" is needed')
    return _activation(x, "gelu" if approximate == "none" else "gelu_tanh")


def relu_reference(x: Tensor) -> Tensor:
    """`torch.relu`."""
    return torch.relu(x)


def sigmoid_reference(x: Tensor) -> Tensor:
    """`torch.sigmoid`."""
    return torch.sigmoid(x)


def tanh_reference(x: Tensor) -> Tensor:
    """`torch.tanh`."""
    return torch.tanh(x)


def silu_reference(x: Tensor) -> Tensor:
    """`torch.nn.functional.silu`."""
    return torch.nn.functional.silu(x)


def gelu_reference(x: Tensor, approximate: str = "none") -> Tensor:
    """`torch.nn.functional.gelu`."""
    return torch.nn.functional.gelu(x, approximate=approximate)


_IN_PYTORCH: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "relu": relu_reference,
        "sigmoid": sigmoid_reference,
        "tanh": tanh_reference,
        "silu": silu_reference,
        "gelu": gelu_reference,
        "gelu_tanh": functools.partial(gelu_reference, approximate="tanh"),
    }
)


def _make(case: Case, draw: Draw) -> Arguments:
    # Three times the usual spread: the tails of the curves count as much as their middle.
    return {"x": draw.normal(*case.shape, std=3.0), **case.params}


def _cost(case: Case, itemsize: int) -> Cost:
    n = math.prod(case.shape)
    return Cost(forward_bytes=2 * n * itemsize, backward_bytes=3 * n * itemsize)


_CASES = (
    # Not the values about 100: there the slope of a sigmoid is less than float32 can hold.
    *(case for case in row_cases() if case.values is not Values.OFFSET),
    Case(id="a tensor without dimensions", shape=()),
    Case(id="three dimensions", shape=(3, 17, 19)),
)


def _variant(params: dict[str, Any]) -> Case:
    named = ", ".join(map(str, params.values()))
    return Case(id=f"16384x4096, {named}", shape=(16384, 4096), params=params)


def _spec(
    op: Callable[..., Tensor],
    reference: Callable[..., Tensor],
    own: tuple[Mutant, ...],
    *params: dict[str, Any],
) -> Spec:
    variants = params or ({},)
    more = tuple(
        Case(id=f"{case.id}, {value}", shape=case.shape, params=p, values=case.values)
        for p in variants[1:]
        for case in row_cases()
        if case.id in ("rows of 129", "NaN and infinity")
        for value in p.values()
    )
    return Spec(
        name=op.__name__,
        op=op,
        reference=reference,
        make=_make,
        eager=reference,
        cost=_cost,
        tolerance=ToleranceClass.ELEMENTWISE,
        grads=("x",),
        cases=(*_CASES, *more),
        bench=(*bench_cases(), *(_variant(p) for p in variants[1:])),
        mutants=(*own, *SPEC_MUTANTS),
    )


# Bugs that every op of this file could have.
SPEC_MUTANTS = (
    Mutant(
        why="masked lanes are stored past the end",
        old="store_flat(y_ptr, offsets, y, n_elements, VEC)",
        new="store_flat(y_ptr, offsets, y, n_elements + 1, VEC)",
        cases=("rows of 127",),
    ),
    Mutant(
        why="a tensor with gaps is taken for one without",
        old="return x.clone(memory_format=torch.preserve_format)",
        new="return x.as_strided(x.shape, torch.empty_like(x).stride())",
        cases=("padded rows",),
    ),
    Mutant(
        why="the upstream gradient is read in another order than x",
        old="dy = _laid_out_as(dx, dy)",
        new="dx = dx",
        cases=("padded rows",),
    ),
)

SPECS = (
    _spec(
        relu,
        relu_reference,
        (
            Mutant(
                why="NaN becomes zero",
                old="tl.where(x < 0, 0.0, x)",
                new="tl.where(x > 0, x, 0.0)",
                cases=("NaN and infinity",),
            ),
            Mutant(
                why="the gradient ignores the sign",
                old="where(x <= 0, 0.0, dy)",
                new="where(x <= 0, dy, dy)",
            ),
        ),
    ),
    _spec(
        gelu,
        gelu_reference,
        (
            Mutant(
                why="the slope lacks x phi(x)",
                old="phi + x * density",
                new="phi",
            ),
            Mutant(
                why="the density is that of another spread",
                old="tl.exp2(-0.7213475204444817 * x * x)",
                new="tl.exp2(-1.4426950408889634 * x * x)",
            ),
            Mutant(
                why="both sides of zero are the tail",
                old="tl.where(x < 0, tail, 1.0 - tail)",
                new="tail",
            ),
            Mutant(
                why="the cubic's slope lacks its 3",
                old="(1.5957691216057308 * (1.0 + 3.0 * square))",
                new="(1.5957691216057308 * (1.0 + square))",
                cases=("rows of 129, tanh",),
            ),
        ),
        {},
        {"approximate": "tanh"},
    ),
    _spec(
        silu,
        silu_reference,
        (
            Mutant(
                why="the slope is that of x s(x) for constant s",
                old="(s + x * slope)",
                new="s",
            ),
        ),
    ),
    _spec(
        sigmoid,
        sigmoid_reference,
        (
            Mutant(
                why="the slope is s(-|x|)^2",
                old="smaller, larger), smaller * larger",
                new="smaller, larger), smaller * smaller",
            ),
        ),
    ),
    _spec(
        tanh,
        tanh_reference,
        (
            Mutant(
                why="far from zero the quotient goes on",
                old="x = tl.clamp(x, -9.0, 9.0, propagate_nan=tl.PropagateNan.ALL)",
                new="x = x * 1.0",
            ),
            Mutant(
                why="the slope is that of the sigmoid",
                old="dy * (4.0 * slope)",
                new="dy * slope",
            ),
        ),
    ),
)
