"""The verb: words of a user in, results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from index.compiling.jobs import jobs_of_source, kernels_of_file
from index.compiling.releases import DEFAULT, DEFAULT_TARGETS, read_release
from index.compiling.results import CompileJob, CompileResult
from index.compiling.targets import read_target
from index.compiling.workers import compile_jobs


def compile_words(
    words: Sequence[str],
    *,
    releases: Sequence[str],
    targets: Sequence[str],
    at_once: int,
    tell: Callable[[str], object],
) -> tuple[CompileResult, ...]:
    """Return the result of every kernel that the words name, by release and target, in order.

    Raises:
        CompileError: a word names nothing, or a release cannot be installed.
    """
    chosen = tuple(dict.fromkeys(map(read_release, releases or DEFAULT)))
    wanted = tuple(dict.fromkeys(read_target(t).name for t in targets or DEFAULT_TARGETS))
    jobs: list[CompileJob] = []
    results: dict[tuple[str, str, str], CompileResult | None] = {}
    for word in words:
        source, kernels = kernels_of_file(word)
        for id, name in kernels:
            for each in jobs_of_source(source, name, id=id, releases=chosen, targets=wanted):
                place = each.id, each.triton, each.target
                if isinstance(each, CompileJob):
                    jobs.append(each)
                    results[place] = None
                else:
                    results[place] = each
    for result in compile_jobs(jobs, at_once=at_once, tell=tell):
        results[result.id, result.triton, result.target] = result
    return tuple(result for result in results.values() if result is not None)
