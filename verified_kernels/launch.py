"""What launchers share: checks of their input, the rows of a tensor, facts of the device."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

FLOAT_DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})
# Where there is no GPU to ask: one, so that persistent programs take several turns on the few
# rows that the interpreter can be given.
_MULTIPROCESSORS_WITHOUT_GPU = 1
# Reductions across warps need a little beside the tiles.
_RESERVED_SHARED_BYTES = 2048


def check_float(op: str, **tensors: Tensor | None) -> None:
    """Passes when every tensor given is fp32, fp16 or bf16, all alike, on one device.

    Raises:
        TypeError: a dtype is not one of the three, or two differ.
        ValueError: two tensors lie on different devices.
    """
    first_name, first = "", None
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if first is None:
            first_name, first = name, tensor
            if first.dtype not in FLOAT_DTYPES:
                raise TypeError(
                    f"{op}: {name} is {tensor.dtype}; float32, float16 or bfloat16 is needed"
                )
        elif tensor.dtype != first.dtype:
            raise TypeError(
                f"{op}: {name} is {tensor.dtype} and {first_name} is {first.dtype}; "
                "convert one of them"
            )
        elif tensor.device != first.device:
            raise ValueError(
                f"{op}: {name} is on {tensor.device} and {first_name} on {first.device}; "
                "move one of them"
            )


def check_no_grad(op: str, *tensors: Tensor) -> None:
    """Passes when no gradient is wanted of an op that has none.

    Raises:
        ValueError: autograd records and a tensor takes a gradient, which would be lost unseen.
    """
    if wants_grad(*tensors):
        raise ValueError(f"{op}: has no gradient; detach the input or call it under torch.no_grad")


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
        IndexError: there is no such dimension.
    """
    size = max(ndim, 1)
    if not -size <= dim < size:
        raise IndexError(f"{op}: dim {dim} is out of range for a tensor of {ndim} dimensions")
    return dim % size


def check_affine(op: str, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> int:
    """How many entries a norm over weight's dimensions spans.

    Raises:
        ValueError: x does not end in weight's shape, or bias has another shape.
    """
    if weight.ndim == 0 or x.shape[-weight.ndim :] != weight.shape:
        raise ValueError(
            f"{op}: weight has shape {tuple(weight.shape)}; x, of shape {tuple(x.shape)}, "
            "must end in it"
        )
    if bias is not None and bias.shape != weight.shape:
        raise ValueError(
            f"{op}: bias has shape {tuple(bias.shape)} and weight {tuple(weight.shape)}; "
            "they must be alike"
        )
    return weight.numel()


def as_rows(x: Tensor) -> Tensor:
    """`x` as [n_rows, n_cols] with unit stride along the last dimension; a copy only if it must."""
    n_cols = x.shape[-1]
    rows = x.reshape(math.prod(x.shape[:-1]), n_cols)
    return rows if n_cols <= 1 or rows.stride(1) == 1 else rows.contiguous()


def wants_grad(*tensors: Tensor | None) -> bool:
    """True when autograd records and one of the tensors takes a gradient."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


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
