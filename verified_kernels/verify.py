"""Runs the verified kernels: `python -m verified_kernels.verify [NAME...] --device cuda|cpu`.

Each kernel file runs in a process of its own with a time limit, since a wrong kernel can write
anywhere, hang, or kill what it runs in. This process imports neither PyTorch nor Triton.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import click

from verified_kernels import OPS
from verified_kernels.records import NO_TIMES, Pass, Record
from verified_kernels.report import show, write

DEVICES = ("cpu", "cuda")
PEERS = ("eager", "compile", "liger")
DEFAULT_SECONDS = 600.0
# Bytes that are read of what a process said, and lines that are passed on of a candidate's prints.
MOST_OUTPUT = 64 << 20
MOST_SAID = 20


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
        """Something was run, every record passed and every mutant was rejected."""
        return (
            bool(self.records or self.mutants)
            and all(r.passed for r in self.records)
            and all(m.rejected for m in self.mutants)
        )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What of the named kernels is run, and how.

    `only` keeps cases whose ids hold one of its texts. `peers` names those to time beside; none
    means all. `seconds` limits each process. `candidate`, `FILE.py:FUNCTION`, stands in for the one
    kernel named; `forward` holds it to its results alone.
    """

    device: str = "cpu"
    check: bool = True
    bench: bool = False
    mutants: bool = False
    seeds: int = 2
    jobs: int = 1
    seconds: float = DEFAULT_SECONDS
    only: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    candidate: str | None = None
    forward: bool = False


def verify(
    names: Sequence[str] = (),
    options: Options = Options(),
    *,
    progress: Callable[[str], None] = lambda line: None,
    found: Callable[[Verification], None] = lambda part: None,
) -> Verification:
    """What a run of the named kernels (all, without names) finds.

    `options.jobs` kernel files run side by side, but timings are taken one at a time. A process
    that outlasts its limit, or dies, is a failed record, and takes what it started with it.
    `progress` gets one line a finished file and a line a failure, `found` each part of the result.

    Raises:
        VerifyError: no such kernel, no PyTorch and Triton, no GPU for `cuda` or `bench`, or a
            candidate that cannot be used.
    """
    files = modules_of(names)
    _check_options(names, options)
    _require(options.device, bench=options.bench)
    parts = []
    with tempfile.TemporaryDirectory(prefix="verify-") as folder, Workers(folder) as workers:

        def run(mode: str, file: str) -> Verification:
            part, said = _run_file(workers, file, files[file], mode, options)
            progress("\n".join([_line(file, mode, part), *said]))
            return part

        for modes in _stages(options):
            with ThreadPoolExecutor(options.jobs) as pool:
                running = [pool.submit(run, mode, file) for mode in modes for file in files]
                try:
                    for future in as_completed(running):
                        parts.append(future.result())
                        found(parts[-1])
                except BaseException:
                    # Ctrl-C, or a candidate that cannot be used: nothing more is started.
                    pool.shutdown(wait=False, cancel_futures=True)
                    workers.kill()
                    raise
    return Verification(
        records=tuple(record for part in parts for record in part.records),
        mutants=tuple(mutant for part in parts for mutant in part.mutants),
    )


def check_candidate(
    name: str,
    candidate: str,
    *,
    device: str = "cpu",
    forward: bool = False,
    seeds: int = 2,
    seconds: float = DEFAULT_SECONDS,
) -> Verification:
    """What holding `candidate`, FILE.py:FUNCTION, to the spec of the function `name` finds.

    Its records carry one sentence each for what is wrong: inputs, entry, promise. `forward` leaves
    gradients out. The file runs in a process of its own, with limits on time and, on the CPU,
    memory. `report.verdict` makes lines for a person of the records.

    Raises:
        VerifyError: there is no such function, or the candidate cannot be used.
    """
    options = Options(
        device=device, candidate=candidate, forward=forward, seeds=seeds, seconds=seconds
    )
    return verify((name,), options)


def _stages(options: Options) -> list[list[str]]:
    """Modes of the worker: those of one stage run side by side, and nothing beside timings."""
    modes = ["verify"] if options.check else []
    if options.mutants and options.candidate is None:
        modes.append("mutants")
    if options.bench:
        modes.append("warm")
    return [modes, ["bench"]] if options.bench else [modes]


def _check_options(names: Sequence[str], options: Options) -> None:
    if options.seeds < 1:
        raise VerifyError(f"--seeds {options.seeds}: nothing would be run; give 1 or more")
    if options.jobs < 1:
        raise VerifyError(f"--jobs {options.jobs}: give 1 or more")
    if options.seconds <= 0:
        raise VerifyError(f"--seconds {options.seconds:g}: give more than 0")
    if not (options.check or options.bench or options.mutants):
        raise VerifyError("nothing is to be run; leave --skip-checks out, or give --bench")
    if options.candidate is None:
        return
    path, _, function = options.candidate.rpartition(":")
    if not path or not function.isidentifier():
        raise VerifyError(f"--candidate {options.candidate}: give FILE.py:FUNCTION")
    if not Path(path).is_file():
        raise VerifyError(f"--candidate {path}: there is no such file")
    if len(names) != 1:
        raise VerifyError("--candidate needs the one function's NAME that it is held to")


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


