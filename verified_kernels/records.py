"""What a verification says: one record a kernel, case, direction and dtype. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Pass(StrEnum):
    """The direction that was run."""

    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of one provider: 20th percentile, median, 80th percentile."""

    p20: float
    median: float
    p80: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One case of one kernel in one direction, dtype and device.

    `max_abs_err` is the largest distance from the float64 reference, `rel_rms_err` the norm of the
    error over the norm of the reference; both null where there was nothing finite to compare.
    `tolerance` bounds the error of an entry relative to its reference. `ms` is the median under a
    CUDA graph, `peers` those of the peers; `plain_ms` and `plain_peers` the medians of plain
    calls; `spread` all percentiles by provider. `note` says why a record failed.
    """

    kernel: str
    case: str
    pass_: Pass
    dtype: str
    device: str
    passed: bool
    max_abs_err: float | None
    rel_rms_err: float | None
    tolerance: float
    ms: float | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None
    flops: int | None = None
    gpu: str | None = None
    torch: str | None = None
    triton: str | None = None
    commit: str | None = None
    plain_ms: float | None = None
    plain_peers: Mapping[str, float] = field(default_factory=dict)
    copy_gb_per_s: float | None = None
    spread: Mapping[str, Timing] = field(default_factory=dict)
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; `pass_` is called `pass`."""
        fields = dataclasses.asdict(self)
        return {("pass" if name == "pass_" else name): value for name, value in fields.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Record:
        """The record that `to_json` wrote.

        Raises:
            ValueError: a field is missing or unknown.
        """
        fields = {("pass_" if name == "pass" else name): value for name, value in values.items()}
        try:
            fields["pass_"] = Pass(fields["pass_"])
            spread = fields.get("spread", {})
            fields["spread"] = {name: Timing(**timing) for name, timing in spread.items()}
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a verification record: {error}") from error


def dump(records: Iterable[Record]) -> str:
    """The records as a JSON array, one record a line."""
    lines = (json.dumps(record.to_json(), allow_nan=False) for record in records)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def load(text: str) -> list[Record]:
    """The records that `dump` wrote.

    Raises:
        ValueError: the text is no JSON array of records.
    """
    values = json.loads(text)
    if not isinstance(values, list):
        raise ValueError("a list of verification records is needed")
    return [Record.from_json(value) for value in values]
