"""The verified kernels as `torch.nn.Module`s, named and called as PyTorch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
    "CrossEntropyLoss",
    "Dropout",
    "LayerNorm",
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
    """`torch.nn.LayerNorm` with weight, and with bias unless told otherwise."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        shape = _shape(normalized_shape)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(shape, device=device, dtype=dtype))
        zeros = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", zeros)

    def forward(self, x: Tensor) -> Tensor:
        """The layer norm of x."""
        return layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """What printing shows."""
        return f"{tuple(self.weight.shape)}, eps={self.eps}, bias={self.bias is not None}"


class RMSNorm(nn.Module):
    """`torch.nn.RMSNorm` with weight; given a residual it returns the norm and the sum."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-6,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        shape = _shape(normalized_shape)
        self.weight = nn.Parameter(torch.ones(shape, device=device, dtype=dtype))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The RMS norm of x; with a residual that of the sum, and the sum."""
        return rms_norm(x, self.weight, residual, self.eps)

    def extra_repr(self) -> str:
        """What printing shows."""
        return f"{tuple(self.weight.shape)}, eps={self.eps}"


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

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """X with entries dropped while training, x itself otherwise."""
        if not self.training or self.p == 0.0:
            return x
        seed = int(torch.randint(2**31 - 1, ()).item())
        return dropout(x, self.p, seed)


class CrossEntropyLoss(nn.Module):
    """`torch.nn.CrossEntropyLoss` with mean reduction."""

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The mean loss over targets not ignored."""
        return cross_entropy(logits, target, self.ignore_index)


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
