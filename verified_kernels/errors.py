"""What the functions raise: errors that are both what Python and what PyTorch would raise.

For a shape that does not fit PyTorch raises RuntimeError where Python's own word is ValueError; for
a dtype RuntimeError or NotImplementedError, where it is TypeError. Whoever exchanges `F.x` for
`vk.x` may catch the one, whoever writes anew the other.
"""

from __future__ import annotations


class ArgumentError(ValueError, RuntimeError):
    """A shape, a value or a device does not fit."""


class DimensionError(ArgumentError, IndexError):
    """There is no such dimension, or nothing in it."""


class DtypeError(TypeError, NotImplementedError):
    """A dtype is not supported, or two do not go together."""


class UnsupportedError(NotImplementedError, ValueError):
    """PyTorch can do this and the kernel cannot."""
