"""The verified kernels as `torch.nn.Module`s, named and called as PyTorch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from verified_kernels.errors import ArgumentError, UnsupportedError
from verified_kernels.layers import Conv2d, Int4Linear, Linear
from verified_kernels.ops import activations
from verified_kernels.ops.cross_entropy import cross_entropy
from verified_kernels.ops.dropout import dropout
from verified_kernels.ops.layer_norm import layer_norm
from verified_kernels.ops.rms_norm import rms_norm
from verified_kernels.ops.softmax import softmax
from verified_kernels.ops.swiglu import geglu, swiglu

__all__ = [
    "GEGLU",
    "GELU",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Int4Linear",
    "LayerNorm",
    "Linear",
    "RMSNorm",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SwiGLU",
    "Tanh",
]


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LayerNorm(nn.Module):
    """`torch.nn.LayerNorm`."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = {"device": device, "dtype": dtype}
        weight = nn.Parameter(torch.empty(self.normalized_shape, **made))
        zeros = nn.Parameter(torch.empty(self.normalized_shape, **made))
        self.register_parameter("weight", weight if elementwise_affine else None)
        self.register_parameter("bias", zeros if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones for weight, zeros for bias."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The layer norm of x."""
        return layer_norm(
            x, self.weight, self.bias, self.eps, normalized_shape=self.normalized_shape
        )

    def extra_repr(self) -> str:
        """What printing shows."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(nn.Module):
    """`torch.nn.RMSNorm`; given a residual it returns the norm and the sum."""

    weight: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = nn.Parameter(torch.empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", weight if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones for weight."""
        if self.weight is not None:
            nn.init.ones_(self.weight)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The RMS norm of x; with a residual that of the sum, and the sum."""
        return rms_norm(x, self.weight, residual, self.eps, normalized_shape=self.normalized_shape)

    def extra_repr(self) -> str:
        """What printing shows."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class _Gated(nn.Module):
    """A gated feed-forward block: `down(act(gate(x)) * up(x))`, three linear layers, no biases."""

    def __init__(
        self, dim: int, hidden_dim: int, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden_dim, bias=False, device=device, dtype=dtype)
        self.up = nn.Linear(dim, hidden_dim, bias=False, device=device, dtype=dtype)
        self.down = nn.Linear(hidden_dim, dim, bias=False, device=device, dtype=dtype)


class SwiGLU(_Gated):
    """The feed-forward block of Llama: the gate passes through SiLU."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] to [..., dim]."""
        hidden: Tensor = self.down(swiglu(self.gate(x), self.up(x)))
        return hidden


class GEGLU(_Gated):
    """The feed-forward block whose gate passes through GELU."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] to [..., dim]."""
        hidden: Tensor = self.down(geglu(self.gate(x), self.up(x)))
        return hidden


class Softmax(nn.Module):
    """`torch.nn.Softmax`, along the last dimension unless told otherwise."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The softmax of x."""
        return softmax(x, self.dim)


class Dropout(nn.Module):
    """`torch.nn.Dropout`; its masks follow from PyTorch's random state."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ArgumentError(f"Dropout: p is {p}; a probability between 0 and 1 is needed")
        if inplace:
            raise UnsupportedError("Dropout: inplace=True is not supported; leave it out")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """X with entries dropped while training, x itself otherwise."""
        if not self.training or self.p == 0.0:
            return x
        return dropout(x, self.p, _fresh_seed(x))

    def extra_repr(self) -> str:
        """What printing shows."""
        return f"p={self.p}"


def _fresh_seed(x: Tensor) -> int | Tensor:
    """A number; or one in x's memory where the call is traced or captured, to be replayed anew."""
    if torch.compiler.is_compiling() or (x.is_cuda and torch.cuda.is_current_stream_capturing()):
        return torch.randint(2**31 - 1, (1,), device=x.device)
    return int(torch.randint(2**31 - 1, ()).item())


class CrossEntropyLoss(nn.Module):
    """`torch.nn.CrossEntropyLoss`."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            raise UnsupportedError(
                "CrossEntropyLoss: size_average and reduce are not supported; give reduction"
            )
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss over targets not ignored."""
        return cross_entropy(
            logits,
            target,
            self.ignore_index,
            weight=self.weight,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class ReLU(nn.Module):
    """`torch.nn.ReLU`."""

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return activations.relu(x)


class GELU(nn.Module):
    """`torch.nn.GELU`: exact, or with `approximate="tanh"` by its tanh approximation."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """The GELU of x."""
        return activations.gelu(x, approximate=self.approximate)


class SiLU(nn.Module):
    """`torch.nn.SiLU`."""

    def forward(self, x: Tensor) -> Tensor:
        """X * sigmoid(x)."""
        return activations.silu(x)


class Sigmoid(nn.Module):
    """`torch.nn.Sigmoid`."""

    def forward(self, x: Tensor) -> Tensor:
        """1 / (1 + exp(-x))."""
        return activations.sigmoid(x)


class Tanh(nn.Module):
    """`torch.nn.Tanh`."""

    def forward(self, x: Tensor) -> Tensor:
        """The hyperbolic tangent of x."""
        return activations.tanh(x)
