"""The dtype of a result: the input's, unless autocast has PyTorch compute the op in fp32."""

from __future__ import annotations

import torch
from torch import Tensor

# Op -> the operators that PyTorch makes of it; one that autocast knows decides.
_OPERATORS = {
    "softmax": ("softmax.int",),
    "layer_norm": ("layer_norm",),
    "rms_norm": ("rms_norm",),
    "cross_entropy": ("cross_entropy_loss", "nll_loss"),
    "sum": ("sum.dim_IntList",),
}
_KEYS = {"cuda": "AutocastCUDA", "cpu": "AutocastCPU"}


def _knows(operator: str, key: str) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{operator}", key))


IN_FLOAT32 = frozenset(
    (op, device)
    for op, operators in _OPERATORS.items()
    for device, key in _KEYS.items()
    if any(_knows(operator, key) for operator in operators)
)
"""Op and type of device where autocast means fp32, as the PyTorch at hand has it: its lists differ
between CPU and GPU, and between releases."""


def result_dtype(op: str, x: Tensor) -> torch.dtype:
    """fp32 under an autocast that computes `op` in it, else x's dtype."""
    dtype = x.dtype
    # Nothing is widened beyond fp32, and float64 stays as it is.
    if dtype is torch.float32 or not dtype.is_floating_point or dtype is torch.float64:
        return dtype
    device = x.device.type
    if torch.is_autocast_enabled(device) and (op, device) in IN_FLOAT32:
        return torch.float32
    return dtype
