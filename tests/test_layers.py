"""Imports run downhill only, and what is heavy is imported by those who need it."""

from __future__ import annotations

import ast
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


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(OWN))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        found = imported_packages(path)
        assert found & OWN <= MAY_IMPORT[package], path
        assert not found & NEVER[package], path
