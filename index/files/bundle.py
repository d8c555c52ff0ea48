# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The bundle: the facts of an index as Parquet, small enough to come with the package.

It holds no text of others: no source, docstring, summary or description, and of code only names
and plain values (see `index.tables.facts`). What it holds of a repository is enough to search and
show its kernels, and to know when it next is crawled that all of it has to be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from index.database import connect_for_writing, migrate
from index.errors import StoreError
from index.files.precomputed import (
    ORDER,
    PRECOMPUTED,
    has_precomputed,
    kernels_query,
    load_search_tables,
    rules_version,
    write_precomputed,
)
from index.tables.compilations import mark_compiled
from index.tables.facts import plain_code, plain_config
from index.tables.hardware import fill_hardware
from index.tables.operations import list_operations
from index.tables.search_tables import mark_search_stale, refresh_search
from index.tables.staging import Staging
from index.tables.standing import fill_standing

KERNELS = "kernels.parquet"
REPOS = "repos.parquet"
VERIFICATIONS = "verifications.parquet"
OPERATIONS = "operations.parquet"
COMPILATIONS = "compilations.parquet"
COMPILED_SOURCES = "compiled_sources.parquet"
ABOUT = "bundle.json"
FILES = (KERNELS, REPOS, VERIFICATIONS)
"""What a bundle is made of, besides what it says of itself."""
EVIDENCE = (OPERATIONS, COMPILATIONS, COMPILED_SOURCES)
"""What it may hold besides: bundles of old have none of these."""

