"""Kernels that people pointed out, in `data/curated.toml`, found in the index at hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import duckdb

from index.learning.reading import read_tables
from index.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedEntry:
    """An entry as people wrote it; `ids` are the kernels that are meant, `link` what was given."""

    name: str
    note: str
    link: str
    ids: tuple[str, ...]
    tags: tuple[str, ...] = ()


class Whereabouts(StrEnum):
    """What became of a kernel that is meant."""

    HERE = "here"
    MOVED = "moved"  # another path of its repository, or the repository has another name
    GONE = "gone"  # it was here, and left
    ABSENT = "absent"  # this index never had it


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedKernel:
    """A kernel of an entry; `id` is where it is now, `permalink` None where it is not."""

    entry: CuratedEntry
    meant: str
    where: Whereabouts
    id: str | None = None
    permalink: str | None = None


@cache
def load_curated() -> tuple[CuratedEntry, ...]:
    """Return every entry, in the order of the list."""
    return read_tables("curated.toml", "kernel", CuratedEntry)


def find_curated(
    con: duckdb.DuckDBPyConnection, entries: tuple[CuratedEntry, ...]
) -> tuple[CuratedKernel, ...]:
    """Return each kernel of the entries with where it is now.

    One that is not under its id is looked for by its name in its repository, under the names that
    this has now: one alone there has moved.
    """
    return tuple(_find(con, entry, meant) for entry in entries for meant in entry.ids)


def as_table(kernels: tuple[CuratedKernel, ...]) -> Table:
    """Return a kernel a row."""
    columns = ("name", "where", "id", "permalink", "note", "tags", "link")
    rows = tuple(
        (
            k.entry.name,
            k.where.value,
            k.id or k.meant,
            k.permalink,
            k.entry.note,
            list(k.entry.tags),
            k.entry.link,
        )
        for k in kernels
    )
    return Table(columns=columns, rows=rows)


def _find(con: duckdb.DuckDBPyConnection, entry: CuratedEntry, meant: str) -> CuratedKernel:
    rows = con.execute(
        "SELECT permalink, removed_at IS NULL FROM kernels WHERE id = $id", {"id": meant}
    ).fetchall()
    if rows and rows[0][1]:
        return CuratedKernel(
            entry=entry, meant=meant, where=Whereabouts.HERE, id=meant, permalink=rows[0][0]
        )
    repo, _, rest = meant.partition(":")
    moved = con.execute(
        """
        SELECT id, permalink FROM kernels
        WHERE removed_at IS NULL AND qualname = $qualname AND repo IN (
            SELECT name FROM repos
            WHERE lower(name) = lower($repo) OR list_contains(former_names, $repo)
        )
        """,
        {"qualname": rest.rpartition("::")[2], "repo": repo},
    ).fetchall()
    if len(moved) == 1:
        ((id, permalink),) = moved
        return CuratedKernel(
            entry=entry, meant=meant, where=Whereabouts.MOVED, id=id, permalink=permalink
        )
    where = Whereabouts.GONE if rows else Whereabouts.ABSENT
    return CuratedKernel(entry=entry, meant=meant, where=where)
