"""The nouns of the crawl: what a source is, what a scan finds, what a crawl reports.

Field order of `KernelRecord` is the column order of the table and the key order of the JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from crawler.history import FileHistory, Histories
    from crawler.states import GithubState, RepoMetadata


class SourceKind(StrEnum):
    """How the content of a source is reached."""

    GITHUB = "github"
    CLONE = "clone"
    FOLDER = "folder"
    PYPI = "pypi"


class DocumentKind(StrEnum):
    """Whether a document is a file as it is, or the head of one that holds kernels."""

    FILE = "file"
    HEAD = "head"


class Dialect(StrEnum):
    """The language a kernel is written in."""

    TRITON = "triton"
    GLUON = "gluon"


class Form(StrEnum):
    """How a function was made a kernel: `@jit`, `f = jit(f)`, or a project's own decorator."""

    DECORATOR = "decorator"
    CALL = "call"
    WRAPPER = "wrapper"


class Role(StrEnum):
    """What a jit function is for."""

    KERNEL = "kernel"
    DEVICE_FUNCTION = "device_function"
    POINTWISE = "pointwise"
    UNKNOWN = "unknown"


class ParamKind(StrEnum):
    """What a kernel parameter carries."""

    POINTER = "pointer"
    DESCRIPTOR = "descriptor"
    SCALAR = "scalar"
    CONSTEXPR = "constexpr"
    UNKNOWN = "unknown"


class RepoStatus(StrEnum):
    """How the crawl of one source ended."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    RENAMED = "renamed"
    GONE = "gone"
    EMPTY = "empty"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRepo:
    """One place to scan, as named by the user or by `sources.toml`.

    `name` is the identity under which kernels are recorded: `owner/name` for a repository,
    `pypi:dist` for a package, `local/folder` for a folder without an origin.
    """

    name: str
    kind: SourceKind
    path: Path | None = None
    ref: str | None = None
    version: str | None = None
    note: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    group: str | None = None
    fork_of: str | None = None
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a snapshot: path with forward slashes, git blob id (40 hex), size in bytes."""

    path: str
    blob: str
    size: int


