"""A linear layer, `activation(x @ weight.T + bias)`, in one kernel; backward as products.

**The maths.** With z = x W^T + b and y = act(z): `dz = dy * act'(z)`, `dx = dz W`, `dW = dz^T x`,
`db = sum of dz over rows`. Bias and activation are applied to the fp32 sums before they are
rounded, so y is rounded once where three separate ops would round three times.

**How work maps to program instances.** Forward is `matmul`'s kernels with bias and activation at
the end of a tile; a separate activation would read and write all of y once more, a fifth of the
time of a layer of 4,096 inputs. Where a gradient is wanted the same kernel writes z too. Backward:
`_slope_kernel` makes dz, a block of neighbouring entries a program, and the products are
`matmul`'s.

**Traps.**
- The slope is taken at z, not at y: gelu and silu are not monotone, and a bf16 y near a limit of
  tanh no longer knows how far from it z was.
- W^T is never made: weight [out, in] lies as the transpose that the product wants.
- db sums as many entries as x has rows: in fp32.

**What bounds it.** As in `matmul`; the activation costs the tensor cores a pause a tile, which the
Gluon path (`matmul_gluon`) hides behind the other consumer's products. Licence: MIT.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again
from verified_kernels.launch import cdiv, wants_grad
from verified_kernels.ops.activations import gelu_and_slope, gelu_tanh_and_slope, sigmoid_and_slope
from verified_kernels.ops.matmul import check_operands, differentiable, multiply, product_again
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
from verified_kernels.tiles import ACTIVATIONS, as_autocast, launch_on

BLOCK_SIZE = 1024


@triton.jit
def _slope_kernel(
    z_ptr, dy_ptr, dz_ptr, n_entries, ACTIVATION: tl.constexpr, BLOCK_SIZE: tl.constexpr
):
    """Stores dz = dy * activation'(z), all contiguous [n_entries], computed in fp32 at least.

    BLOCK_SIZE spans entries. Grid: (cdiv(n_entries, BLOCK_SIZE),).
    """
    # One program instance handles BLOCK_SIZE neighbouring entries.
    entries = tl.program_id(0).to(tl.int64) * BLOCK_SIZE + tl.arange(0, BLOCK_SIZE)
    inside = entries < n_entries
    z = tl.load(z_ptr + entries, mask=inside, other=0.0)
    dy = tl.load(dy_ptr + entries, mask=inside, other=0.0)
    if z.dtype != tl.float64:
        z, dy = z.to(tl.float32), dy.to(tl.float32)
    if ACTIVATION == "relu":
        # As in PyTorch, a NaN in z lets the gradient through.
        dz = tl.where(z <= 0, 0.0, dy)
    elif ACTIVATION == "sigmoid":
        _, slope = sigmoid_and_slope(z)
        dz = dy * slope
    elif ACTIVATION == "tanh":
        # 1 - tanh(z)^2 = 4 s(2z) s(-2z)
        _, slope = sigmoid_and_slope(2.0 * z)
        dz = dy * (4.0 * slope)
    elif ACTIVATION == "silu":
        s, slope = sigmoid_and_slope(z)
        dz = dy * (s + z * slope)
    elif ACTIVATION == "gelu_tanh":
        _, slope = gelu_tanh_and_slope(z)
        dz = dy * slope
    else:
        _, slope = gelu_and_slope(z)
        dz = dy * slope
    tl.store(dz_ptr + entries, dz.to(dz_ptr.dtype.element_ty), mask=inside)


def _slope(z: Tensor, dy: Tensor, activation: str) -> Tensor:
    """The product of dy and the slope of the activation at z."""
    dy = dy.contiguous()
    dz = torch.empty_like(z)
    if z.numel():
        launch_on(z.device, _slope_kernel, (cdiv(z.numel(), BLOCK_SIZE),))(
            z, dy, dz, z.numel(), activation, BLOCK_SIZE, num_warps=4
        )
    return dz


_TORCH = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda z: torch.nn.functional.gelu(z, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


class _Linear(torch.autograd.Function):
    """x [1, rows, in], weight [out, in], bias [out] or None."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, act: str | None
    ) -> Tensor:
        y, *kept = multiply(x, weight.mT[None], bias, act, keep=act is not None)
        ctx.save_for_backward(x, weight, bias, *kept)
        ctx.act = act
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, *kept = ctx.saved_tensors
        if not kept:
            dz = dy
        elif is_differentiated_again():
            # A second derivative is wanted: z is made again from what it depends on.
            z = differentiable(x, weight.mT[None])
            z = z if bias is None else z + bias
            (dz,) = torch.autograd.grad(_TORCH[ctx.act](z), z, dy, create_graph=True)
        else:
            dz = _slope(kept[0], dy, ctx.act)
        wants_x, wants_weight, wants_bias, _ = ctx.needs_input_grad
        dx = product_again(dz, weight[None]) if wants_x else None
        dweight = product_again(dz.mT, x)[0] if wants_weight else None
        dbias = dz.sum((0, 1)) if bias is not None and wants_bias else None
        return dx, dweight, dbias, None


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor:
    """`torch.nn.functional.linear(x, weight, bias)`, then the activation if one is named.

    x [..., in], weight [out, in] or [in], bias [out]; any strides. The activations are
    `ACTIVATIONS` of `tiles`: "gelu" is PyTorch's default, "gelu_tanh" its approximation. Follows
    autocast and differentiates as `matmul` does.

    Raises:
        TypeError: the dtypes differ, or are no floats of 16, 32 or 64 bits.
        ValueError: the shapes do not fit, the devices differ, or there is no such activation.
    """
    if activation is not None and activation not in ACTIVATIONS:
        raise ValueError(
            f"linear: activation is {activation!r}; "
            f"None or one of {', '.join(ACTIVATIONS)} is needed"
        )
    x, weight, bias = as_autocast(x, weight, bias)
    check_operands("linear", x=x, weight=weight, bias=bias)
    if weight.ndim == 1:
        return linear(x, weight[None], bias, activation).squeeze(-1)
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: x has shape {tuple(x.shape)} and weight {tuple(weight.shape)}; "
            "weight must be [out, in] and x end in `in`"
        )
    if bias is not None:
        if bias.ndim > 1 or bias.numel() not in (1, weight.shape[0]):
            raise ValueError(
                f"linear: bias has shape {tuple(bias.shape)}; ({weight.shape[0]},) is needed"
            )
        bias = bias.expand(weight.shape[0]).contiguous()
    n_rows = math.prod(x.shape[:-1])
    rows = x.reshape(1, n_rows, x.shape[-1])
    if wants_grad(x, weight, bias):
        y: Tensor = _Linear.apply(rows, weight, bias, activation)
    else:
        y = multiply(rows, weight.mT[None], bias, activation)[0]
    return y.view(*x.shape[:-1], weight.shape[0])


