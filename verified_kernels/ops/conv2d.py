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
the windows that a pixel was in; dw is a product over all pixels (`_weight_kernel`). Each of the
three is linear in both its operands, and the derivative of one is made of the other two: so second
derivatives need nothing more.

**Traps.**
- The masked rows of the flat path read other pixels, or past the end: that is harmless only because
  a row of a product never reaches another row.
- A tile transposed for NCHW does not fit in registers beside its sums; a copy costs less than that.
- Padding cannot be masked in a tile that the copy engine brings: it is written, in the same pass
  that converts NCHW. A picture that needs neither is not copied.
- dw sums over all pixels, few tiles with long sums: it is split, and the splits are added in order.

**What bounds it.** As `matmul`; the flat path also computes `H W / (OH OW)` times what is asked
for. Grouped convolutions fill tiles only where a group has many channels. Licence: MIT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from verified_kernels.autograd import is_differentiated_again
from verified_kernels.errors import ArgumentError, DtypeError
from verified_kernels.launch import cdiv, multiprocessors, next_power_of_2, wants_grad
from verified_kernels.ops.matmul import GROUP_M, Tiling, fastest, multiply
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
from verified_kernels.structure import Structure
from verified_kernels.tiles import (
    as_autocast,
    copy_rows,
    describe,
    float32_precision,
    has_copy_engine,
    launch_on,
    opaque,
    tile_of,
)

METHODS = ("flat", "product", "slabs", "pointers")
STRUCTURE = {"_flat_kernel": Structure()}
BLOCK_K = 64  # channels a step of the flat path


