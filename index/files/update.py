"""The published index, taken in place of the one that is here."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from index.database import (
    SCHEMA_VERSION,
    connect_for_reading,
    connect_for_writing,
    migrate,
    read_meta,
    schema_faults,
    schema_version,
    storage_errors,
    stored_version,
    write_meta,
)
from index.files.download import Progress
from index.files.published import INDEX_NAME, PublishedError, PublishedIndex
from index.files.working import WorkingCopy

# The SHA-256 of the published file that an index began as; crawls into it leave that.
_PUBLISHED = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an index holds, as far as an update compares it."""

    kernels: int
    sources: frozenset[str]
    locations: tuple[tuple[str, str], ...]
    """Each source and the SOURCE word that reaches it again."""
    runs: frozenset[str]
    crawled_at: datetime | None
    """When the last crawl ended (UTC, unmarked)."""
    published: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What an update did. `is_new`: another index than before is in place.

    `kept` is where the old one went, if crawls of the user's own made it; `lacking` are the
    SOURCE words of what it has and the new one has not.
    """

    is_new: bool
    contents: Contents
    kept: Path | None = None
    lacking: tuple[str, ...] = ()


def update_index(
    path: Path, published: PublishedIndex, *, on_progress: Progress = lambda done, total: None
) -> Update:
    """Put the published index in the place of that at `path`, unless it came from it already.

    Readers keep the index they opened. Whatever goes wrong, the old one stays.

    Raises:
        PublishedError: The published index cannot be had, is damaged, or is of a newer schema.
        StoreError: Another writer is at work, or the folder cannot be written.
    """
    with closing(WorkingCopy(path)) as copy:
        copy.reserve()
        before = read_contents(copy.path) if copy.path.exists() else None
        sums = published.sums()
        if before is not None and before.published == sums[INDEX_NAME]:
            return Update(is_new=False, contents=before)
        received = copy.staging
        sums = published.fetch(INDEX_NAME, received, sums, on_progress=on_progress)
        prepare(received, sums[INDEX_NAME], published.address)
        after = read_contents(received)
        is_own_work = before is not None and bool(before.runs - after.runs)
        kept = copy.path.with_name(f"{copy.path.name}.previous") if is_own_work else None
        copy.install(received, keep=kept)
    lacking = () if before is None or kept is None else _lacking(before, after)
    return Update(is_new=True, contents=after, kept=kept, lacking=lacking)


def prepare(received: Path, sha256: str, address: str) -> None:
    """Make a downloaded file an index of this program's schema that knows where it is from.

    Raises:
        PublishedError: It is no index, one of a newer schema, or not made as this program makes
            them.
    """
    name = f"{address}/{INDEX_NAME}"
    try:
        # Held to its own schema before a migration touches what it holds.
        with connect_for_reading(received) as con:
            version = stored_version(con)
            if version is None:
                raise PublishedError(f"{name} is a DuckDB database, but no triton-index")
            if version > SCHEMA_VERSION:
                raise PublishedError(
                    f"{name} has schema {version}, newer than this program's {SCHEMA_VERSION}; "
                    "upgrade triton-index and run it again"
                )
            faults = schema_faults(con, version)
        if faults:
            raise PublishedError(
                f"{name} is not made as this program makes an index ({faults[0]}); "
                "upgrade triton-index, or name another address"
            )
        with connect_for_writing(received) as con:
            migrate(con, since=version)
            write_meta(con, _PUBLISHED, sha256)
            con.execute("CHECKPOINT")
    except duckdb.Error as error:
        line = str(error).splitlines()[0]
        raise PublishedError(f"{name} cannot be opened ({line}); try again later") from error


def read_contents(path: Path) -> Contents:
    """Return what the index at `path` holds.

    Raises:
        StoreError: It is no index, one of a newer schema, or damaged.
    """
    with storage_errors(path), connect_for_reading(path) as con:
        schema_version(con, path)
        live = con.execute("SELECT count(*) FROM kernel_rows WHERE removed_at IS NULL").fetchone()
        repos = con.execute("SELECT name, location, former_names FROM repos").fetchall()
        runs = con.execute("SELECT run_id, finished_at FROM runs").fetchall()
        published = read_meta(con, _PUBLISHED)
    names = ((name, *former) for name, _, former in repos)
    ends = [finished for _, finished in runs if finished is not None]
    return Contents(
        kernels=int(live[0]) if live is not None else 0,
        sources=frozenset(name.lower() for each in names for name in each),
        locations=tuple(sorted((name, location) for name, location, _ in repos)),
        runs=frozenset(run for run, _ in runs),
        crawled_at=max(ends, default=None),
        published=published,
    )


def _lacking(before: Contents, after: Contents) -> tuple[str, ...]:
    """Return the SOURCE words of what only the old index has."""
    return tuple(
        location for name, location in before.locations if name.lower() not in after.sources
    )