def linear_reference(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor:
    """`torch.nn.functional.linear` and the activation of PyTorch."""
    z = torch.nn.functional.linear(x, weight, bias)
    return z if activation is None else _TORCH[activation](z)


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (*rows, in, out)."""
    params = dict(case.params)
    *rows, n_in, n_out = case.shape
    # Spread so that z has the spread of x.
    weight = draw.normal(n_out, n_in, std=max(n_in, 1) ** -0.5)
    bias = draw.plain(n_out) if params.pop("bias", True) else None
    return {"x": draw.normal(*rows, n_in), "weight": weight, "bias": bias, **params}


def _eager(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str | None = None
) -> Tensor:
    return linear_reference(x, weight, bias, activation)


def _cost(case: Case, itemsize: int) -> Cost:
    *rows, n_in, n_out = case.shape
    m = math.prod(rows)
    moved = (m * n_in + n_in * n_out + m * n_out) * itemsize
    kept = m * n_out * itemsize if case.params.get("activation") else 0
    work = 2 * m * n_in * n_out
    return Cost(
        forward_bytes=moved + kept,
        backward_bytes=2 * moved + 2 * kept,
        forward_flops=work,
        backward_flops=2 * work,
    )


_GELU = {"activation": "gelu"}
_HALF = ("float16", "bfloat16")

SPEC = Spec(
    name="linear",
    op=linear,
    reference=linear_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    grad_tolerance=ToleranceClass.COMPOSED,
    grads=("x", "weight", "bias"),
    dtypes=FLOATS,
    cases=(
        Case(id="one entry", shape=(1, 1, 1)),
        Case(id="a few", shape=(5, 17, 9)),
        Case(id="without bias", shape=(5, 17, 9), params={"bias": False}),
        Case(id="a vector", shape=(17, 9)),
        Case(id="three leading dimensions", shape=(2, 3, 5, 17, 9)),
        Case(id="padded rows", shape=(5, 17, 9), layout=Layout.PADDED, params=_GELU),
        Case(id="every other element", shape=(5, 17, 9), layout=Layout.STRIDED),
        Case(id="transposed", shape=(7, 12, 10), layout=Layout.TRANSPOSED, params=_GELU),
        Case(id="misaligned", shape=(8, 16, 8), layout=Layout.MISALIGNED),
        Case(id="NaN and infinity", shape=(9, 13, 11), values=Values.SPECIAL),
        Case(
            id="NaN and infinity, relu",
            shape=(9, 13, 11),
            values=Values.SPECIAL,
            params={"activation": "relu"},
        ),
        *(Case(id=name, shape=(129, 65, 127), params={"activation": name}) for name in ACTIVATIONS),
        Case(
            id="gelu without bias",
            shape=(128, 40, 129),
            params={"activation": "gelu", "bias": False},
        ),
        Case(id="gelu over splits", shape=(9, 1544, 24), params=_GELU),
        Case(id="no rows", shape=(0, 5, 7), params=_GELU),
        Case(id="nothing to sum", shape=(5, 0, 7), params=_GELU),
        Case(id="tiles", shape=(512, 1024, 264), params=_GELU, dtypes=_HALF),
        Case(id="tiles, odd", shape=(515, 1031, 259), params={"activation": "silu"}, dtypes=_HALF),
        Case(
            id="gelu on every multiprocessor", shape=(2048, 1024, 4096), gpu_only=True, params=_GELU
        ),
        Case(
            id="rows past 2**31 elements",
            shape=(65600, 32800, 64),
            gpu_only=True,
            tail=16,
            dtypes=("bfloat16",),
            params=_GELU,
        ),
    ),
    bench=(
        Case(
            id="8192x4096x11008, gelu_tanh",
            shape=(8192, 4096, 11008),
            params={"activation": "gelu_tanh"},
        ),
        Case(id="8192x4096x11008, gelu", shape=(8192, 4096, 11008), params=_GELU),
        Case(id="4096x4096x4096", shape=(4096, 4096, 4096)),
        Case(id="8191x4095x11007, odd, gelu", shape=(8191, 4095, 11007), params=_GELU),
        Case(id="16x8192x8192", shape=(16, 8192, 8192)),
    ),
    mutants=(
        Mutant(
            why="the bias is left out of a layer with an activation",
            old="y, *kept = multiply(x, weight.mT[None], bias, act, keep",
            new="y, *kept = multiply(x, weight.mT[None], None if act else bias, act, keep",
            cases=("gelu",),
        ),
        Mutant(
            why="the slope is taken at y",
            old="dz = _slope(kept[0], dy, ctx.act)",
            new="dz = _slope(multiply(x, weight.mT[None], bias, ctx.act)[0], dy, ctx.act)",
            cases=("gelu",),
        ),
        Mutant(
            why="the slope of silu is that of a sigmoid",
            old="dz = dy * (s + z * slope)",
            new="dz = dy * (z * slope)",
            cases=("silu",),
        ),
        Mutant(
            why="the gradient of a negative relu passes",
            old="tl.where(z <= 0, 0.0, dy)",
            new="tl.where(z <= 0, dy, 0.0)",
            cases=("relu",),
        ),
        Mutant(
            why="the last block of slopes is not masked",
            old="inside = entries < n_entries",
            new="inside = entries < n_entries + 8",
            cases=("gelu",),
        ),
        Mutant(
            why="the bias is broadcast along rows",
            old="bias = bias.expand(weight.shape[0]).contiguous()",
            new="bias = bias[:1].expand(weight.shape[0]).contiguous()",
            cases=("a few",),
        ),
    ),
)
