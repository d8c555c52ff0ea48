"""The GPUs that can be compiled for: `cuda:90`, `hip:gfx942`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from index.errors import CompileError

# Bytes of shared memory that one block may have (CUDA programming guide; AMD's LDS).
_SHARED = {
    "cuda:70": 98_304,
    "cuda:75": 65_536,
    "cuda:80": 166_912,
    "cuda:86": 101_376,
    "cuda:89": 101_376,
    "cuda:90": 232_448,
    "cuda:100": 232_448,
    "cuda:103": 232_448,
    "cuda:120": 101_376,
    "cuda:121": 101_376,
    "hip:gfx950": 163_840,
}
_HIP_SHARED = 65_536
_SPELLED = re.compile(r"cuda:(?:sm_?)?(\d{2,3})|hip:(gfx[0-9a-f]{3,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of GPU; `shared_bytes` is what a block may have, None where it is not known."""

    name: str
    backend: str
    arch: int | str
    warp_size: int
    shared_bytes: int | None


def read_target(text: str) -> Target:
    """Return the target that is meant.

    Raises:
        CompileError: it is none.
    """
    found = _SPELLED.fullmatch(text.strip().lower())
    if found is None:
        raise CompileError(f"--target {text}: give one like cuda:90 or hip:gfx942")
    capability, chip = found.groups()
    if capability:
        name = f"cuda:{int(capability)}"
        return Target(
            name=name,
            backend="cuda",
            arch=int(capability),
            warp_size=32,
            shared_bytes=_SHARED.get(name),
        )
    # The data-centre chips run 64 threads in step, the others 32.
    warp = 64 if chip.startswith("gfx9") else 32
    name = f"hip:{chip}"
    shared = _SHARED.get(name, _HIP_SHARED)
    return Target(name=name, backend="hip", arch=chip, warp_size=warp, shared_bytes=shared)
