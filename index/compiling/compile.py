"""The verb: words of a user in, results out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from crawler.opening import Opener
from index.compiling.indexed import (
    IndexedKernel,
    jobs_of_kernel,
    known_result,
    opened_project,
    read_kernel,
)
from index.compiling.jobs import jobs_of_source, kernels_of_file
from index.compiling.releases import DEFAULT, DEFAULT_TARGETS, read_release
from index.compiling.results import CompileJob, CompileResult
from index.compiling.targets import read_target
from index.compiling.workers import compile_jobs
from index.database import open_index
from index.errors import CompileError
from index.queries.lookup import MOST_NAMED, find_kernel

Asked = CompileJob | CompileResult


def compile_words(
    words: Sequence[str],
    *,
    index: Callable[[], Path],
    releases: Sequence[str],
    targets: Sequence[str],
    at_once: int,
    tell: Callable[[str], object],
) -> tuple[CompileResult, ...]:
    """Return the result of every kernel that the words name, by release and target, in order.

    A word that names a Python file is one; any other is the id of a kernel of `index`, or the end
    of one. What the index knows of exactly the same source is not compiled again.

    Raises:
        CompileError: a word names nothing, its code cannot be had, or a release not be installed.
    """
    chosen = tuple(dict.fromkeys(map(read_release, releases or DEFAULT)))
    wanted = tuple(dict.fromkeys(read_target(t).name for t in targets or DEFAULT_TARGETS))
    asked: list[Asked] = []
    ids = [word for word in words if not is_file(word)]
    for word in words:
        if word not in ids:
            source, kernels = kernels_of_file(word)
            for id, name in kernels:
                asked += jobs_of_source(source, name, id=id, releases=chosen, targets=wanted)
    if ids:
        asked += _of_index(index(), ids, chosen, wanted, tell)
    return tuple(run_asked(asked, at_once=at_once, tell=tell))


def run_asked(
    asked: Sequence[Asked], *, at_once: int, tell: Callable[[str], object]
) -> Iterator[CompileResult]:
    """Yield the result of what was asked, in that order; what has one already keeps it."""
    jobs = [each for each in asked if isinstance(each, CompileJob)]
    done = {
        (result.id, result.triton, result.target): result
        for result in compile_jobs(jobs, at_once=at_once, tell=tell)
    }
    for each in asked:
        if isinstance(each, CompileResult):
            yield each
        else:
            yield done[each.id, each.triton, each.target]


def is_file(word: str) -> bool:
    """Tell whether a word names a Python file, and not a kernel of the index."""
    path = word.rpartition(":")[0] if ".py:" in word and "::" not in word else word
    return "::" not in word and path.endswith(".py")


def _of_index(
    path: Path,
    words: Sequence[str],
    releases: Sequence[str],
    targets: Sequence[str],
    tell: Callable[[str], object],
) -> Iterator[Asked]:
    with open_index(path) as con, Opener() as opener:
        kernels: dict[str, list[IndexedKernel]] = {}
        for word in words:
            found = find_kernel(con, word)
            if found.id is None:
                near = ", ".join(found.others[:MOST_NAMED])
                raise CompileError(
                    f"{word}: no such kernel or file" + (f"; {near}?" if near else "")
                )
            kernel = read_kernel(con, found.id)
            kernels.setdefault(kernel.source, []).append(kernel)
        for source, each in kernels.items():
            tell(f"reading {source}")
            with opened_project(source, opener) as project:
                for kernel in each:
                    for release in releases:
                        for target in targets:
                            job = jobs_of_kernel(project, kernel, release, target)
                            if isinstance(job, CompileJob):
                                yield known_result(con, job) or job
                            else:
                                yield job
