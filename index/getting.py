"""An indexed kernel -> one self-contained file, from the commit that the index holds of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb

from crawler.errors import SnapshotError
from crawler.extract.kernel import extract_kernel
from crawler.extract.project import Project
from crawler.extract.result import Extraction, NotExtractable
from crawler.models import CrawledRepo, RepoStatus, ScanSkip, Snapshot, SourceKind
from crawler.opened import Opened
from crawler.opening import Opener
from crawler.sources import parse_source


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedKernel:
    """What the index knows of a kernel's place and of the licences around it."""

    id: str
    repo: str
    commit: str
    location: str
    version: str | None
    launchers: tuple[str, ...]
    repo_license: str | None
    licenses: dict[str, str | None]
    """Of the files with kernels, by path."""
    documents: dict[str, bytes]
    """The licence files and manifests of the repository."""

    @property
    def path(self) -> str:
        """The file, of a notebook with its cell."""
        return self.id.removeprefix(f"{self.repo}:").partition("::")[0]

    @property
    def qualname(self) -> str:
        """The name in the file, with `#2` for the second of it."""
        return self.id.removeprefix(f"{self.repo}:").partition("::")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the file is made for; see `extract_kernel`."""

    triton: str | None = None
    target: str | None = None
    launcher: bool = False


def fetch_place(con: duckdb.DuckDBPyConnection, id: str) -> IndexedKernel:
    """Return the place of a kernel that is in the index."""
    repo, commit, location, version, launchers, license = con.execute(
        "SELECT k.repo, k.commit, r.location, r.version, k.launchers, r.license "
        "FROM kernel_rows AS k JOIN repos AS r ON r.name = k.repo WHERE k.id = ?",
        [id],
    ).fetchall()[0]
    files = con.execute(
        "SELECT path, any_value(license) FROM kernel_rows WHERE repo = ? GROUP BY path", [repo]
    ).fetchall()
    documents = con.execute(
        "SELECT path, text FROM documents WHERE repo = ? AND kind = 'file'", [repo]
    ).fetchall()
    return IndexedKernel(
        id=id,
        repo=repo,
        commit=commit,
        location=location,
        version=version,
        launchers=tuple(launchers),
        repo_license=license,
        licenses=dict(files),
        documents={path: text.encode() for path, text in documents},
    )


def get_kernel(
    kernel: IndexedKernel,
    wanted: Wanted,
    *,
    tell: Callable[[str], object],
    clones: Path | None = None,
) -> Extraction | NotExtractable:
    """Return the file of a kernel, or why it cannot be had; `tell` hears of other content.

    Raises:
        ValueError: There is no such release or target.
        TritonIndexError: The source of the repository cannot be reached.
    """
    with _opened(kernel, clones) as snapshot:
        if snapshot.commit != kernel.commit:
            tell(f"{kernel.repo}: {kernel.commit} is not there any more; this is {snapshot.commit}")
        return extract_kernel(
            _project(kernel, snapshot),
            kernel.path,
            kernel.qualname,
            triton=wanted.triton,
            target=wanted.target,
            launcher=wanted.launcher,
            launchers=kernel.launchers,
        )


@contextmanager
def _opened(kernel: IndexedKernel, clones: Path | None) -> Iterator[Snapshot]:
    source = parse_source(kernel.location)
    if source.kind in (SourceKind.GITHUB, SourceKind.CLONE):
        source = replace(source, ref=kernel.commit)
    elif source.kind is SourceKind.PYPI:
        source = replace(source, version=kernel.version)
    blank = CrawledRepo(
        name=kernel.repo,
        location=kernel.location,
        status=RepoStatus.FAILED,
        scanner_version="",
    )
    with Opener(cache=clones) as opener:
        opened = opener.open(blank, source, None, full=False)
        if not isinstance(opened, Opened):
            raise SnapshotError(opened.error or f"{kernel.repo}: {opened.status}; crawl it again")
        try:
            yield opened.snapshot
        finally:
            opened.snapshot.close()


def _project(kernel: IndexedKernel, snapshot: Snapshot) -> Project:
    entries = {entry.path: entry for entry in snapshot.entries()}

    def read(path: str) -> bytes | None:
        if path not in entries:
            return None
        for _, content in snapshot.read([entries[path]]):
            return None if isinstance(content, ScanSkip) else content
        return None

    @cache
    def granted() -> dict[str, str | None]:
        from crawler.enrich.license import read_licenses

        return read_licenses(kernel.documents)

    def license(path: str, head: bytes) -> str | None:
        if path in kernel.licenses:
            return kernel.licenses[path]
        # Of a file without kernels the index holds no licence. Told late: it takes a while.
        from crawler.enrich.license import nearest_license

        return nearest_license(path, head, granted(), kernel.repo_license)

    return Project(kernel.repo, entries, read, permalink=snapshot.permalink, license=license)
