"""The op as `torch.compile` traces it and as a CUDA graph replays it (GPU only).

A graph must give what the plain call gives, to the bit. A compiled call may round otherwise: sizes
are symbols to it, so Triton knows less of their divisibility and can add up in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from verified_kernels.check import Outcome, as_outputs, compare, draw_arguments, leaves_of
from verified_kernels.records import Pass
from verified_kernels.spec import EXACT, Arguments, Case, Layout, Spec, Values, tolerance_of

Run = Callable[[Arguments], list[Tensor]]


def check_capture(spec: Spec) -> Iterator[tuple[Case, str, Outcome]]:
    """Two outcomes, on the first ordinary case of some size: compiled, and graphed."""
    ordinary = [
        case
        for case in spec.cases
        if case.layout is Layout.CONTIGUOUS
        and case.values is Values.NORMAL
        and not case.gpu_only
        and len(case.shape) > 1
    ]
    # A convolution's shape ends in its taps.
    case = next((case for case in ordinary if case.shape[-1] > 64), ordinary[-1])
    dtype = spec.dtypes_of(case, interpreted=False)[-1]
    plain = _runner(spec, spec.op)
    expected = [t.clone() for t in plain(draw_arguments(spec, case, dtype, "cuda", seed=5))]

    def graphed(arguments: Arguments) -> list[Tensor]:
        return _graphed(plain, arguments)

    torch.compiler.reset()
    # Symbolic sizes: what a second call with another size would bring about.
    compiled = _runner(spec, torch.compile(spec.op, dynamic=True, fullgraph=True))
    checks: list[tuple[str, Run]] = [
        ("in a CUDA graph", graphed),
        ("under torch.compile", compiled),
    ]
    for how, run in checks:
        faults: tuple[str, ...] = ()
        try:
            actual = run(draw_arguments(spec, case, dtype, "cuda", seed=5))
            bounds = EXACT if run is graphed else tolerance_of(spec.tolerance, dtype)
            pairs = zip(actual, expected, strict=True)
            results = [compare(how, a, _as_reference(e), bounds) for a, e in pairs]
            faults = tuple(r.fault for r in results if r.fault is not None)
        except Exception as error:
            faults = (f"{how}: {type(error).__name__}: {error}".splitlines()[0][:500],)
        outcome = Outcome(
            pass_=Pass.BACKWARD if spec.grads else Pass.FORWARD,
            max_abs_err=None,
            rel_rms_err=None,
            tolerance=0.0,
            faults=faults,
        )
        yield Case(id=f"{how}: {case.id}", shape=case.shape), dtype, outcome


def _as_reference(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def _runner(spec: Spec, op: Callable[..., object]) -> Run:
    """Outputs and, where there are any, gradients of one call."""

    def run(arguments: Arguments) -> list[Tensor]:
        outputs = as_outputs(op(**arguments))
        leaves = list(leaves_of(spec, arguments).values())
        if not leaves:
            return list(outputs)
        # A gradient that is not uniform, made without random numbers, which a graph would freeze.
        upstream = [torch.cos(o.detach().float()).to(o.dtype) for o in outputs]
        return [*(o.detach() for o in outputs), *torch.autograd.grad(outputs, leaves, upstream)]

    return run


def _graphed(plain: Run, arguments: Arguments) -> list[Tensor]:
    """Captured on other values, which are replaced before the replay."""
    wanted = {n: t.detach().clone() for n, t in arguments.items() if isinstance(t, Tensor)}
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), torch.no_grad():
        for name in wanted:
            if arguments[name].is_floating_point():
                arguments[name].fill_(0.5)
    with torch.cuda.stream(stream):
        plain(arguments)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            results = plain(arguments)
        with torch.no_grad():
            for name, values in wanted.items():
                arguments[name].copy_(values)
        graph.replay()
        stream.synchronize()
    return results
