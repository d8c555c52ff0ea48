"""One case of one kernel against its float64 reference, forward and every gradient."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from verified_kernels.guard import GuardedAllocations
from verified_kernels.records import Pass
from verified_kernels.spec import (
    DTYPES,
    FLOATS,
    Arguments,
    Case,
    Draw,
    Spec,
    Tolerance,
    ToleranceClass,
    Values,
    lay_out,
    tolerance_of,
)

# The RMS of fewer entries says no more than each entry's own bound.
FEW = 64
_USUAL = frozenset(DTYPES[name] for name in FLOATS)
# On a GPU a launcher's third call is played from memory (`replay.py`), so that counts too.
RUNS_AGAIN = {"cpu": 1, "cuda": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far one direction of a case lies from the reference, and what else is wrong with it."""

    pass_: Pass
    max_abs_err: float | None
    rel_rms_err: float | None
    tolerance: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Errors of one tensor; `fault` is a sentence, or None where it is within bounds."""

    max_abs_err: float | None
    rel_rms_err: float | None
    fault: str | None


def compare(
    name: str,
    actual: Tensor,
    expected: Tensor,
    bounds: Tolerance,
    dtype: torch.dtype | None = None,
) -> Comparison:
    """`actual` against a float64 (or integer) reference.

    Shape, dtype (where one is promised) and device, then NaN and infinity, then distance. The
    reference is rounded to the dtype to see which entries overflow it.
    """
    if fault := _misfit(actual, expected, dtype):
        return Comparison(max_abs_err=None, rel_rms_err=None, fault=f"{name}: {fault}")
    rounded = expected.to(actual.dtype)
    if not actual.dtype.is_floating_point:
        differs = actual != rounded
        wrong, fault = int(differs.sum()), None
        if wrong:
            at = _first(differs)
            fault = (
                f"{name}{_index(at)}: {actual[at].item()} where {rounded[at].item()} is right; "
                f"{wrong} of {actual.numel()} entries differ"
            )
        return Comparison(max_abs_err=None, rel_rms_err=None, fault=fault)
    finite = rounded.isfinite()
    same = (actual.isnan() == rounded.isnan()) & (actual.isinf() == rounded.isinf())
    same &= finite | rounded.isnan() | (actual == rounded)
    if not bool(same.all()):
        at = _first(~same)
        fault = (
            f"{name}{_index(at)}: {actual[at].item()} where {rounded[at].item()} is right; "
            f"{int((~same).sum())} of {actual.numel()} entries differ in NaN or infinity"
        )
        return Comparison(max_abs_err=None, rel_rms_err=None, fault=fault)
    return _distance(name, actual, expected, finite, bounds)


def _misfit(actual: Tensor, expected: Tensor, dtype: torch.dtype | None) -> str | None:
    if actual.shape != expected.shape:
        return f"shape {list(actual.shape)} where {list(expected.shape)} is right"
    if dtype is not None and actual.dtype is not dtype:
        return f"dtype {_plain(actual.dtype)} where {_plain(dtype)} is right"
    if actual.device != expected.device:
        return f"lies on {actual.device} where {expected.device} is right"
    return None


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _first(mask: Tensor) -> tuple[int, ...]:
    """Index of the first entry that is true."""
    return tuple(int(i) for i in mask.nonzero()[0])


def _index(at: tuple[int, ...]) -> str:
    return str(list(at)) if at else ""


def _distance(
    name: str, whole: Tensor, reference: Tensor, finite: Tensor, bounds: Tolerance
) -> Comparison:
    dtype = whole.dtype
    actual, expected = whole[finite].double(), reference[finite]
    if actual.numel() == 0:
        return Comparison(max_abs_err=None, rel_rms_err=None, fault=None)
    error = (actual - expected).abs()
    # The dtype's subnormals lie this far apart, however small the entry.
    grain = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    rms = math.sqrt(expected.square().mean().item())
    worst = error.max().item()
    # A gradient that cancels to nothing is allowed the error of terms near one.
    # So is a tensor of few entries, all of which can be small by chance.
    scale = max(rms, 1.0) if error.numel() < FEW else rms or 1.0
    excess = error - (bounds.rtol * expected.abs() + bounds.atol * scale + grain)
    relative = (
        math.sqrt(error.square().mean().item()) / rms if rms else (math.inf if worst else 0.0)
    )
    fault = None
    if excess.max().item() > 0:
        worst_at = int(excess.argmax())
        at = tuple(int(i) for i in finite.nonzero()[worst_at])
        fault = (
            f"{name}{_index(at)}: {actual[worst_at].item():.9g} where "
            f"{expected[worst_at].item():.9g} is right; {int((excess > 0).sum())} of "
            f"{error.numel()} entries out of tolerance"
        )
    elif relative > bounds.rms and rms > 0 and relative * rms > grain and error.numel() >= FEW:
        fault = f"{name}: relative RMS error {relative:.2e}, above {bounds.rms:.1e}"
    finite_relative = relative if math.isfinite(relative) else None
    return Comparison(max_abs_err=worst, rel_rms_err=finite_relative, fault=fault)


def bounds_of(kind: ToleranceClass, case: Case, dtype: str) -> Tolerance:
    """The class's bounds, wider where the values lie far from zero beside their spread.

    fp32 numbers near 100 are 7.6e-6 apart, and so is a mean of them, which is then subtracted.
    Cancellation in E[x^2] - E[x]^2 costs a hundred times more than the factor given here.
    """
    bounds = tolerance_of(kind, dtype)
    if case.values is not Values.OFFSET:
        return bounds
    return Tolerance(bounds.rtol, 16 * bounds.atol, 16 * bounds.rms)


def draw_arguments(spec: Spec, case: Case, dtype: str, device: str, seed: int) -> Arguments:
    """Fresh random arguments of the op, and its `grads` set to take gradients."""
    generator = torch.Generator(device=device).manual_seed(seed)
    draw = Draw(case=case, dtype=DTYPES[dtype], device=device, generator=generator)
    arguments = spec.make(case, draw)
    for name in spec.grads:
        if isinstance(arguments.get(name), Tensor) and arguments[name].is_floating_point():
            arguments[name].requires_grad_()
    return arguments


def reference_arguments(arguments: Arguments, case: Case) -> Arguments:
    """The same arguments in float64, cut to the case's tail."""

    def convert(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        copy = _tail(value.detach(), case)
        copy = copy.double() if value.is_floating_point() else copy.clone()
        return copy.requires_grad_(value.requires_grad)

    return {name: convert(value) for name, value in arguments.items()}


def _tail(value: Tensor, case: Case) -> Tensor:
    if case.tail is None or value.ndim == 0 or value.shape[0] != case.shape[0]:
        return value
    return value[-case.tail :]


def promised_dtypes(
    spec: Spec, arguments: Arguments, truths: tuple[Tensor, ...]
) -> list[torch.dtype | None]:
    """What each output's dtype has to be; None where the spec leaves it open.

    Integers are those of the reference, which is given the same integers. A floating result has the
    dtype of the first argument, if that is a tensor of one of the usual three.
    """
    if spec.result_dtypes is not None:
        return list(spec.result_dtypes(arguments))
    first = next((a for a in arguments.values() if isinstance(a, Tensor)), None)
    usual = first is not None and first.dtype in _USUAL
    floating = first.dtype if first is not None and usual else None
    return [floating if t.is_floating_point() else t.dtype for t in truths]


def as_outputs(result: Any) -> tuple[Tensor, ...]:
    """The tensors that an op gave, also where it gave one."""
    return result if isinstance(result, tuple) else (result,)


def leaves_of(spec: Spec, arguments: Arguments) -> dict[str, Tensor]:
    """The arguments whose gradients are checked."""
    given = {name: arguments.get(name) for name in spec.grads}
    return {n: t for n, t in given.items() if isinstance(t, Tensor) and t.requires_grad}


@contextlib.contextmanager
def _guarded(faults: list[str]) -> Iterator[None]:
    with GuardedAllocations() as guard:
        yield
    faults += guard.damage()


def _same_bits(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


def check_case(spec: Spec, case: Case, dtype: str, device: str, seed: int) -> list[Outcome]:
    """What the case says forward and, where the op has gradients, backward."""
    arguments = draw_arguments(spec, case, dtype, device, seed)
    before = {n: v.detach().clone() for n, v in arguments.items() if isinstance(v, Tensor)}
    faults: list[str] = []
    with _guarded(faults):
        outputs = as_outputs(spec.op(**arguments))
    truth_arguments = reference_arguments(arguments, case)
    truths = as_outputs(spec.reference(**truth_arguments))
    bounds = bounds_of(spec.tolerance, case, dtype)
    if wrong := _wrong_kind(outputs, truths):
        return [_outcome(Pass.FORWARD, [], bounds, case, [wrong])]
    # A tensor that needs a tail is too large to be held twice.
    if spec.reproducible and case.tail is None:
        for _ in range(RUNS_AGAIN[device]):
            again = as_outputs(spec.op(**arguments))
            if not all(_same_bits(a, b) for a, b in zip(outputs, again, strict=True)):
                faults.append("a second run gave other bits")
    faults += [
        f"{name} was overwritten"
        for name, old in before.items()
        if not _same_bits(arguments[name].detach(), old)
    ]
    names = [f"output {i}" if len(outputs) > 1 else "output" for i in range(len(outputs))]
    promised = promised_dtypes(spec, arguments, truths)
    pairs = list(zip(names, outputs, truths, promised, strict=True))
    outcomes = [_outcome(Pass.FORWARD, pairs, bounds, case, faults)]
    skipped = case.values is Values.SPECIAL and not spec.special_grads
    leaves = leaves_of(spec, arguments)
    fits = all(o.shape == t.shape or case.tail for o, t in zip(outputs, truths, strict=True))
    if leaves and fits and not skipped:
        truth_leaves = leaves_of(spec, truth_arguments)
        bounds = bounds_of(spec.grad_tolerance or spec.tolerance, case, dtype)
        outcomes.append(_check_backward(spec, case, outputs, truths, leaves, truth_leaves, bounds))
    return outcomes


def _wrong_kind(outputs: tuple[Any, ...], truths: tuple[Tensor, ...]) -> str | None:
    """What is wrong with results that cannot be compared at all."""
    if len(outputs) != len(truths):
        return f"{len(outputs)} results where {len(truths)} are right"
    others = [type(o).__name__ for o in outputs if not isinstance(o, Tensor)]
    return f"a result is a {others[0]}, not a tensor" if others else None


def _check_backward(
    spec: Spec,
    case: Case,
    outputs: tuple[Tensor, ...],
    truths: tuple[Tensor, ...],
    leaves: dict[str, Tensor],
    truth_leaves: dict[str, Tensor],
    bounds: Tolerance,
) -> Outcome:
    if not all(o.requires_grad for o, t in zip(outputs, truths, strict=True) if t.requires_grad):
        fault = "the output takes no gradient: nothing that autograd can follow leads back from it"
        return _outcome(Pass.BACKWARD, [], bounds, case, [fault])
    faults: list[str] = []
    upstream = [_upstream(output, case, index) for index, output in enumerate(outputs)]
    inputs = list(leaves.values())
    with _guarded(faults):
        grads = torch.autograd.grad(outputs, inputs, upstream, retain_graph=True, allow_unused=True)
    if spec.reproducible and case.tail is None:
        for _ in range(RUNS_AGAIN[outputs[0].device.type]):
            again = torch.autograd.grad(
                outputs, inputs, upstream, retain_graph=True, allow_unused=True
            )
            both = [(a, b) for a, b in zip(grads, again, strict=True) if a is not None]
            if not all(_same_bits(a, b) for a, b in both):
                faults.append("a second run gave other bits")
    truth_upstream = [_tail(g, case).double() for g in upstream]
    wanted = torch.autograd.grad(truths, list(truth_leaves.values()), truth_upstream)
    faults += [
        f"gradient of {name}: none" for name, g in zip(leaves, grads, strict=True) if g is None
    ]
    pairs = [
        (f"gradient of {name}", grad, want, leaf.dtype)
        for (name, leaf), grad, want in zip(leaves.items(), grads, wanted, strict=True)
        # What sums over all rows cannot be told from the last few.
        if grad is not None and (case.tail is None or grad.shape[0] == case.shape[0])
    ]
    return _outcome(Pass.BACKWARD, pairs, bounds, case, faults)


def _upstream(output: Tensor, case: Case, index: int) -> Tensor:
    """A random gradient of an output, laid out like the case's inputs."""
    generator = torch.Generator(device=output.device).manual_seed(7919 + index)
    values = torch.empty(output.shape, dtype=output.dtype, device=output.device)
    return lay_out(values.normal_(generator=generator), case.layout)


def _outcome(
    pass_: Pass,
    pairs: list[tuple[str, Tensor, Tensor, torch.dtype | None]],
    bounds: Tolerance,
    case: Case,
    faults: list[str],
) -> Outcome:
    results = [
        compare(n, _tail(a.detach(), case), e.detach(), bounds, dtype) for n, a, e, dtype in pairs
    ]
    worst = [r.max_abs_err for r in results if r.max_abs_err is not None]
    relative = [r.rel_rms_err for r in results if r.rel_rms_err is not None]
    return Outcome(
        pass_=pass_,
        max_abs_err=max(worst, default=None),
        rel_rms_err=max(relative, default=None),
        tolerance=bounds.rtol,
        faults=(*faults, *(r.fault for r in results if r.fault is not None)),
    )
