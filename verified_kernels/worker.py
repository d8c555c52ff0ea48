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
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import triton
from filelock import FileLock

from verified_kernels.check import Outcome, check_case
from verified_kernels.mutants import MutantError, survives
from verified_kernels.records import Pass, Record
from verified_kernels.spec import Case, Mutant, Spec, specs_of

MUTANT_SECONDS = 60
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


def verify_spec(spec: Spec, device: str, seeds: int) -> Iterator[Record]:
    """The records of every case in every dtype, and on a GPU of the compiled and graphed op."""
    where = environment(device)
    for case in spec.cases:
        if case.gpu_only and device != "cuda":
            continue
        for dtype in spec.dtypes_of(case, interpreted=device == "cpu"):
            try:
                with _alone(case):
                    yield from check_records(spec, case, dtype, device, seeds, **where)
            except Exception as error:
                yield failure(spec, case, dtype, device, error, **where)
    if device == "cuda":
        from verified_kernels.capture import check_capture

        for case, dtype, outcome in check_capture(spec):
            yield record_of(spec, case, dtype, device, outcome, **where)


def bench_spec(spec: Spec, copy_gb_per_s: float) -> Iterator[Record]:
    """The records of every timed size: checked like any case, then timed beside the peers."""
    from verified_kernels.bench import time_case

    where = environment("cuda")
    for case in spec.bench:
        for dtype in spec.bench_dtypes:
            try:
                checked = list(check_records(spec, case, dtype, "cuda", 1, **where))
                timings = time_case(spec, case, dtype)
            except Exception as error:
                yield failure(spec, case, dtype, "cuda", error, **where)
                continue
            for record in checked:
                timed = timings[record.pass_]
                yield dataclasses.replace(record, copy_gb_per_s=copy_gb_per_s, **timed)


def try_mutants(module: ModuleType, spec: Spec, device: str) -> Iterator[dict[str, Any]]:
    """For each mutant: what it is, and whether the check rejected it."""
    for mutant in spec.mutants:
        if device == "cuda":
            rejected = not survives(module, spec, mutant, device)
        else:
            # A store past an end can kill the process; that too is a rejection.
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
            rejected = child.exitcode != _SURVIVED
        yield {"kernel": spec.name, "mutant": mutant.why, "rejected": rejected}


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
    options = parser.parse_args()
    # NaN and overflow are inputs here; numpy, which interprets the kernels, warns of each.
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    module = importlib.import_module(options.module)
    specs = [spec for spec in specs_of(module) if spec.name in options.names]
    copied = 0.0
    if options.mode == "bench":
        from verified_kernels.bench import copy_bandwidth

        copied = copy_bandwidth()
    for spec in specs:
        if options.mode == "mutants":
            for verdict in try_mutants(module, spec, options.device):
                _say(verdict)
        elif options.mode == "warm":
            from verified_kernels.bench import warm

            warm(spec)
        else:
            records = (
                bench_spec(spec, copied)
                if options.mode == "bench"
                else verify_spec(spec, options.device, options.seeds)
            )
            for record in records:
                _say({"record": record.to_json()})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
