"""A release of a package, fetched from the package index and read in place, never installed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import platformdirs

from crawler.errors import SnapshotError
from crawler.history import Histories
from crawler.models import Entry, ScanSkip
from crawler.snapshot.archive import ArchiveFiles, read_archive
from crawler.snapshot.names import line_address
from crawler.snapshot.package_index import PackageIndex, TooLargeError
from crawler.snapshot.pip_settings import IndexSettings, read_index_settings
from crawler.snapshot.releases import IndexFile, choose_releases, find_releases
from crawler.snapshot.select import Selection
from crawler.snapshot.trees import blob_id, tree_id


class PypiSnapshot:
    """The files of one wheel or source distribution; made by `open_pypi`.

    `commit` is the git tree id of the listed files.
    """

    def __init__(self, dist: str, version: str, files: ArchiveFiles) -> None:
        self.repo = f"pypi:{dist}"
        self.version: str | None = version
        self.skipped = files.skipped
        self._contents = files.contents
        self._entries = tuple(
            Entry(path=path, blob=blob_id(content), size=len(content))
            for path, content in sorted(files.contents.items())
        )
        self.commit = tree_id({entry.path.encode(): entry.blob for entry in self._entries})

    def entries(self) -> Sequence[Entry]:
        """Return every regular file worth reading, sorted by path; see `Snapshot.entries`."""
        return self._entries

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked."""
        for entry in entries:
            yield entry, self._contents[entry.path]

    def permalink(self, path: str, start_line: int, end_line: int) -> str:
        """Return the address of these lines in this release."""
        lines = (start_line, end_line)
        return line_address(self.repo, self.commit, path.encode(), lines, version=self.version)

    def histories(self, entries: Sequence[Entry]) -> Histories:
        """Return nothing: a package has no history."""
        return Histories()

    def close(self) -> None:
        """Do nothing: the file was read when the snapshot was made."""


def open_pypi(
    dist: str,
    version: str | None = None,
    *,
    cache: Path | None = None,
    selected: Selection | None = None,
) -> PypiSnapshot:
    """Return the snapshot of a release, the newest final one unless a version is given.

    Both must be normalised. Files are kept in `cache` (by default the user's cache folder, and
    safe to delete), so a version read before needs no network.

    Raises:
        SourceError: The index has no such package or version.
        SnapshotError: The index cannot be reached, or the file is damaged or unsafe.
    """
    settings = read_index_settings()
    folder = (cache or platformdirs.user_cache_path("triton-index")) / "packages"
    try:
        shelf = _Shelf(folder / _index_key(settings) / dist)
        file = (version and shelf.find(dist, version)) or _download(dist, version, settings, shelf)
        return _read_file(dist, file, selected or Selection())
    except SnapshotError as error:
        raise SnapshotError(f"pypi:{dist}: {error}") from error
    except OSError as error:
        raise SnapshotError(
            f"pypi:{dist}: the cache {folder} cannot be used ({error.strerror}); set XDG_CACHE_HOME"
        ) from error


def _read_file(dist: str, file: Path, selected: Selection) -> PypiSnapshot:
    files = read_archive(file, selected)
    try:
        return PypiSnapshot(dist, file.parent.parent.name, files)
    except ValueError as error:
        raise SnapshotError(f"{file.name} is unsafe ({error})") from error


class _Shelf:
    """The cached files of one package: `version/sha256/filename`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, dist: str, version: str) -> Path | None:
        """Return the best cached file of a version; one whose content has changed is removed."""
        found = [
            IndexFile(filename=path.name, url=str(path))
            for path in self._folder.joinpath(version).glob("*/*")
            if _is_intact(path)
        ]
        releases = find_releases(dist, found)
        return Path(choose_releases(dist, releases, version)[0].file.url) if releases else None

    def download(self, index: PackageIndex, version: str, file: IndexFile) -> Path:
        """Return the file, fetched beside its place and moved there whole."""
        folder = self._folder / version
        if file.sha256 and _is_intact(folder / file.sha256 / file.filename):
            return folder / file.sha256 / file.filename
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as part:
            try:
                digest = index.download(file, part)
                part.flush()
                target = folder / digest / file.filename
                target.parent.mkdir(exist_ok=True)
                Path(part.name).replace(target)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
        return target


def _download(dist: str, version: str | None, settings: IndexSettings, shelf: _Shelf) -> Path:
    """Return the best file of the version that is not too large to be fetched.

    The Python of a package is in all its wheels; what makes one too large is not.
    """
    with closing(PackageIndex(settings)) as index:
        releases = choose_releases(dist, find_releases(dist, index.list_files(dist)), version)
        for release in releases:
            try:
                return shelf.download(index, str(release.version), release.file)
            except TooLargeError as error:
                too_large = error
        raise too_large


def _is_intact(path: Path) -> bool:
    """Return whether a cached file is what its folder is named after; remove it if not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == path.parent.name:
            return True
    path.unlink()
    return False


def _index_key(settings: IndexSettings) -> str:
    """Return a name for the set of indexes: the same package of another index is another one."""
    hosts = " ".join(url.rpartition("@")[2] for url in settings.urls)
    return hashlib.sha256(hosts.encode()).hexdigest()[:12]
