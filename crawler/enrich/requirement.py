"""What a repository itself states on the Triton it needs: manifests in, one requirement out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from crawler.enrich.folders import folders_above
from crawler.enrich.manifests import READERS, Stated

DISTRIBUTIONS = (
    "triton",
    "pytorch-triton",
    "triton-nightly",
    "triton-windows",
    "pytorch-triton-rocm",
    "triton-rocm",
    "pytorch-triton-xpu",
    "triton-xpu",
    "triton-ascend",
    "triton-cpu",
    "triton-metax",
    "flagtree",
)
"""Distributions that bring the `triton` package, the preferred first."""

MAX_BYTES = 1 << 20
MAX_TEXT = 200
_NAME = re.compile(
    r"""\s* ([A-Za-z0-9] (?:[A-Za-z0-9._-]*[A-Za-z0-9])?) \s* (?:\[[^\]]*\])? \s*
    ((?: [<>=!~^@;(*\d] .*)?)""",
    re.VERBOSE,
)
"""A distribution's name, and what may follow it: a range, an address, a marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A stated requirement on Triton.

    `text` is as written, on one line. `specifier` is the range of versions in it: empty where any
    will do, None where what is written is no range that is understood.
    """

    text: str
    distribution: str
    specifier: SpecifierSet | None
    path: str
    """The file that states it."""


def declared_requirement(path: str, files: Mapping[str, bytes]) -> Requirement | None:
    """Return what is stated nearest to the file at `path`, looking in its folder and upward.

    Args:
        path: a file of the snapshot.
        files: manifests of the snapshot by path; what is no manifest is passed over.
    """
    return nearest_requirement(path, read_requirements(files))


def read_requirements(files: Mapping[str, bytes]) -> dict[str, Requirement]:
    """Return the requirement that each folder's manifests state, by folder ("" for the root).

    Of several, one that gives a version comes before one that does not, what is needed to run
    before what is optional, and Triton itself before its variants.
    """
    found: dict[str, list[tuple[tuple[bool, int, int], Requirement]]] = {}
    for path in sorted(files):
        reader = next((r for r in READERS if r.reads(path)), None)
        if reader is None or len(files[path]) > MAX_BYTES:
            continue
        for stated in reader.read(files[path].decode("utf-8", "replace")):
            requirement = _requirement(stated, path)
            if requirement is not None:
                rank = DISTRIBUTIONS.index(requirement.distribution)
                weight = (not requirement.specifier, stated.rank, rank)
                found.setdefault(reader.folder(path), []).append((weight, requirement))
    return {folder: min(stated, key=lambda each: each[0])[1] for folder, stated in found.items()}


def nearest_requirement(path: str, found: Mapping[str, Requirement]) -> Requirement | None:
    """Return, of what `read_requirements` gave, the requirement nearest above a file."""
    return next((found[folder] for folder in folders_above(path) if folder in found), None)


def _requirement(stated: Stated, path: str) -> Requirement | None:
    text = " ".join(stated.text.split())[:MAX_TEXT]
    match = _NAME.fullmatch(text)
    distribution = canonicalize_name(match[1]) if match is not None else ""
    if match is None or distribution not in DISTRIBUTIONS:
        return None
    return Requirement(
        text=text,
        distribution=distribution,
        specifier=_specifier(text, match[2]),
        path=path,
    )


def _specifier(text: str, rest: str) -> SpecifierSet | None:
    try:
        return Parsed(text).specifier
    except (InvalidRequirement, RecursionError):
        pass
    version = rest.partition(";")[0].strip()
    try:
        return SpecifierSet(",".join(_poetry(part) for part in version.split(",")))
    except (InvalidSpecifier, ValueError):
        return None


def _poetry(part: str) -> str:
    """Return one clause in Poetry's own signs (`^3.1`, `~3.1`, `3.*`, `3.1`) in everybody's."""
    part = part.strip()
    if part in ("", "*"):
        return ""
    numbers = part[1:].split(".") if part[0] in "^~" else []
    if not all(number.isdecimal() and len(number) < 9 for number in numbers):
        numbers = []
    if not numbers:
        return f"=={part}" if part[0].isdecimal() else part
    kept = 1 if part[0] == "^" or len(numbers) == 1 else 2
    if part[0] == "^":
        kept = 1 + next((i for i, number in enumerate(numbers) if int(number)), len(numbers) - 1)
    upper = [*numbers[: kept - 1], str(int(numbers[kept - 1]) + 1)]
    return f">={part[1:]},<{'.'.join(upper)}"
