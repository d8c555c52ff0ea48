"""The names of the file that is made: one meaning a name, and the imports that give them."""

from __future__ import annotations

import builtins
import re
from collections.abc import Hashable

_MODULE_STYLE = {"triton.language": "import triton.language as {}"}


class OutputNames:
    """Gives each thing its name; the first to ask for one has it, others are told apart."""

    def __init__(self) -> None:
        self._of: dict[Hashable, str] = {}
        self._taken: dict[str, Hashable] = {}
        self._imports: dict[str, str] = {}
        self.texts: list[str] = []
        """Of the files that were read: a new name occurs in none of them."""

    def name(self, thing: Hashable, wanted: str) -> str:
        """Return the name of a thing, which is `wanted` unless that is another's."""
        if thing not in self._of:
            name, n = wanted, 2
            while name in self._taken or (name != wanted and self._occurs(name)):
                name, n = f"{wanted}_{n}", n + 1
            if hasattr(builtins, wanted) and name == wanted:
                name = f"{wanted}_"
            self._of[thing] = name
            self._taken[name] = thing
        return self._of[thing]

    def import_name(self, full: str, wanted: str) -> str:
        """Return the name under which something outside is imported, `wanted` if it can be."""
        name = self.name((full, wanted), wanted)
        self._imports[name] = full
        return name

    def language(self, full: str) -> str:
        """Return how to write a dotted name of Triton's."""
        for module, alias in (
            ("triton.experimental.gluon.language", "gl"),
            ("triton.language", "tl"),
            ("triton", "triton"),
        ):
            if full == module or full.startswith(f"{module}."):
                return self.import_name(module, alias) + full[len(module) :]
        return full

    def import_lines(self) -> list[str]:
        """Return the import statements, plain imports first."""
        lines = {_import_line(full, name) for name, full in self._imports.items()}
        return sorted(lines, key=lambda line: (not line.startswith("import "), line))

    def _occurs(self, name: str) -> bool:
        pattern = re.compile(rf"\b{re.escape(name)}\b")
        return any(pattern.search(text) for text in self.texts)


def _import_line(full: str, name: str) -> str:
    parent, dot, last = full.rpartition(".")
    if full in _MODULE_STYLE:
        return _MODULE_STYLE[full].format(name)
    if not dot:
        return f"import {full}" if full == name else f"import {full} as {name}"
    return f"from {parent} import {last}" + ("" if last == name else f" as {name}")
