"""What only tests beside an installed Triton can show, which they find without importing it.

Triton must not be imported by a module of tests: once it is, without the interpreter chosen, the
kernels can no longer be interpreted in this process.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

WITH_TRITON = pytest.mark.skipif(
    sys.platform != "linux" or find_spec("triton") is None,
    reason="Triton is not installed, or not made for this system",
)
