"""What a check of a learner's function found, in words: where it is wrong, not how to mend it.

A record carries one sentence: what the function was called with, the entry, the promise
(`verified_kernels.check`). Here these are sorted by what is hard about the input, the plainest
first, and what all failures have in common is said. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from verified_kernels.records import Pass, Record

_TENSOR = re.compile(r"\b(?!strides )(\w+) \[([\d, ]*)\]")
_VALUES = re.compile(r": (\S+) where (\S+) is right")
_SHAPES = re.compile(r"shape \[([\d, ]*)\] where \[([\d, ]*)\] is right")
_DIMS = re.compile(r"\bdim=(-?\d+|\([-\d, ]*\)|None)")
_DIM = re.compile(r"\bdim=(-?\d+)\b")
_NO_PARAMETER = re.compile(r"TypeError: .*unexpected keyword argument '(\w+)'")
_RAISED = re.compile(r"(?:^|: )(\w*(?:Error|Exception|Interrupt)): ")
_BY_MEMORY = re.compile(r"died of signal (?:6|7|11)\b")
# How near the ratio of two results must be to (n - 1) / n to be taken for it.
NEAR = 1e-3


class Input(StrEnum):
    """What is hard about an input; the plainest first."""

    PLAIN = "on plain inputs"
    SETTING = "where it is asked for something that it has no parameter for"
    SHAPES = "where the inputs have different shapes"
    EMPTY = "where there are no entries"
    STRIDED = "where entries do not lie one after another (strides)"
    INTEGER = "on integers"
    SPECIAL = "where inputs hold NaN or infinity"
    GRADIENT = "in the gradients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of one function: a summary, then lines that say where it is wrong."""

    function: str
    checks: int
    failed: int
    is_right_on_plain: bool
    lines: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return self.checks > 0 and not self.failed

    def told(self) -> tuple[str, ...]:
        """Return the lines for a person, the summary first."""
        right = f"{self.checks - self.failed} of {self.checks} checks passed"
        return f"{self.function}: {right}", *(f"  {line}" for line in self.lines)


def judge(function: str, records: Sequence[Record]) -> Verdict:
    """Return what the records of one function say of it."""
    failed = [record for record in records if not record.passed]
    groups = {kind: [r for r in failed if kind_of(r) is kind] for kind in Input}
    lines = [
        f"wrong {kind.value}, in {len(found)} of {len(records)} checks; the first: "
        f"{_told(found[0])}"
        for kind, found in groups.items()
        if found
    ]
    is_right_on_plain = bool(records) and not groups[Input.PLAIN]
    if failed and is_right_on_plain:
        lines.insert(0, "right on every plain input")
    return Verdict(
        function=function,
        checks=len(records),
        failed=len(failed),
        is_right_on_plain=is_right_on_plain,
        lines=(*lines, *what_they_share(failed)),
    )


def kind_of(record: Record) -> Input:
    """Return what is hardest about the input of a failed record, as far as that may be why."""
    note, case = record.note or "", record.case.lower()
    if _NO_PARAMETER.search(note):
        return Input.SETTING
    if record.pass_ is Pass.BACKWARD:
        return Input.GRADIENT
    shapes = _shapes(note)
    if any(0 in shape for shape in shapes) or "no entries" in case:
        return Input.EMPTY
    if re.search(r"nan|infinit|-inf|special", case):
        return Input.SPECIAL
    if " with strides " in note:
        return Input.STRIDED
    if record.dtype.startswith("int"):
        return Input.INTEGER
    if len(set(shapes)) > 1 and re.search(r"onto|broadcast|scalar|dimension", case):
        return Input.SHAPES
    return Input.PLAIN


def what_they_share(failed: Sequence[Record]) -> tuple[str, ...]:
    """Return a sentence for each thing that is true of all failures, or shown by one."""
    plain = [r for r in failed if kind_of(r) is Input.PLAIN]
    others = [r for r in failed if kind_of(r) is not Input.SPECIAL]
    return tuple(
        dict.fromkeys(
            sentence for rule in _RULES for sentence in rule(failed if rule in _OF_ALL else plain)
        )
    ) + tuple(_nan_from_numbers(others))


def _told(record: Record) -> str:
    if record.case.startswith("the process"):
        return record.note or "it ended"
    return f"{record.case}, {record.dtype}: {record.note or 'no reason was given'}"


def _shapes(note: str) -> list[tuple[int, ...]]:
    """Return the shapes of the tensors that the function was called with."""
    inputs = note.split(": ")[0]
    return [_numbers(found[2]) for found in _TENSOR.finditer(inputs)]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _values(record: Record) -> tuple[float, float] | None:
    found = _VALUES.search(record.note or "")
    try:
        return (float(found[1]), float(found[2])) if found else None
    except ValueError:
        return None


def _ragged(failed: Sequence[Record]) -> Iterator[str]:
    lengths = [_length(r) for r in failed if _VALUES.search(r.note or "")]
    if len(lengths) > 1 and None not in lengths and not any(map(_fills_a_block, lengths)):
        yield (
            "no plain input with a wrong entry has a length that is a power of two: what do the "
            "lanes past the end hold, and do they take part?"
        )


