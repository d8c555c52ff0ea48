"""Opening an index file: DuckDB settings, schema versions, errors in plain words."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import duckdb

from index.errors import StoreError

MIGRATIONS = tuple(sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql")))
SCHEMA_VERSION = len(MIGRATIONS)

# How DuckDB passes on what the system said.
_FULL = ("No space left", "Disk quota exceeded", "File too large")

_DAMAGED = ("Corrupt database file", "Could not read enough bytes", "Could not read all bytes")
_FOREIGN = ("does not exist!", "not found in FROM clause")

_READING: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # Python variables of the caller are no tables.
    "python_enable_replacements": "false",
}
# Files written by DuckDB 2 with its own defaults cannot be read by DuckDB 1.
_WRITING = _READING | {"storage_compatibility_version": "v1.2.0"}
_BOUNDED: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",
    "temp_directory": "",
    # Each has memory of its own that no limit counts.
    "threads": 4,
}


@contextmanager
def open_index(
    path: Path, *, reach: Sequence[Path] = (), bounded: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a read-only connection to the index at `path`, sealed but for the files of `reach`.

    A bounded one takes no more than a gigabyte of memory, and no disk, for a query.

    Raises:
        StoreError: there is no index at `path`, it is damaged, another program is writing it, or
            its schema is not this program's.
    """
    with storage_errors(path), connect_for_reading(path, reach=reach, bounded=bounded) as con:
        version = schema_version(con, path)
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"{path}: this index has schema {version}, older than this program's "
                f"{SCHEMA_VERSION}; `triton-index crawl` brings it up to date"
            )
        yield con


def connect_for_reading(
    path: Path, *, reach: Sequence[Path] = (), bounded: bool = False
) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to whatever database is at `path`; see `open_index`."""
    _refuse_no_file(path)
    con = duckdb.connect(path, read_only=True, config=_READING | (_BOUNDED if bounded else {}))
    return _sealed(con, reach)


def connect_for_writing(path: Path, *, reach: Sequence[Path] = ()) -> duckdb.DuckDBPyConnection:
    """Return a connection that owns the database at `path`, made if there is none.

    It is sealed but for the files of `reach`.
    """
    _refuse_no_file(path)
    return _sealed(duckdb.connect(path, config=_WRITING), reach)


def _sealed(con: duckdb.DuckDBPyConnection, reach: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """Return the connection, which from here on reaches no file but its own and those of `reach`.

    An index may come from anybody: a view of it may read files, a macro may stand in for a
    function of ours. Nothing that it holds is evaluated before this, and nothing undoes it.
    """
    if con.execute("SELECT current_setting('lock_configuration')").fetchall() != [(True,)]:
        con.execute("SET allowed_paths = ?", [[name for path in reach for name in _names(path)]])
        con.execute("SET enable_external_access = false")
        # It draws one wherever it takes the caller for a person.
        con.execute("SET enable_progress_bar = false")
        con.execute("SET lock_configuration = true")
    return con


def _names(path: Path) -> tuple[str, ...]:
    """Return a file's path as DuckDB may speak of it.

    As it is; escaped, where a pattern would be expanded; of what it writes before it moves that
    into the place of a file that exists; and of the log for which it looks beside a database.
    """
    there = path.resolve()
    beside = (there.with_name(f"tmp_{there.name}"), there.with_name(f"{there.name}.wal"))
    return (str(there), escape(str(there)), *map(str, beside))


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
    # Any text may stand there, digits without end too.
    return int(value) if value is not None and re.fullmatch("[0-9]{1,9}", value) else None


def schema_faults(con: duckdb.DuckDBPyConnection, version: int | None = None) -> tuple[str, ...]:
    """Return how a database departs from what the migrations up to `version` (or all) make.

    One line each.

    Every kind of object counts, with all of its definition: a table that is a view elsewhere, a
    default or a generated column that calls a function, a macro, a trigger, a further schema.
    """
    # Read back from a file: what DuckDB stores of a view is not all of what was written.
    with tempfile.TemporaryDirectory(prefix="triton-index-") as folder:
        blank = Path(folder) / "blank.duckdb"
        with connect_for_writing(blank) as made:
            migrate(made, since=0, until=version)
        with connect_for_reading(blank) as made:
            wanted = _objects(made)
    found = _objects(con)
    missing = (f"{each} is missing" for each in sorted(wanted.keys() - found.keys()))
    foreign = (f"{each} is not of this schema" for each in sorted(found.keys() - wanted.keys()))
    shared = sorted(wanted.keys() & found.keys())
    altered = (f"{each} is defined otherwise" for each in shared if wanted[each] != found[each])
    return (*missing, *foreign, *altered)


# Each kind of object that a database can hold: the function of DuckDB that lists them, the column
# with their names, and what defines one. The text of a table has its columns and constraints.
_OBJECTS = (
    ("schema", "duckdb_schemas()", "sql"),
    ("table", "duckdb_tables()", "sql"),
    ("view", "duckdb_views()", "sql"),
    ("index", "duckdb_indexes()", "sql"),
    ("sequence", "duckdb_sequences()", "sql"),
    ("type", "duckdb_types()", "logical_type"),
    ("function", "duckdb_functions()", "concat_ws(' ', parameters, macro_definition)"),
    ("trigger", "duckdb_triggers()", "sql"),
)
_NOT_OURS = {"index": "true", "sequence": "true", "trigger": "true"}
# DuckDB before release 2 has no triggers, and cannot be asked for them.
_HAS_TRIGGERS = int(duckdb.__version__.partition(".")[0]) >= 2


def _objects(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return what defines each object of a database, by its kind and name."""
    found = {}
    for kind, listing, definition in _OBJECTS:
        if kind == "trigger" and not _HAS_TRIGGERS:
            continue
        rows = con.execute(
            f"SELECT schema_name, {kind}_name, {definition} FROM {listing} "  # noqa: S608
            f"WHERE database_name = current_database() AND {_NOT_OURS.get(kind, 'NOT internal')}"
        ).fetchall()
        for schema, name, text in rows:
            found[f"{kind} {name if schema == 'main' else f'{schema}.{name}'}"] = str(text)
    return found


def migrate(con: duckdb.DuckDBPyConnection, *, since: int, until: int | None = None) -> None:
    """Bring a database from schema `since` (0: blank) to `until` or the latest, or do nothing."""
    until = SCHEMA_VERSION if until is None else until
    if since == until:
        return
    con.begin()
    if since == 0:
        con.execute("CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL)")
    for migration in MIGRATIONS[since:until]:
        con.execute(migration.read_text(encoding="utf-8"))
    write_meta(con, "schema_version", str(until))
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
