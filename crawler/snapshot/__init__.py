"""One module a transport: each gives a commit, a list of entries, and bytes on demand."""

from __future__ import annotations

from pathlib import Path

from crawler.errors import SnapshotError
from crawler.models import Snapshot, SourceKind, SourceRepo
from crawler.snapshot.select import select_files


def open_snapshot(source: SourceRepo, *, cache: Path | None = None) -> Snapshot:
    """Return the snapshot of a source as it stands now; close it after use.

    `cache` is the folder for what has to be fetched, by default the user's cache folder.

    Raises:
        EmptySnapshotError: The repository has no commit yet.
        SourceError: The package index has no such package or version.
        SnapshotError: The content cannot be reached or read.
    """
    selected = select_files(source.include, source.exclude)
    try:
        match source.kind:
            case SourceKind.CLONE:
                from crawler.snapshot.git import open_git

                return open_git(_path(source), source.name, ref=source.ref, selected=selected)
            case SourceKind.FOLDER:
                from crawler.snapshot.folder import open_folder

                return open_folder(_path(source), source.name, selected=selected)
            case SourceKind.PYPI:
                from crawler.snapshot.pypi import open_pypi

                dist = source.name.removeprefix("pypi:")
                return open_pypi(dist, source.version, cache=cache, selected=selected)
    except OSError as error:
        raise SnapshotError(f"{source.name}: {error.filename}: {error.strerror}") from error
    raise SnapshotError(
        f"{source.name}: reading straight from GitHub is not possible yet; clone it and give "
        f"{source.name}=PATH"
    )


def _path(source: SourceRepo) -> Path:
    if source.path is None:
        raise SnapshotError(f"{source.name}: a {source.kind} needs a path")
    return source.path
