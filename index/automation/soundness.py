"""Whether a new index may take the place of the published one: every doubt in one line.

The published index is what all that is new is held against; without one, the new index must only
be whole in itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import duckdb

from crawler.models import RepoStatus, SourceRepo
from crawler.opened import is_left_for_next_run
from index.database import SCHEMA_VERSION, schema_faults, stored_version

MAX_LOST = 0.01
"""Share of the published kernels that may be gone without a reason."""
MAX_GONE = 0.25
"""Share that may be gone at all: more in one crawl is no change of the repositories' doing."""
MAX_FAILED = 0.2
"""Share of the listed sources that may fail for a reason of their own."""

NAMED = 5
"""So many examples are given with a doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernel:
    """A live kernel, and what was read when it was last seen."""

    repo: str
    commit: str | None
    scanner: str | None


def find_doubts(
    new: duckdb.DuckDBPyConnection,
    old: duckdb.DuckDBPyConnection | None,
    listed: Sequence[SourceRepo],
) -> tuple[str, ...]:
    """Return why the new index should not be published, one line each; empty if it may be.

    `listed` are the sources that its last crawl was to look at.
    """
    if stored_version(new) != SCHEMA_VERSION:
        return (f"the index has schema {stored_version(new)} and not {SCHEMA_VERSION}",)
    if faults := schema_faults(new):
        return tuple(f"the schema is not what the migrations make: {fault}" for fault in faults)
    doubts = [*_contents_doubts(new), *_source_doubts(new, listed)]
    if old is not None and not schema_faults(old):
        doubts += _loss_doubts(old, new)
    return tuple(doubts)


def _contents_doubts(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield in what an index contradicts itself."""
    live = _count(con, "SELECT count(*) FROM kernel_rows WHERE removed_at IS NULL")
    if live == 0:
        yield "the index holds no kernel"
    for what, query in (
        ("kernels share an id", "SELECT id FROM kernel_rows GROUP BY id HAVING count(*) > 1"),
        (
            "live kernels cannot be searched for",
            "SELECT id FROM kernel_rows WHERE removed_at IS NULL "
            "AND id NOT IN (SELECT id FROM search_documents)",
        ),
        (
            "live kernels are of no known source",
            "SELECT id FROM kernel_rows WHERE removed_at IS NULL "
            "AND repo NOT IN (SELECT name FROM repos)",
        ),
    ):
        ids = [str(id) for (id,) in con.execute(f"{query} ORDER BY id").fetchall()]
        if ids:
            yield f"{len(ids):,} {what}: {_examples(ids)}"


def _source_doubts(con: duckdb.DuckDBPyConnection, listed: Sequence[SourceRepo]) -> Iterator[str]:
    """Yield which listed sources the last crawl forgot, and whether too many failed."""
    reports = con.execute(
        "SELECT repo, renamed_from, status, error FROM run_repos "
        "WHERE run_id = (SELECT max_by(run_id, started_at) FROM runs)"
    ).fetchall()
    former = con.execute("SELECT name, former_names FROM repos").fetchall()
    present = {old.lower(): name.lower() for name, names in former for old in names}
    told = {str(name).lower() for repo, before, *_ in reports for name in (repo, before) if name}
    forgotten = [
        source.name
        for source in listed
        if not any(
            name.lower() in told or present.get(name.lower()) in told
            for name in (source.name, *source.formerly)
        )
    ]
    if forgotten:
        yield f"the crawl tells nothing of {len(forgotten)} listed sources: {_examples(forgotten)}"
    failed = [
        f"{repo} ({error})"
        for repo, _, status, error in reports
        if status == RepoStatus.FAILED and not is_left_for_next_run(error)
    ]
    if len(failed) > MAX_FAILED * len(reports):
        yield f"{len(failed)} of {len(reports)} sources failed: {_examples(failed)}"


def _loss_doubts(old: duckdb.DuckDBPyConnection, new: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield whether kernels of the published index are gone that should not be."""
    before, after = _live(old), _live(new)
    rows = {str(id) for (id,) in new.execute("SELECT id FROM kernel_rows").fetchall()}
    heirs = _heirs(new)
    gone = {id: kernel for id, kernel in before.items() if _heir(id, heirs) not in after}
    undated = [id for id in gone if _heir(id, heirs) not in rows]
    if undated:
        yield (
            f"{len(undated):,} kernels are gone without a trace, where they should be dated: "
            f"{_examples(undated)}"
        )
    read_now = _read(new)
    lost = [id for id, kernel in gone.items() if not _is_explained(kernel, read_now)]
    if len(lost) > MAX_LOST * len(before):
        repos = Counter(before[id].repo for id in lost)
        worst = (f"{repo} ({number:,})" for repo, number in repos.most_common())
        yield (
            f"{len(lost):,} of {len(before):,} kernels are gone although their sources did not "
            f"change: {_examples(worst)}"
        )
    if len(gone) > MAX_GONE * len(before):
        yield f"{len(gone):,} of {len(before):,} kernels are gone in one crawl"


def _live(con: duckdb.DuckDBPyConnection) -> dict[str, _Kernel]:
    rows = con.execute(
        "SELECT k.id, k.repo, r.commit, r.scanner_version FROM kernel_rows AS k "
        "LEFT JOIN repos AS r ON r.name = k.repo WHERE k.removed_at IS NULL"
    ).fetchall()
    return {
        str(id): _Kernel(repo=repo, commit=commit, scanner=scanner)
        for id, repo, commit, scanner in rows
    }


def _read(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str | None, str | None]]:
    """Return what each source, under all of its names, was last read at and by."""
    rows = con.execute("SELECT name, former_names, commit, scanner_version FROM repos").fetchall()
    return {
        str(name).lower(): (commit, scanner)
        for present, former, commit, scanner in rows
        for name in (*former, present)
    }


def _is_explained(kernel: _Kernel, read_now: dict[str, tuple[str | None, str | None]]) -> bool:
    """Tell whether a kernel is gone by its repository's doing: same scanner, another commit."""
    commit, scanner = read_now.get(kernel.repo.lower(), (kernel.commit, None))
    return scanner == kernel.scanner and commit != kernel.commit


def _heirs(con: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], dict[str, str]]:
    """Return where ids went: the new id of what moved, the new name of a renamed source."""
    moved = con.execute(
        "SELECT previous_id, id FROM changes JOIN runs USING (run_id) "
        "WHERE previous_id IS NOT NULL ORDER BY started_at"
    ).fetchall()
    renamed = con.execute("SELECT name, former_names FROM repos").fetchall()
    return dict(moved), {old: name for name, former in renamed for old in former}


def _heir(id: str, heirs: tuple[dict[str, str], dict[str, str]]) -> str:
    """Return the id that a kernel has now."""
    moved, renamed = heirs
    repo, colon, rest = id.partition(":")
    id = f"{renamed.get(repo, repo)}{colon}{rest}"
    seen = {id}
    while id in moved and moved[id] not in seen:
        id = moved[id]
        seen.add(id)
    return id


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _examples(items: Iterable[str]) -> str:
    """Return the first few items on one line."""
    shown = list(items)
    more = len(shown) - NAMED
    return ", ".join(shown[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
