"""The working copy: an index is written beside the published one and moved into its place.

Readers keep the file they opened, a crawl that is killed leaves the published index whole, and
the copy it leaves behind is taken up by the next one. One generation number ties a copy to the
published index it was made from: a copy of any other is worthless and thrown away.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from index.database import (
    SCHEMA_VERSION,
    connect_for_reading,
    connect_for_writing,
    migrate,
    read_meta,
    schema_version,
    storage_errors,
    write_meta,
)
from index.errors import StoreError

MAX_TRIES = 3
"""How often a copy may fail to be published before it counts as spoilt and is begun afresh."""

# A `parent` that no generation has: the copy began blank.
_BLANK = "blank"


class WorkingCopy:
    """A private, writable copy of the index at `path`; only its holder can write the index.

    Where there is no index at `path` yet, the copy starts from `seed`, or blank without one.
    """

    def __init__(self, path: Path, seed: Path | None = None) -> None:
        self.path = path.resolve()
        self.building = self.path.with_name(f"{self.path.name}.building")
        self.staging = self.path.with_name(f"{self.path.name}.staging")
        self._seed = seed
        self._lock = FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=0)
        self._con: duckdb.DuckDBPyConnection | None = None

    @property
    def is_seeded(self) -> bool:
        """Tell whether this would be the first index in its place, begun from another."""
        return self._seed is not None and not self.path.exists()

    def open(self) -> duckdb.DuckDBPyConnection:
        """Return the connection to the copy; what a killed holder left is taken up.

        Raises:
            StoreError: another writer is at work, the published index cannot be read, or the
                folder cannot be written.
        """
        self.reserve()
        try:
            with storage_errors(self.path):
                base = self._base()
                generation = _BLANK if base is None else _generation(base)
                self._con = self._adopt(generation) or self._begin(base, generation)
        except BaseException:
            self._lock.release()
            raise
        return self._con

    def reserve(self) -> None:
        """Keep other writers out until it is closed.

        Raises:
            StoreError: another writer is at work, or the folder cannot be written.
        """
        if "?" in str(self.path):
            raise StoreError(
                f"{self.path}: DuckDB cannot write below a path with a question mark; "
                "name another file with --db"
            )
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._acquire()

    def install(self, received: Path, *, keep: Path | None = None) -> None:
        """Move a whole index that came from elsewhere into the place of the reserved one.

        What stood there is kept as `keep`, if that is given.

        Raises:
            StoreError: another program writes what stands there, or it is no index.
        """
        with storage_errors(self.path):
            if self.path.exists():
                _generation(self.path)
                if keep is not None:
                    keep.unlink(missing_ok=True)
                    _link_or_copy(self.path, keep)
            _sync(received)
            received.replace(self.path)
            _sync(self.path.parent)

    @contextmanager
    def publishing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield the connection for what is worked out last, then publish.

        The try is counted in the copy: what makes a program hang or crash over and over again is
        not taken up for ever. No fault of the copy is a full disk, or a person who interrupts.
        """
        con = self._connection()
        with storage_errors(self.path):
            tries = _tries(con)
            write_meta(con, "tries", str(tries + 1))
        try:
            yield con
        except (StoreError, KeyboardInterrupt):
            with suppress(duckdb.Error):
                write_meta(con, "tries", str(tries))
            raise
        self._publish(con)

    def _publish(self, con: duckdb.DuckDBPyConnection) -> None:
        """Move the copy into the place of the index; readers from now on see it."""
        with storage_errors(self.path):
            con.execute("DELETE FROM meta WHERE key = 'tries'")
            write_meta(con, "generation", uuid.uuid4().hex)
            con.execute("CHECKPOINT")
            self._disconnect()
            _sync(self.building)
            self.building.replace(self.path)
            _sync(self.path.parent)

    def close(self) -> None:
        """Release the index to other writers; a copy that was not published stays behind."""
        try:
            self._disconnect()
        finally:
            self.staging.unlink(missing_ok=True)
            self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(
                f"{self.path}: another command is writing this index; "
                "wait until it has ended, or write another file with --db"
            ) from error

    def _base(self) -> Path | None:
        """Return the index to start from, None for a blank one."""
        return self.path if self.path.exists() else self._seed

    def _adopt(self, generation: str) -> duckdb.DuckDBPyConnection | None:
        if not self.building.exists():
            return None
        with suppress(duckdb.Error, StoreError), ExitStack() as stack:
            con = stack.enter_context(connect_for_writing(self.building, reach=(self.staging,)))
            # A copy of an older schema would need its own migration: begin afresh instead.
            is_current = schema_version(con, self.building) == SCHEMA_VERSION
            is_spoilt = _tries(con) >= MAX_TRIES
            if is_current and not is_spoilt and read_meta(con, "parent") == generation:
                stack.pop_all()
                return con
        return None

    def _begin(self, base: Path | None, generation: str) -> duckdb.DuckDBPyConnection:
        _wal(self.building).unlink(missing_ok=True)
        self.building.unlink(missing_ok=True)
        if base is not None:
            # Under another name until it is whole: half a copy must not be taken up later.
            shutil.copyfile(base, self.staging)
            self.staging.replace(self.building)
        con = connect_for_writing(self.building, reach=(self.staging,))
        migrate(con, since=0 if base is None else schema_version(con, self.building))
        write_meta(con, "parent", generation)
        # Views are bound while a log is replayed, before the functions that they call are there:
        # no log that a crash leaves behind may hold one.
        con.execute("CHECKPOINT")
        return con

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            raise StoreError(f"{self.path}: the index is not open for writing")
        return self._con

    def _disconnect(self) -> None:
        if self._con is not None:
            self._con.close()
            self._con = None


def _generation(base: Path) -> str:
    with connect_for_reading(base) as con:
        schema_version(con, base)
        generation = read_meta(con, "generation") or "unnumbered"
    if _wal(base).exists():
        # Written by hand and not closed: fold its log in, or learn who still writes.
        connect_for_writing(base).close()
    return generation


def _tries(con: duckdb.DuckDBPyConnection) -> int:
    """Return how often it was tried in vain to publish a copy."""
    tries = read_meta(con, "tries") or ""
    return int(tries) if re.fullmatch("[0-9]{1,9}", tries) else 0


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        # Not every file system has links.
        shutil.copyfile(source, target)


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
