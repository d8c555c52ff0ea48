"""Verified kernels: Triton kernels proved against PyTorch in float64 and timed beside its own.

`import verified_kernels as vk` costs nothing: PyTorch and Triton load when an op is first used.
The functions have the signatures of `torch.nn.functional`; `vk.nn` holds modules, and
`vk.load_specs()` every spec.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verified_kernels.spec import Spec

# Function -> the file in `ops/` that holds it.
OPS: Mapping[str, str] = MappingProxyType(
    {
        "add": "elementwise",
        "sub": "elementwise",
        "mul": "elementwise",
        "fma": "elementwise",
        "relu": "activations",
        "gelu": "activations",
        "silu": "activations",
        "sigmoid": "activations",
        "tanh": "activations",
        "sum": "sum",
        "amax": "extrema",
        "amin": "extrema",
        "argmax": "arg_extrema",
        "argmin": "arg_extrema",
        "var": "variance",
        "transpose": "transpose",
        "softmax": "softmax",
        "layer_norm": "layer_norm",
        "rms_norm": "rms_norm",
        "dropout": "dropout",
        "swiglu": "swiglu",
        "geglu": "swiglu",
        "rope": "rope",
        "cross_entropy": "cross_entropy",
        "matmul": "matmul",
        "linear": "linear",
        "grouped_matmul": "grouped_matmul",
        "matmul_int8": "matmul_int8",
        "matmul_fp8": "matmul_fp8",
        "matmul_int4": "matmul_int4",
        "attention": "attention",
        "attention_varlen": "attention_varlen",
        "decode_attention": "decode_attention",
        "conv2d": "conv2d",
    }
)
# What prepares an op's arguments -> its file.
HELPERS: Mapping[str, str] = MappingProxyType(
    {"pack_int4": "matmul_int4", "unpack_int4": "matmul_int4"}
)


def __getattr__(name: str) -> Any:
    """The op of that name, or the module `nn`; imports PyTorch and Triton on first use."""
    if name == "nn":
        return importlib.import_module("verified_kernels.nn")
    file = OPS.get(name) or HELPERS.get(name)
    if file is None:
        raise AttributeError(f"module 'verified_kernels' has no attribute {name!r}")
    op = getattr(importlib.import_module(f"verified_kernels.ops.{file}"), name)
    globals()[name] = op  # the next use skips this function
    return op


def __dir__() -> list[str]:
    return sorted({*globals(), *OPS, *HELPERS, "nn"})


def load_specs() -> dict[str, Spec]:
    """Every spec by name, in the order of `OPS`; imports every kernel file."""
    from verified_kernels.spec import specs_of

    modules = dict.fromkeys(OPS.values())
    loaded = (importlib.import_module(f"verified_kernels.ops.{module}") for module in modules)
    return {spec.name: spec for module in loaded for spec in specs_of(module)}
