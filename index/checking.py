"""PATHs of a check -> bytes of files, with what the manifests around them ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.enrich.manifests import is_manifest
from crawler.enrich.marks import is_test_file
from crawler.errors import TritonIndexError
from crawler.snapshot.select import is_source, oversize_reason

if TYPE_CHECKING:
    from crawler.check.wanted import Wanted

STDIN = "-"


class CheckError(TritonIndexError):
    """What is to be checked cannot be read."""


@dataclass(slots=True)
class Inputs:
    """What is to be checked: bytes by path, as people named them.

    `places` are where the files stand and `manifests` those around them, by absolute path; what is
    in a clone goes by a path of its own.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tests: set[str] = field(default_factory=set)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)

    def wanted(self) -> Mapping[str, Wanted]:
        """Return the releases that the manifest nearest to each file asks for."""
        if not self.manifests:
            return {}
        # Late: reading ranges of versions costs as much as all else of a small check.
        from crawler.check.wanted import stated
        from crawler.enrich.requirement import nearest_requirement, read_requirements

        requirements = read_requirements(self.manifests)
        found = {p: stated(nearest_requirement(at, requirements)) for p, at in self.places.items()}
        return {path: wanted for path, wanted in found.items() if wanted is not None}

    def add(self, path: str, place: str, data: bytes) -> None:
        """Take in a file that was named."""
        self.files[path], self.places[path] = data, place

    def add_listed(self, path: str, place: str, data: bytes, inner: str) -> None:
        """Take in a file of a folder or clone that was named; `inner` is its path in there."""
        if is_manifest(place):
            self.manifests[place] = data
        if is_source(path):
            self.add(path, place, data)
            if is_test_file(inner):
                self.tests.add(path)


def read_inputs(words: Sequence[str]) -> Inputs:
    """Return the files that the PATHs name: files, folders, clones (`owner/name=PATH`), `-`.

    Raises:
        CheckError: One names nothing that can be read.
        TritonIndexError: A clone or a folder cannot be read.
    """
    inputs = Inputs()
    for word in words:
        if word == STDIN:
            _add_stdin(inputs)
        elif "=" in word and not Path(word).exists():
            _add_clone(inputs, word)
        elif Path(word).is_dir():
            _add_folder(inputs, Path(word))
        else:
            _add_file(inputs, Path(word))
    return inputs


def _add_stdin(inputs: Inputs) -> None:
    data = sys.stdin.buffer.read()
    is_notebook = data.lstrip()[:1] == b"{" and b'"cells"' in data
    path = "-.ipynb" if is_notebook else STDIN
    inputs.add(path, (Path.cwd() / path).as_posix(), data)
    _add_manifests(inputs, Path.cwd())


def _add_clone(inputs: Inputs, word: str) -> None:
    from crawler.snapshot import open_snapshot
    from crawler.sources import parse_source

    snapshot = open_snapshot(parse_source(word))
    try:
        for entry, content in snapshot.read(snapshot.entries()):
            if isinstance(content, bytes):
                inputs.add_listed(entry.path, f"{word}:/{entry.path}", content, entry.path)
            else:
                inputs.skipped.append((entry.path, content.reason))
        inputs.skipped.extend((skip.path, skip.reason) for skip in snapshot.skipped)
    finally:
        snapshot.close()


def _add_folder(inputs: Inputs, path: Path) -> None:
    from crawler.snapshot.folder import open_folder

    snapshot = open_folder(path, str(path))
    for entry, content in snapshot.read(snapshot.entries()):
        if isinstance(content, bytes):
            file = path / entry.path
            place = file.absolute().as_posix()
            inputs.add_listed(file.as_posix(), place, content, entry.path)
    inputs.skipped.extend(((path / s.path).as_posix(), s.reason) for s in snapshot.skipped)
    _add_manifests(inputs, path)


def _add_file(inputs: Inputs, path: Path) -> None:
    if not path.is_file():
        raise CheckError(f"{path}: no such file or folder; give files, folders or `-`")
    if not is_source(path.name):
        raise CheckError(f"{path}: neither Python (.py) nor a notebook (.ipynb)")
    reason = oversize_reason(path.name, path.stat().st_size)
    if reason is not None:
        raise CheckError(f"{path}: {reason}")
    inputs.add(path.as_posix(), path.absolute().as_posix(), path.read_bytes())
    _add_manifests(inputs, path.parent)


def _add_manifests(inputs: Inputs, folder: Path) -> None:
    """Add the manifests of a folder and, in a repository, of those above it up to its root."""
    here = folder.resolve() if folder.is_symlink() else folder.absolute()
    above = [here, *here.parents]
    root = next((i for i, each in enumerate(above) if (each / ".git").exists()), 0)
    for each in above[: root + 1]:
        for path in sorted(each.iterdir()):
            if is_manifest(path.as_posix()) and path.is_file():
                with suppress(OSError):
                    inputs.manifests.setdefault(path.as_posix(), path.read_bytes())
