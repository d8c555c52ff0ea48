"""Which kernel computes a convolution or a gradient of one, on tensors brought into what order.

`conv2d.py` says what the paths are and why. Licence: MIT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from verified_kernels.launch import cdiv, multiprocessors, next_power_of_2
from verified_kernels.ops.conv2d_kernels import (
    flat_kernel,
    picture_kernel,
    pointer_kernel,
    weight_kernel,
)
from verified_kernels.ops.matmul import GROUP_M, Tiling, fastest, multiply
from verified_kernels.tiles import (
    copy_rows,
    describe,
    float32_precision,
    has_copy_engine,
    launch_on,
)

BLOCK_K = 64  # channels a step of the flat path


@dataclass(frozen=True, slots=True)
class Window:
    """How windows lie on a picture: (rows, columns) of each; `padding` is that above and left."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    channels_last: bool  # of what is stored

    def turned(self, taps: tuple[int, int]) -> Window:
        """Of the convolution that gives the gradient of x where strides are 1."""
        high, wide = (d * (t - 1) for d, t in zip(self.dilation, taps, strict=True))
        above, left = self.padding
        return replace(self, padding=(high - above, wide - left))

    def numbers(self) -> list[int]:
        """All of it as numbers, which an operator of torch.compile can be given."""
        return [*self.stride, *self.padding, *self.dilation, self.groups, int(self.channels_last)]


def window_of(numbers: Sequence[int]) -> Window:
    """The window that gave these `numbers`."""
    a, b, c, d, e, f, groups, channels_last = numbers
    return Window((a, b), (c, d), (e, f), groups, bool(channels_last))


# Flat tiles by what few, many and most output channels want; measured on an H200.
FLAT = {
    64: Tiling(256, 64, 64, 4, 8),
    128: Tiling(128, 128, 64, 4, 8),
    192: Tiling(256, 128, 64, 3, 8),
    256: Tiling(128, 256, 64, 3, 8),
}
BY_POINTER = {
    2: (
        Tiling(128, 128, 64, 3, 4),
        Tiling(128, 64, 64, 3, 4, 1, 0.8),
        Tiling(64, 32, 32, 3, 4, 1, 0.4),
    ),
    4: (Tiling(64, 64, 32, 3, 4), Tiling(64, 32, 32, 3, 4, 1, 0.6)),
    8: (Tiling(32, 32, 16, 2, 4),),
}
# Below so many multiply-adds, and above so much computed in vain, the flat path does not pay.
SMALL = 1 << 24
MOST_WASTE = 1.5
FEW_CHANNELS = 8


def _sum_of(dtype: torch.dtype) -> Any:
    return tl.float64 if dtype == torch.float64 else tl.float32


def _precision(dtype: torch.dtype) -> str:
    return float32_precision() if dtype == torch.float32 else "ieee"


def is_channels_last(x: Tensor) -> bool:
    """True when x lies channels-last and in no other order."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return last and not x.is_contiguous()


def empty(shape: Sequence[int], like: Tensor, *, channels_last: bool) -> Tensor:
    """A tensor of x's kind in one of the two orders."""
    kind = torch.channels_last if channels_last else torch.contiguous_format
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=kind)


