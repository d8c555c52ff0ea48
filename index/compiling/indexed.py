"""Kernels of the index -> jobs: found by id or by how much is to be gained, extracted, compiled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from crawler.errors import TritonIndexError
from crawler.extract import NotExtractable, Project, extract_kernel
from crawler.models import CrawledRepo, Entry, RepoStatus, Snapshot
from crawler.opened import Opened
from crawler.opening import Opener
from crawler.sources import parse_source
from index.compiling.jobs import jobs_of_source, not_extractable
from index.compiling.results import CompileFacts, CompileJob, CompileResult, Outcome
from index.errors import CompileError


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedKernel:
    """A kernel with what it takes to get at its code; `source` is the SOURCE word for that."""

    id: str
    repo: str
    source: str
    dtypes: tuple[str, ...]

    @property
    def place(self) -> tuple[str, str]:
        """Its path, of a notebook with the cell, and its qualified name, as in its id."""
        path, _, qualname = self.id.removeprefix(f"{self.repo}:").rpartition("::")
        return path, qualname


def read_kernel(con: duckdb.DuckDBPyConnection, id: str) -> IndexedKernel:
    """Return what it takes to compile a kernel of the index, by its whole id."""
    return next(iter(_kernels(con, "k.id = $id", id=id)))


def due_kernels(
    con: duckdb.DuckDBPyConnection, release: str, target: str, most: int
) -> tuple[IndexedKernel, ...]:
    """Return launchable kernels of which nothing is known for a release and target.

    One of each group of copies, the newest first, then the most copied; what came within two weeks
    of the last crawl is new.
    """
    return tuple(
        _kernels(
            con,
            "k.role = 'kernel' AND k.removed_at IS NULL AND k.is_test IS NOT TRUE "
            "AND k.is_generated IS NOT TRUE AND (k.origin IS NULL OR k.origin = k.id) "
            "AND NOT list_bool_or(list_transform(k.compiled, "
            "lambda c: c.triton = $release AND c.target = $target)) IS TRUE "
            "AND NOT starts_with(k.repo, 'local/')",
            "ORDER BY k.first_seen > (SELECT max(last_crawled_at) FROM repos) - INTERVAL 14 DAY "
            "DESC, coalesce(k.n_copies, 0) DESC, hash(k.id) LIMIT $most",
            release=release,
            target=target,
            most=most,
        )
    )


def known_result(con: duckdb.DuckDBPyConnection, job: CompileJob) -> CompileResult | None:
    """Return what is known of exactly this source, release and target; None if it is not.

    Where no guess was any good, better ones may be.
    """
    found = con.execute(
        "SELECT outcome, reason, assumptions, shared_bytes, num_warps, registers, spill_bytes, "
        "instructions, seconds FROM compilations "
        "WHERE source_sha = ? AND triton = ? AND target = ? AND is_certain",
        [job.source_sha, job.triton, job.target],
    ).fetchone()
    return None if found is None else _result(job, *found)


@contextmanager
def opened_project(source: str, opener: Opener) -> Iterator[Project]:
    """Yield the project that a SOURCE word names; files are read when they are asked for.

    Raises:
        CompileError: it cannot be read.
    """
    repo = parse_source(source)
    so_far = CrawledRepo(
        name=repo.name, location=source, status=RepoStatus.FAILED, scanner_version=""
    )
    try:
        opened = opener.open(so_far, repo, None, full=True)
        if not isinstance(opened, Opened):
            raise CompileError(f"{source}: {opened.error or opened.status.value}")
    except TritonIndexError as error:
        raise CompileError(str(error)) from error
    try:
        yield _project(repo.name, opened.snapshot)
    finally:
        opened.snapshot.close()


def jobs_of_kernel(
    project: Project, kernel: IndexedKernel, release: str, target: str
) -> CompileJob | CompileResult:
    """Return the job that compiles a kernel for one release and target, or why there is none."""
    path, qualname = kernel.place
    found = extract_kernel(project, path, qualname, triton=release, target=target)
    if isinstance(found, NotExtractable):
        return not_extractable(kernel.id, release, target, found.reason)
    (job,) = jobs_of_source(
        found.source,
        found.name,
        id=kernel.id,
        releases=(release,),
        targets=(target,),
        dtypes=kernel.dtypes,
    )
    return job


def _project(name: str, snapshot: Snapshot) -> Project:
    entries = {entry.path: entry for entry in snapshot.entries()}

    def read(path: str) -> bytes | None:
        entry: Entry | None = entries.get(path)
        if entry is None:
            return None
        data = next((content for _, content in snapshot.read([entry])), None)
        return data if isinstance(data, bytes) else None

    return Project(
        name,
        list(entries),
        read,
        permalink=snapshot.permalink,
        # What is compiled is shown to nobody.
        license=lambda path, head: None,
    )


def _kernels(
    con: duckdb.DuckDBPyConnection, condition: str, order: str = "", **values: object
) -> Iterator[IndexedKernel]:
    rows = con.execute(
        "SELECT k.id, k.repo, k.commit, k.dtypes, r.location, r.version "  # noqa: S608 (words of our own)
        f"FROM kernels AS k JOIN repos AS r ON r.name = k.repo WHERE {condition} {order}",
        values,
    ).fetchall()
    for id, repo, commit, dtypes, location, version in rows:
        yield IndexedKernel(
            id=id,
            repo=repo,
            source=_source_word(repo, commit, location, version),
            dtypes=tuple(dtypes),
        )


def _source_word(repo: str, commit: str, location: str, version: str | None) -> str:
    """Return the SOURCE word that gets at what the index has seen, where there is one for that."""
    if repo.startswith("pypi:"):
        return f"{repo}=={version}" if version else repo
    return f"{repo}@{commit}" if location == repo else location


def _result(
    job: CompileJob, outcome: str, reason: str | None, assumptions: Any, *facts: Any
) -> CompileResult:
    *numbers, instructions, seconds = facts
    result = CompileResult(
        id=job.id,
        triton=job.triton,
        target=job.target,
        outcome=Outcome(outcome),
        reason=reason,
        assumptions=json.loads(assumptions),
        seconds=seconds,
        source_sha=job.source_sha,
    )
    if result.outcome is not Outcome.COMPILED:
        return result
    names = ("shared_bytes", "num_warps", "registers", "spill_bytes")
    known = dict(zip(names, numbers, strict=True))
    return replace(result, facts=CompileFacts(**known, instructions=tuple(instructions)))
