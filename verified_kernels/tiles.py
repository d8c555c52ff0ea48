"""What products on tensor cores share: the order of tiles, descriptors, repacking, autocast."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

from verified_kernels.launch import cdiv
from verified_kernels.ops.activations import _tanh, gelu_and_slope
from verified_kernels.replay import launch

# The copy engine of sm_90 moves tiles whose rows begin at multiples of so many bytes.
ALIGNMENT = 16
LINE = 128  # bytes of a line of the L2 cache
T = TypeVar("T")
ACTIVATIONS = ("relu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh")


@triton.jit
def tile_of(index, num_m, num_n, GROUP_M: tl.constexpr):
    """Row and column of tile `index` of [num_m, num_n], walked in bands of GROUP_M rows.

    Programs that run side by side then share rows of a and columns of b in the L2 cache.
    """
    band = index // (GROUP_M * num_n)
    height = tl.minimum(num_m - band * GROUP_M, GROUP_M)
    within = index % (GROUP_M * num_n)
    return band * GROUP_M + within % height, within // height


@triton.jit
def _pack_kernel(
    x_ptr,
    y_ptr,
    n_rows,
    n_cols,
    stride_xb,
    stride_xm,
    stride_xn,
    stride_ym,
    EVEN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Copies x [batch, n_rows, n_cols] of any strides to rows that are stride_ym apart.

    n_cols and stride_ym are multiples of EVEN, so that as many entries are stored at once.
    Grid: (tiles of BLOCK_M x BLOCK_N over all of x,).
    """
    # One program instance handles one tile of one matrix.
    num_n = tl.cdiv(n_cols, BLOCK_N)
    tiles = tl.cdiv(n_rows, BLOCK_M) * num_n
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    rows = (tile // num_n) * BLOCK_M + tl.arange(0, BLOCK_M)
    cols = (tile % num_n) * BLOCK_N + tl.arange(0, BLOCK_N)
    inside = (rows < n_rows)[:, None] & tl.max_constancy(cols < n_cols, EVEN)[None, :]
    rows, cols = rows.to(tl.int64)[:, None], cols.to(tl.int64)[None, :]
    x = tl.load(x_ptr + batch * stride_xb + rows * stride_xm + cols * stride_xn, mask=inside)
    y_rows = tl.multiple_of((batch * n_rows + rows) * stride_ym, (EVEN, EVEN))
    tl.store(y_ptr + y_rows + cols, x, mask=inside)


@triton.jit
def activate(x, ACTIVATION: tl.constexpr):
    """The activation of that name, or x itself, for an fp32 tile; the names are `ACTIVATIONS`."""
    if ACTIVATION == "relu":
        x = tl.where(x < 0, 0.0, x)
    elif ACTIVATION == "gelu":
        x, _ = gelu_and_slope(x)
    elif ACTIVATION == "gelu_tanh":
        # x s(2u) with u = sqrt(2 / pi) (x + 0.044715 x^3); 2.302208 is 2 sqrt(2 / pi) log2(e).
        x = x / (1.0 + tl.exp2(-2.302208198144325 * (x + 0.044715 * x * x * x)))
    elif ACTIVATION == "silu":
        x = x / (1.0 + tl.exp2(-1.4426950408889634 * x))
    elif ACTIVATION == "sigmoid":
        x = 1.0 / (1.0 + tl.exp2(-1.4426950408889634 * x))
    elif ACTIVATION == "tanh":
        x = _tanh(x)
    return x


def is_packed(x: Tensor) -> bool:
    """True when the copy engine can read x [batch, rows, cols] along its last dimension."""
    size = x.element_size()
    return (
        (x.stride(2) == 1 or x.shape[2] == 1)
        and x.stride(1) * size % ALIGNMENT == 0
        and x.stride(0) * size % ALIGNMENT == 0
        and x.stride(1) > 0
        and x.data_ptr() % ALIGNMENT == 0
    )


def packed(x: Tensor) -> Tensor:
    """A copy of x [batch, rows, cols] whose rows begin at multiples of 128 bytes.

    16 would do for the copy engine; but then a tile's rows lie across lines of the L2 cache.
    """
    if x.shape[0] > 1 and x.stride(0) == 0:
        return packed(x[:1]).expand(x.shape)
    y = padded_like(x)
    copy_rows(x, y)
    return y


def padded_like(x: Tensor) -> Tensor:
    """An empty tensor [batch, rows, cols] whose rows begin at multiples of 128 bytes."""
    batch, n_rows, n_cols = x.shape
    per_line = LINE // x.element_size()
    width = cdiv(n_cols, per_line) * per_line
    y = torch.empty((batch, n_rows, width), dtype=x.dtype, device=x.device)
    return y[:, :, :n_cols]


def copy_rows(x: Tensor, y: Tensor) -> None:
    """Copies x [batch, rows, cols] of any strides to y, whose matrices follow one another."""
    batch, n_rows, n_cols = x.shape
    block_m, block_n = (16, 256) if x.stride(2) == 1 else (64, 64)
    grid = (batch * cdiv(n_rows, block_m) * cdiv(n_cols, block_n),)
    even = math.gcd(16, n_cols, y.stride(1))
    launch_on(x.device, _pack_kernel, grid)(
        x, y, n_rows, n_cols, *x.stride(), y.stride(1), even, block_m, block_n, num_warps=4
    )


def lies_transposed(x: Tensor) -> bool:
    """True when x [batch, rows, cols] is read faster down its columns than along its rows."""
    return x.stride(1) == 1 and x.stride(2) != 1


def describe(x: Tensor, block: list[int]) -> TensorDescriptor:
    """A descriptor of x for tiles of `block`, over its last dimensions if `block` has fewer."""
    skipped = x.ndim - len(block)
    strides = [*x.stride()[skipped:-1], 1]
    return TensorDescriptor(x, list(x.shape[skipped:]), strides, block)


def launch_on(_: torch.device, kernel: Any, grid: tuple[int, ...]) -> Callable[..., Any]:
    """`kernel[grid]` on the device of the first tensor or descriptor among the arguments."""
    return launch(kernel, grid)


@functools.cache
def _has_copy_engine(index: int) -> bool:
    return torch.version.hip is None and torch.cuda.get_device_capability(index) >= (9, 0)


def has_copy_engine(device: torch.device) -> bool:
    """True when tiles can be moved by descriptor; the interpreter stands for such a GPU."""
    return device.type != "cuda" or _has_copy_engine(device.index or 0)


_works: dict[tuple[str, int], bool] = {}


def works_on(name: str, device: torch.device, probe: Callable[[torch.device], bool]) -> bool:
    """True where a Gluon path can be taken: on an sm_90 GPU where `probe`, tried once, is right.

    Releases of Triton change Gluon; trying it says more than their numbers. While a graph is
    captured nothing can be tried, and the answer is False until it has been. On the CPU a launch
    can only be recorded, for the compile matrix; the interpreter does not know Gluon.
    """
    if device.type != "cuda":
        return not triton.knobs.runtime.interpret
    if torch.version.hip is not None or torch.cuda.get_device_capability(device) != (9, 0):
        return False
    key = (name, device.index or 0)
    if key not in _works:
        if torch.cuda.is_current_stream_capturing():
            return False
        try:
            _works[key] = probe(device)
        except Exception:
            # Whatever Gluon of this release raises, the other paths do not need it.
            _works[key] = False
    return _works[key]


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype that autocast asks a product for on this device, or None where it is off."""
    if not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def as_autocast(*tensors: Tensor | None) -> tuple[Any, ...]:
    """The tensors in the dtype that autocast asks for; themselves where it is off."""
    first = next(t for t in tensors if t is not None)
    dtype = autocast_dtype(first.device)
    if dtype is None:
        return tensors
    return tuple(
        t.to(dtype) if t is not None and t.is_floating_point() and t.dtype != torch.float64 else t
        for t in tensors
    )


def float32_precision() -> str:
    """How fp32 operands are multiplied: "tf32" where torch allows it, else "ieee"."""
    settings: Any = torch.backends.cuda.matmul
    # Newer releases raise when the older of the two names is read after the newer was set.
    if hasattr(settings, "fp32_precision"):
        return "tf32" if settings.fp32_precision == "tf32" else "ieee"
    return "tf32" if settings.allow_tf32 else "ieee"


def opaque(
    schema: str, sizes: Callable[..., Any]
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Makes a launcher one operator to torch.compile, which then does not look inside.

    `sizes` takes all of the same arguments and gives empty tensors like the results, their strides
    included. Outside of torch.compile the launcher is called as it is: the dispatcher would add
    some microseconds.
    """

    def wrap(launcher: Callable[..., T]) -> Callable[..., T]:
        name, _, signature = schema.partition("(")
        parameters = inspect.signature(launcher)
        operator = torch.library.custom_op(
            f"verified_kernels::{name}", launcher, mutates_args=(), schema=f"({signature}"
        )

        @operator.register_fake
        def like(*args: Any, **kwargs: Any) -> Any:
            # The dispatcher leaves out arguments that equal their defaults.
            given = parameters.bind(*args, **kwargs)
            given.apply_defaults()
            return sizes(*given.args, **given.kwargs)

        @functools.wraps(launcher)
        def call(*args: Any, **kwargs: Any) -> T:
            if torch.compiler.is_compiling():
                return operator(*args, **kwargs)
            return launcher(*args, **kwargs)

        return call

    return wrap
