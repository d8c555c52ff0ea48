"""What launchers share: checks of their input, the rows of a tensor, facts of the device."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from verified_kernels.autograd import wants_grad as wants_grad
from verified_kernels.errors import ArgumentError, DimensionError, DtypeError, UnsupportedError

FLOAT_DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})
# Where there is no GPU to ask: one, so that persistent programs take several turns on the few
# rows that the interpreter can be given.
_MULTIPROCESSORS_WITHOUT_GPU = 1
# Reductions across warps need a little beside the tiles.
_RESERVED_SHARED_BYTES = 2048


def check_float(op: str, **tensors: Tensor | None) -> None:
    """Passes when every tensor given is fp32, fp16 or bf16, all alike, on one device.

    Raises:
        DtypeError: a dtype is not one of the three, or two differ.
        ArgumentError: two tensors lie on different devices.
    """
    first_name, first = "", None
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if first is None:
            first_name, first = name, tensor
            if first.dtype not in FLOAT_DTYPES:
                raise DtypeError(
                    f"{op}: {name} is {tensor.dtype}; float32, float16 or bfloat16 is needed"
                )
        elif tensor.dtype != first.dtype:
            raise DtypeError(
                f"{op}: {name} is {tensor.dtype} and {first_name} is {first.dtype}; "
                "convert one of them"
            )
    check_device(op, **tensors)


def takes(*tensors: Tensor | None) -> bool:
    """True when the kernels compute these dtypes; all else is PyTorch's, errors included."""
    return all(tensor is None or tensor.dtype in FLOAT_DTYPES for tensor in tensors)


def check_device(op: str, **tensors: Tensor | None) -> None:
    """Passes when all tensors given lie on one device.

    Raises:
        ArgumentError: they do not.
    """
    given = [(name, tensor.device) for name, tensor in tensors.items() if tensor is not None]
    first_name, first = given[0]
    for name, device in given[1:]:
        if device != first:
            raise ArgumentError(
                f"{op}: {name} is on {device} and {first_name} on {first}; move one of them"
            )


def check_no_grad(op: str, *tensors: Tensor) -> None:
    """Passes when no gradient is wanted of an op that has none.

    Raises:
        UnsupportedError: a gradient is wanted, which would be lost unseen.
    """
    if wants_grad(*tensors):
        raise UnsupportedError(
            f"{op}: has no gradient; detach the input or call it under torch.no_grad"
        )


def cdiv(a: int, b: int) -> int:
    """A over b, rounded up, for positive b; `triton.cdiv` takes a microsecond more."""
    return -(-a // b)


def next_power_of_2(n: int) -> int:
    """The smallest power of two that is at least n, at least 1.

    Under torch.compile n may be a symbol; comparing it leaves a guard and a plain number, which
    block sizes and numbers of warps have to be.
    """
    power = 1
    while power < n:
        power *= 2
    return power


def normalized_dim(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front.

    Raises:
        DimensionError: there is no such dimension.
    """
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise DimensionError(f"{op}: dim {dim} is out of range for a tensor of {ndim} dimensions")
    return dim % size


def shape_of(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    normalized_shape: tuple[int, ...] | None,
) -> tuple[int, ...]:
    """What a norm spans: `normalized_shape`, weight's or bias's shape, or the last dimension."""
    if normalized_shape is not None:
        return normalized_shape
    given = weight if weight is not None else bias
    return tuple(x.shape[-1:] if given is None else given.shape)


def normalized_size(
    op: str,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    normalized_shape: tuple[int, ...] | None,
) -> int:
    """How many entries a norm over `shape_of` spans.

    Raises:
        ArgumentError: x does not end in that shape, or weight or bias has another.
    """
    shape = shape_of(x, weight, bias, normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise ArgumentError(
            f"{op}: the norm spans {shape}; x, of shape {tuple(x.shape)}, must end in it"
        )
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tuple(tensor.shape) != shape:
            raise ArgumentError(
                f"{op}: {name} has shape {tuple(tensor.shape)} and the norm spans {shape}; "
                "they must be alike"
            )
    return math.prod(shape)


def as_rows(x: Tensor) -> Tensor:
    """`x` as [n_rows, n_cols] with unit stride along the last dimension; a copy only if it must."""
    n_cols = x.shape[-1]
    rows = x.reshape(math.prod(x.shape[:-1]), n_cols)
    return rows if n_cols <= 1 or rows.stride(1) == 1 else rows.contiguous()


@functools.cache
def _cached_properties(index: int) -> tuple[int, int]:
    return _properties(index)


def _properties(index: int) -> tuple[int, int]:
    """Multiprocessors, and the bytes of shared memory that one program can have."""
    properties = torch.cuda.get_device_properties(index)
    return properties.multi_processor_count, properties.shared_memory_per_block_optin


def _of_device(device: torch.device) -> tuple[int, int]:
    # torch.compile looks through a cache, and warns that it does.
    lookup = _properties if torch.compiler.is_compiling() else _cached_properties
    return lookup(device.index or 0)


def multiprocessors(device: torch.device) -> int:
    """Multiprocessors of a GPU: how many programs a persistent grid starts, or a multiple."""
    return _of_device(device)[0] if device.type == "cuda" else _MULTIPROCESSORS_WITHOUT_GPU


def persistent_programs(
    n_rows: int, block_m: int, per_multiprocessor: int, device: torch.device, parts: int = 1
) -> int:
    """One program a block of rows, but at most so many on each multiprocessor.

    `parts` programs share a block of rows and count as one here.
    """
    blocks = -(-n_rows // block_m)
    return max(1, min(blocks, per_multiprocessor * multiprocessors(device) // parts))


def affordable_stages(wanted: int, tile_bytes: int, device: torch.device) -> int:
    """How many pipeline stages fit: each but the first keeps `tile_bytes` in shared memory."""
    if device.type != "cuda":
        return wanted
    room = _of_device(device)[1] - _RESERVED_SHARED_BYTES
    return max(1, min(wanted, 1 + room // tile_bytes))


def launch_options(num_warps: int, max_registers: int | None = None) -> dict[str, int]:
    """What a launch is given beside its arguments.

    `max_registers` of a thread bounds what the compiler uses, where more programs a
    multiprocessor are worth it. torch.compile does not know the option, nor does AMD's backend.
    """
    options = {"num_warps": num_warps}
    if max_registers and torch.version.hip is None and not torch.compiler.is_compiling():
        options["maxnreg"] = max_registers
    return options
