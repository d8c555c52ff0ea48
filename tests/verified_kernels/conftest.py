"""Kernels run in Triton's interpreter here, which must be chosen before Triton is imported."""

import os
import sys

if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
    raise RuntimeError("a module of tests imported Triton: its kernels cannot be interpreted now")
os.environ["TRITON_INTERPRET"] = "1"
