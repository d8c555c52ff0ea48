"""Imports run downhill only, no two modules or rooms import each other in a circle, and what is
heavy is imported by those who need it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = {"crawler", "wishlist", "index", "verified_kernels"}
MAY_IMPORT = {
    "crawler": {"crawler"},
    "wishlist": {"wishlist", "crawler"},
    "index": {"index", "wishlist", "crawler", "verified_kernels"},
    "verified_kernels": {"verified_kernels"},
}
NEVER = {
    "crawler": {"duckdb", "click", "rich", "torch", "triton"},
    "wishlist": {"duckdb", "click", "rich", "torch", "triton"},
    "index": {"torch", "triton", "libcst"},
    "verified_kernels": {"duckdb"},
}
# Run by path in environments of their own; nothing imports them.
APART = ROOT / "index" / "compiling" / "box"
# The rooms of the index, each of which imports from those above it in this list alone; what lies
# in none of them (`errors`, `database`, `text` ... below, the verbs above) is held to no order but
# that of its modules.
ROOMS = ("tables", "files", "show", "queries", "site")


def module_name(path: Path) -> str:
    """Return the dotted name of the module at a path of the repository."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for name in OWN for path in (ROOT / name).rglob("*.py")}


def imported_names(path: Path) -> Iterator[str]:
    """Yield the dotted name of each thing that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(name: str) -> set[str]:
    """Return our own modules that one of them imports; a package where only that is named."""
    found = set()
    for imported in imported_names(MODULES[name]):
        parent = imported.rpartition(".")[0]
        found |= {imported} & MODULES.keys() or {parent} & MODULES.keys()
    return found - {name}


@pytest.mark.parametrize("package", sorted(OWN))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        found = {name.partition(".")[0] for name in imported_names(path)}
        assert found & OWN <= MAY_IMPORT[package], path
        assert APART in path.parents or not found & NEVER[package], path


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imported_modules(name) for name in MODULES}
    # A package's `__init__` may gather its own modules.
    graph = {
        name: {m for m in found if not name.startswith(m + ".")} for name, found in graph.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_index_imports_no_room_below_it(room: str) -> None:
    below = {f"index.{other}" for other in ROOMS[ROOMS.index(room) + 1 :]}
    for name in MODULES:
        if name.startswith(f"index.{room}"):
            found = {".".join(module.split(".")[:2]) for module in imported_modules(name)}
            assert not found & below, name


def test_the_picture_of_the_architecture_has_the_rooms_as_they_are() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    of_crawler, of_index = (
        re.findall(r"^\| `([\w/]+)` \|", part.split("\n## ")[0], re.MULTILINE)
        for part in (text.split(f"## Rooms of `{package}`")[1] for package in ("crawler", "index"))
    )
    assert tuple(of_index) == ROOMS
    folders = {path.parent for path in (ROOT / "crawler").rglob("*.py")} - {ROOT / "crawler"}
    names = {path.relative_to(ROOT / "crawler").as_posix() for path in folders}
    assert {name for name in names if not name.startswith("check/")} == set(of_crawler)
