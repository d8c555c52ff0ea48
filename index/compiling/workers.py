"""Compiles in parallel: one server a release and thread, each job in a closed fork of it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from index.compiling.environments import python_of
from index.compiling.guesses import Attempt
from index.compiling.results import CompileFacts, CompileJob, CompileResult, Outcome
from index.compiling.targets import read_target
from index.errors import CompileError

SECONDS = 60.0
MEMORY = 6 << 30
"""Of addresses, most of which the compiler's own library takes."""

_BOX = Path(__file__).parent / "box" / "serve.py"
_AT_ONCE = 48
"""Jobs for which one server is started."""


class Server:
    """A process of one release that compiles jobs, one after the other.

    Raises:
        CompileError: Triton cannot be started there.
    """

    def __init__(self, release: str, python: Path) -> None:
        self._release = release
        self._python = python

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(  # noqa: S603 - a Python and a file of our own
            [str(self._python), "-I", str(_BOX)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/nonexistent"},
            text=True,
            start_new_session=True,
        )
        try:
            hello = self._answer()
            if "triton" not in hello:
                raise CompileError(
                    f"Triton {self._release}: {hello.get('error', 'does not start')}"
                )
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def compile(
        self, job: CompileJob, *, seconds: float = SECONDS, memory: int = MEMORY
    ) -> CompileResult:
        """Return how compiling a job ended; whatever its code does ends with it."""
        return self.compile_with(job, seconds=seconds, memory=memory)[0]

    def compile_with(
        self, job: CompileJob, *, seconds: float = SECONDS, memory: int = MEMORY
    ) -> tuple[CompileResult, Attempt | None]:
        """Return how compiling a job ended, and the arguments that it compiled with."""
        result, attempt = self._ask(job, job.attempts, seconds / 2, memory)
        if result.outcome in (Outcome.TIMEOUT, Outcome.CRASHED):
            # The last attempt has the smallest blocks.
            again = self._ask(job, job.attempts[-1:], seconds / 2, memory)
            if again[0].outcome is Outcome.COMPILED:
                return again
        return result, attempt

    def _ask(
        self, job: CompileJob, attempts: Sequence[Attempt], seconds: float, memory: int
    ) -> tuple[CompileResult, Attempt | None]:
        target = read_target(job.target)
        asked = {
            "source": job.source,
            "kernel": job.kernel,
            "attempts": [asdict(attempt) for attempt in attempts],
            **asdict(job.repairs),
            "backend": target.backend,
            "arch": target.arch,
            "warp_size": target.warp_size,
            "shared_limit": target.shared_bytes,
            "seconds": seconds,
            "memory": memory,
        }
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(asked) + "\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise CompileError(f"Triton {self._release}: its server ended") from error
        answer = self._answer()
        found = answer.get("attempt")
        return _result(job, answer), None if found is None else Attempt(**found)

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise CompileError(f"Triton {self._release}: its server ended")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def _end(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        # The server's forks end with it.
        self._process.kill()
        self._process.wait()


def compile_jobs(
    jobs: Sequence[CompileJob],
    *,
    at_once: int,
    tell: Callable[[str], object],
    seconds: float = SECONDS,
) -> Iterator[CompileResult]:
    """Yield the result of each job, in the order in which they end.

    What does not compile with the guesses for one release or target is tried once more with the
    arguments that it compiled with for another.

    Raises:
        CompileError: a release cannot be installed or started.
    """
    proven: dict[str, Attempt] = {}
    open_: list[tuple[CompileJob, CompileResult]] = []
    for job, result, attempt in _run(jobs, at_once=at_once, tell=tell, seconds=seconds):
        if attempt is not None:
            proven.setdefault(job.id, attempt)
        if not result.is_certain:
            open_.append((job, result))
        else:
            yield result
    again = [replace(job, attempts=(proven[job.id],)) for job, _ in open_ if job.id in proven]
    yield from (result for job, result in open_ if job.id not in proven)
    for _, result, _ in _run(again, at_once=at_once, tell=tell, seconds=seconds):
        yield result


def _run(
    jobs: Sequence[CompileJob], *, at_once: int, tell: Callable[[str], object], seconds: float
) -> Iterator[tuple[CompileJob, CompileResult, Attempt | None]]:
    parts = list(_parts(jobs))
    stop = threading.Event()

    def run(part: Sequence[CompileJob]) -> list[tuple[CompileJob, CompileResult, Attempt | None]]:
        if stop.is_set():
            return []
        with Server(part[0].triton, python_of(part[0].triton, tell)) as server:
            return [
                (job, *server.compile_with(job, seconds=seconds))
                for job in part
                if not stop.is_set()
            ]

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for done in as_completed([pool.submit(run, part) for part in parts]):
                yield from done.result()
        finally:
            stop.set()


def _parts(jobs: Sequence[CompileJob]) -> Iterator[Sequence[CompileJob]]:
    by_release: dict[str, list[CompileJob]] = {}
    for job in jobs:
        by_release.setdefault(job.triton, []).append(job)
    for release in by_release.values():
        for start in range(0, len(release), _AT_ONCE):
            yield release[start : start + _AT_ONCE]


def _result(job: CompileJob, answer: dict[str, Any]) -> CompileResult:
    facts = answer.get("facts")
    result = CompileResult(
        id=job.id,
        triton=job.triton,
        target=job.target,
        outcome=Outcome(answer["outcome"]),
        reason=answer.get("reason"),
        assumptions=answer.get("assumptions") or {},
        seconds=answer["seconds"],
        source_sha=job.source_sha,
        is_certain=answer.get("is_certain", True),
    )
    if facts is None:
        return result
    known = CompileFacts(**{**facts, "instructions": tuple(facts["instructions"])})
    return replace(result, facts=known)
