"""What is asked of a compile, and what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from index.compiling.guesses import Attempt
from index.compiling.repairs import Repairs


class Outcome(StrEnum):
    """How compiling ended."""

    COMPILED = "compiled"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    NOT_EXTRACTABLE = "not_extractable"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileFacts:
    """What the code of a kernel takes, and the families of instructions in it.

    Shared memory is of a block; registers and spilled bytes are of a thread.
    """

    shared_bytes: int | None = None
    num_warps: int | None = None
    registers: int | None = None
    spill_bytes: int | None = None
    instructions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileJob:
    """One kernel, whole in `source`, for one release and target."""

    id: str
    source: str
    kernel: str
    triton: str
    target: str
    attempts: tuple[Attempt, ...]
    repairs: Repairs = field(default_factory=Repairs)

    @property
    def source_sha(self) -> str:
        """The digest that copies of the kernel share (SHA-256, hex)."""
        return sha_of(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileResult:
    """How compiling one kernel for one release and target ended; `reason` is one line.

    A failure is certain where the code cannot be loaded, or the release lacks something that it
    uses. Any other may be due to arguments that were guessed, and says nothing of the kernel.
    """

    id: str
    triton: str
    target: str
    outcome: Outcome
    reason: str | None = None
    assumptions: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    facts: CompileFacts | None = None
    seconds: float = 0.0
    source_sha: str | None = None
    is_certain: bool = True


def sha_of(source: str) -> str:
    """Return the digest that stands for an extracted kernel in the index (SHA-256, hex)."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()
