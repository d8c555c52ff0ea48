"""The process that runs one kernel file's cases: `python -m verified_kernels.worker`.

A wrong kernel can write anywhere, hang or kill its process, so each kernel is run in one of its
own, and each result leaves it as a line of JSON at once. `verify.py` starts it; on the CPU with
`TRITON_INTERPRET=1`, which must be set before Triton is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import triton
from filelock import FileLock

from verified_kernels.candidate import candidate_spec, in_words
from verified_kernels.check import Outcome, check_case, draw_arguments
from verified_kernels.mutants import MutantError, survives
from verified_kernels.records import CandidateError, Pass, Record
from verified_kernels.spec import Case, Mutant, Spec, specs_of

MUTANT_SECONDS = 60
MOST_BYTES = 16 << 30
_SURVIVED, _BAD_MUTANT = 3, 4


def _commit() -> str | None:
    """The commit of the checkout that this file lies in, or None outside a checkout.

    `TRITON_INDEX_COMMIT` says it for a copy of a checkout that left the history behind.
    """
    if told := os.environ.get("TRITON_INDEX_COMMIT"):
        return told
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def environment(device: str) -> dict[str, str | None]:
    """What a record says of where it was made: gpu, torch, triton, commit."""
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {
        "gpu": gpu,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "commit": _commit(),
    }


def record_of(
    spec: Spec, case: Case, dtype: str, device: str, outcome: Outcome, **more: Any
) -> Record:
    """The record of one outcome."""
    return Record(
        kernel=spec.name,
        case=case.id,
        pass_=outcome.pass_,
        dtype=dtype,
        device=device,
        passed=not outcome.faults,
        max_abs_err=_four_digits(outcome.max_abs_err),
        rel_rms_err=_four_digits(outcome.rel_rms_err),
        tolerance=outcome.tolerance,
        note="; ".join(outcome.faults) or None,
        **more,
    )


def _four_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3e}")


def check_records(
    spec: Spec, case: Case, dtype: str, device: str, seeds: int, **more: Any
) -> Iterator[Record]:
    """One record a direction: the worst of several seeds, or the first that fails."""
    worst: dict[str, Outcome] = {}
    for seed in range(seeds if case.tail is None else 1):
        for outcome in check_case(spec, case, dtype, device, seed):
            held = worst.get(outcome.pass_)
            if held is None or (not held.faults and _badness(outcome) > _badness(held)):
                worst[outcome.pass_] = outcome
    for outcome in worst.values():
        yield record_of(spec, case, dtype, device, outcome, **more)


def _badness(outcome: Outcome) -> tuple[bool, float]:
    return bool(outcome.faults), outcome.rel_rms_err or 0.0


def failure(
    spec: Spec, case: Case, dtype: str, device: str, error: Exception, **more: Any
) -> Record:
    """The record of a case that raised."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
    outcome = Outcome(
        pass_=Pass.FORWARD,
        max_abs_err=None,
        rel_rms_err=None,
        tolerance=0.0,
        faults=(reason,),
    )
    return record_of(spec, case, dtype, device, outcome, **more)


@contextlib.contextmanager
def _alone(case: Case) -> Iterator[None]:
    """Lets one worker at a time hold a case whose tensors take gigabytes, and gives them back."""
    if not case.gpu_only:
        yield
        return
    with FileLock(Path(tempfile.gettempdir()) / "verified-kernels-large.lock"):
        yield
        torch.cuda.empty_cache()


def verify_spec(
    spec: Spec, device: str, seeds: int, *, is_candidate: bool = False
) -> Iterator[Record | str]:
    """The records of every case in every dtype, and on a GPU of the compiled and graphed op.

    Before them the name of the case. A candidate need not hold tensors beyond 2**31 entries, nor be
    compiled or graphed.
    """
    where = environment(device)
    for case in spec.cases:
        if case.gpu_only and (device != "cuda" or is_candidate):
            continue
        for dtype in spec.dtypes_of(case, interpreted=device == "cpu"):
            yield f"{case.id}, {dtype}"
            try:
                with _alone(case):
                    found = list(check_records(spec, case, dtype, device, seeds, **where))
            except Exception as error:
                found = [failure(spec, case, dtype, device, error, **where)]
            if is_candidate:
                found = [_explained(spec, case, dtype, device, record) for record in found]
            yield from found
    if device == "cuda" and not is_candidate:
        from verified_kernels.capture import check_capture

        for case, dtype, outcome in check_capture(spec):
            yield record_of(spec, case, dtype, device, outcome, **where)


def _explained(spec: Spec, case: Case, dtype: str, device: str, record: Record) -> Record:
    """A failed record with what the function was called with."""
    if record.passed:
        return record
    arguments = draw_arguments(spec, case, dtype, device, seed=0)
    return dataclasses.replace(record, note=f"{in_words(arguments)}: {record.note}")