def _picture(x: Tensor, size: tuple[int, int], corner: tuple[int, int], channels: int) -> Tensor:
    """X [N, C, H, W] as [N, *size, channels], with its first pixel at `corner` and zero elsewhere.

    Itself where it already lies so.
    """
    n, c, h, w = x.shape
    lies_so = x.is_contiguous(memory_format=torch.channels_last) and x.data_ptr() % 16 == 0
    if lies_so and size == (h, w) and channels == c:
        return x.permute(0, 2, 3, 1)
    y = torch.empty((n, *size, channels), dtype=x.dtype, device=x.device)
    block_c = 64 if channels >= 64 else next_power_of_2(channels)
    block_p = min(4096 // block_c, next_power_of_2(math.prod(size)))
    grid = (cdiv(math.prod(size), block_p), cdiv(channels, block_c), n)
    strides = x.stride()
    even = 1
    if size == (h, w) and strides[3] == 1 and strides[2] == w:
        # Nothing is added and rows follow one another: one row.
        h, w, size = 1, h * w, (1, h * w)
        even = math.gcd(8, w, strides[0], strides[1], x.data_ptr() // x.element_size())
    launch_on(x.device, picture_kernel, grid)(
        x, y, c, h, w, *size, channels, *corner, *strides, even, block_p, block_c, num_warps=4
    )
    return y


def _flat(x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, window: Window) -> None:
    n, k, oh, ow = y.shape
    _, c, r, s = weight.shape
    size = (oh + window.dilation[0] * (r - 1), ow + window.dilation[1] * (s - 1))
    picture = _picture(x, size, window.padding, cdiv(c, 8) * 8)
    steps_c = cdiv(c, BLOCK_K)
    taps = _picture(weight, (r, s), (0, 0), steps_c * BLOCK_K)
    rows = picture.reshape(1, -1, picture.shape[3])
    narrow = 128 if k <= 128 or n * oh * ow < 20_000 else 256
    tiling = FLAT[64 if k <= 64 else narrow if k <= 128 or k % 256 == 0 else 192]
    # Tiles are stored by pixels, two or more at once, or by channels, a multiple of 16; what is
    # wanted otherwise is made of the latter.
    even = math.gcd(8, size[1], ow)
    by_channel = window.channels_last or even == 1
    pitch = cdiv(k, 16) * 16 if by_channel else k
    apart = by_channel and (pitch != k or not window.channels_last)
    out = empty((n, pitch, oh, ow), y, channels_last=True) if apart else y
    if bias is not None and pitch != k:
        bias = torch.nn.functional.pad(bias, (0, pitch - k))
    tiles = tiling.tiles(rows.shape[1], pitch)
    launch_on(x.device, flat_kernel, (min(tiles, multiprocessors(x.device)),))(
        describe(rows, [tiling.block_m, BLOCK_K]),
        describe(taps.reshape(1, k, -1), [tiling.block_n, BLOCK_K]),
        out,
        bias,
        n,
        *size,
        oh,
        ow,
        pitch,
        *window.dilation,
        r,
        s,
        steps_c,
        by_channel,
        even,
        tiling.block_m,
        tiling.block_n,
        BLOCK_K,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    if apart:
        by_pixel = out.permute(0, 2, 3, 1).view(n, oh * ow, pitch)[:, :, :k]
        if window.channels_last:
            copy_rows(by_pixel, y.permute(0, 2, 3, 1).view(n, oh * ow, k))
        else:
            copy_rows(by_pixel.mT, y.view(n, k, oh * ow))


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    n, c, h, w = x.shape
    k = weight.shape[0]
    matrix = weight.reshape(k, c)
    if window.channels_last:
        rows = x.permute(0, 2, 3, 1).reshape(1, n * h * w, c)
        return multiply(rows, matrix.mT[None], bias)[0].view(n, h, w, k).permute(0, 3, 1, 2)
    return multiply(matrix.expand(n, k, c), x.reshape(n, c, h * w))[0].view(n, k, h, w)


def _slabs(x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, window: Window) -> None:
    """Rows of a window as the channels of a convolution R x 1."""
    n, c = x.shape[:2]
    k, _, r, s = weight.shape
    (stride_h, stride_w), (dilation_h, _) = window.stride, window.dilation
    size = (
        (y.shape[2] - 1) * stride_h + dilation_h * (r - 1) + 1,
        (y.shape[3] - 1) * stride_w + s,
    )
    channels = 4 if c <= 4 else 8
    picture = _picture(x, size, window.padding, channels)
    width = size[1] - s + 1
    height = size[0] * size[1] * channels
    strides = (height, 1, size[1] * channels, channels)
    slabs = picture.as_strided((n, s * channels, size[0], width), strides)
    # Zeros behind a row of taps, so that weights are read in the largest vectors.
    apart = cdiv(s * channels, 32) * 32
    taps = _picture(weight, (r, apart // channels), (0, 0), channels).view(k, r, 1, apart)
    inner = replace(window, padding=(0, 0), dilation=(dilation_h, 1))
    taps = taps[..., : s * channels].permute(0, 3, 1, 2)
    _pointers(slabs, taps, bias, y, inner, filled=True)


def _pointers(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    y: Tensor,
    window: Window,
    *,
    turned: bool = False,
    filled: bool = False,
) -> None:
    """Writes the convolution y of x; `turned`, y is the gradient of what gave x.

    `filled`: behind the channels of each tap lie zeros, up to a multiple of 32.
    """
    n, k, oh, ow = y.shape
    c, (h, w) = x.shape[1], x.shape[2:]
    r, s = weight.shape[2:]
    per_group = weight.shape[1]
    if weight.stride(1) == 1 and (s == 1 or weight.stride(2) == s * weight.stride(3)):
        taps, stride_wk = weight, weight.stride(0)
        stride_wt = weight.stride(3) if s > 1 else weight.stride(2)
    else:
        taps = _picture(weight, (r, s), (0, 0), per_group)  # [K, R, S, C / groups]
        stride_wk, stride_wt = r * s * per_group, per_group
    stride_wc = 1
    if turned:
        stride_wk, stride_wc = stride_wc, stride_wk
    c, k = c // window.groups, k // window.groups
    reach = [
        (out - 1) * st + d * (t - 1) - p
        for out, st, d, t, p in zip(
            (oh, ow), window.stride, window.dilation, (r, s), window.padding, strict=True
        )
    ]
    masked = turned or max(window.padding) > 0 or reach[0] >= h or reach[1] >= w
    tilings = BY_POINTER[x.element_size()]
    if k <= 16 and x.element_size() < 8:
        tilings = (Tiling(128, 16, 32, 3, 4),)
    tiling = fastest(tilings, n * oh * ow, k, window.groups, multiprocessors(x.device))
    block_k = min(tiling.block_k, max(16, next_power_of_2(c)))
    aligned = math.gcd(16, *x.stride()[2:], x.stride(0), c * x.stride(1))
    launch_on(x.device, pointer_kernel, (tiling.tiles(n * oh * ow, k), window.groups))(
        x,
        taps,
        y,
        bias,
        n * oh * ow,
        h,
        w,
        oh,
        ow,
        c,
        k,
        *x.stride(),
        stride_wk,
        stride_wc,
        stride_wt,
        *y.stride(),
        *window.stride,
        *window.padding,
        *window.dilation,
        r,
        s,
        turned,
        filled and block_k <= 32,
        masked,
        window.channels_last,
        max(aligned, 1),
        math.gcd(16, c),
        math.gcd(8, oh * ow) if y.is_contiguous() else 1,
        _precision(x.dtype),
        _sum_of(x.dtype),
        tiling.block_m,
        tiling.block_n,
        block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )


def is_product(x: Tensor, weight: Tensor, bias: Tensor | None, out: Any, window: Window) -> bool:
    """Whether a product of matrices as they lie is the whole convolution."""
    single = tuple(weight.shape[2:]) == (1, 1) and window.stride == (1, 1) and window.groups == 1
    # In NCHW a bias would go along rows of the product, which knows one along columns.
    return single and tuple(x.shape[2:]) == out and (bias is None or window.channels_last)


def _method_for(x: Tensor, weight: Tensor, bias: Tensor | None, out: Any, window: Window) -> str:
    """The path that a convolution takes."""
    k, c, r, s = weight.shape
    if window.groups > 1 or x.element_size() > 2:
        return "pointers"
    unit = window.stride == (1, 1)
    if is_product(x, weight, bias, out, window):
        return "product"
    if c <= FEW_CHANNELS and window.dilation[1] == 1 and s > 1:
        return "slabs"
    rows = [o + d * (t - 1) for o, d, t in zip(out, window.dilation, (r, s), strict=True)]
    work = x.shape[0] * math.prod(out) * k * c * r * s
    wasted = math.prod(rows) / math.prod(out)
    if not unit or min(window.padding) < 0 or c < 16 or k < 32 or not has_copy_engine(x.device):
        return "pointers"
    return "flat" if work >= SMALL and wasted <= MOST_WASTE else "pointers"


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    out: tuple[int, int],
    window: Window,
    method: str | None = None,
) -> Tensor:
    """The convolution [N, K, *out] of x [N, C, H, W] and weight [K, C / groups, R, S]."""
    shape = (x.shape[0], weight.shape[0], *out)
    if math.prod(shape) == 0:
        return empty(shape, x, channels_last=window.channels_last)
    method = method or _method_for(x, weight, bias, out, window)
    if method == "product":
        return _product(x, weight, bias, window)
    y = empty(shape, x, channels_last=window.channels_last)
    if method == "flat":
        _flat(x, weight, bias, y, window)
    elif method == "slabs":
        _slabs(x, weight, bias, y, window)
    else:
        _pointers(x, weight, bias, y, window)
    return y


def gradient_of_x(dy: Tensor, weight: Tensor, size: tuple[int, int], window: Window) -> Tensor:
    """The gradient of x [N, C, *size], from dy and the weight."""
    shape = (dy.shape[0], weight.shape[1] * window.groups, *size)
    if dy.numel() == 0 or weight.numel() == 0 or math.prod(shape) == 0:
        return torch.zeros(shape, dtype=dy.dtype, device=dy.device)
    back = window.turned((weight.shape[2], weight.shape[3]))
    if window.stride == (1, 1) and window.groups == 1 and min(back.padding) >= 0:
        # As many pixels below and to the right as the size asks for.
        return convolve(dy, weight.flip(2, 3).transpose(0, 1), None, size, back)
    dx = empty(shape, dy, channels_last=window.channels_last)
    _pointers(dy, weight, None, dx, window, turned=True)
    return dx


WEIGHT_TILES = {2: (64, 64, 64), 4: (64, 64, 32), 8: (32, 32, 16)}
FEWEST_STEPS = 16  # blocks of pixels that a split of a weight's gradient sums at least


def gradient_of_weight(x: Tensor, dy: Tensor, taps: tuple[int, int], window: Window) -> Tensor:
    """The gradient of the weight [K, C / groups, *taps], from x and dy."""
    n, k, oh, ow = dy.shape
    c = x.shape[1] // window.groups
    shape = (k, c, *taps)
    if dy.numel() == 0 or x.numel() == 0:
        return torch.zeros(shape, dtype=dy.dtype, device=dy.device)
    n_taps = math.prod(taps)
    of_group = k // window.groups
    block_m, block_n, block_k = WEIGHT_TILES[x.element_size()]
    block_m = min(block_m, max(16, next_power_of_2(of_group)))
    block_n = min(block_n, max(16, next_power_of_2(c)))
    tiles = cdiv(of_group, block_m) * cdiv(c, block_n) * n_taps
    blocks = cdiv(n * oh * ow, block_k)
    wanted = cdiv(4 * multiprocessors(x.device), tiles * window.groups)
    steps = max(cdiv(blocks, wanted), min(FEWEST_STEPS, blocks))
    splits = cdiv(blocks, steps)
    sums = torch.float64 if x.dtype == torch.float64 else torch.float32
    part = torch.empty((splits, k, n_taps, c), dtype=sums, device=x.device)
    launch_on(x.device, weight_kernel, (tiles, window.groups, splits))(
        x,
        dy,
        part,
        n * oh * ow,
        *x.shape[2:],
        oh,
        ow,
        c,
        of_group,
        *x.stride(),
        *dy.stride(),
        *window.stride,
        *window.padding,
        *window.dilation,
        taps[1],
        n_taps,
        steps,
        _precision(x.dtype),
        _sum_of(x.dtype),
        block_m,
        block_n,
        block_k,
        num_stages=3,
        num_warps=4,
    )
    total = part[0] if splits == 1 else part.sum(0)
    return total.to(x.dtype).view(k, *taps, c).permute(0, 3, 1, 2)
