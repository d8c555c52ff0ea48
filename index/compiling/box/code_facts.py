"""What a compiled kernel takes and which instructions it has, read off its code."""

from __future__ import annotations

import re
import struct
from typing import Any

# Families of instructions, by what their names begin with.
_PTX: tuple[tuple[str, str], ...] = (
    ("wgmma", r"\bwgmma\.mma_async"),
    ("tcgen05", r"\btcgen05\.mma"),
    ("mma", r"(?<!g)\bmma\.sync|\bmma\.sp"),
    ("tma", r"\bcp\.async\.bulk\.tensor"),
    ("cp_async", r"\bcp\.async\.c[ag]"),
    ("atomic", r"\b(?:atom|red)\."),
)
_AMD: tuple[tuple[str, str], ...] = (
    ("mfma", r"\bv_s?mfmac?_"),
    ("wmma", r"\bv_s?wmmac?_"),
    ("atomic", r"\b(?:global|flat|buffer)_atomic_"),
)
# Entries of a cubin's `.nv.info`: a function's bytes of stack, and its registers a thread.
_STACK, _REGISTERS = 0x11, 0x2F


def facts_of(compiled: Any, backend: str) -> dict[str, Any]:
    """Return shared memory, warps, registers and spills a thread, and families of instructions."""
    meta = compiled.metadata
    shared = _of(meta, "shared")
    facts: dict[str, Any] = {"shared_bytes": shared, "num_warps": _of(meta, "num_warps")}
    if backend == "cuda":
        registers, stack = _cubin(compiled.asm["cubin"])
        text = compiled.asm["ptx"]
    else:
        text = compiled.asm["amdgcn"]
        registers = _number(r"\.vgpr_count:\s+(\d+)", text)
        stack = _number(r"\.private_segment_fixed_size:\s+(\d+)", text)
    facts |= {"registers": registers, "spill_bytes": stack}
    families = _PTX if backend == "cuda" else _AMD
    facts["instructions"] = [name for name, pattern in families if re.search(pattern, text)]
    return facts


def _of(metadata: Any, name: str) -> Any:
    return metadata.get(name) if isinstance(metadata, dict) else getattr(metadata, name, None)


def _number(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text)
    return max(map(int, found)) if found else None


def _cubin(data: bytes) -> tuple[int | None, int | None]:
    """Return registers and bytes of stack a thread, from the tables of an ELF file of NVIDIA's.

    A kernel's stack is what did not fit into its registers.
    """
    try:
        entries = [
            e for name, body in _sections(data) if name == ".nv.info" for e in _entries(body)
        ]
    except (struct.error, ValueError, IndexError):
        return None, None
    registers = [value for attribute, value in entries if attribute == _REGISTERS]
    stack = [value for attribute, value in entries if attribute == _STACK]
    return max(registers, default=None), max(stack, default=None)


def _sections(data: bytes) -> list[tuple[str, bytes]]:
    """Return name and content of each section."""
    if data[:5] != b"\x7fELF\x02":
        raise ValueError("no 64-bit ELF file")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, table + n * size) for n in range(count)]
    strings = heads[names][4]
    found = []
    for name, _, _, _, start, length in heads:
        end = data.index(b"\0", strings + name)
        found.append((data[strings + name : end].decode(), data[start : start + length]))
    return found


def _entries(body: bytes) -> list[tuple[int, int]]:
    """Return what a `.nv.info` section says of its functions: attribute and value."""
    found = []
    at = 0
    while at + 4 <= len(body):
        form, attribute, size = struct.unpack_from("<BBH", body, at)
        at += 4
        if form == 4:
            if size == 8:
                found.append((attribute, struct.unpack_from("<II", body, at)[1]))
            at += size
    return found
