"""What the names of a module stand for under one setting: branches that are not taken are unseen.

A module's statements are read in order, as running it would, and nothing is run: conditions are
decided by `crawler.extract.known`. Where one cannot be decided, the names that it decides about are
`Undecided`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crawler.scan.facts import Import


@dataclass(frozen=True, slots=True)
class Defined:
    """A function or class definition."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    decided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """`name = value`, or a part of a tuple: `names` are what the statement binds, in order."""

    value: ast.expr
    annotation: ast.expr | None = None
    target: ast.expr | None = None
    decided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that an import binds."""

    value: Import
    decided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undecided:
    """A name whose meaning depends on a run: why, and what it may be."""

    why: str
    options: tuple[Binding, ...] = ()


Binding = Defined | Assigned | Imported | Undecided
IMPORT_ALL = "*"


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """Yield each name that an import binds, with what it means; `*` for all of a module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            root = alias.name.partition(".")[0]
            yield alias.asname or root, Import(0, alias.name if alias.asname else root)
        return
    for alias in node.names:
        value = Import(node.level, node.module or "", alias.name)
        yield alias.asname or alias.name, value


def target_names(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment's target binds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def bound_names(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield every name that statements may bind, those of branches within them included."""
    for statement in statements:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                yield from (name for name, _ in imported_names(statement))
            case _:
                for part in ast.iter_child_nodes(statement):
                    if isinstance(part, ast.stmt):
                        yield from bound_names([part])
                    elif isinstance(part, (ast.ExceptHandler, ast.match_case)):
                        yield from bound_names(part.body)
                    elif isinstance(part, ast.expr):
                        yield from target_names(part)
