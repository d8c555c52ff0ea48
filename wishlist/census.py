"""How often models call which operator, as `wishlist/data/model_ops.json` has it.

The counts are made by `scripts/trace_models.py`. Operators are told by their aten names; which of
them nobody writes a kernel for by hand, and why, stands in `wishlist/data/set_apart.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

import msgspec

from crawler.enrich.op_vocabulary import op_vocabulary
from wishlist.models import Pass

_VARIANT = re.compile(r"(?<![a-z0-9])(?:aa|exact)(?=[1-4]d|[^a-z0-9]|$)|[1-4]d(?![a-z0-9])")
# Gradients that autograd computes by an operator of another name.
_GRADIENTS_OF = {"threshold_backward": "relu"}
_BACKWARD = re.compile(r"_backward(?:_data|_helper|_impl)?$|_double_backward$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """That models call an operator in one direction: in how many architectures, how often.

    `among` names a few of the architectures.
    """

    aten: str
    operator: str
    """What it is called in a list of gaps: its op, or its aten name where the op has variants."""
    op: str
    """The op of the crawler's vocabulary, or the plain aten name of an operator without one."""
    direction: Pass
    architectures: int
    calls: int
    among: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Operators that are set apart, and why."""

    name: str
    reason: str
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """All occurrences, those that are set apart left out, in how many architectures."""

    architectures: int
    occurrences: tuple[Occurrence, ...]


class _Counts(msgspec.Struct, forbid_unknown_fields=True):
    architectures: int
    calls: int
    among: tuple[str, ...]


class _Traced(msgspec.Struct, forbid_unknown_fields=True):
    made_by: str
    versions: dict[str, str]
    architectures: dict[str, str]
    operators: dict[str, dict[Pass, _Counts]]


class _Family(msgspec.Struct, forbid_unknown_fields=True):
    reason: str
    operators: tuple[str, ...]


@cache
def model_census() -> Census:
    """Return the counts that the package carries; they are read once."""
    traced = msgspec.json.decode(_data("model_ops.json"), type=_Traced)
    return Census(
        architectures=len(traced.architectures), occurrences=tuple(_occurrences(traced.operators))
    )


@cache
def families_set_apart() -> tuple[Family, ...]:
    """Return the operators for which nobody writes a kernel by hand, family by family."""
    entries = msgspec.convert(
        tomllib.loads(_data("set_apart.toml").decode("utf-8")), dict[str, _Family]
    )
    return tuple(
        Family(name=name, reason=entry.reason, operators=entry.operators)
        for name, entry in entries.items()
    )


def family_of(aten: str) -> Family | None:
    """Return the family that sets an operator (`_foreach_add`) apart, None if none does."""
    return next(
        (
            family
            for family in families_set_apart()
            if any(fnmatchcase(aten, pattern) for pattern in family.operators)
        ),
        None,
    )


def op_of_aten(aten: str) -> tuple[str, Pass]:
    """Return the op that an aten operator stands for, and the direction that it computes."""
    known = _ops_by_aten()
    if aten in _GRADIENTS_OF:
        return _GRADIENTS_OF[aten], Pass.BACKWARD
    if aten in known:
        is_gradient = bool(_BACKWARD.search(aten))
        return known[aten], Pass.BACKWARD if is_gradient else Pass.FORWARD
    base = _BACKWARD.sub("", aten)
    direction = Pass.FORWARD if base == aten else Pass.BACKWARD
    return known.get(base, base.strip("_")), direction


def variants_in(name: str) -> frozenset[str]:
    """Return the words of a name that tell the variants of one op apart: 1d, 2d, 3d, aa, exact."""
    return frozenset(_VARIANT.findall(name.lower().replace("_", " ")))


def aten_names(op: str) -> tuple[str, ...]:
    """Return the aten operators that an op stands for."""
    known = op_vocabulary().ops.get(op)
    return tuple(name.removeprefix("aten::") for name in known.aten) if known else (op,)


def _occurrences(operators: Mapping[str, Mapping[Pass, _Counts]]) -> Iterator[Occurrence]:
    """Yield what is not set apart.

    A gradient operator counts for the backward direction of its op. Any other that runs in a
    backward pass (`mm` does) needs no kernel of another kind than in the forward pass.
    """
    for qualified, passes in operators.items():
        aten = _without_place(qualified.removeprefix("aten::"))
        if family_of(aten) is not None:
            continue
        op, direction = op_of_aten(aten)
        base = _BACKWARD.sub("", aten).strip("_").removesuffix("_forward")
        has_variants = len({variants_in(name) for name in aten_names(op)}) > 1
        most = max(passes.values(), key=lambda counts: counts.architectures)
        yield Occurrence(
            aten=qualified,
            operator=base if has_variants and variants_in(base) else op,
            op=op,
            direction=direction,
            architectures=most.architectures,
            calls=sum(counts.calls for counts in passes.values()),
            among=most.among,
        )


def _without_place(aten: str) -> str:
    """Return the name without the underscore of an in-place operator: `add_`, but `__and__`."""
    return aten if aten.endswith("__") else aten.removesuffix("_")


@cache
def _ops_by_aten() -> Mapping[str, str]:
    names: dict[str, str] = {}
    for op in op_vocabulary().ops.values():
        for aten in op.aten:
            names.setdefault(aten.removeprefix("aten::"), op.name)
    return names


def _data(name: str) -> bytes:
    return resources.files("wishlist").joinpath("data", name).read_bytes()
