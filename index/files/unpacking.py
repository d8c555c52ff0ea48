"""The bundle, unpacked: an index in the user's cache, made once from what came with the package.

It is made beside its place and moved there, so that it is whole or not there; its name holds
a digest of all that it was made from, so that an upgraded package makes its own.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from crawler.stages import stage_version
from index.errors import StoreError

# Seconds that one first run waits for another that is unpacking.
_PATIENCE = 120.0
# Seconds after which an index that no installed version has read is cleared away: 30 days.
_KEPT_UNUSED = 30 * 86400.0


def unpacked_bundle(bundle: Path, tell: Callable[[str], object]) -> Path:
    """Return the path of the index made from the bundle in this folder; makes it if need be.

    Where the user's cache folder cannot be written it is kept in the one for temporary files.
    `tell` hears what takes its time.

    Raises:
        StoreError: neither can be written, or the bundle is damaged.
    """
    name = f"bundled-{_key(bundle)}.duckdb"
    problems = []
    for folder in _folders():
        path = folder / name
        if path.is_file():
            # Tells that it is still in use.
            with suppress(OSError):
                os.utime(path)
            return path
        try:
            _unpack(bundle, path, tell)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
        else:
            return path
    raise StoreError(
        f"the index that came with the package cannot be unpacked ({'; '.join(problems)}); "
        "set XDG_CACHE_HOME to a folder that you may write, or name an index with --db"
    )


def _key(bundle: Path) -> str:
    from index.database import MIGRATIONS
    from index.tables.search_tables import search_version

    # What the bundle says of itself has the digest of the rest of it.
    made_from = [bundle / "bundle.json", *MIGRATIONS]
    digest = hashlib.sha256(search_version().encode())
    # What is worked out while it is unpacked.
    hardware = stage_version("crawler.enrich.hardware", data=("crawler/data/hardware.toml",))
    digest.update(hardware.encode())
    for path in made_from:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _folders() -> Iterator[Path]:
    """Yield where it may lie: the user's cache, else a folder of the user's own under /tmp."""
    import platformdirs

    yield platformdirs.user_cache_path("triton-index", appauthor=False)
    own = Path(tempfile.gettempdir()) / f"triton-index-{getattr(os, 'getuid', int)()}"
    with suppress(OSError):
        own.mkdir(mode=0o700, exist_ok=True)
        if _is_private(own):
            yield own


def _is_private(folder: Path) -> bool:
    """Tell whether nobody else can have put anything into a folder of a place that all share."""
    if not hasattr(os, "getuid"):
        return True
    found = folder.lstat()
    is_open = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not is_open


def _unpack(bundle: Path, path: Path, tell: Callable[[str], object]) -> None:
    """Make the index at `path`; others that want it wait."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name("bundled.lock"), timeout=_PATIENCE)
    try:
        with lock:
            if not path.is_file():
                tell("unpacking the index that came with the package (once)")
                _build(bundle, path)
    except Timeout as error:
        raise StoreError(f"{path}: another program has been unpacking it for too long") from error


def _build(bundle: Path, path: Path) -> None:
    from index.database import connect_for_writing, migrate, storage_errors, write_meta
    from index.files.bundle import bundle_reach, load_bundle

    building, scratch = path.with_suffix(".building"), path.with_suffix(".staging")
    building.unlink(missing_ok=True)
    try:
        reach = bundle_reach(scratch, bundle)
        with storage_errors(building), connect_for_writing(building, reach=reach) as con:
            migrate(con, since=0)
            load_bundle(con, scratch, bundle)
            write_meta(con, "generation", path.stem)
            con.execute("CHECKPOINT")
        building.replace(path)
    finally:
        for left in (building, building.with_name(f"{building.name}.wal"), scratch):
            left.unlink(missing_ok=True)
    # Of packages before this one; another version that is installed beside it keeps its own.
    for old in set(path.parent.glob("bundled-*")) - {path}:
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _KEPT_UNUSED:
                old.unlink()
