"""Which file of a package to read: the newest release, a wheel before a source distribution."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from crawler.errors import SourceError

_NEIGHBOURS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file that a package index offers; `size` is in bytes, None where the index is silent."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    is_yanked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A readable file of one version; of several the one of the lowest rank is read."""

    version: Version
    rank: tuple[int, float, str]
    file: IndexFile


def find_releases(dist: str, files: Iterable[IndexFile]) -> list[Release]:
    """Return what of the files is a wheel or source distribution of this package, in any order."""
    return [release for file in files if (release := _parse_file(dist, file))]


def choose_releases(
    dist: str, releases: Sequence[Release], version: str | None = None
) -> list[Release]:
    """Return the files of the version to read, the best first: the one asked for, else the newest.

    A withdrawn file is read only when its version is asked for, a pre-release also when there is
    nothing else.

    Raises:
        SourceError: There is none; the text names the nearest versions.
    """
    if version is not None:
        fitting = [release for release in releases if release.version == Version(version)]
    else:
        offered = [release for release in releases if not release.file.is_yanked]
        fitting = [release for release in offered if not release.version.is_prerelease] or offered
    if not fitting:
        raise SourceError(_missing(dist, releases, version))
    newest = max(release.version for release in fitting)
    return sorted(
        (release for release in fitting if release.version == newest),
        key=lambda release: release.rank,
    )


def _parse_file(dist: str, file: IndexFile) -> Release | None:
    """Return what a file name tells, None if it is of another kind or package."""
    kind = 3
    try:
        if file.filename.endswith(".whl"):
            name, version, _, tags = parse_wheel_filename(file.filename)
            kind = min(_tag_rank(tag.abi, tag.platform) for tag in tags)
        else:
            name, version = parse_sdist_filename(file.filename)
            kind += file.filename.endswith(".zip")
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion):
        return None
    if name != canonicalize_name(dist):
        return None
    size = float("inf") if file.size is None else file.size
    return Release(version=version, rank=(kind, size, file.filename), file=file)


def _tag_rank(abi: str, platform: str) -> int:
    if (abi, platform) == ("none", "any"):
        return 0
    return 1 if "linux" in platform and platform.endswith("x86_64") else 2


def _missing(dist: str, releases: Sequence[Release], version: str | None) -> str:
    """Return that there is nothing to read, and what there is instead."""
    known = sorted({release.version for release in releases})
    if not known:
        return f"pypi:{dist}: the package has no wheel and no source distribution to read"
    if version is None:
        return f"pypi:{dist}: every release is withdrawn; name one, such as {dist}=={known[-1]}"
    place = bisect_left(known, Version(version))
    near = known[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]
    words = [str(known_version) for known_version in near]
    words += [f"newest {known[-1]}"] if known[-1] not in near else []
    return f"pypi:{dist}: there is no version {version}; there are {', '.join(words)}"
