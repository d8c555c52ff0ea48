"""What a verification says: one record a kernel, case, direction and dtype. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import msgspec

LARGEST_TOLERANCE = 1.0
"""No dtype is held to less than that, relative to an entry; 0.016 is the most so far."""
MOST_OVER = 1_000.0
"""How far a record that passed may lie above its tolerance.

That bounds single entries relative to themselves: far from zero, or where terms cancel, an error
may be tens of times as large, and still in bounds.
"""

LARGEST_ERROR = 1e30
"""No error in bounds is larger, of whatever values: those of float32 end at 3e38."""

NO_TIMES = "no times of"
"""How a worker begins to say which peer it could not time."""


class CandidateError(ValueError):
    """A file or function that was given to be verified cannot be used; the text is one line."""


# A record may come from another machine: what it holds is shown to people and compared.
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Note = Annotated[str, msgspec.Meta(max_length=20_000)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Amount = Annotated[float, msgspec.Meta(ge=0)]
_Device = Annotated[str, msgspec.Meta(pattern="^(cpu|cuda)$")]
_Commit = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$")]


class Pass(StrEnum):
    """The direction that was run."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of one provider: 20th percentile, median, 80th percentile."""

    p20: _Amount
    median: _Amount
    p80: _Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One case of one kernel in one direction, dtype and device.

    `max_abs_err` is the largest distance from the float64 reference, `rel_rms_err` the norm of the
    error over the norm of the reference; both null where there was nothing finite to compare.
    `tolerance` bounds the error of an entry relative to its reference. `ms` is the median under a
    CUDA graph, `peers` those of the peers; `plain_ms` and `plain_peers` the medians of plain
    calls; `spread` all percentiles by provider. `note` says why a record failed.
    """

    kernel: _Line
    case: _Line
    pass_: Pass
    dtype: _Line
    device: _Device
    passed: bool
    max_abs_err: _Amount | None
    rel_rms_err: _Amount | None
    tolerance: _Amount
    ms: _Amount | None = None
    peers: Mapping[_Line, _Amount] = field(default_factory=dict)
    bytes: _Count | None = None
    flops: _Count | None = None
    gpu: _Line | None = None
    torch: _Line | None = None
    triton: _Line | None = None
    commit: _Commit | None = None
    plain_ms: _Amount | None = None
    plain_peers: Mapping[_Line, _Amount] = field(default_factory=dict)
    copy_gb_per_s: _Amount | None = None
    spread: Mapping[_Line, Timing] = field(default_factory=dict)
    note: _Note | None = None

    def contradiction(self) -> str | None:
        """Why it cannot be that this record passed, None where it can or did not."""
        if not self.passed:
            return None
        if self.tolerance > LARGEST_TOLERANCE:
            return f"passed within a tolerance of {self.tolerance:g}, which is none"
        bound = MOST_OVER * self.tolerance
        absolute = self.max_abs_err or 0.0
        # Without a relative error there was none, or nothing but zeros to set it against.
        relative = self.rel_rms_err if self.rel_rms_err is not None else absolute
        if max(absolute, relative) > LARGEST_ERROR or min(absolute, relative) > bound:
            return f"passed with errors of {absolute:g}, relative {relative:g}"
        return None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; `pass_` is called `pass`."""
        fields = dataclasses.asdict(self)
        return {("pass" if name == "pass_" else name): value for name, value in fields.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """The record that `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown, of another type, or contradicts another.
        """
        fields = {("pass_" if name == "pass" else name): value for name, value in values.items()}
        if unknown := fields.keys() - {field.name for field in dataclasses.fields(cls)}:
            raise ValueError(f"not a verification record: unknown {', '.join(sorted(unknown))}")
        try:
            record = msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            said = str(error).replace("$.pass_", "$.pass")
            raise ValueError(f"not a verification record: {said}") from error
        if fault := record.contradiction():
            raise ValueError(f"not a verification record: {record.kernel}, {record.case}: {fault}")
        return record


_EXTRA = ("plain_ms", "plain_peers", "copy_gb_per_s", "spread", "note")


def dump(records: Iterable[Record]) -> str:
    """The records as a JSON array, one record a line; timings and notes where there are any."""
    lines = (json.dumps(_without_blanks(record.to_json()), allow_nan=False) for record in records)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _without_blanks(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value or name not in _EXTRA}


def load(text: str) -> list[Record]:
    """The records that `dump` wrote.

    Raises:
        ValueError: the text is no JSON array of records.
    """
    try:
        values = msgspec.json.decode(text, type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise ValueError(f"no list of verification records: {error}") from error
    return [Record.from_json(value) for value in values]