# What others wrote, and what only their text could be worked out from again.
_TEXT = frozenset({"summary", "docstring", "source", "uses", "needs"})
# Worked out again from the evidence.
_DERIVED = frozenset({"compiled", "operations", "standing"})
# What others wrote, and what the next crawl would take for having read it all before.
_OF_THE_CRAWL = frozenset(
    {
        "description",
        "error",
        "scanner_version",
        "enriched_by",
        "github",
        "is_archived",
        "is_history_due",
    }
)
# Kept out: folders of whoever made the bundle, and what was never read whole.
_BUNDLED_REPOS = "commit IS NOT NULL AND NOT starts_with(name, 'local/')"
_BUNDLED_SOURCES = (
    "SELECT l.* FROM compiled_sources AS l JOIN kernel_rows AS k USING (id) "
    f"WHERE k.repo IN (SELECT name FROM repos WHERE {_BUNDLED_REPOS})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle says of itself; `digest` is that of its Parquet files (SHA-256)."""

    digest: str
    repos: int
    packages: int
    files: int
    kernels: int
    launchable: int
    """Kernels that are no device functions and no part of a test."""
    ops: int
    """Different ops that they compute."""
    seen_until: str
    """The day on which the last of it was crawled."""
    rules: str = ""
    """Version of those by which what comes with it was precomputed; empty: nothing was."""


def bundle_reach(scratch: Path, folder: Path) -> tuple[Path, ...]:
    """Return the files that a connection must reach to write a bundle or to be filled from one."""
    return (scratch, *(folder / name for name in (*FILES, *EVIDENCE, *PRECOMPUTED)))


def write_bundle(con: duckdb.DuckDBPyConnection, scratch: Path, folder: Path) -> Bundle:
    """Write the facts of an index as a bundle to `folder` and return what it holds.

    `con` may be read-only, and reaches `bundle_reach`; `scratch` names a file that may be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _load_facts(con, Staging(con, scratch))
    columns = _columns(con, "repos", _OF_THE_CRAWL)
    chosen = ", ".join(f'"{name}"' for name in columns)
    for name, query in (
        (KERNELS, f"FROM facts ORDER BY {ORDER}"),
        # Where it was read from is of one machine; its name reaches it from any.
        (
            REPOS,
            f"SELECT {chosen} FROM (SELECT * REPLACE (name AS location) FROM repos) "
            f"WHERE {_BUNDLED_REPOS} ORDER BY name",
        ),
        (VERIFICATIONS, "FROM verifications ORDER BY ALL"),
        (
            OPERATIONS,
            "SELECT * EXCLUDE (summary) FROM operations "
            f"WHERE repo IN (SELECT name FROM repos WHERE {_BUNDLED_REPOS}) ORDER BY id",
        ),
        (COMPILED_SOURCES, f"{_BUNDLED_SOURCES} ORDER BY ALL"),
        (
            COMPILATIONS,
            f"FROM compilations WHERE source_sha IN (SELECT source_sha FROM ({_BUNDLED_SOURCES})) "
            "ORDER BY ALL",
        ),
    ):
        con.execute(
            f"COPY ({query}) TO '{_quoted(folder / name)}' (FORMAT parquet, COMPRESSION zstd, "
            "COMPRESSION_LEVEL 19, PARQUET_VERSION v2, ROW_GROUP_SIZE 200000)"
        )
    _precompute(scratch, folder)
    bundle = _describe(con, folder)
    text = json.dumps(asdict(bundle), indent=2)
    (folder / ABOUT).write_text(f"{text}\n", encoding="utf-8")
    return bundle


def read_bundle(folder: Path) -> Bundle:
    """Return what the bundle in `folder` says of itself.

    Raises:
        StoreError: it is none.
    """
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=Bundle)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{folder / ABOUT}: {error}; install triton-index anew") from error


def load_bundle(con: duckdb.DuckDBPyConnection, scratch: Path, folder: Path) -> None:
    """Fill a blank index with the facts of the bundle in `folder`, ready to be searched.

    What comes precomputed is taken over if the rules of this program made it.

    Raises:
        StoreError: it is no bundle.
    """
    is_precomputed = has_precomputed(folder, read_bundle(folder).rules)
    con.begin()
    _insert_facts(folder, con, is_precomputed=is_precomputed)
    staging = Staging(con, scratch)
    fill_hardware(con, staging)
    mark_compiled(con)
    if is_precomputed:
        load_search_tables(con, folder)
    else:
        _work_out(con, staging)
    con.commit()


def _insert_facts(folder: Path, con: duckdb.DuckDBPyConnection, *, is_precomputed: bool) -> None:
    for name, table in (
        (REPOS, "repos"),
        (KERNELS, "kernel_rows"),
        (VERIFICATIONS, "verifications"),
        (OPERATIONS, "operations"),
        (COMPILED_SOURCES, "compiled_sources"),
        (COMPILATIONS, "compilations"),
    ):
        if name in EVIDENCE and not (folder / name).exists():
            continue
        query, values = "SELECT * FROM read_parquet(?)", [str(folder / name)]
        if name == KERNELS and is_precomputed:
            query, values = kernels_query(folder, folder / name)
        con.execute(f"INSERT INTO {table} BY NAME {query}", values)


def _work_out(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    list_operations(con)
    fill_standing(con, staging)
    mark_search_stale(con)
    refresh_search(con, staging)


def _precompute(scratch: Path, folder: Path) -> None:
    """Work out what can be of the facts in `folder`, and write it beside them."""
    made = scratch.with_name(f"{scratch.name}.precomputed")
    made.unlink(missing_ok=True)
    try:
        with connect_for_writing(made, reach=bundle_reach(scratch, folder)) as con:
            migrate(con, since=0)
            con.begin()
            _insert_facts(folder, con, is_precomputed=False)
            staging = Staging(con, scratch)
            fill_hardware(con, staging)
            mark_compiled(con)
            _work_out(con, staging)
            con.commit()
            write_precomputed(con, folder)
    finally:
        made.unlink(missing_ok=True)


def digest_of(folder: Path) -> str:
    """Return the digest of the bundle's Parquet files."""
    digest = hashlib.sha256()
    optional = (*EVIDENCE, *PRECOMPUTED)
    for name in (*FILES, *(n for n in optional if (folder / n).exists())):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _load_facts(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Make the table `facts`: the columns of `kernel_rows` without what others composed."""
    columns = _columns(con, "kernel_rows", _TEXT | _DERIVED)
    chosen = ", ".join(f'"{name}"' for name in columns)
    rows = con.execute(
        f"SELECT {chosen} FROM kernel_rows "
        f"WHERE repo IN (SELECT name FROM repos WHERE {_BUNDLED_REPOS})"
    )
    staging.load("facts", _facts(rows, tuple(columns)), columns)


def _facts(
    rows: duckdb.DuckDBPyConnection, columns: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    for values in rows.fetchall():
        row: dict[str, Any] = dict(zip(columns, values, strict=True))
        row["params"] = [_plain_param(param) for param in row["params"]]
        for column in ("decorators", "heuristics"):
            row[column] = [plain_code(code) for code in row[column]]
        if row["autotune"] is not None:
            configs = json.loads(row["autotune"]["configs"] or "[]")
            row["autotune"]["configs"] = [plain_config(config) for config in configs]
            row["autotune"]["key"] = [plain_code(name) for name in row["autotune"]["key"]]
        yield row


def _plain_param(param: dict[str, Any]) -> dict[str, Any]:
    default = param["default"]
    return param | {"default": None if default is None else plain_code(default)}


def _columns(con: duckdb.DuckDBPyConnection, table: str, without: frozenset[str]) -> dict[str, str]:
    """Return the columns of a table with their types, without those named."""
    described = con.execute(f"DESCRIBE {table}").fetchall()
    return {str(name): str(kind) for name, kind, *_ in described if name not in without}


def _describe(con: duckdb.DuckDBPyConnection, folder: Path) -> Bundle:
    counts = con.execute(
        f"""
        WITH live AS (FROM facts WHERE removed_at IS NULL), source AS (
            FROM repos WHERE {_BUNDLED_REPOS} AND name IN (SELECT repo FROM live)
        )
        SELECT count(*) FILTER (NOT starts_with(name, 'pypi:')),
            count(*) FILTER (starts_with(name, 'pypi:')),
            (SELECT count(DISTINCT (repo, path)) FROM live),
            (SELECT count(*) FROM live),
            (SELECT count(*) FROM live WHERE role <> 'device_function' AND is_test IS NOT TRUE),
            (SELECT count(DISTINCT op) FROM (SELECT unnest(ops) AS op FROM live)),
            strftime(max(last_seen_at), '%Y-%m-%d')
        FROM source
        """
    ).fetchall()
    repos, packages, files, kernels, launchable, ops, seen_until = counts[0]
    return Bundle(
        digest=digest_of(folder),
        repos=repos,
        packages=packages,
        files=files,
        kernels=kernels,
        launchable=launchable,
        ops=ops,
        seen_until=seen_until or "",
        rules=rules_version(),
    )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
