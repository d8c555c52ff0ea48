"""Kernels in the same place of two sources, where one has taken over a folder of the other. Pure.

A project that takes over another's folder keeps its files and names. What stands in the same place
of both is the same kernel at two times, also where it was changed much since. That it was a folder
that was taken, and no two projects gave like names to like things, is told by the kernels that are
still equal in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

MIN_EQUAL = 3
"""Equal kernels of equal names that tell that a folder was taken over."""
MIN_EQUAL_OF_FILE = 2
"""The same of one file, whatever it is called where it was taken to."""
MAX_EQUAL = 64
"""Copies of one kernel that are compared by their places; real ones have 50."""
MAX_SAME = 8
"""Definitions of one qualname in one file; real files have two or three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a kernel stands; `code` is equal for equal ones, None if it tells nothing by itself."""

    id: str
    repo: str
    path: str
    qualname: str
    code: str | None


_Folder = tuple[str, str]
"""A repository, and a folder in it with its last slash."""

_File = tuple[str, str]
"""A repository, and the path of a file in it."""


def twins(places: Sequence[Place]) -> Iterator[tuple[str, str]]:
    """Yield the ids of two kernels that stand in the same place of two sources."""
    by_repo: dict[str, list[Place]] = defaultdict(list)
    by_place: dict[tuple[str, str, str], list[Place]] = defaultdict(list)
    for place in places:
        by_repo[place.repo].append(place)
        by_place[place.repo, place.path, place.qualname].append(place)
    for (repo, folder), (other, its_folder) in _taken_over(places):
        for place in by_repo[repo]:
            if place.path.startswith(folder):
                path = its_folder + place.path[len(folder) :]
                for twin in by_place.get((other, path, place.qualname), [])[:MAX_SAME]:
                    yield place.id, twin.id
    by_file: dict[_File, list[Place]] = defaultdict(list)
    for place in places:
        by_file[place.repo, place.path].append(place)
    for file, its_file in _taken_files(places):
        for place in by_file[file]:
            for twin in by_place.get((*its_file, place.qualname), [])[:MAX_SAME]:
                yield place.id, twin.id


def _taken_files(places: Sequence[Place]) -> Iterator[tuple[_File, _File]]:
    """Yield the pairs of files of two sources, one of which was taken from the other."""
    alike: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for place in places:
        if place.code is not None:
            alike[place.code, place.qualname].append(place)
    equal: dict[tuple[_File, _File], set[str]] = defaultdict(set)
    for same in alike.values():
        same.sort(key=lambda place: place.id)
        for one, other in combinations(same[:MAX_EQUAL], 2):
            if one.repo != other.repo:
                files = ((one.repo, one.path), (other.repo, other.path))
                equal[files].add(one.qualname)
    for files, found in equal.items():
        if len(found) >= MIN_EQUAL_OF_FILE:
            yield files


def _taken_over(places: Sequence[Place]) -> Iterator[tuple[_Folder, _Folder]]:
    """Yield the pairs of folders, one of which was taken over from the other."""
    alike: dict[tuple[str, str, str], list[Place]] = defaultdict(list)
    for place in places:
        if place.code is not None:
            alike[place.code, place.qualname, place.path.rpartition("/")[2]].append(place)
    equal: dict[tuple[_Folder, _Folder], set[tuple[str, str]]] = defaultdict(set)
    for same in alike.values():
        same.sort(key=lambda place: place.id)
        for one, other in combinations(same[:MAX_EQUAL], 2):
            if one.repo != other.repo:
                length = _common_tail(one.path, other.path)
                folders = (
                    (one.repo, one.path[: len(one.path) - length]),
                    (other.repo, other.path[: len(other.path) - length]),
                )
                equal[folders].add((one.path[len(one.path) - length :], one.qualname))
    for folders, found in equal.items():
        if len(found) >= MIN_EQUAL:
            yield folders


def _common_tail(one: str, other: str) -> int:
    """Return how many letters of two paths are the same whole parts at their ends."""
    parts = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    length = 0
    for part, its_part in parts:
        if part != its_part:
            break
        length += len(part) + 1
    return min(length - 1, len(one), len(other))
