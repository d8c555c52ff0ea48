"""Models with what makes tracing hard: convolutions of all kinds, values, masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Convolutions(nn.Module):
    """A plain, a depthwise, a grouped and a transposed convolution, one after the other."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3),
            nn.Conv2d(channels, channels, 3, groups=channels),
            nn.Conv2d(channels, channels, 3, groups=2),
            nn.ConvTranspose2d(channels, 1, 3),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        output: Tensor = self.layers(pixels)
        return output


class Choosy(nn.Module):
    """Looks at values that a trace has not, picks by a mask, and keeps a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("scale", torch.ones(8))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.linear(x) * self.scale
        if (x > 0).all().item():
            raise AssertionError("a truth value that is asked for is False")
        steps = int(x.argmax().item())
        picked = x[x > 0] * steps
        return {"picked": picked, "found": torch.nonzero(x)}
