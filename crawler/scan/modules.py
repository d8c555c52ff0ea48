"""Which file an import means, within one snapshot.

A file's module name is its path from the outermost folder above it that has an `__init__.py`.
Imports that this does not settle (scripts that run beside their helpers, `src` folders, packages
without `__init__.py`) are settled by the longest common path.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from crawler.scan.facts import Import


class ModuleMap:
    """The modules of one snapshot, by name and by path."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Take the paths of all Python files of the snapshot."""
        self._paths = frozenset(path for path in paths if path.endswith(".py"))
        self._names = {path: self._module_name(path) for path in self._paths}
        self._by_name: dict[str, list[str]] = {}
        self._by_tail: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            name = self._names[path]
            self._by_name.setdefault(name, []).append(path)
            self._by_tail.setdefault(name.rpartition(".")[2], []).append(path)

    def name(self, path: str) -> str:
        """Return the dotted name of the module at `path`; a notebook is a script."""
        return self._names.get(path) or PurePosixPath(path).stem

    def absolute(self, path: str, level: int, module: str) -> str:
        """Return the dotted name that an import at `path` means; relative levels are resolved."""
        if level == 0:
            return module
        package = self.name(path).split(".")
        if not path.endswith("/__init__.py") and path != "__init__.py":
            package = package[:-1]
        keep = len(package) - (level - 1)
        base = package[: max(keep, 0)]
        return ".".join([*base, *([module] if module else [])])

    def find(self, path: str, level: int, module: str) -> str | None:
        """Return the path of the module that an import at `path` means, None if it is outside."""
        if level > 0:
            return self._find_relative(path, level, module)
        return self._find_absolute(path, module)

    def submodule(self, path: str, name: str) -> str | None:
        """Return the path of module `name` inside the package whose `__init__.py` is `path`."""
        if not path.endswith("__init__.py"):
            return None
        return self._existing(str(PurePosixPath(path).parent / name))

    def imported(self, path: str, value: Import) -> tuple[str | None, str | None]:
        """Return (module path, name in it) of an import; (None, None) if it is outside."""
        if value.name is None:
            return self.find(path, value.level, value.module), None
        inner = f"{value.module}.{value.name}" if value.module else value.name
        target = self.find(path, value.level, value.module) if value.module or value.level else None
        if target is None:
            return self.find(path, value.level, inner), None
        return target, value.name

    def _find_relative(self, path: str, level: int, module: str) -> str | None:
        folder = PurePosixPath(path).parent
        for _ in range(level - 1):
            folder = folder.parent
        return self._existing(str(folder / module.replace(".", "/")) if module else str(folder))

    def _find_absolute(self, path: str, module: str) -> str | None:
        exact = self._by_name.get(module)
        if exact:
            return self._nearest(path, exact)
        tail = module.rpartition(".")[2]
        suffix = "/" + module.replace(".", "/")
        matching = [
            candidate
            for candidate in self._by_tail.get(tail, ())
            if ("/" + candidate.removesuffix(".py").removesuffix("/__init__")).endswith(suffix)
        ]
        if not matching:
            return None
        if "." not in module:
            # A bare name is a neighbour of the script that imports it, or nothing of ours.
            folder = str(PurePosixPath(path).parent)
            matching = [m for m in matching if str(_home(m)) == folder]
        return self._nearest(path, matching) if matching else None

    def _existing(self, stem: str) -> str | None:
        stem = "" if stem == "." else stem
        options = (f"{stem}.py", f"{stem}/__init__.py" if stem else "__init__.py")
        return next((option for option in options if option in self._paths), None)

    def _nearest(self, path: str, candidates: list[str]) -> str:
        def shared(candidate: str) -> int:
            count = 0
            for a, b in zip(path.split("/"), candidate.split("/"), strict=False):
                if a != b:
                    break
                count += 1
            return count

        return max(candidates, key=lambda c: (shared(c), -len(c), c))

    def _module_name(self, path: str) -> str:
        parts = path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts = parts[:-1]
        # The outermost package counts: a folder without `__init__.py` on the way is a namespace.
        start = (
            next(
                (
                    i
                    for i in range(1, len(parts))
                    if "/".join([*parts[:i], "__init__.py"]) in self._paths
                ),
                len(parts),
            )
            - 1
        )
        return ".".join(parts[max(start, 0) :]) or PurePosixPath(path).stem


def _home(path: str) -> PurePosixPath:
    """Return the folder that a module is imported from: a package's home is the one above it."""
    parent = PurePosixPath(path).parent
    return parent.parent if path.endswith("__init__.py") else parent
