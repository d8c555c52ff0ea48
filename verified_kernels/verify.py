"""Runs the verified kernels: `python -m verified_kernels.verify [NAME...] --device cuda|cpu`.

Each kernel file runs in a process of its own with a time limit, since a wrong kernel can write
anywhere, hang, or kill what it runs in. This process imports neither PyTorch nor Triton.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from verified_kernels import OPS
from verified_kernels.records import NO_TIMES, Pass, Record
from verified_kernels.report import show, write

DEVICES = ("cpu", "cuda")
DEFAULT_SECONDS = 600.0


class VerifyError(Exception):
    """What was asked cannot be run; the text is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MutantVerdict:
    """Whether the check rejected one planted bug, as it should."""

    kernel: str
    mutant: str
    rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All that one run found."""

    records: tuple[Record, ...]
    mutants: tuple[MutantVerdict, ...] = ()

    @property
    def passed(self) -> bool:
        """Every record passed and every mutant was rejected."""
        return all(r.passed for r in self.records) and all(m.rejected for m in self.mutants)


def modules_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Kernel file -> the ops of it that are wanted; no names means all.

    Raises:
        VerifyError: there is no such op.
    """
    if unknown := [name for name in names if name not in OPS]:
        raise VerifyError(
            f"no verified kernel is called {', '.join(unknown)}; there are: {', '.join(OPS)}"
        )
    files: dict[str, list[str]] = {}
    for name in names or OPS:
        files.setdefault(f"verified_kernels.ops.{OPS[name]}", []).append(name)
    return files


def verify(
    names: Sequence[str] = (),
    *,
    device: str = "cpu",
    bench: bool = False,
    mutants: bool = False,
    seeds: int = 2,
    jobs: int = 1,
    seconds: float = DEFAULT_SECONDS,
    progress: Callable[[str], None] = lambda line: None,
) -> Verification:
    """What a run of the named kernels (all, without names) finds.

    `jobs` kernel files run side by side, but timings are taken one at a time. `seconds` limits each
    file's process; one that outlasts it, or dies, is a failed record. `progress` gets one line a
    finished file and a line a failure.

    Raises:
        VerifyError: no such kernel, no PyTorch and Triton, or no GPU for `cuda` or `bench`.
    """
    files = modules_of(names)
    _require(device, bench=bench)

    def run(mode: str, file: str) -> Verification:
        found, said = _run_file(file, files[file], mode, device, seeds, seconds)
        progress("\n".join([_line(file, mode, found), *said]))
        return found

    with ThreadPoolExecutor(jobs) as pool:
        modes = ["verify", *(["mutants"] if mutants else []), *(["warm"] if bench else [])]
        work = [(mode, file) for mode in modes for file in files]
        found = list(pool.map(lambda item: run(*item), work))
    if bench:
        found += [run("bench", file) for file in files]
    return Verification(
        records=tuple(record for part in found for record in part.records),
        mutants=tuple(mutant for part in found for mutant in part.mutants),
    )


def _require(device: str, *, bench: bool) -> None:
    if bench and device != "cuda":
        raise VerifyError("timings are taken on a GPU; give --device cuda with --bench")
    probe = "import torch, triton, numpy; print(torch.cuda.is_available())"
    answer = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise VerifyError(
            "PyTorch, Triton and numpy are needed: install triton-index with its extra 'kernels'"
        )
    if device == "cuda" and answer.stdout.strip() != "True":
        raise VerifyError("PyTorch sees no GPU here; try --device cpu")


def _run_file(
    file: str, names: list[str], mode: str, device: str, seeds: int, seconds: float
) -> tuple[Verification, list[str]]:
    """What a worker found, its death being a failed record, and what it says of its peers."""
    command = [sys.executable, "-m", "verified_kernels.worker", file, *names]
    command += ["--device", device, "--mode", mode, "--seeds", str(seeds)]
    environment = dict(os.environ)
    if device == "cpu":
        # One thread: the interpreter's arrays are small, and files run side by side.
        environment |= {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    else:
        environment.pop("TRITON_INTERPRET", None)
    worker = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    timer = threading.Timer(seconds, worker.kill)
    timer.start()
    try:
        output, errors = worker.communicate()
    finally:
        late = not timer.is_alive()
        timer.cancel()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"')]
    records = [Record.from_json(line["record"]) for line in lines if "record" in line]
    verdicts = tuple(MutantVerdict(**line) for line in lines if "mutant" in line)
    if worker.returncode:
        how = f"passed its limit of {seconds:.0f} s" if late else _death(worker.returncode, errors)
        records.append(_dead(names, mode, device, records, how))
    said = [f"  {line}" for line in errors.splitlines() if NO_TIMES in line]
    return Verification(records=tuple(records), mutants=verdicts), said


def _death(returncode: int, errors: str) -> str:
    last = errors.strip().splitlines()[-1:] or [""]
    how = f"died of signal {-returncode}" if returncode < 0 else f"ended with {returncode}"
    return f"{how}: {last[0][:300]}"


def _dead(names: list[str], mode: str, device: str, records: list[Record], how: str) -> Record:
    """A failed record for a process that did not finish, naming how far it had come."""
    last = records[-1] if records else None
    after = f"after {last.kernel}, {last.case}, {last.dtype}" if last else "before any case"
    return Record(
        kernel=last.kernel if last else names[0],
        case=f"the process of mode {mode}",
        pass_=Pass.FORWARD,
        dtype=last.dtype if last else "",
        device=device,
        passed=False,
        max_abs_err=None,
        rel_rms_err=None,
        tolerance=0.0,
        note=f"{how} ({after})",
    )


def _line(file: str, mode: str, found: Verification) -> str:
    name = file.rpartition(".")[2]
    failed = [r for r in found.records if not r.passed]
    survived = [m for m in found.mutants if not m.rejected]
    line = f"{name}: {mode}: "
    if found.mutants:
        line += f"{len(found.mutants)} mutants, {len(survived)} passed unnoticed"
    else:
        line += f"{len(found.records)} records, {len(failed)} failed"
    details = [
        *(f"  FAILED {r.kernel}, {r.case}, {r.pass_}, {r.dtype}: {r.note}" for r in failed),
        *(f"  UNNOTICED {m.kernel}: {m.mutant}" for m in survived),
    ]
    return "\n".join([line, *details])


@click.command()
@click.argument("names", nargs=-1)
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True)
@click.option("--bench", is_flag=True, help="Time each kernel beside its peers (GPU).")
@click.option("--mutants", is_flag=True, help="Also plant bugs, which the check must reject.")
@click.option("--seeds", default=2, show_default=True, help="Random inputs a case.")
@click.option("--jobs", default=1, show_default=True, help="Kernel files side by side.")
@click.option("--seconds", default=DEFAULT_SECONDS, show_default=True, help="Limit a kernel file.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Records as JSON.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="SVGs of timings.")
def main(
    names: tuple[str, ...],
    device: str,
    bench: bool,
    mutants: bool,
    seeds: int,
    jobs: int,
    seconds: float,
    out: Path | None,
    plots: Path | None,
) -> None:
    """Prove the bundled kernels against PyTorch; exit 1 if one fails."""
    try:
        found = verify(
            names,
            device=device,
            bench=bench,
            mutants=mutants,
            seeds=seeds,
            jobs=jobs,
            seconds=seconds,
            progress=lambda line: click.echo(line, err=True),
        )
    except VerifyError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    write(found.records, out=out, plots=plots)
    show(found.records)
    sys.exit(0 if found.passed else 1)


if __name__ == "__main__":
    main()
