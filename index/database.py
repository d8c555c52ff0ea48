"""Opening an index file: DuckDB settings, schema versions, errors in plain words."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from index.errors import StoreError

MIGRATIONS = tuple(sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql")))
SCHEMA_VERSION = len(MIGRATIONS)

# How DuckDB passes on what the system said.
_FULL = ("No space left", "Disk quota exceeded", "File too large")

_DAMAGED = ("Corrupt database file", "Could not read enough bytes", "Could not read all bytes")
_FOREIGN = ("does not exist!", "not found in FROM clause")

_NO_DOWNLOADS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # Python variables of the caller are no tables.
    "python_enable_replacements": "false",
}
_READING = _NO_DOWNLOADS
# Files written by DuckDB 2 with its own defaults cannot be read by DuckDB 1.
_WRITING = _NO_DOWNLOADS | {"storage_compatibility_version": "v1.2.0"}
_SEALED = _READING | {
    "enable_external_access": "false",
    "temp_directory": "",
    "memory_limit": "1GB",
    "lock_configuration": "true",
}


@contextmanager
def open_index(path: Path, *, sealed: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a read-only connection to the index at `path`.

    A sealed connection reaches no file but the index and no network, spills nothing to disk,
    and its settings cannot be changed.

    Raises:
        StoreError: there is no index at `path`, it is damaged, another program is writing it, or
            its schema is not this program's.
    """
    with storage_errors(path), connect_for_reading(path, sealed=sealed) as con:
        version = schema_version(con, path)
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"{path}: this index has schema {version}, older than this program's "
                f"{SCHEMA_VERSION}; `triton-index crawl` brings it up to date"
            )
        yield con


def connect_for_reading(path: Path, *, sealed: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to whatever database is at `path`."""
    _refuse_no_file(path)
    return duckdb.connect(path, read_only=True, config=_SEALED if sealed else _READING)


def connect_for_writing(path: Path, *, sealed: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a connection that owns the database at `path`, made if there is none.

    A sealed one reaches no other file and no network, whatever the database holds.
    """
    _refuse_no_file(path)
    outside: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": "false"}
    return duckdb.connect(path, config=_WRITING | (outside if sealed else {}))


def _refuse_no_file(path: Path) -> None:
    """Refuse what DuckDB would wait for, or not find the words to refuse.

    Raises:
        StoreError: the path is not in UTF-8, or is that of a pipe, a socket or a device.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: a path that is not in UTF-8; name a file with --db") from error
    if path.exists() and not path.is_file() and not path.is_dir():
        raise StoreError(f"{path}: no file but a device or a pipe; name a file with --db")


def schema_version(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return the number of the last migration that the index has seen.

    Raises:
        StoreError: the database is no index, or was written by a newer program.
    """
    with storage_errors(path):
        version = stored_version(con)
    if version is None:
        raise StoreError(
            f"{path}: a DuckDB database, but no triton-index; name another file with --db"
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: this index has schema {version}, newer than this program's "
            f"{SCHEMA_VERSION}; upgrade triton-index, or name another file with --db"
        )
    return version


def stored_version(con: duckdb.DuckDBPyConnection) -> int | None:
    """Return the schema that a database says it has, whichever; None where it is no index."""
    try:
        value = read_meta(con, "schema_version")
    except duckdb.CatalogException:
        return None
    return int(value) if value is not None and value.isdecimal() else None


def schema_faults(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return how the tables and views depart from what the migrations make, one line each."""
    with duckdb.connect(config=_WRITING) as blank:
        migrate(blank, since=0)
        wanted = _columns(blank)
    found = _columns(con)
    missing = (f"{column} is missing" for column in sorted(wanted - found))
    foreign = (f"{column} is not of this schema" for column in sorted(found - wanted))
    return (*missing, *foreign)


def _columns(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    rows = con.execute(
        "SELECT table_name || '.' || column_name || ' ' || data_type FROM duckdb_columns() "
        "WHERE NOT internal AND database_name = current_database()"
    ).fetchall()
    return frozenset(str(column) for (column,) in rows)


def migrate(con: duckdb.DuckDBPyConnection, *, since: int) -> None:
    """Bring a database from schema `since` (0: blank) to the latest, all of it or nothing."""
    if since == SCHEMA_VERSION:
        return
    con.begin()
    if since == 0:
        con.execute("CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)")
    for migration in MIGRATIONS[since:]:
        con.execute(migration.read_text(encoding="utf-8"))
    write_meta(con, "schema_version", str(SCHEMA_VERSION))
    con.commit()


def read_meta(con: duckdb.DuckDBPyConnection, key: str) -> str | None:
    """Return a fact the index keeps about itself, None if it was never written."""
    # All of them: a result left half read would block what comes next on the connection.
    rows = con.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchall()
    return str(rows[0][0]) if rows else None


def write_meta(con: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Keep a fact about the index itself."""
    con.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what DuckDB or the file system say about `path` into one line of `StoreError`."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise StoreError(_explain(path, error)) from error
    except RuntimeError as error:
        # So DuckDB passes on an interruption from the keyboard.
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _explain(path: Path, error: duckdb.Error | OSError) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    if "cannot encode str as UTF-8" in text:
        return "what was asked for is not in UTF-8; write it so"
    if any(sign in text for sign in _FOREIGN):
        return (
            f"{path}: not the tables of this program ({text}); crawl into another file with --db, "
            "or fetch the published index with `triton-index update`"
        )
    if any(sign in text for sign in _DAMAGED):
        return (
            f"{path}: damaged ({text}); move it away, then `triton-index update` or "
            "`triton-index crawl` makes it anew"
        )
    if "Could not set lock" in text:
        pid = re.search(r"PID (\d+)", text)
        who = f"another program (process {pid[1]})" if pid else "another program"
        return f"{path}: {who} has this index open for writing; close it and try again"
    if "not a valid DuckDB database" in text:
        return f"{path}: not a DuckDB database; name another file with --db"
    if "database does not exist" in text or number == errno.ENOENT:
        return f"{path}: no such file; check the path given with --db"
    if "Is a directory" in text:
        return f"{path}: a folder, not an index file; name a file with --db"
    if "only read versions" in text or "newer version of DuckDB" in text:
        return f"{path}: written by a newer DuckDB; upgrade the duckdb package"
    if any(full in text for full in _FULL) or number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{path}: no space left to write it; make room and run the command again"
    if "Permission denied" in text or number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: no permission; name a file that you may write with --db"
    return f"{path}: {text}; run the command again, or name another file with --db"