def _length(record: Record) -> int | None:
    """Return how many entries meet in one result: those along `dim`, else along the last one."""
    shape = next(iter(_shapes(record.note or "")), ())
    asked = _DIMS.search(record.note or "")
    if not shape:
        return None
    if asked is None:
        return shape[-1]
    axes = _numbers(asked[1].strip("()")) if asked[1] != "None" else tuple(range(len(shape)))
    if not all(-len(shape) <= axis < len(shape) for axis in axes):
        return None
    return math.prod(shape[axis] for axis in axes)


def _fills_a_block(length: int | None) -> bool:
    return length is not None and length > 0 and length & (length - 1) == 0


def _nan_from_numbers(failed: Sequence[Record]) -> Iterator[str]:
    for record in failed:
        values = _values(record)
        if values and math.isnan(values[0]) and math.isfinite(values[1]):
            yield (
                "NaN came out of finite numbers. Around every input and in every new tensor the "
                "check puts NaN: something past an end was read, or an entry was never written "
                "(or 0 / 0, or inf - inf)"
            )
            return


def _past_an_end(failed: Sequence[Record]) -> Iterator[str]:
    if any(re.search(r"wrote (before|after) an output", r.note or "") for r in failed):
        yield "it writes past an end of its output"
    elif any(_BY_MEMORY.search(r.note or "") for r in failed):
        yield (
            "it ended the process that it ran in, as writing outside of a tensor does: nothing "
            "after that could be checked"
        )


def _past_its_time(failed: Sequence[Record]) -> Iterator[str]:
    if any("passed its limit of" in (r.note or "") for r in failed):
        yield "it took too long: a loop without an end, or more programs than needed (--seconds)"


def _other_axis(failed: Sequence[Record]) -> Iterator[str]:
    for record in failed:
        note = record.note or ""
        wrong, asked, shapes = _SHAPES.search(note), _DIM.search(note), _shapes(note)
        if not (wrong and asked and shapes and shapes[0]):
            continue
        without = [shapes[0][:axis] + shapes[0][axis + 1 :] for axis in range(len(shapes[0]))]
        right = int(asked[1]) % len(without)
        if without[right] != _numbers(wrong[2]) or without[right] == _numbers(wrong[1]):
            continue
        if _numbers(wrong[1]) in without:
            axis = without.index(_numbers(wrong[1]))
            yield f"its shape is what dimension {axis} gives: another axis than asked for"
            return


def _one_dimension(failed: Sequence[Record]) -> Iterator[str]:
    asked = {found[1] for r in failed if (found := _DIM.search(r.note or ""))}
    if len(failed) > 1 and len(asked) == 1 and all(_DIM.search(r.note or "") for r in failed):
        yield (
            f"every plain input that it is wrong on has dim={asked.pop()}: which axis does it "
            "walk along?"
        )


def _far_from_zero(failed: Sequence[Record]) -> Iterator[str]:
    if failed and all("far from zero" in r.case for r in failed):
        yield (
            "it is wrong only where values lie far from zero: digits cancel, or an exponential "
            "grows too large"
        )


def _half(failed: Sequence[Record]) -> Iterator[str]:
    if len(failed) > 1 and all(r.dtype == "float16" for r in failed):
        yield (
            "it is right in float32 and wrong in float16: in which dtype does it compute? float16 "
            "has three digits and ends at 65,504"
        )


def _divisor(failed: Sequence[Record]) -> Iterator[str]:
    ratios = []
    for record in failed:
        values, n = _values(record), _length(record) or 0
        if record.kernel == "var" and values and n > 1 and values[1] and math.isfinite(values[1]):
            ratios.append(abs(values[0] / values[1] * n / (n - 1) - 1) < NEAR)
    if len(ratios) > 1 and all(ratios):
        yield "its results are (n - 1) / n of what is right: look at what it divides by"


def _changed(failed: Sequence[Record]) -> Iterator[str]:
    if any("was overwritten" in (r.note or "") for r in failed):
        yield "it changes its input, which belongs to the caller"


def _unsteady(failed: Sequence[Record]) -> Iterator[str]:
    if any("a second run gave other bits" in (r.note or "") for r in failed):
        yield "two runs on the same input differ"


def _raises(failed: Sequence[Record]) -> Iterator[str]:
    kinds = [_RAISED.search(r.note or "") for r in failed]
    named = {found[1] for found in kinds if found}
    if failed and all(kinds) and len(named) == 1:
        yield f"each plain check ended in a {named.pop()}, before there was a result"


_Rule = Callable[[Sequence[Record]], Iterator[str]]
_OF_ALL: tuple[_Rule, ...] = (_past_an_end, _past_its_time, _changed, _unsteady, _other_axis)
_RULES: tuple[_Rule, ...] = (
    *_OF_ALL,
    _raises,
    _divisor,
    _far_from_zero,
    _half,
    _ragged,
    _one_dimension,
)
