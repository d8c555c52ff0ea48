"""The releases that code is held to: what `--triton` says, or what the project's manifest asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crawler.enrich.api_table import load_table
from crawler.errors import TritonIndexError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from crawler.enrich.requirement import Requirement

_OF_TRITON = frozenset({"triton", "pytorch-triton", "triton-nightly", "triton-windows"})
"""Distributions whose versions are Triton's."""


class WantedError(TritonIndexError):
    """What is asked for are no releases of Triton."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Releases, a set of `ApiTable`'s, and who asks for them in which words."""

    releases: int
    text: str
    source: str | None = None


def parse_wanted(text: str) -> Wanted:
    """Return the releases that a word such as `3.4`, `3.4.0` or `>=3.2,<3.8` means.

    Raises:
        WantedError: It is neither, or no known release is among them.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    table = load_table()
    known = f"{table.releases[0]} to {table.releases[-1]}"
    word = text.strip()
    try:
        if word[:1].isdigit():
            version = Version(word)
            spec = SpecifierSet(f"=={word}" if len(version.release) > 2 else f"=={word}.*")
        else:
            spec = SpecifierSet(word)
    except (InvalidSpecifier, InvalidVersion) as error:
        why = "neither a release nor a range; write 3.4 or '>=3.2,<3.8'"
        raise WantedError(f"--triton {text}: {why}") from error
    releases = releases_in(spec)
    if not word or not releases:
        raise WantedError(f"--triton {text}: no known release; those known are {known}")
    return Wanted(releases, word)


def stated(requirement: Requirement | None) -> Wanted | None:
    """Return the releases that a manifest asks for, None where it asks for none in particular."""
    if requirement is None or requirement.distribution not in _OF_TRITON:
        return None
    releases = releases_in(requirement.specifier) if requirement.specifier else 0
    return Wanted(releases, requirement.text, requirement.path) if releases else None


def releases_in(spec: SpecifierSet) -> int:
    """Return the known releases in a range of versions."""
    found = 0
    for place, release in enumerate(load_table().releases):
        if spec.contains(release, prereleases=True):
            found |= 1 << place
    return found
