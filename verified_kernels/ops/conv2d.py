"""Two-dimensional convolution as an implicit matrix product: no window is ever written out.

**The maths.** `y[n, k, i, j] = bias[k] + sum_{c, r, s} x[n, c, i sh - ph + r dh, j sw - pw + s dw]
w[k, c, r, s]`, summed in fp32. With pixels (n, i, j) as rows and output channels as columns this is
a product whose left operand, the windows, holds each pixel R S times; its tiles are gathered from x
as they are needed.

**How work maps to program instances.** A tile is BLOCK_M pixels by BLOCK_N channels; steps walk
over the taps (r, s) and, within a tap, over blocks of input channels. Four paths.
- *Flat*: stride 1, on sm_90 and newer. In memory order N H W C, a tap moves all pixels of a tile by
  one number of rows of the matrix [N H W, C], so each operand is one plain tile for the copy
  engine. All pixels are computed, also those whose window leaves the picture; these are not stored.
- *Product*: a 1x1 convolution is one (`matmul`), in both memory orders.
- *Slabs*: of three channels, most of a step would be empty. Padded to four, the pixels of a
  window's row are neighbours, S * 4 entries: a view with overlapping strides makes them the
  channels of a convolution R x 1.
- *Pointers*: everything else; strides, groups, padding by masks, any layout, every card.

Backward. dx is a convolution of dy with the weights turned around, or for other strides a gather of
the windows that a pixel was in; dw is a product over all pixels (`weight_kernel`). Each of the
three is linear in both its operands, and the derivative of one is made of the other two: so second
derivatives need nothing more.

**Traps.**
- The masked rows of the flat path read other pixels, or past the end: that is harmless only because
  a row of a product never reaches another row.
- A tile transposed for NCHW does not fit in registers beside its sums: the product is turned.
- Padding cannot be masked in a tile that the copy engine brings: it is written, in the same pass
  that converts NCHW. A picture that needs neither is not copied.
- dw sums over all pixels, few tiles with long sums: it is split, and the splits are added in order.

**What bounds it.** As `matmul`; the flat path also computes `H W / (OH OW)` times what is asked
for. Grouped convolutions fill tiles only where a group has many channels. Licence: MIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again
from verified_kernels.errors import ArgumentError, DtypeError
from verified_kernels.launch import wants_grad
from verified_kernels.ops.conv2d_paths import (
    FEW_CHANNELS,
    Window,
    convolve,
    empty,
    gradient_of_weight,
    gradient_of_x,
    is_channels_last,
    is_product,
    window_of,
)
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
from verified_kernels.tiles import as_autocast, has_copy_engine, opaque

METHODS = ("flat", "product", "slabs", "pointers")

# torch.compile does not look into these three.


def _convolution_sizes(
    x: Tensor, weight: Tensor, bias: Any, out: Sequence[int], window: Sequence[int], method: Any
) -> Tensor:
    return empty((x.shape[0], weight.shape[0], *out), x, channels_last=bool(window[-1]))


@opaque(
    "conv2d(Tensor x, Tensor weight, Tensor? bias, SymInt[] out, int[] window, str? method)"
    " -> Tensor",
    _convolution_sizes,
)
def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    out: Sequence[int],
    window: Sequence[int],
    method: str | None,
) -> Tensor:
    return convolve(x, weight, bias, (out[0], out[1]), window_of(window), method)


def _turned_sizes(dy: Tensor, weight: Tensor, size: Sequence[int], window: Sequence[int]) -> Tensor:
    shape = (dy.shape[0], weight.shape[1] * window[-2], *size)
    return empty(shape, dy, channels_last=bool(window[-1]))


@opaque(
    "conv2d_turned(Tensor dy, Tensor weight, SymInt[] size, int[] window) -> Tensor",
    _turned_sizes,
)
def _turned_convolution(
    dy: Tensor, weight: Tensor, size: Sequence[int], window: Sequence[int]
) -> Tensor:
    return gradient_of_x(dy, weight, (size[0], size[1]), window_of(window))


def _weight_sizes(x: Tensor, dy: Tensor, taps: Sequence[int], window: Sequence[int]) -> Tensor:
    shape = (dy.shape[1], *taps, x.shape[1] // window[-2])
    return x.new_empty(shape).permute(0, 3, 1, 2)


@opaque("conv2d_weight(Tensor x, Tensor dy, SymInt[] taps, int[] window) -> Tensor", _weight_sizes)
def _weight_of(x: Tensor, dy: Tensor, taps: Sequence[int], window: Sequence[int]) -> Tensor:
    return gradient_of_weight(x, dy, (taps[0], taps[1]), window_of(window))


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, out: Any, window: Window, how: Any
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.window = window
        return _convolution(x, weight, bias, out, window.numbers(), how)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias, *_ = ctx.needs_input_grad
        window, size, taps = ctx.window, tuple(x.shape[2:]), tuple(weight.shape[2:])
        if is_differentiated_again():
            dx = _Turned.apply(dy, weight, size, window) if wants_x else None
            dweight = _Weight.apply(x, dy, taps, window) if wants_weight else None
        else:
            numbers = window.numbers()
            dx = _turned_convolution(dy, weight, size, numbers) if wants_x else None
            dweight = _weight_of(x, dy, taps, numbers) if wants_weight else None
        return dx, dweight, dy.sum((0, 2, 3)) if wants_bias else None, None, None, None


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dy: Tensor, weight: Tensor, size: Any, window: Window) -> Tensor:
        ctx.save_for_backward(dy, weight)
        ctx.window = window
        return gradient_of_x(dy, weight, size, window)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> tuple[Any, ...]:
        dy, weight = ctx.saved_tensors
        wants_dy, wants_weight, *_ = ctx.needs_input_grad
        window, out, taps = ctx.window, tuple(dy.shape[2:]), tuple(weight.shape[2:])
        ddy = _Conv.apply(ddx, weight, None, out, window, None) if wants_dy else None
        return ddy, _Weight.apply(ddx, dy, taps, window) if wants_weight else None, None, None


class _Weight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dy: Tensor, taps: Any, window: Window) -> Tensor:
        ctx.save_for_backward(x, dy)
        ctx.window = window
        return gradient_of_weight(x, dy, taps, window)

    @staticmethod
    def backward(ctx: Any, ddw: Tensor) -> tuple[Any, ...]:
        x, dy = ctx.saved_tensors
        wants_x, wants_dy, *_ = ctx.needs_input_grad
        window, size, out = ctx.window, tuple(x.shape[2:]), tuple(dy.shape[2:])
        dx = _Turned.apply(dy, ddw, size, window) if wants_x else None
        return dx, _Conv.apply(x, ddw, None, out, window, None) if wants_dy else None, None, None


Pair = int | tuple[int, int]


def _pair(name: str, value: Any, least: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    pair = pair * 2 if len(pair) == 1 else pair
    if len(pair) != 2 or min(pair) < least:
        raise ArgumentError(f"conv2d: {name} is {value}; one or two numbers from {least} up")
    return pair


def _paddings(
    padding: Any, taps: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of zeros: above and left, and in all."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ArgumentError("conv2d: padding is 'same' and the stride is not 1")
        high, wide = (d * (t - 1) for d, t in zip(dilation, taps, strict=True))
        return (high // 2, wide // 2), (high, wide)
    if isinstance(padding, str):
        raise ArgumentError(
            f"conv2d: padding is {padding!r}; 'same', 'valid' or numbers are needed"
        )
    high, wide = _pair("padding", padding, 0)
    return (high, wide), (2 * high, 2 * wide)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | Literal["same", "valid"] = 0,
    dilation: Pair = 1,
    groups: int = 1,
    method: str | None = None,
) -> Tensor:
    """`torch.nn.functional.conv2d`, x [N, C, H, W] or [C, H, W], weight [K, C / groups, R, S].

    Any strides in memory; the result is channels-last where x or weight is. Follows autocast; fp32
    is multiplied as `torch.backends.cuda.matmul` says. Differentiable any number of times. `method`
    picks a path (`METHODS`) instead of letting the sizes pick it.

    Raises:
        DtypeError: the dtypes differ, or are no floats of 16, 32 or 64 bits.
        ArgumentError: shapes, devices or numbers do not fit, or there is no such method.
    """
    x, weight, bias = as_autocast(x, weight, bias)
    _check(x, weight, bias, groups, method)
    pairs = _pair("stride", stride, 1), _pair("dilation", dilation, 1)
    taps = (weight.shape[2], weight.shape[3])
    corner, total = _paddings(padding, taps, *pairs)
    pictures = x[None] if x.ndim == 3 else x
    given = zip(pictures.shape[2:], total, pairs[1], taps, pairs[0], strict=True)
    high, wide = ((size + p - d * (t - 1) - 1) // st + 1 for size, p, d, t, st in given)
    out = high, wide
    if min(out) <= 0:
        raise ArgumentError(
            f"conv2d: windows of {taps} do not fit in pictures of {tuple(x.shape[-2:])}"
        )
    last = is_channels_last(pictures) or is_channels_last(weight)
    window = Window(pairs[0], corner, pairs[1], groups, last)
    _check_method(method, pictures, weight, bias, out, window)
    if wants_grad(x, weight, bias):
        y: Tensor = _Conv.apply(pictures, weight, bias, out, window, method)
    else:
        y = _convolution(pictures, weight, bias, out, window.numbers(), method)
    return y[0] if x.ndim == 3 else y


def _check(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, method: str | None) -> None:
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        raise DtypeError(f"conv2d: x is {x.dtype}; a float of 16, 32 or 64 bits is needed")
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.dtype != x.dtype:
            raise DtypeError(f"conv2d: {name} is {tensor.dtype} and x is {x.dtype}; convert one")
        if tensor is not None and tensor.device != x.device:
            raise ArgumentError(f"conv2d: {name} is on {tensor.device} and x on {x.device}")
    shapes = f"x has shape {tuple(x.shape)} and weight {tuple(weight.shape)}"
    if x.ndim not in (3, 4) or weight.ndim != 4 or min(weight.shape) == 0:
        raise ArgumentError(f"conv2d: {shapes}; [N, C, H, W] and [K, C / groups, R, S] are needed")
    if groups < 1 or x.shape[-3] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ArgumentError(f"conv2d: {shapes}, which do not go together in {groups} groups")
    if bias is not None and tuple(bias.shape) != (weight.shape[0],):
        raise ArgumentError(
            f"conv2d: bias has shape {tuple(bias.shape)}; ({weight.shape[0]},) is needed"
        )


def _check_method(
    method: str | None, x: Tensor, weight: Tensor, bias: Tensor | None, out: Any, window: Window
) -> None:
    """Passes when the path can compute this convolution."""
    if method is None or method == "pointers":
        return
    unit = window.stride == (1, 1) and window.groups == 1 and x.element_size() == 2
    fits = {
        "flat": unit and has_copy_engine(x.device),
        "product": is_product(x, weight, bias, out, window),
        "slabs": window.groups == 1 and window.dilation[1] == 1 and x.shape[1] <= FEW_CHANNELS,
    }
    if method not in METHODS:
        raise ArgumentError(f"conv2d: method is {method!r}; one of {', '.join(METHODS)} is needed")
    if not fits[method]:
        raise ArgumentError(f"conv2d: method {method!r} cannot compute this convolution")


def conv2d_reference(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Any = 0,
    dilation: Pair = 1,
    groups: int = 1,
    method: str | None = None,
) -> Tensor:
    """`torch.nn.functional.conv2d`."""
    return torch.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _make(case: Case, draw: Draw) -> Arguments:
    """A case of shape (N, C, H, W, K, R, S); params may ask for no bias, or channels-last."""
    params = dict(case.params)
    n, c, h, w, k, r, s = case.shape
    of_group = c // params.get("groups", 1)
    x = draw.normal(n, c, h, w) if params.pop("batch", True) else draw.normal(c, h, w)
    weight = draw.plain(k, of_group, r, s, std=(of_group * r * s) ** -0.5)
    if params.pop("last", False):
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    bias = draw.plain(k) if params.pop("bias", True) else None
    return {"x": x, "weight": weight, "bias": bias, **params}


def _eager(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Any = 0,
    dilation: Pair = 1,
    groups: int = 1,
    method: str | None = None,
) -> Tensor:
    return torch.nn.functional.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _cost(case: Case, itemsize: int) -> Cost:
    n, c, h, w, k, r, s = case.shape
    (strides, dilations) = (_pair(p, case.params.get(p, 1), 1) for p in ("stride", "dilation"))
    _, total = _paddings(case.params.get("padding", 0), (r, s), strides, dilations)
    sizes = zip((h, w), total, dilations, (r, s), strides, strict=True)
    oh, ow = ((size + p - d * (t - 1) - 1) // st + 1 for size, p, d, t, st in sizes)
    of_group = c // case.params.get("groups", 1)
    moved = (n * c * h * w + k * of_group * r * s + n * k * oh * ow) * itemsize
    work = 2 * n * k * oh * ow * of_group * r * s
    return Cost(
        forward_bytes=moved,
        backward_bytes=2 * moved,
        forward_flops=work,
        backward_flops=2 * work,
    )


_FLAT = {"method": "flat"}
_LAST = {"last": True, "bias": False}
_HALF = ("float16", "bfloat16")

SPEC = Spec(
    name="conv2d",
    op=conv2d,
    reference=conv2d_reference,
    make=_make,
    eager=_eager,
    cost=_cost,
    tolerance=ToleranceClass.REDUCTION,
    # Weights' gradients sum as many terms as there are pixels.
    grad_tolerance=ToleranceClass.COMPOSED,
    grads=("x", "weight", "bias"),
    dtypes=FLOATS,
    bench_dtypes=("float16",),
    cases=(
        Case(id="one pixel", shape=(1, 1, 1, 1, 1, 1, 1)),
        Case(id="a few", shape=(2, 3, 7, 9, 5, 3, 2)),
        Case(id="without bias", shape=(2, 5, 6, 7, 4, 3, 3), params={"bias": False}),
        Case(id="without a batch", shape=(1, 3, 7, 9, 5, 3, 3), params={"batch": False}),
        Case(id="padded rows", shape=(2, 5, 7, 6, 4, 3, 3), layout=Layout.PADDED),
        Case(id="every other element", shape=(2, 3, 7, 6, 4, 3, 3), layout=Layout.STRIDED),
        Case(id="transposed", shape=(2, 3, 7, 6, 4, 3, 3), layout=Layout.TRANSPOSED),
        Case(id="misaligned", shape=(2, 8, 4, 4, 8, 3, 3), layout=Layout.MISALIGNED),
        Case(id="NaN and infinity", shape=(1, 3, 9, 8, 3, 3, 3), values=Values.SPECIAL),
        Case(id="strides", shape=(2, 5, 9, 11, 4, 3, 3), params={"stride": (2, 3)}),
        Case(
            id="strides that leave pixels out",
            shape=(1, 5, 10, 9, 4, 2, 3),
            params={"stride": 4, "padding": (1, 0)},
        ),
        Case(id="padding", shape=(2, 5, 6, 7, 4, 3, 3), params={"padding": (2, 1)}),
        Case(id="wide padding", shape=(1, 9, 4, 4, 4, 3, 3), params={"padding": 4}),
        Case(id="same, even taps", shape=(2, 9, 5, 6, 4, 4, 2), params={"padding": "same"}),
        Case(
            id="same, dilated",
            shape=(1, 9, 7, 8, 4, 3, 2),
            params={"padding": "same", "dilation": (2, 3)},
        ),
        Case(id="valid", shape=(1, 9, 5, 6, 4, 3, 3), params={"padding": "valid"}),
        Case(id="dilation", shape=(2, 5, 9, 8, 4, 3, 2), params={"dilation": (2, 3)}),
        Case(id="groups", shape=(2, 6, 6, 7, 4, 3, 3), params={"groups": 2, "padding": 1}),
        Case(id="depthwise", shape=(1, 6, 6, 7, 12, 3, 3), params={"groups": 6, "stride": 2}),
        Case(
            id="all at once",
            shape=(2, 6, 13, 12, 4, 3, 2),
            params={"stride": (2, 3), "padding": (3, 2), "dilation": (2, 1), "groups": 2},
        ),
        Case(id="channels-last", shape=(2, 9, 6, 7, 4, 3, 3), params={"last": True, "padding": 1}),
        Case(id="no pictures", shape=(0, 3, 5, 5, 4, 3, 3)),
        Case(id="1x1", shape=(2, 24, 5, 7, 40, 1, 1), params={"bias": False}),
        Case(id="1x1, channels-last", shape=(2, 24, 5, 7, 40, 1, 1), params={"last": True}),
        Case(id="1x1 with a stride", shape=(2, 24, 5, 7, 17, 1, 1), params={"stride": 2}),
        Case(id="slabs", shape=(2, 3, 12, 11, 20, 7, 7), dtypes=_HALF),
        Case(
            id="slabs, strides and padding",
            shape=(1, 3, 13, 12, 20, 7, 5),
            params={"stride": (2, 3), "padding": (3, 2), "dilation": (2, 1), "method": "slabs"},
            dtypes=_HALF,
        ),
        Case(id="slabs of eight", shape=(1, 8, 6, 7, 5, 3, 3), params={"last": True}, dtypes=_HALF),
        Case(id="flat", shape=(2, 64, 9, 10, 64, 3, 3), params=_FLAT, dtypes=_HALF),
        Case(
            id="flat, odd channels",
            shape=(3, 37, 8, 9, 70, 2, 3),
            params={"padding": (1, 2), **_FLAT},
            dtypes=_HALF,
        ),
        Case(
            id="flat, channels-last",
            shape=(2, 72, 7, 9, 136, 3, 3),
            params={"last": True, "padding": "same", "dilation": 2, **_FLAT},
            dtypes=_HALF,
        ),
        Case(
            id="flat on every multiprocessor",
            shape=(16, 128, 56, 57, 200, 3, 3),
            gpu_only=True,
            params={"padding": 1},
            dtypes=_HALF,
        ),
        Case(
            id="flat, wide tiles",
            shape=(32, 264, 28, 28, 256, 3, 3),
            gpu_only=True,
            params={"last": True},
            dtypes=_HALF,
        ),
        Case(
            id="strides on every multiprocessor",
            shape=(16, 67, 57, 56, 130, 3, 3),
            gpu_only=True,
            params={"stride": 2, "padding": 1},
        ),
        Case(id="slabs of a camera", shape=(8, 3, 224, 224, 64, 7, 7), gpu_only=True, dtypes=_HALF),
        Case(
            id="pixels past 2**31 elements",
            shape=(130, 64, 512, 513, 32, 3, 3),
            gpu_only=True,
            tail=1,
            params={"last": True},
            dtypes=("bfloat16",),
        ),
    ),
    bench=(
        Case(id="c128 56x56 k128 3x3", shape=(32, 128, 56, 56, 128, 3, 3), params=_LAST),
        Case(id="c64 112x112 k64 3x3", shape=(32, 64, 112, 112, 64, 3, 3), params=_LAST),
        Case(id="c256 28x28 k256 3x3", shape=(64, 256, 28, 28, 256, 3, 3), params=_LAST),
        Case(id="c512 14x14 k512 3x3", shape=(64, 512, 14, 14, 512, 3, 3), params=_LAST),
        Case(id="c256 28x28 k1024 1x1", shape=(64, 256, 28, 28, 1024, 1, 1), params=_LAST),
        Case(id="c3 224x224 k64 7x7", shape=(32, 3, 224, 224, 64, 7, 7), params=_LAST),
        *(
            Case(id=f"{name}, NCHW", shape=shape, params={"bias": False})
            for name, shape in (
                ("c128 56x56 k128 3x3", (32, 128, 56, 56, 128, 3, 3)),
                ("c64 112x112 k64 3x3", (32, 64, 112, 112, 64, 3, 3)),
                ("c256 28x28 k1024 1x1", (64, 256, 28, 28, 1024, 1, 1)),
                ("c3 224x224 k64 7x7", (32, 3, 224, 224, 64, 7, 7)),
            )
        ),
        Case(
            id="c125 57x55 k130 3x3, odd, padded",
            shape=(31, 125, 57, 55, 130, 3, 3),
            params={"padding": 1, **_LAST},
        ),
    ),
    mutants=(
        Mutant(
            why="rows and columns of a dilation are exchanged",
            old="r = tap // S * dilation_h",
            new="r = tap // S * dilation_w",
            cases=("dilation",),
        ),
        Mutant(
            why="a window that leaves the picture reads its neighbour",
            old="seen & (h >= 0) & (h < H) & (w >= 0) & (w < W)\n        offsets = group",
            new="seen & (h >= 0) & (h < H) & (w < W)\n        offsets = group",
            cases=("padding",),
        ),
        Mutant(
            why="every group takes the first group's weights",
            old="w_ptr += group * (C * stride_wc if TURNED else K * stride_wk)",
            new="w_ptr += 0 * group * (C * stride_wc if TURNED else K * stride_wk)",
            cases=("groups",),
        ),
        Mutant(
            why="the gradient of x gathers windows that a stride left out",
            old="seen = (h % stride_h == 0) & (w % stride_w == 0)",
            new="seen = w % stride_w == 0",
            cases=("strides",),
        ),
        Mutant(
            why="the gradient of the weight forgets the padding",
            old="down = tap // S * dilation_h - padding_h",
            new="down = tap // S * dilation_h",
            cases=("padding",),
        ),
        Mutant(
            why="windows that leave the picture are stored by the flat path",
            old="max_constancy((w < OW) & (h < OH) & (n < n_images), EVEN)",
            new="max_constancy((h < OH) & (n < n_images), EVEN)",
            cases=("flat",),
        ),
        Mutant(
            why="the zeros of 'same' are one too many above",
            old="return (high // 2, wide // 2), (high, wide)",
            new="return ((high + 1) // 2, wide // 2), (high, wide)",
            cases=("same, even taps",),
        ),
        Mutant(
            why="a slab begins a channel late",
            old="strides = (height, 1, size[1] * channels, channels)",
            new="strides = (height, 1, size[1] * channels, channels - 1)",
            cases=("slabs",),
        ),
    ),
)
