"""Allocations that betray a careless kernel.

Under `GuardedAllocations` every tensor that is newly made is a window in a larger buffer. That of
`torch.empty` holds NaN (integers: -1), so an element that no program wrote shows in the result. The
bands beside it hold a pattern that a store past either end destroys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from verified_kernels.replay import EMPTY

BAND = 1 << 16  # bytes; a row of 32,768 bf16
_POISON = 0xFF  # every bit set is a NaN in each float format
_PATTERN = 0xA5

_aten = torch.ops.aten
_FILLED = frozenset(
    {
        _aten.zeros.default,
        _aten.zeros_like.default,
        _aten.new_zeros.default,
        _aten.ones.default,
        _aten.ones_like.default,
        _aten.new_ones.default,
        _aten.full.default,
        _aten.full_like.default,
        _aten.new_full.default,
        _aten.clone.default,
    }
)


class GuardedAllocations(TorchDispatchMode):
    """While entered, new tensors are banded, empty ones poisoned; `damage` tells broken bands."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: list[tuple[Tensor, tuple[int, ...]]] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The op's own result; for new tensors, one like it inside a banded buffer."""
        out = func(*args, **(kwargs or {}))
        if not (func in EMPTY or func in _FILLED) or not out.numel():
            return out
        window = self._guarded(out)
        return window if func in EMPTY else window.copy_(out)

    def _guarded(self, plain: Tensor) -> Tensor:
        extent = 1 + sum(
            (n - 1) * stride for n, stride in zip(plain.shape, plain.stride(), strict=True)
        )
        n_bytes = extent * plain.element_size()
        # The far band begins where the window ends; only its end is rounded up.
        size = 2 * BAND + n_bytes + -n_bytes % 16
        buffer = torch.full((size,), _POISON, dtype=torch.uint8, device=plain.device)
        buffer[:BAND] = _PATTERN
        buffer[BAND + n_bytes :] = _PATTERN
        self._buffers.append((buffer, (BAND, BAND + n_bytes)))
        window = buffer[BAND : BAND + n_bytes].view(plain.dtype)
        return window.as_strided(plain.shape, plain.stride())

    def damage(self) -> list[str]:
        """One sentence for each band that was written to."""
        found = []
        for buffer, (start, end) in self._buffers:
            for where, band in (("before", buffer[:start]), ("after", buffer[end:])):
                if bool((band != _PATTERN).any()):
                    found.append(f"wrote {where} an output of {end - start} bytes")
        return found