@triton.jit
def _flat_kernel(
    x_desc,
    w_desc,
    y_ptr,
    bias_ptr,
    n_images,
    H,
    W,
    OH,
    OW,
    K,
    dilation_h,
    dilation_w,
    R: tl.constexpr,
    S: tl.constexpr,
    STEPS_C: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores y [n_images, OH, OW, K], contiguous, of x [n_images * H * W, C] and the taps w.

    w has up to K rows of R * S * STEPS_C * BLOCK_K, zero for channels past C; both are descriptors.
    bias [K] may be None. Grid: persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile of BLOCK_M pixels of x.
    num_m = tl.cdiv(n_images * H * W, BLOCK_M)
    num_n = tl.cdiv(K, BLOCK_N)
    for index in tl.range(tl.program_id(0), num_m * num_n, tl.num_programs(0), flatten=True):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        acc = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for step in range(R * S * STEPS_C):
            tap = step // STEPS_C
            moved = (tap // S) * dilation_h * W + (tap % S) * dilation_w
            a = x_desc.load([row * BLOCK_M + moved, step % STEPS_C * BLOCK_K])
            b = w_desc.load([col * BLOCK_N, step * BLOCK_K])
            acc = tl.dot(a, b.T, acc)
        pixels = row * BLOCK_M + tl.arange(0, BLOCK_M)
        w = pixels % W
        h = pixels // W % H
        n = pixels // (W * H)
        channels = col * BLOCK_N + tl.arange(0, BLOCK_N)
        if bias_ptr is not None:
            bias = tl.load(bias_ptr + channels, mask=channels < K, other=0.0)
            acc += bias.to(tl.float32)[None, :]
        offsets = ((n.to(tl.int64) * OH + h) * OW + w) * K
        inside = (w < OW) & (h < OH) & (n < n_images)
        y_ptrs = y_ptr + offsets[:, None] + channels[None, :]
        mask = inside[:, None] & (channels < K)[None, :]
        tl.store(y_ptrs, acc.to(y_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _store(y_ptr, y, offsets, inside, channels, wanted, stride_yk, CHANNELS_LAST: tl.constexpr):
    """Writes a tile y [pixels, channels], neighbours in memory side by side."""
    if CHANNELS_LAST:
        mask = inside[:, None] & wanted[None, :]
        tl.store(y_ptr + offsets[:, None] + channels[None, :], y, mask=mask)
    else:
        mask = wanted[:, None] & inside[None, :]
        y_ptrs = y_ptr + channels.to(tl.int64)[:, None] * stride_yk + offsets[None, :]
        tl.store(y_ptrs, y.T, mask=mask)


@triton.jit
def _pointer_kernel(
    x_ptr,
    w_ptr,
    y_ptr,
    bias_ptr,
    n_pixels,
    H,
    W,
    OH,
    OW,
    C,
    K,
    stride_xn,
    stride_xc,
    stride_xh,
    stride_xw,
    stride_wk,
    stride_wc,
    stride_wt,
    stride_yn,
    stride_yk,
    stride_yh,
    stride_yw,
    stride_h,
    stride_w,
    padding_h,
    padding_w,
    dilation_h,
    dilation_w,
    R: tl.constexpr,
    S: tl.constexpr,
    TURNED: tl.constexpr,
    MASKED: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    ALIGNED: tl.constexpr,
    PRECISION: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores y [N, groups * K, OH, OW] of x [N, groups * C, H, W], any strides, bias or None.

    The weight of output channel k, input channel c and tap t lies at `group * K * stride_wk + k *
    stride_wk + c * stride_wc + t * stride_wt`; TURNED, the gradient of x, has x for dy and `group *
    C * stride_wc`. MASKED: windows may leave the picture. ALIGNED: offsets of pixels in x are
    multiples of it. n_pixels is N * OH * OW. Grid: (tiles, groups).
    """
    # One program instance handles one tile of one group.
    num_n = tl.cdiv(K, BLOCK_N)
    row, col = tile_of(tl.program_id(0), tl.cdiv(n_pixels, BLOCK_M), num_n, GROUP_M)
    group = tl.program_id(1).to(tl.int64)
    pixels = row * BLOCK_M + tl.arange(0, BLOCK_M)
    # Rows past the end repeat the last pixel, and are not stored.
    at = tl.minimum(pixels, n_pixels - 1)
    j = at % OW
    i = at // OW % OH
    n = (at // (OW * OH)).to(tl.int64)
    channels = col * BLOCK_N + tl.arange(0, BLOCK_N)
    wanted = channels < K
    cs = tl.arange(0, BLOCK_K)
    w_ptr += group * (C * stride_wc if TURNED else K * stride_wk)
    steps_c = tl.cdiv(C, BLOCK_K)
    acc = tl.zeros([BLOCK_M, BLOCK_N], SUM)
    top = i + padding_h if TURNED else i * stride_h - padding_h
    left = j + padding_w if TURNED else j * stride_w - padding_w
    for step in range(R * S * steps_c):
        tap = step // steps_c
        c = step % steps_c * BLOCK_K + cs
        r = tap // S * dilation_h
        s = tap % S * dilation_w
        h = top - r if TURNED else top + r
        w = left - s if TURNED else left + s
        seen = tl.full([BLOCK_M], 1, tl.int1)
        if TURNED:
            seen = (h % stride_h == 0) & (w % stride_w == 0)
            h = h // stride_h
            w = w // stride_w
        if MASKED:
            seen = seen & (h >= 0) & (h < H) & (w >= 0) & (w < W)
        offsets = group * C * stride_xc + n * stride_xn + h.to(tl.int64) * stride_xh
        offsets = tl.multiple_of(offsets + w * stride_xw, ALIGNED)
        c_inside = c < C
        x_ptrs = x_ptr + offsets[:, None] + c[None, :] * stride_xc
        a = tl.load(x_ptrs, mask=seen[:, None] & c_inside[None, :], other=0.0)
        w_ptrs = w_ptr + tap * stride_wt + c[:, None] * stride_wc
        w_ptrs += channels[None, :] * stride_wk
        b = tl.load(w_ptrs, mask=c_inside[:, None] & wanted[None, :], other=0.0)
        acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=SUM)
    if bias_ptr is not None:
        bias = tl.load(bias_ptr + group * K + channels, mask=wanted, other=0.0)
        acc += bias.to(SUM)[None, :]
    y = acc.to(y_ptr.dtype.element_ty)
    y_ptr += group * K * stride_yk
    offsets = n * stride_yn + i.to(tl.int64) * stride_yh + j * stride_yw
    _store(y_ptr, y, offsets, pixels < n_pixels, channels, wanted, stride_yk, CHANNELS_LAST)


@triton.jit
def _weight_kernel(
    x_ptr,
    dy_ptr,
    part_ptr,
    n_pixels,
    H,
    W,
    OH,
    OW,
    C,
    K,
    stride_xn,
    stride_xc,
    stride_xh,
    stride_xw,
    stride_yn,
    stride_yk,
    stride_yh,
    stride_yw,
    stride_h,
    stride_w,
    padding_h,
    padding_w,
    dilation_h,
    dilation_w,
    S,
    n_taps,
    steps,
    PRECISION: tl.constexpr,
    SUM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Stores part [splits, groups * K, n_taps, C], dy times x summed over `steps` blocks of pixels.

    x [N, groups * C, H, W] and dy [N, groups * K, OH, OW] have any strides. BLOCK_M spans channels
    of dy, BLOCK_N of x, BLOCK_K pixels. Grid: (tiles of [K, C] * n_taps, groups, splits).
    """
    # One program instance handles one tile of one tap of one group, over one split of all pixels.
    tile = tl.program_id(0) // n_taps
    tap = tl.program_id(0) % n_taps
    group = tl.program_id(1).to(tl.int64)
    split = tl.program_id(2)
    num_n = tl.cdiv(C, BLOCK_N)
    k = tile // num_n * BLOCK_M + tl.arange(0, BLOCK_M)
    c = tile % num_n * BLOCK_N + tl.arange(0, BLOCK_N)
    down = tap // S * dilation_h - padding_h
    right = tap % S * dilation_w - padding_w
    dy_ptrs = dy_ptr + (group * K + k)[:, None] * stride_yk
    x_ptrs = x_ptr + (group * C + c)[None, :] * stride_xc
    acc = tl.zeros([BLOCK_M, BLOCK_N], SUM)
    for step in range(split * steps, (split + 1) * steps):
        pixels = step * BLOCK_K + tl.arange(0, BLOCK_K)
        j = pixels % OW
        i = pixels // OW % OH
        n = (pixels // (OW * OH)).to(tl.int64)
        h = i * stride_h + down
        w = j * stride_w + right
        inside = pixels < n_pixels
        of_dy = n * stride_yn + i.to(tl.int64) * stride_yh + j * stride_yw
        a = tl.load(dy_ptrs + of_dy[None, :], mask=(k < K)[:, None] & inside[None, :], other=0.0)
        seen = inside & (h >= 0) & (h < H) & (w >= 0) & (w < W)
        of_x = n * stride_xn + h.to(tl.int64) * stride_xh + w * stride_xw
        b = tl.load(x_ptrs + of_x[:, None], mask=seen[:, None] & (c < C)[None, :], other=0.0)
        acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=SUM)
    rows = (split.to(tl.int64) * tl.num_programs(1) + group) * K + k
    part_ptrs = part_ptr + (rows[:, None] * n_taps + tap) * C + c[None, :]
    tl.store(part_ptrs, acc, mask=(k < K)[:, None] & (c < C)[None, :])


@triton.jit
def _picture_kernel(
    x_ptr,
    y_ptr,
    C,
    H,
    W,
    padded_h,
    padded_w,
    padded_c,
    padding_h,
    padding_w,
    stride_xn,
    stride_xc,
    stride_xh,
    stride_xw,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Copies x [N, C, H, W] of any strides to y [N, padded_h, padded_w, padded_c], zero around it.

    Grid: (cdiv(padded_h * padded_w, BLOCK_P), cdiv(padded_c, BLOCK_C), N).
    """
    # One program instance handles BLOCK_P pixels and BLOCK_C channels of one picture.
    pixels = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    n = tl.program_id(2).to(tl.int64)
    h = pixels // padded_w - padding_h
    w = pixels % padded_w - padding_w
    seen = (h >= 0) & (h < H) & (w >= 0) & (w < W)
    offsets = n * stride_xn + h.to(tl.int64) * stride_xh + w * stride_xw
    x_ptrs = x_ptr + c.to(tl.int64)[:, None] * stride_xc + offsets[None, :]
    x = tl.load(x_ptrs, mask=(c < C)[:, None] & seen[None, :], other=0.0)
    inside = pixels < padded_h * padded_w
    y_ptrs = y_ptr + (n * padded_h * padded_w + pixels)[:, None] * padded_c + c[None, :]
    tl.store(y_ptrs, x.T, mask=inside[:, None] & (c < padded_c)[None, :])


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


def _window_of(numbers: Sequence[int]) -> Window:
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


def _is_channels_last(x: Tensor) -> bool:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return last and not x.is_contiguous()


def _empty(shape: Sequence[int], like: Tensor, *, channels_last: bool) -> Tensor:
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
    block_p = 4096 // block_c if block_c < 64 else 64
    grid = (cdiv(math.prod(size), block_p), cdiv(channels, block_c), n)
    launch_on(x.device, _picture_kernel, grid)(
        x, y, c, h, w, *size, channels, *corner, *x.stride(), block_p, block_c, num_warps=4
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
    # Tiles are stored by channels, a multiple of 16; another order is made of them afterwards.
    pitch = cdiv(k, 16) * 16
    apart = pitch != k or not window.channels_last
    last = _empty((n, pitch, oh, ow), y, channels_last=True) if apart else y
    if bias is not None and pitch != k:
        bias = torch.nn.functional.pad(bias, (0, pitch - k))
    tiles = tiling.tiles(rows.shape[1], pitch)
    launch_on(x.device, _flat_kernel, (min(tiles, multiprocessors(x.device)),))(
        describe(rows, [tiling.block_m, BLOCK_K]),
        describe(taps.reshape(1, k, -1), [tiling.block_n, BLOCK_K]),
        last,
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
        tiling.block_m,
        tiling.block_n,
        BLOCK_K,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )
    if apart:
        by_pixel = last.permute(0, 2, 3, 1).view(n, oh * ow, pitch)[:, :, :k]
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
    taps = _picture(weight, (r, s), (0, 0), channels).reshape(k, r, 1, s * channels)
    inner = replace(window, padding=(0, 0), dilation=(dilation_h, 1))
    _pointers(slabs, taps.permute(0, 3, 1, 2), bias, y, inner, turned=False)


def _pointers(
    x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, window: Window, *, turned: bool
) -> None:
    """Writes the convolution y of x; `turned`, y is the gradient of what gave x."""
    n, k, oh, ow = y.shape
    c, (h, w) = x.shape[1], x.shape[2:]
    r, s = weight.shape[2:]
    per_group = weight.shape[1]
    taps = _picture(weight, (r, s), (0, 0), per_group)  # [K, R, S, C / groups]
    stride_wk, stride_wt, stride_wc = r * s * per_group, per_group, 1
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
    launch_on(x.device, _pointer_kernel, (tiling.tiles(n * oh * ow, k), window.groups))(
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
        masked,
        window.channels_last,
        max(aligned, 1),
        _precision(x.dtype),
        _sum_of(x.dtype),
        tiling.block_m,
        tiling.block_n,
        block_k,
        GROUP_M,
        num_stages=tiling.num_stages,
        num_warps=tiling.num_warps,
    )


def _is_product(x: Tensor, weight: Tensor, bias: Tensor | None, out: Any, window: Window) -> bool:
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
    if _is_product(x, weight, bias, out, window):
        return "product"
    if c <= FEW_CHANNELS and window.dilation[1] == 1 and s > 1:
        return "slabs"
    rows = [o + d * (t - 1) for o, d, t in zip(out, window.dilation, (r, s), strict=True)]
    work = x.shape[0] * math.prod(out) * k * c * r * s
    wasted = math.prod(rows) / math.prod(out)
    if not unit or min(window.padding) < 0 or c < 16 or k < 32 or not has_copy_engine(x.device):
        return "pointers"
    return "flat" if work >= SMALL and wasted <= MOST_WASTE else "pointers"


def _convolve(
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
        return _empty(shape, x, channels_last=window.channels_last)
    method = method or _method_for(x, weight, bias, out, window)
    if method == "product":
        return _product(x, weight, bias, window)
    y = _empty(shape, x, channels_last=window.channels_last)
    if method == "flat":
        _flat(x, weight, bias, y, window)
    elif method == "slabs" and window.channels_last:
        _slabs(x, weight, bias, y, window)
    elif method == "slabs":
        # Stored by channels and copied: a tile has few neighbours along a row of NCHW.
        last = _empty(shape, x, channels_last=True)
        _slabs(x, weight, bias, last, replace(window, channels_last=True))
        copy_rows(last.permute(0, 2, 3, 1).reshape(x.shape[0], -1, shape[1]).mT, y.flatten(2))
    else:
        _pointers(x, weight, bias, y, window, turned=False)
    return y


def _turned(dy: Tensor, weight: Tensor, size: tuple[int, int], window: Window) -> Tensor:
    """The gradient of x [N, C, *size], from dy and the weight."""
    shape = (dy.shape[0], weight.shape[1] * window.groups, *size)
    if dy.numel() == 0 or weight.numel() == 0 or math.prod(shape) == 0:
        return torch.zeros(shape, dtype=dy.dtype, device=dy.device)
    back = window.turned((weight.shape[2], weight.shape[3]))
    if window.stride == (1, 1) and window.groups == 1 and min(back.padding) >= 0:
        # As many pixels below and to the right as the size asks for.
        return _convolve(dy, weight.flip(2, 3).transpose(0, 1), None, size, back)
    dx = _empty(shape, dy, channels_last=window.channels_last)
    _pointers(dy, weight, None, dx, window, turned=True)
    return dx


WEIGHT_TILES = {2: (64, 64, 64), 4: (64, 64, 32), 8: (32, 32, 16)}
FEWEST_STEPS = 16  # blocks of pixels that a split of a weight's gradient sums at least


def _weight_gradient(x: Tensor, dy: Tensor, taps: tuple[int, int], window: Window) -> Tensor:
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
    launch_on(x.device, _weight_kernel, (tiles, window.groups, splits))(
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


# torch.compile does not look into these three.


def _convolution_sizes(
    x: Tensor, weight: Tensor, bias: Any, out: Sequence[int], window: Sequence[int], method: Any
) -> Tensor:
    return _empty((x.shape[0], weight.shape[0], *out), x, channels_last=bool(window[-1]))


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
    return _convolve(x, weight, bias, (out[0], out[1]), _window_of(window), method)


def _turned_sizes(dy: Tensor, weight: Tensor, size: Sequence[int], window: Sequence[int]) -> Tensor:
    shape = (dy.shape[0], weight.shape[1] * window[-2], *size)
    return _empty(shape, dy, channels_last=bool(window[-1]))


@opaque(
    "conv2d_turned(Tensor dy, Tensor weight, SymInt[] size, int[] window) -> Tensor",
    _turned_sizes,
)
def _turned_convolution(
    dy: Tensor, weight: Tensor, size: Sequence[int], window: Sequence[int]
) -> Tensor:
    return _turned(dy, weight, (size[0], size[1]), _window_of(window))


def _weight_sizes(x: Tensor, dy: Tensor, taps: Sequence[int], window: Sequence[int]) -> Tensor:
    shape = (dy.shape[1], *taps, x.shape[1] // window[-2])
    return x.new_empty(shape).permute(0, 3, 1, 2)


@opaque("conv2d_weight(Tensor x, Tensor dy, SymInt[] taps, int[] window) -> Tensor", _weight_sizes)
def _weight_of(x: Tensor, dy: Tensor, taps: Sequence[int], window: Sequence[int]) -> Tensor:
    return _weight_gradient(x, dy, (taps[0], taps[1]), _window_of(window))


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
        return _turned(dy, weight, size, window)

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
        return _weight_gradient(x, dy, taps, window)

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
    last = _is_channels_last(pictures) or _is_channels_last(weight)
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
        "product": _is_product(x, weight, bias, out, window),
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
            old="inside = (w < OW) & (h < OH) & (n < n_images)",
            new="inside = (h < OH) & (n < n_images)",
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
