"""Under which name a file is imported: from which folder its project is put on the path.

A folder with `__init__.py` is a package, but the folder above it may be one too without saying so
(a namespace package), or be no part of the name. What the project itself imports tells; else the
places that projects are built from do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from pathlib import PurePosixPath

from crawler.scan.facts import FileFacts, Import
from crawler.scan.modules import ModuleMap

_ROOTS = frozenset({"src", "python", "lib"})
_BUILDS = ("setup.py",)


class ImportNames:
    """The names of the modules of one snapshot, as its own files import them."""

    def __init__(self, files: Mapping[str, FileFacts], paths: Iterable[str]) -> None:
        """Take the facts of files, and the paths of all Python files."""
        self._paths = frozenset(paths)
        self._modules = ModuleMap(self._paths)
        self._roots: dict[str, Counter[str]] = {}
        for path in sorted(files):
            for value in set(_imports(files[path])):
                self._vote(path, value)

    def name(self, path: str) -> str | None:
        """Return the name a file is imported by; None for one that no import can name for sure."""
        if not path.endswith(".py"):
            return None
        root = self._root(path)
        if root is None:
            return None
        stem = path.removeprefix(f"{root}/" if root else "").removesuffix(".py")
        parts = stem.removesuffix("/__init__").split("/")
        return ".".join(parts) if all(map(_is_name, parts)) else None

    def _root(self, path: str) -> str | None:
        """Return the folder that the name of a file begins below."""
        top = self._top(path)
        votes = self._roots.get(top if top is not None else _folder(path))
        if votes:
            most = max(votes.values())
            return min((r for r, n in votes.items() if n == most), key=len)
        if top is None:
            first, _, rest = path.partition("/")
            return first if first in _ROOTS and rest else ""
        above = _folder(top)
        is_sure = (
            above.rpartition("/")[2] in {"", *_ROOTS}
            or any(f"{above}/{build}" in self._paths for build in _BUILDS)
            or not _is_name(above.rpartition("/")[2])
        )
        return above if is_sure else None

    def _top(self, path: str) -> str | None:
        """Return the outermost folder above a file that is a package, None if there is none."""
        parts = path.split("/")[:-1]
        folders = ("/".join(parts[: i + 1]) for i in range(len(parts)))
        return next((f for f in folders if f"{f}/__init__.py" in self._paths), None)

    def _vote(self, path: str, value: Import) -> None:
        target, _ = self._modules.imported(path, value)
        if value.level or target is None or target == path:
            return
        stem = target.removesuffix(".py").removesuffix("/__init__")
        for name in (f"{value.module}.{value.name}", value.module):
            inner = name.replace(".", "/")
            if f"/{stem}".endswith(f"/{inner}"):
                top = self._top(target)
                votes = self._roots.setdefault(
                    top if top is not None else _folder(target), Counter()
                )
                votes[stem[: len(stem) - len(inner)].rstrip("/")] += 1
                return


def _imports(facts: FileFacts) -> Iterator[Import]:
    yield from facts.stars
    for bindings in facts.bindings.values():
        yield from (b.value for b in bindings if isinstance(b.value, Import))


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent


def _is_name(part: str) -> bool:
    return part.isidentifier() and not iskeyword(part)