class Snapshot(Protocol):
    """The files of a source at one moment.

    `commit` is 40 hex digits: the git commit, or, where there is no history (a package, a plain
    folder), the git tree id of the files, so that equal content has an equal id.
    `version` is the release of a package, else None.
    `skipped` holds what the listing itself had to leave out: an unreadable folder, an archive
    member with an unsafe name, a file over the size limit.
    """

    repo: str
    commit: str
    version: str | None
    skipped: tuple[ScanSkip, ...]

    def entries(self) -> Sequence[Entry]:
        """Every regular file worth reading, sorted by path.

        That is Python, notebooks, and what tells of licence and requirements; links and
        submodules are left out. A size is 0 where the content is not at hand.
        """

    def read(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, bytes | ScanSkip]]:
        """Yield the bytes of each entry, in the order asked, or why there are none.

        A `LostFile` may be had another time; any other skip is for good, such as an oversized one.
        """

    def permalink(self, path: str, start_line: int, end_line: int) -> str:
        """Return the address of these lines at this commit; ends in `#L<start>-L<end>`."""

    def histories(self, entries: Sequence[Entry]) -> Histories:
        """Return who wrote these files and when, as far as that can be told; the first go first."""

    def close(self) -> None:
        """Release what reading needed (processes, temporary files)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSkip:
    """A file, or a notebook cell, that was not read, and why (one line, lower case, no path)."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostFile(ScanSkip):
    """A file whose bytes could not be had now, for a reason that may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a kernel; `default` is the source text of its default."""

    name: str
    kind: ParamKind
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutotuneConfig:
    """One `triton.Config`: meta-parameters and options; a value is a literal or source text."""

    kwargs: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    options: tuple[tuple[str, str | int | float | bool | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Autotune:
    """An autotune decorator: how many configs (None: not statically known), key, the first 64."""

    n_configs: int | None
    key: tuple[str, ...] = ()
    configs: tuple[AutotuneConfig, ...] = ()


ONE_OF = "one of: "
"""`one of: a, b` among the guards of a use: its name stands for `a` or for `b`, as branches go.

It is no expression of Python's, so that no condition can be taken for it.
"""


class UseKind(StrEnum):
    """What of a kernel a use is: what its body names, or what else ties it to releases."""

    NAME = "name"
    METHOD = "method"
    """A method of a tensor or a tensor descriptor, by its full name."""
    HEADER = "header"
    """A name in a decorator, a default, an annotation, a config."""
    PLAIN_GLOBAL = "plain_global"
    """A module's plain constant; `name` is Python's."""
    ANNOTATED_GLOBAL = "annotated_global"
    """One that is annotated as a constexpr and is none."""
    ANNOTATED_POINTER = "annotated_pointer"
    """A pointer parameter with an annotation other than constexpr."""
    OPEN_PARAMETERS = "open_parameters"
    """`**meta` that the body reads, as Triton 1 filled it; `name` has the stars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUse:
    """A name of Triton's that a kernel uses, e.g. `triton.language.dot` with `input_precision`.

    `guards` are the conditions (source text) under which it is reached, outermost first. `args`
    tell how each positional argument is given: `True`, `False`, `None`, `number`, `text`,
    `constexpr`, `tensor`, `list`, `?` for any other, `*` and `**` for what is spread; None
    where that is not known.
    `unpacked` is the number of names that its result is unpacked into, 0 where it is not.
    `places` are lines (1-based) and columns (0-based) in the file; an index does not keep them.
    """

    name: str
    keywords: tuple[str, ...] = ()
    is_call: bool = True
    guards: tuple[str, ...] = ()
    kind: UseKind = UseKind.NAME
    args: tuple[str, ...] | None = None
    unpacked: int = 0
    places: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedKernel:
    """A jit function as its snapshot shows it. Lines are 1-based; in a notebook, in the cell."""

    path: str
    cell: int | None
    qualname: str
    name: str
    ordinal: int
    """1 for the first definition of this qualname in its file (or cell), 2 for the second ..."""
    dialect: Dialect
    form: Form
    role: Role
    start_line: int
    def_line: int
    end_line: int
    docstring: str | None
    params: tuple[Param, ...]
    autotune: Autotune | None
    heuristics: tuple[str, ...]
    decorators: tuple[str, ...]
    tl_calls: tuple[str, ...]
    launchers: tuple[str, ...]
    usage: str | None
    calls: tuple[str, ...]
    """Ids within the snapshot (`path::qualname`) of the jit functions that it calls."""
    passes: tuple[str, ...]
    """The passes of autograd functions that launch it: `backward path::Class`."""
    uses: tuple[ApiUse, ...]
    """What its body names of Triton."""
    source: str
    needs: tuple[ApiUse, ...] = ()
    """What else ties it to releases: methods, decorators and configs, constants of its module."""

    @property
    def place(self) -> str:
        """Return its id within the snapshot; a notebook adds its cell, a repeat its number."""
        cell = "" if self.cell is None else f"[{self.cell}]"
        repeat = "" if self.ordinal == 1 else f"#{self.ordinal}"
        return f"{self.path}{cell}::{self.qualname}{repeat}"


class OperationKind(StrEnum):
    """How an operation is called: as a function, by `apply`, or as a module that is made first."""

    FUNCTION = "function"
    AUTOGRAD = "autograd"
    MODULE = "module"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedOperation:
    """What a snapshot offers to run kernels with. Lines are 1-based."""

    path: str
    name: str
    kind: OperationKind
    start_line: int
    end_line: int
    signature: str
    """Names and plain defaults; of a module how it is made, then how it is called."""
    doc: str | None
    """The beginning of its docstring."""
    doc_chars: int
    forward: tuple[str, ...]
    """Ids within the snapshot of the kernels that it launches, the nearest first."""
    backward: tuple[str, ...]
    """Likewise of those that are launched when gradients are asked for."""
    is_differentiable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One row of the operations: a scanned operation with its identity."""

    id: str
    repo: str
    path: str
    name: str
    kind: OperationKind
    start_line: int
    end_line: int
    commit: str
    permalink: str
    signature: str
    summary: str | None
    doc_chars: int
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    is_differentiable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRecord:
    """One row of the index: a scanned kernel with its identity."""

    id: str
    repo: str
    path: str
    cell: int | None
    qualname: str
    name: str
    dialect: Dialect
    form: Form
    role: Role
    start_line: int
    def_line: int
    end_line: int
    commit: str
    permalink: str
    summary: str | None
    docstring: str | None
    params: tuple[Param, ...]
    autotune: Autotune | None
    heuristics: tuple[str, ...]
    decorators: tuple[str, ...]
    tl_calls: tuple[str, ...]
    launchers: tuple[str, ...]
    usage: str | None
    calls: tuple[str, ...]
    passes: tuple[str, ...]
    uses: tuple[ApiUse, ...]
    """What its body names of Triton."""
    source: str
    needs: tuple[ApiUse, ...] = ()
    """What else ties it to releases: methods, decorators and configs, constants of its module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a source says of itself: a licence, a manifest, the leading comment of a file."""

    path: str
    kind: DocumentKind
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedScan:
    """What scanning one blob gave, as bytes only the scanner reads; keyed by blob and version."""

    blob: str
    facts: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRepo:
    """What the index holds of a repository: the commit it was last scanned at, and by what."""

    name: str
    commit: str
    scanner_version: str
    location: str
    github: GithubState | None = None
    """What GitHub said when it was last looked at."""
    crawled_at: datetime | None = None
    is_history_due: bool = False
    """Whether asking for the histories of its files failed, so that it must be asked again."""


class KnownState(Protocol):
    """What earlier crawls left behind; the store answers it, the crawl only asks."""

    def repo(self, name: str) -> KnownRepo | None:
        """Return what is known of this repository, None if it was never scanned whole.

        A repository that was renamed is known under its former names too.
        """

    def scans(self, blobs: Sequence[str], scanner_version: str) -> Mapping[str, bytes]:
        """Return the cached facts of those of the blobs that this scanner version has read."""

    def scans_of(self, repo: str, scanner_version: str) -> Mapping[str, bytes]:
        """Return the cached facts of all blobs that a repository had, likewise."""

    def histories(self, repo: str) -> Mapping[str, str]:
        """Return the files of a repository whose history is known: path -> blob it is that of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawledRepo:
    """All that one source gave, ready to be stored in one transaction.

    With status `updated` or `empty`, `kernels` is the whole truth about the repository at
    `commit`; with `unchanged`, `gone` or `failed` it is empty and says nothing.
    """

    name: str
    location: str
    """What to crawl to get it again: the SOURCE word without a version or ref."""
    status: RepoStatus
    scanner_version: str
    """The scanner's version and, after a `+`, what else decides what it is shown, or that it was
    not shown all of it; the version alone is that of the scans."""
    commit: str | None = None
    version: str | None = None
    files_seen: int = 0
    files_parsed: int = 0
    kernels: tuple[KernelRecord, ...] = ()
    operations: tuple[OperationRecord, ...] = ()
    skipped: tuple[ScanSkip, ...] = ()
    kept: tuple[str, ...] = ()
    """Files and folders of which nothing new is known: their kernels stay as they were.

    A cell of a notebook is `path[cell]`, as in the id of its kernels."""
    scans: tuple[CachedScan, ...] = ()
    documents: tuple[Document, ...] = ()
    histories: tuple[FileHistory, ...] = ()
    """Those of files with kernels that were not known before."""
    is_history_due: bool = False
    """Whether histories are missing because something failed."""
    marks: tuple[str, ...] = ()
    fork_of: str | None = None
    """These two as in its entry in the list of sources."""
    blobs: tuple[str, ...] = ()
    """Blob ids of every file that was scanned or whose cached scan was used; scans of blobs that
    no source holds any more are dropped from the cache."""
    requests: int = 0
    error: str | None = None
    renamed_from: str | None = None
    """The name it had before, where GitHub has it under another one now."""
    github: GithubState | None = None
    """To be stored with the kernels, so that the next crawl can ask whether anything changed."""
    metadata: RepoMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoReport:
    """What the crawl of one source did."""

    repo: str
    status: RepoStatus
    commit: str | None = None
    files_seen: int = 0
    files_parsed: int = 0
    kernels: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    skipped: tuple[ScanSkip, ...] = ()
    requests: int = 0
    error: str | None = None
    renamed_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlReport:
    """What one crawl did, source by source in the order crawled."""

    run_id: str
    started_at: datetime
    seconds: float
    repos: tuple[RepoReport, ...] = field(default=())
