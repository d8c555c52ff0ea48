"""The files of a published index, made from a crawled one, and what a crawl makes of them again.

People fetch `index.duckdb` without the cache of scans, two thirds of it; only the crawl wants
that, as a file of its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from index.database import connect_for_writing, open_index, storage_errors
from index.files.published import FACTS_NAME, INDEX_NAME, SCANS_NAME, write_sums
from index.queries.export import draft_of, export_kernels


def build_assets(index: Path, folder: Path) -> tuple[Path, ...]:
    """Write what is published of an index into an empty folder; return the files, sums last.

    Raises:
        StoreError: The index cannot be read, or the folder cannot be written.
    """
    published, scans, facts = (folder / name for name in (INDEX_NAME, SCANS_NAME, FACTS_NAME))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        split_scans(index, published, scans)
    with open_index(published, reach=(draft_of(facts),)) as con:
        export_kernels(con, facts, facts_only=True)
    sums = write_sums(folder, (INDEX_NAME, SCANS_NAME, FACTS_NAME))
    return (published, scans, facts, sums)


def split_scans(index: Path, published: Path, scans: Path) -> None:
    """Write an index without its cache of scans to `published`, and that to `scans`."""
    draft = published.with_name(f"{published.name}.draft")
    try:
        shutil.copyfile(index, draft)
        with connect_for_writing(draft, reach=(scans,)) as con:
            con.sql("FROM scan_cache ORDER BY blob, scanner_version").write_parquet(
                str(scans), compression="zstd"
            )
            con.execute("DELETE FROM scan_cache")
        # A database does not give space back: its copy is the smaller by what was deleted.
        published.unlink(missing_ok=True)
        log = draft.with_name(f"{draft.name}.wal")  # looked for wherever a database is attached
        with connect_for_writing(published, reach=(draft, log)) as con:
            con.execute(f"ATTACH {_quoted(draft)} AS draft (READ_ONLY)")
            target = con.execute("SELECT current_database()").fetchall()[0][0]
            con.execute(f'COPY FROM DATABASE draft TO "{target}"')
            con.execute("DETACH draft")
            con.execute("CHECKPOINT")
    finally:
        draft.unlink(missing_ok=True)


def join_scans(index: Path, scans: Path) -> None:
    """Put the cache of scans back into an index that was published without.

    Raises:
        StoreError: The file is no such cache, or the index cannot be written.
    """
    with storage_errors(index), connect_for_writing(index, reach=(scans,)) as con:
        con.begin()
        con.execute("DELETE FROM scan_cache")
        con.execute(
            "INSERT INTO scan_cache SELECT blob, scanner_version, facts FROM read_parquet(?)",
            [str(scans)],
        )
        con.commit()


def _quoted(path: Path) -> str:
    """Return a path as a literal: ATTACH takes no bound values."""
    return "'" + str(path).replace("'", "''") + "'"
