"""When gradients are wanted, and gradients of gradients.

A kernel's backward pass is a kernel too, which autograd cannot look into: what it gives is a
constant to the next differentiation, and a second derivative through it would come out as zero
without a word. So where a gradient is to be differentiated again (`create_graph=True`), which is
rare and never in the inner loop of a training, the backward pass computes in PyTorch's operators
instead. Autograd then knows all of it, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from verified_kernels.errors import UnsupportedError


def wants_grad(*tensors: Tensor | None) -> bool:
    """True when autograd records and one of the tensors takes a gradient.

    Raises:
        UnsupportedError: a tensor carries a forward-mode tangent, which a kernel would lose unseen.
    """
    if forward_ad._current_level >= 0:
        _refuse_tangents(tensors)
    if not torch.is_grad_enabled():
        return False
    # A loop, as this stands in the way of every call: a generator takes twice its time.
    for tensor in tensors:  # noqa: SIM110
        if tensor is not None and tensor.requires_grad:
            return True
    return False


def _refuse_tangents(tensors: Sequence[Tensor | None]) -> None:
    for tensor in tensors:
        if tensor is not None and forward_ad.unpack_dual(tensor).tangent is not None:
            raise UnsupportedError(
                "verified kernels have no forward-mode derivatives; use reverse mode, or PyTorch's "
                "own function here"
            )


def is_differentiated_again() -> bool:
    """Within a backward pass: True when autograd records it, since its result is wanted."""
    # A trace always records; torch.compile itself refuses second derivatives.
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def gradients_in_pytorch(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], upstream: Tensor
) -> list[Tensor | None]:
    """The gradient of `function(*inputs)` for each input that takes one, as autograd sees it.

    `function` is given the inputs in fp32 where they are narrower, as the kernels compute.
    """
    with torch.enable_grad():
        # Views, so that a tensor that is given twice has a gradient for each place.
        views = [t.view_as(t) for t in inputs]
        out = function(*(widened(t) for t in views))
        wanted = [t for t in views if t.requires_grad]
        found = iter(
            torch.autograd.grad(out, wanted, upstream.to(out.dtype), create_graph=True)
            if wanted
            else ()
        )
        return [next(found) if t.requires_grad else None for t in views]


def widened(x: Tensor) -> Tensor:
    """X in fp32, or as it is where it is no narrower."""
    return x.float() if x.dtype.itemsize < 4 else x
