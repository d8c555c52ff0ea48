# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""What follows from the facts of a bundle, worked out once by whoever makes it.

The first search after an install is answered from it, as long as the rules that it was made by are
those of the program; under others it is worked out again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from crawler.stages import stage_version
from index.database import write_meta
from index.tables.search_tables import search_version

ORDER = "repo, path, start_line, id"
"""That of the kernels in a bundle."""

_OF_KERNELS = "precomputed_kernels.parquet"
_DOCUMENTS = "precomputed_documents.parquet"
_POSTINGS = "precomputed_postings.parquet"
_WORDS = "precomputed_words.parquet"
_ALIASES = "precomputed_aliases.parquet"
PRECOMPUTED = (_OF_KERNELS, _DOCUMENTS, _POSTINGS, _WORDS, _ALIASES)

# Documents are numbered by their ids, which the facts hold already.
_WRITTEN = {
    _OF_KERNELS: f"SELECT operations, standing FROM kernel_rows ORDER BY {ORDER}",
    _DOCUMENTS: "SELECT joined FROM search_documents ORDER BY num",
    _POSTINGS: "FROM search_postings ORDER BY term, num",
    _WORDS: "FROM search_words ORDER BY word",
    _ALIASES: "FROM search_aliases ORDER BY phrase",
}


def rules_version() -> str:
    """Return what changes whenever the same facts may give other tables."""
    from crawler.sources import listed_sources

    rules = stage_version(
        "index.tables.standing", "index.tables.operations", "index.tables.compilations"
    )
    digest = hashlib.sha256(f"{search_version()} {rules}".encode())
    digest.update(listed_sources().read_bytes())
    return digest.hexdigest()[:12]


def write_precomputed(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write what `con`, an index filled from the bundle in `folder`, has worked out of it."""
    for name, query in _WRITTEN.items():
        path = str(folder / name).replace("'", "''")
        con.execute(
            f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, "
            "PARQUET_VERSION v2, ROW_GROUP_SIZE 2000000)"
        )


def has_precomputed(folder: Path, rules: str) -> bool:
    """Tell whether a bundle that was made by these rules holds what this program would work out."""
    return rules == rules_version() and all((folder / name).exists() for name in PRECOMPUTED)


def kernels_query(folder: Path, kernels: Path) -> tuple[str, list[str]]:
    """Return the query for the rows of kernels with what was worked out of each; what it binds."""
    return (
        "SELECT k.*, p.* FROM read_parquet(?) AS k POSITIONAL JOIN read_parquet(?) AS p",
        [str(kernels), str(folder / _OF_KERNELS)],
    )


def load_search_tables(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Fill the search tables; the kernels and operations must be there already."""
    con.execute(_NUMBER_DOCUMENTS, [str(folder / _DOCUMENTS)])
    for table, name in (
        ("search_postings", _POSTINGS),
        ("search_words", _WORDS),
        ("search_aliases", _ALIASES),
    ):
        con.execute(
            f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet(?)", [str(folder / name)]
        )
    write_meta(con, "search_version", search_version())


# As `index.tables.search_tables` numbers them: kernels before operations, each by their ids.
_NUMBER_DOCUMENTS = """
INSERT INTO search_documents
SELECT num::INTEGER AS num, id, joined
FROM (
    SELECT id, row_number() OVER (ORDER BY is_operation, id) - 1 AS num
    FROM (
        SELECT id, false AS is_operation FROM kernel_rows WHERE removed_at IS NULL
        UNION ALL
        SELECT id, true FROM operations
    )
) JOIN (SELECT joined, row_number() OVER () - 1 AS num FROM read_parquet(?)) USING (num)
ORDER BY num
"""