def bench_spec(
    spec: Spec, peers: Sequence[str] = (), bundled: Spec | None = None
) -> Iterator[Record | str]:
    """The records of every timed size: checked like any case, then timed beside the peers.

    `bundled`: the spec whose op is one more peer, where `spec` holds a candidate.
    """
    from verified_kernels.bench import Bench

    where = environment("cuda")
    bench = Bench(peers, bundled)
    for case in spec.bench:
        for dtype in spec.bench_dtypes:
            yield f"{case.id}, {dtype}"
            try:
                with bench.alone:
                    checked = list(check_records(spec, case, dtype, "cuda", 1, **where))
                    torch.cuda.empty_cache()
                timings = bench.time_case(spec, case, dtype)
            except Exception as error:
                yield failure(spec, case, dtype, "cuda", error, **where)
                continue
            for record in checked:
                yield dataclasses.replace(record, **timings.get(record.pass_, {}))


def try_mutants(module: ModuleType, spec: Spec, device: str) -> Iterator[dict[str, Any]]:
    """For each mutant: what it is, and whether the check rejected it.

    Each has a process of its own, since a store past an end can kill one, and on a GPU one such
    fault fails whatever follows it. Being killed counts as rejected.
    """
    # This process itself never touches the GPU: what is forked off it could not, else.
    for mutant in spec.mutants:
        child = multiprocessing.get_context("fork").Process(
            target=_exit_by_survival, args=(module, spec, mutant, device)
        )
        child.start()
        child.join(MUTANT_SECONDS)
        if child.is_alive():
            child.kill()
            child.join()
        if child.exitcode == _BAD_MUTANT:
            raise MutantError(f"{spec.name}: mutant '{mutant.why}' does not apply")
        yield {
            "kernel": spec.name,
            "mutant": mutant.why,
            "rejected": child.exitcode != _SURVIVED,
        }


def _exit_by_survival(module: ModuleType, spec: Spec, mutant: Mutant, device: str) -> None:
    try:
        survived = survives(module, spec, mutant, device)
    except MutantError as error:
        sys.stderr.write(f"{error}\n")
        os._exit(_BAD_MUTANT)
    os._exit(_SURVIVED if survived else 0)


def main() -> None:
    """Runs the specs of one kernel file; JSON lines on stdout, one `record` or `mutant` each."""
    parser = argparse.ArgumentParser(prog="python -m verified_kernels.worker")
    parser.add_argument("module")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--mode", choices=("verify", "mutants", "bench", "warm"), required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--peers", action="append", default=[])
    parser.add_argument("--candidate")
    parser.add_argument("--forward", action="store_true")
    options = parser.parse_args()
    say = _private_stdout()
    # NaN and overflow are inputs here; numpy, which interprets the kernels, warns of each.
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    module = importlib.import_module(options.module)
    specs = [_selected(spec, options.only) for spec in specs_of(module)]
    specs = [spec for spec in specs if spec.name in options.names]
    if options.candidate:
        _limit_memory(options.device)
        try:
            specs = [candidate_spec(spec, options.candidate) for spec in specs]
        except CandidateError as error:
            say({"unusable": str(error)})
            return
    if options.forward:
        specs = [dataclasses.replace(spec, grads=()) for spec in specs]
    for line in _lines(module, specs, options):
        say(line)


def spec_of(module: ModuleType, name: str) -> Spec:
    """The spec of that name in a kernel file."""
    return next(spec for spec in specs_of(module) if spec.name == name)


def _selected(spec: Spec, only: list[str]) -> Spec:
    """The spec with the cases alone whose ids hold one of the texts; all of them without any."""
    if not only:
        return spec

    def chosen(cases: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(case for case in cases if any(text in case.id for text in only))

    kept = {case.id for case in chosen(spec.cases)}
    mutants = tuple(
        dataclasses.replace(m, cases=tuple(c for c in m.cases if c in kept)) for m in spec.mutants
    )
    return dataclasses.replace(
        spec, cases=chosen(spec.cases), bench=chosen(spec.bench), mutants=mutants
    )


def _lines(
    module: ModuleType, specs: list[Spec], options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    for spec in specs:
        if options.mode == "mutants":
            yield from try_mutants(module, spec, options.device)
        elif options.mode == "warm":
            from verified_kernels.bench import warm

            warm(spec, options.peers)
        elif options.mode == "bench":
            bundled = spec_of(module, spec.name) if options.candidate else None
            yield from _as_lines(bench_spec(spec, options.peers, bundled))
        else:
            records = verify_spec(
                spec, options.device, options.seeds, is_candidate=bool(options.candidate)
            )
            yield from _as_lines(records)


def _as_lines(records: Iterator[Record | str]) -> Iterator[dict[str, Any]]:
    """Records, and between them the names of the cases that are begun."""
    for record in records:
        yield {"begun": record} if isinstance(record, str) else {"record": record.to_json()}


def _private_stdout() -> Callable[[dict[str, Any]], None]:
    """A function that writes a line of JSON where stdout was; prints go to stderr from now on."""
    private = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: dict[str, Any]) -> None:
        private.write(json.dumps(line) + "\n")
        private.flush()

    return say


def _limit_memory(device: str) -> None:
    """Bounds what a candidate can take of this machine; a GPU's driver maps more than any bound."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if device == "cpu":
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


if __name__ == "__main__":
    main()
