"""A slice of the published index, compiled with one release within a night's minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from crawler.opening import Opener
from crawler.pace import Pace
from index.automation.actions import Job
from index.automation.base import fetch_base
from index.cli.output import note
from index.compiling.compile import Asked, run_asked
from index.compiling.indexed import (
    IndexedKernel,
    due_kernels,
    jobs_of_kernel,
    known_result,
    opened_project,
)
from index.compiling.releases import read_release
from index.compiling.results import CompileJob, CompileResult
from index.compiling.targets import read_target
from index.database import open_index
from index.errors import CompileError
from index.files.published import INDEX_NAME

MOST = 2_000
"""Kernels of which one night takes note; more than it can compile."""
_REQUESTS = 400


def compile_slice(
    job: Job, out: Path, release: str, targets: Sequence[str], *, minutes: float, at_once: int
) -> str:
    """Write to `out` what compiling the kernels that are due gave; return what to show of it.

    What does not fit into the minutes is due the next night.

    Raises:
        CompileError: The release cannot be installed.
        GithubError: The releases of the index cannot be listed.
        PublishedError: The published index cannot be reached now.
        StoreError: The folder cannot be written.
    """
    end = time.monotonic() + 60 * minutes
    version, names = read_release(release), [read_target(target).name for target in targets]
    index = out.parent / INDEX_NAME
    for line in fetch_base(job, index, with_scans=False).notes:
        note(line)
    results: list[CompileResult] = []
    for asked in _asked(
        index, out.parent / "cache", version, names, lambda: time.monotonic() < end
    ):
        results += run_asked(asked, at_once=at_once, tell=note)
    out.write_text(json.dumps([asdict(result) for result in results]), encoding="utf-8")
    return _summary(version, results)


def _asked(
    index: Path, cache: Path, release: str, targets: Sequence[str], is_time: Callable[[], bool]
) -> Iterator[Sequence[Asked]]:
    """Yield what is to be compiled, source by source, as long as there is time."""
    with open_index(index) as con, Opener(cache=cache, pace=Pace(requests=_REQUESTS)) as opener:
        for source, kernels in _by_source(
            {target: due_kernels(con, release, target, MOST) for target in targets}
        ).items():
            if not is_time():
                return
            try:
                with opened_project(source, opener) as project:
                    asked = [jobs_of_kernel(project, k, release, t) for k, t in kernels]
            except CompileError as error:
                note(str(error))
                continue
            yield [
                (known_result(con, each) or each) if isinstance(each, CompileJob) else each
                for each in asked
            ]


def _by_source(
    due: dict[str, tuple[IndexedKernel, ...]],
) -> dict[str, list[tuple[IndexedKernel, str]]]:
    """Return kernels and targets by where their code is, the source of what is due first first."""
    found: dict[str, list[tuple[IndexedKernel, str]]] = {}
    for row in zip_longest(*due.values()):
        for kernel, target in zip(row, due, strict=True):
            if kernel is not None:
                found.setdefault(kernel.source, []).append((kernel, target))
    return found


def _summary(release: str, results: Sequence[CompileResult]) -> str:
    lines = [
        f"### Triton {release}: {len(results):,} compiles",
        "",
        "| outcome | |",
        "| --- | --- |",
    ]
    counts: dict[str, int] = {}
    for result in results:
        counts[result.outcome.value] = counts.get(result.outcome.value, 0) + 1
    lines += (f"| {outcome} | {count:,} |" for outcome, count in sorted(counts.items()))
    return "\n".join(lines)
