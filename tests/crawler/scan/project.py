"""Small projects as data, crawled in this process: files in, records out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from crawler.models import CrawledRepo, KernelRecord, KnownRepo, RepoStatus
from crawler.pool import Scanned, ScanPool, ScanTask
from crawler.reading import read_snapshot
from crawler.scan import scan_file, scan_version
from crawler.scan.result import encode_result, to_result
from crawler.snapshot.folder import open_folder
from crawler.snapshot.select import select_files

Files = Mapping[str, str | bytes]
REPO = "octo/kernels"


@dataclass(frozen=True)
class Case:
    """A project and the kernels in it, as `path::qualname` in the order of the index."""

    says: str
    files: Files
    finds: tuple[str, ...] = ()


def finds(says: str, source: str | bytes, *kernels: str, path: str = "k.py") -> Case:
    """Return a project of one file that holds these kernels, `add` if none is named."""
    return Case(says, {path: source}, tuple(f"{path}::{name}" for name in kernels or ("add",)))


def ignores(says: str, source: str | bytes, path: str = "k.py") -> Case:
    """Return a project of one file that holds no kernel."""
    return Case(says, {path: source})


def as_bytes(content: str | bytes) -> bytes:
    """Return the content of a file; text is dedented first."""
    return content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode()


class NoMemory:
    """What earlier crawls left behind: nothing."""

    def repo(self, name: str) -> KnownRepo | None:
        return None

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        return {}

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return nothing."""
        return {}

    def histories(self, repo: str) -> Mapping[str, str]:
        return {}


class SameProcess(ScanPool):
    """A pool that scans right here, for tests that need no protection."""

    def scan(self, tasks: Iterable[ScanTask]) -> Iterator[Scanned]:
        for task in tasks:
            yield task.key, encode_result(to_result(scan_file(task.path, task.data)))


def crawl_files(folder: Path, files: Files) -> CrawledRepo:
    """Return what a crawl of these files gives, written into `folder` first."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(content))
    blank = CrawledRepo(
        name=REPO,
        location=str(folder),
        status=RepoStatus.UPDATED,
        scanner_version=scan_version(),
    )
    with closing(open_folder(folder, REPO, selected=select_files())) as snapshot:
        return read_snapshot(snapshot, blank, known=NoMemory(), pool=SameProcess())


def kernels_of(folder: Path, files: Files) -> dict[str, KernelRecord]:
    """Return the kernels of these files by their id within the project."""
    crawled = crawl_files(folder, files)
    assert crawled.error is None
    return {record.id.removeprefix(f"{REPO}:"): record for record in crawled.kernels}


def kernel_of(folder: Path, source: str | bytes, name: str = "add") -> KernelRecord:
    """Return the kernel of this name in a project of one file."""
    return kernels_of(folder, {"k.py": source})[f"k.py::{name}"]
