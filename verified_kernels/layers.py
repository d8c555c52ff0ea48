"""Layers with weights on tensor cores: `vk.nn.Linear`, `vk.nn.Conv2d` and `vk.nn.Int4Linear`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from verified_kernels.errors import ArgumentError, UnsupportedError
from verified_kernels.ops.conv2d import conv2d
from verified_kernels.ops.linear import linear
from verified_kernels.ops.matmul_int4 import matmul_int4, pack_int4
from verified_kernels.tiles import ACTIVATIONS


class Linear(nn.Linear):
    """`torch.nn.Linear`, with an activation in the same kernel if one is named."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation: str | None = None,
        **where: Any,
    ) -> None:
        super().__init__(in_features, out_features, bias, **where)
        if activation is not None and activation not in ACTIVATIONS:
            raise ArgumentError(f"Linear: activation is {activation!r}; one of {ACTIVATIONS}")
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """`activation(x @ weight.T + bias)`."""
        return linear(x, self.weight, self.bias, self.activation)


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d`; around pictures there are zeros, no other `padding_mode`.

    Raises:
        UnsupportedError: another padding_mode is asked for.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.padding_mode != "zeros":
            raise UnsupportedError(
                f"Conv2d: padding_mode is {self.padding_mode!r}; pad with "
                "torch.nn.functional.pad, and here with 0"
            )

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of x [N, C, H, W] or [C, H, W]."""
        return conv2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class Int4Linear(nn.Module):
    """A linear layer whose weight is kept at four bits, for inference with few rows.

    It is made of a layer at hand, and takes no gradient for its weight; its bias is a buffer too.
    """

    def __init__(self, layer: nn.Linear, group_size: int = 128) -> None:
        super().__init__()
        packed, scales, zeros = pack_int4(layer.weight, group_size)
        self.group_size = group_size
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("packed", packed)
        self.register_buffer("scales", scales)
        self.register_buffer("zeros", zeros)
        bias = None if layer.bias is None else layer.bias.detach().clone()
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """X [..., in_features] of fp16 or bf16 times the weight, plus the bias."""
        buffers = dict(self.named_buffers())
        y = matmul_int4(x, buffers["packed"], buffers["scales"], buffers["zeros"], self.group_size)
        bias = buffers.get("bias")
        return y if bias is None else y + bias.to(y.dtype)

    def extra_repr(self) -> str:
        """Sizes, as `torch.nn.Linear` prints them."""
        return f"{self.in_features}, {self.out_features}, group_size={self.group_size}"