class Workers:
    """Processes that were started here, each the leader of a group that ends with it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def run(
        self, command: list[str], environment: dict[str, str], seconds: float
    ) -> tuple[int | None, str, str]:
        """Exit status (None past the limit of time), what went to stdout, and to stderr.

        Both go to files: a pipe would stay open as long as any descendant holds it.
        """
        with (
            tempfile.TemporaryFile(dir=self.folder) as output,
            tempfile.TemporaryFile(dir=self.folder) as errors,
        ):
            with self._lock:
                if self._closed:
                    return None, "", ""
                worker = subprocess.Popen(  # noqa: S603 - our own interpreter
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
                self._running.add(worker)
            status: int | None = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = worker.wait(seconds)
            self._end(worker)
            return status, _read(output), _read(errors)

    def kill(self) -> None:
        """Ends all that runs, and lets nothing more be started."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for worker in running:
            self._end(worker)

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        # The group outlives its leader as long as one descendant does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        with self._lock:
            self._running.discard(worker)


def _read(file: IO[bytes]) -> str:
    """The last of a file: what a candidate prints has no bound."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - MOST_OUTPUT, 0))
    return file.read().decode("utf-8", "replace")


def _run_file(
    workers: Workers, file: str, names: list[str], mode: str, options: Options
) -> tuple[Verification, list[str]]:
    """What a worker found, its death being a failed record, and what it says of its peers."""
    command = [sys.executable, "-m", "verified_kernels.worker", file, *names]
    command += ["--device", options.device, "--mode", mode, "--seeds", str(options.seeds)]
    command += [word for text in options.only for word in ("--only", text)]
    command += [word for peer in options.peers for word in ("--peers", peer)]
    command += ["--candidate", options.candidate] if options.candidate else []
    command += ["--forward"] if options.forward else []
    status, output, errors = workers.run(command, _environment(workers, options), options.seconds)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"')]
    for line in lines:
        if "unusable" in line:
            raise VerifyError(f"--candidate {line['unusable']}")
    records = [Record.from_json(line["record"]) for line in lines if "record" in line]
    verdicts = tuple(MutantVerdict(**line) for line in lines if "mutant" in line)
    if status != 0:
        how = _death(status, errors)
        if status is None:
            how = f"passed its limit of {options.seconds:g} s"
        begun = [line["begun"] for line in lines if "begun" in line]
        records.append(_dead(names, mode, options.device, records, how, begun))
    said = [f"  {line}" for line in errors.splitlines() if NO_TIMES in line]
    if options.candidate:
        said = [f"  {line}" for line in errors.splitlines()[:MOST_SAID]]
    return Verification(records=tuple(records), mutants=verdicts), said


def _environment(workers: Workers, options: Options) -> dict[str, str]:
    environment = dict(os.environ)
    environment["VERIFIED_KERNELS_DRAWS"] = workers.folder
    # Where this package was found, it is found there too.
    root = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    if options.device == "cpu":
        # One thread: the interpreter's arrays are small, and files run side by side.
        environment |= {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    else:
        environment.pop("TRITON_INTERPRET", None)
        # Many processes compile side by side already.
        environment.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    return environment


def _death(returncode: int | None, errors: str) -> str:
    last = errors.strip().splitlines()[-1:] or [""]
    if returncode is None:
        return "was ended"
    how = f"died of signal {-returncode}" if returncode < 0 else f"ended with {returncode}"
    return f"{how}: {last[0][:300]}"


def _dead(
    names: list[str],
    mode: str,
    device: str,
    records: list[Record],
    how: str,
    begun: Sequence[str] = (),
) -> Record:
    """A failed record for a process that did not finish, naming how far it had come."""
    last = records[-1] if records else None
    after = f"after {last.kernel}, {last.case}, {last.dtype}" if last else "before any case"
    if begun:
        after = f"in {begun[-1]}"
    return Record(
        kernel=last.kernel if last else names[0],
        case=f"the process of mode {mode}",
        pass_=Pass.FORWARD,
        dtype=last.dtype if last else "-",
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
@click.option("--candidate", metavar="FILE.py:FUNCTION", help="Hold this function to NAME's spec.")
@click.option("--forward", is_flag=True, help="Of a candidate, the results alone, no gradients.")
@click.option("--bench", is_flag=True, help="Time each kernel beside its peers (GPU).")
@click.option("--mutants", is_flag=True, help="Also plant bugs, which the check must reject.")
@click.option("--skip-checks", is_flag=True, help="Only --bench or --mutants.")
@click.option("--only", multiple=True, metavar="TEXT", help="Cases whose name holds TEXT.")
@click.option("--peer", "peers", multiple=True, type=click.Choice(PEERS), help="Instead of all.")
@click.option("--seeds", default=2, show_default=True, help="Random inputs a case.")
@click.option("--jobs", default=1, show_default=True, help="Kernel files side by side.")
@click.option("--seconds", default=DEFAULT_SECONDS, show_default=True, help="Limit a process.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Records as JSON.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="SVGs of timings.")
def main(
    names: tuple[str, ...],
    device: str,
    candidate: str | None,
    forward: bool,
    bench: bool,
    mutants: bool,
    skip_checks: bool,
    only: tuple[str, ...],
    peers: tuple[str, ...],
    seeds: int,
    jobs: int,
    seconds: float,
    out: Path | None,
    plots: Path | None,
) -> None:
    """Prove the bundled kernels, or a candidate, against PyTorch; exit 1 if one fails."""
    options = Options(
        device=device,
        candidate=candidate,
        forward=forward,
        check=not skip_checks,
        bench=bench,
        mutants=mutants,
        only=only,
        peers=peers,
        seeds=seeds,
        jobs=jobs,
        seconds=seconds,
    )
    records: list[Record] = []

    def keep(part: Verification) -> None:
        # Written as they come: what a run that is cut short had found is not lost.
        records.extend(part.records)
        write(records, out=out, plots=None)

    try:
        found = verify(names, options, progress=lambda line: click.echo(line, err=True), found=keep)
    except VerifyError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    write(found.records, out=out, plots=plots)
    show(found.records, candidate=candidate)
    sys.exit(0 if found.passed else 1)


if __name__ == "__main__":
    main()
