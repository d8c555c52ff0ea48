"""What a compiled kernel is made of: which instructions, how many in flight, whether it spills.

Speed on tensor cores hangs on a few facts that can be read off the code without a GPU. A kernel
file states them in `STRUCTURE`, by kernel name; the compile matrix holds what it builds for sm_90
to them, so that a compiler which drops the pipeline is noticed without one.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

import triton


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What a kernel promises on sm_90.

    `in_flight`: how many products may be unfinished while the next is issued. `by_copy_engine`:
    operands come by bulk tensor copies. `specialised`: warps change their share of registers.
    `spilled`: bytes a thread that may be, where no other tile does better.
    `unless` names a constexpr that, where true, waives all of it.
    """

    in_flight: int = 1
    by_copy_engine: bool = True
    specialised: bool = False
    spilled: int = 0
    unless: str = ""


def fault_of(compiled: Any, wanted: Structure) -> str | None:
    """What a kernel compiled for sm_90 lacks of its structure, or None."""
    ptx = compiled.asm["ptx"]
    if "wgmma.mma_async" not in ptx:
        return "has no wgmma"
    waits = [int(n) for n in re.findall(r"wgmma\.wait_group\.sync\.aligned\s+(\d+)", ptx)]
    if max(waits, default=0) < wanted.in_flight:
        return f"keeps {max(waits, default=0)} wgmma in flight, not {wanted.in_flight}"
    if wanted.by_copy_engine and "cp.async.bulk.tensor" not in ptx:
        return "has no bulk tensor copies"
    if wanted.specialised and "setmaxnreg" not in ptx:
        return "does not share out registers"
    spilled = spilled_bytes(compiled.asm["cubin"])
    return f"spills {spilled} bytes a thread" if spilled > wanted.spilled else None


def spilled_bytes(cubin: bytes) -> int:
    """Bytes of stack a thread of the kernel has, which is where registers are spilled to."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return max((int(n) for n in re.findall(r"STACK:(\d+)", told)), default=0)
