"""The kernels of `conv2d.py`, which has the maths, the paths and the traps. Licence: MIT."""

from __future__ import annotations

import triton
import triton.language as tl

from verified_kernels.structure import Structure
from verified_kernels.tiles import tile_of

STRUCTURE = {"flat_kernel": Structure()}


@triton.jit
def _store(
    y_ptr,
    y,
    offsets,
    inside,
    channels,
    wanted,
    stride_yk,
    CHANNELS_LAST: tl.constexpr,
    EVEN: tl.constexpr,
):
    """Writes a tile y, [pixels, channels] or, of NCHW, [channels, pixels].

    EVEN pixels, from multiples of it on, lie side by side at multiples of it, and all or none are
    inside; the caller tells the compiler, which forgets what an argument is said to be.
    """
    if CHANNELS_LAST:
        mask = inside[:, None] & wanted[None, :]
        tl.store(y_ptr + offsets[:, None] + channels[None, :], y, mask=mask)
    else:
        of_channels = tl.multiple_of(channels.to(tl.int64) * stride_yk, EVEN)
        mask = wanted[:, None] & inside[None, :]
        tl.store(y_ptr + of_channels[:, None] + offsets[None, :], y, mask=mask)


@triton.jit
def flat_kernel(
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
    CHANNELS_LAST: tl.constexpr,
    EVEN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP_M: tl.constexpr,
):
    """Stores y [n_images, OH, OW, K], contiguous, of x [n_images * H * W, C] and the taps w.

    Without CHANNELS_LAST y is [n_images, K, OH, OW]; W and OW are multiples of EVEN. w has up to K
    rows of R * S * STEPS_C * BLOCK_K, zero for channels past C; both are descriptors. bias [K] may
    be None. Grid: persistent. Sums are fp32.
    """
    # One program instance handles every num_programs-th tile of BLOCK_M pixels of x.
    num_m = tl.cdiv(n_images * H * W, BLOCK_M)
    num_n = tl.cdiv(K, BLOCK_N)
    for index in tl.range(tl.program_id(0), num_m * num_n, tl.num_programs(0), flatten=True):
        row, col = tile_of(index, num_m, num_n, GROUP_M)
        # In NCHW the product is turned, so that its rows are neighbours in y.
        acc = tl.zeros([BLOCK_M, BLOCK_N] if CHANNELS_LAST else [BLOCK_N, BLOCK_M], tl.float32)
        for step in range(R * S * STEPS_C):
            tap = step // STEPS_C
            moved = (tap // S) * dilation_h * W + (tap % S) * dilation_w
            a = x_desc.load([row * BLOCK_M + moved, step % STEPS_C * BLOCK_K])
            b = w_desc.load([col * BLOCK_N, step * BLOCK_K])
            acc = tl.dot(a, b.T, acc) if CHANNELS_LAST else tl.dot(b, a.T, acc)
        pixels = row * BLOCK_M + tl.arange(0, BLOCK_M)
        w = pixels % W
        h = pixels // W % H
        n = pixels // (W * H)
        channels = col * BLOCK_N + tl.arange(0, BLOCK_N)
        if bias_ptr is not None:
            bias = tl.load(bias_ptr + channels, mask=channels < K, other=0.0)
            acc += bias.to(tl.float32)[None, :] if CHANNELS_LAST else bias.to(tl.float32)[:, None]
        inside = tl.max_constancy((w < OW) & (h < OH) & (n < n_images), EVEN)
        if CHANNELS_LAST:
            offsets = ((n.to(tl.int64) * OH + h) * OW + w) * K
        else:
            offsets = n.to(tl.int64) * K * OH * OW + h * OW + w
            offsets = tl.max_contiguous(tl.multiple_of(offsets, EVEN), EVEN)
        y = acc.to(y_ptr.dtype.element_ty)
        _store(y_ptr, y, offsets, inside, channels, channels < K, OH * OW, CHANNELS_LAST, EVEN)


@triton.jit
def pointer_kernel(
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
    FILLED: tl.constexpr,
    MASKED: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    ALIGNED: tl.constexpr,
    EVEN: tl.constexpr,
    EVEN_Y: tl.constexpr,
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
    C * stride_wc`. FILLED: past C lie zeros, up to a multiple of BLOCK_K. MASKED: windows may leave
    the picture. ALIGNED: offsets of pixels in x are multiples of it; EVEN: so is C of that. EVEN_Y
    is the EVEN of `_store`. n_pixels is N * OH * OW. Grid: (tiles, groups).
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
    # In NCHW the product is turned, so that its rows are neighbours in y.
    acc = tl.zeros([BLOCK_M, BLOCK_N] if CHANNELS_LAST else [BLOCK_N, BLOCK_M], SUM)
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
        c_inside = tl.max_constancy(c < C, EVEN)
        x_ptrs = x_ptr + offsets[:, None] + c[None, :] * stride_xc
        a = tl.load(x_ptrs, mask=seen[:, None] & c_inside[None, :], other=0.0)
        w_ptrs = w_ptr + tap * stride_wt + c[:, None] * stride_wc
        w_ptrs += channels[None, :] * stride_wk
        w_mask = wanted[None, :] if FILLED else c_inside[:, None] & wanted[None, :]
        b = tl.load(w_ptrs, mask=w_mask, other=0.0)
        if CHANNELS_LAST:
            acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=SUM)
        else:
            acc = tl.dot(b.T, a.T, acc, input_precision=PRECISION, out_dtype=SUM)
    if bias_ptr is not None:
        bias = tl.load(bias_ptr + group * K + channels, mask=wanted, other=0.0)
        acc += bias.to(SUM)[None, :] if CHANNELS_LAST else bias.to(SUM)[:, None]
    y = acc.to(y_ptr.dtype.element_ty)
    y_ptr += group * K * stride_yk
    offsets = n * stride_yn + i.to(tl.int64) * stride_yh + j * stride_yw
    if not CHANNELS_LAST:
        offsets = tl.max_contiguous(tl.multiple_of(offsets, EVEN_Y), EVEN_Y)
    inside = tl.max_constancy(pixels < n_pixels, EVEN_Y)
    _store(y_ptr, y, offsets, inside, channels, wanted, stride_yk, CHANNELS_LAST, EVEN_Y)


@triton.jit
def weight_kernel(
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
def picture_kernel(
    x_ptr,
    y_ptr,
    C,
    H,
    W,
    padded_h,
    padded_w,
    padded_c: tl.constexpr,
    padding_h,
    padding_w,
    stride_xn,
    stride_xc,
    stride_xh,
    stride_xw,
    EVEN: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Copies x [N, C, H, W] of any strides to y [N, padded_h, padded_w, padded_c], zero around it.

    EVEN neighbours in a row of y come from neighbours in x, at multiples of EVEN.
    Grid: (cdiv(padded_h * padded_w, BLOCK_P), cdiv(padded_c, BLOCK_C), N).
    """
    # One program instance handles BLOCK_P pixels and BLOCK_C channels of one picture.
    pixels = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    n = tl.program_id(2).to(tl.int64)
    h = pixels // padded_w - padding_h
    w = pixels % padded_w - padding_w
    seen = (h >= 0) & (h < H) & (w >= 0) & (w < W)
    seen = tl.max_constancy(seen, EVEN)
    offsets = n * stride_xn + h.to(tl.int64) * stride_xh + w * stride_xw
    offsets = tl.max_contiguous(tl.multiple_of(offsets, EVEN), EVEN)
    x_ptrs = x_ptr + tl.multiple_of(c.to(tl.int64) * stride_xc, EVEN)[:, None] + offsets[None, :]
    x = tl.load(x_ptrs, mask=(c < C)[:, None] & seen[None, :], other=0.0)
    inside = pixels < padded_h * padded_w
    y_ptrs = y_ptr + (n * padded_h * padded_w + pixels)[:, None] * padded_c + c[None, :]
    tl.store(y_ptrs, x.T, mask=inside[:, None] & (c < padded_c)[None, :])
