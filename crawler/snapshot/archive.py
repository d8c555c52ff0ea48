"""The files of a wheel or source distribution, read in place: nothing is unpacked to disk.

An archive is hostile until read: its members may claim, nest, repeat and inflate at will.
"""

from __future__ import annotations

import gzip
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crawler.errors import SnapshotError
from crawler.models import ScanSkip
from crawler.snapshot.names import name_fault, readable_text
from crawler.snapshot.select import MIB, Selection, oversize_reason, size_limit
from crawler.snapshot.tar import read_tar

MAX_MEMBERS = 65_535
"""As many as a zip file can hold without the extension for huge ones."""
MAX_DIRECTORY_BYTES = 64 * MIB
MAX_CONTENT_BYTES = 512 * MIB
"""How much the listed files of one archive may come to; they are held in memory."""
MAX_UNPACKED_BYTES = 1024 * MIB
"""How much of a source distribution is unpacked, listed or not, to get at what is listed."""
MAX_RATIO = 200
"""How far anything may inflate: text packs 5 to 1, and only a bomb comes near 1,000."""
FREE_BYTES = 4 * MIB
"""Below this no ratio is looked at: a small file of blanks is no harm."""

_PLAIN_PACKING = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a feature of zip that Python does not know
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFiles:
    """What an archive holds: content by path, and what was left out with the reason."""

    contents: Mapping[str, bytes]
    skipped: tuple[ScanSkip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A regular file of an archive; `fault` is why it must not be unpacked."""

    name: str
    size: int
    unpack: Callable[[int], bytes]
    """Returns the content, cut at that many bytes."""
    fault: str | None = None


def read_archive(file: Path, selected: Selection) -> ArchiveFiles:
    """Return the listed files of a wheel (`.whl`) or source distribution (`.tar.gz`, `.zip`).

    A source distribution has one top folder, `dist-version/`, which is left off. Links are left
    out. A member that cannot or must not be unpacked is a skip.

    Raises:
        SnapshotError: The archive as a whole is damaged or a bomb.
    """
    try:
        if file.suffix == ".whl":
            return _collect(_zip_members(file), selected, depth=0)
        members = _zip_members(file) if file.suffix == ".zip" else _tar_members(file)
        return _collect(members, selected, depth=1)
    except _DAMAGE as error:
        reason = readable_text(str(error)) or type(error).__name__
        raise SnapshotError(f"{file.name} is damaged or unsafe ({reason})") from error


def _collect(members: Iterable[_Member], selected: Selection, *, depth: int) -> ArchiveFiles:
    """Return the members to be listed, `depth` top folders left off their paths."""
    contents: dict[str, bytes] = {}
    skipped = []
    total = unpacked = 0
    for member in members:
        whole_path = readable_text(member.name)
        path = "/".join(whole_path.split("/")[depth:]) or whole_path
        if not selected(path):
            continue
        content = _read_member(member, path, contents)
        # What cannot be used costs time all the same: members may share their packed bytes.
        unpacked += min(member.size, size_limit(path))
        if unpacked > MAX_UNPACKED_BYTES:
            raise ValueError("it inflates without measure, a bomb")
        if isinstance(content, str):
            skipped.append(ScanSkip(path=path, reason=content))
            continue
        total += len(content)
        if total > MAX_CONTENT_BYTES:
            raise ValueError(f"its sources come to more than {MAX_CONTENT_BYTES // MIB} MiB")
        contents[path] = content
    return ArchiveFiles(contents=contents, skipped=tuple(skipped))


def _read_member(member: _Member, path: str, taken: Mapping[str, bytes]) -> bytes | str:
    """Return the content of a member, or why it is left out."""
    if path in taken:
        return "a second file of this name"
    if reason := name_fault(member.name) or member.fault or oversize_reason(path, member.size):
        return reason
    try:
        content = member.unpack(size_limit(path) + 1)
    except _DAMAGE as error:
        return f"cannot be unpacked: {readable_text(str(error))}"
    return oversize_reason(path, len(content)) or content


def _zip_members(file: Path) -> Iterator[_Member]:
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            is_regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
            if info.is_dir() or not is_regular:
                continue
            fault = "encrypted" if info.flag_bits & 1 else None
            if info.compress_type not in _PLAIN_PACKING:
                # LZMA takes as much memory as a header names.
                fault = "cannot be unpacked: packed in another way than wheels are"
            if info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
                fault = f"inflates more than {MAX_RATIO}-fold, a bomb"
            yield _Member(
                name=info.filename,
                size=info.file_size,
                unpack=partial(_unpack_zip, archive, info),
                fault=fault,
            )


def _unpack_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    with archive.open(info) as stream:
        return stream.read(limit)


def _check_directory(file: Path) -> None:
    """Raise ValueError if the list of members alone would fill the memory."""
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - (1 << 16) - 22))
        tail = stream.read()
    end = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - 18))
    if end < 0:
        return  # no zip file, as the reader will say
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    is_huge_format = tail[max(0, end - 20) : end].startswith(b"PK\6\7")
    if size > MAX_DIRECTORY_BYTES or is_huge_format:
        raise ValueError(f"it lists more than {MAX_MEMBERS:,} files")


class _BoundedGzip(gzip.GzipFile):
    """A gzip stream that refuses to inflate to more than `limit` bytes in all."""

    def __init__(self, file: Path, limit: int) -> None:
        super().__init__(file, "rb")
        self._left = limit

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("it inflates without measure, a bomb")
        return data


def _tar_members(file: Path) -> Iterator[_Member]:
    limit = min(MAX_UNPACKED_BYTES, max(FREE_BYTES, MAX_RATIO * file.stat().st_size))
    # As a stream: nothing is unpacked twice, whatever the order of the files.
    with _BoundedGzip(file, limit) as unzipped:
        for count, member in enumerate(read_tar(unzipped), start=1):
            if count > MAX_MEMBERS:
                raise ValueError(f"it lists more than {MAX_MEMBERS:,} files")
            yield _Member(name=member.name.removeprefix("./"), size=member.size, unpack=member.read)
        while unzipped.read(MIB):
            pass  # the checksum of all stands at the very end
