"""The nearest function that launches a kernel, where it needs nothing but torch and Triton."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from crawler.extract.assembly import Assembly
from crawler.extract.bindings import Assigned, Defined
from crawler.extract.free_names import free_names
from crawler.extract.functions import FunctionIncluder
from crawler.extract.project import SourceFile
from crawler.extract.result import NeedsError, PartKind
from crawler.extract.symbols import At
from crawler.extract.text import definition_text, without_result

_ALLOWED = frozenset({"triton", "math", "torch"})
_ASIDE = ("test_", "bench", "_")


class _Host:
    """Takes Python functions and classes of the host side into the file."""

    def __init__(self, kernels: FunctionIncluder) -> None:
        self.assembly = kernels.assembly
        self._kernels = kernels
        self._done: dict[int, str] = {}

    def include(self, at: At, wanted: str) -> str:
        """Return the name of what a launcher uses, once it is in the file."""
        plain = self.assembly.symbols.unaliased(at)
        at = plain if isinstance(plain, At) else at
        if isinstance(at.binding, Assigned):
            return self.assembly.constant(at, wanted)
        node = at.binding.node
        if isinstance(node, ast.AsyncFunctionDef):
            raise NeedsError(f"{at.path}::{at.name}", "a coroutine")
        if isinstance(node, ast.FunctionDef) and _is_jit(node):
            return self._kernels.function(at.path, node, wanted, is_kernel=True)
        return self.definition(at.path, node)

    def definition(self, path: str, node: ast.FunctionDef | ast.ClassDef) -> str:
        """Return the name of a host function or class, once it is in the file."""
        if id(node) in self._done:
            return self._done[id(node)]
        assembly, file = self.assembly, self.assembly.file(path)
        name = assembly.names.name((path, node.lineno), node.name)
        self._done[id(node)] = name
        resolve = assembly.resolver(path)
        dropped = list(_annotations(node, file))
        chains = [
            chain
            for chain in free_names(node)
            if not any(a <= file.span(chain.nodes[0])[0] < b for a, b, _ in dropped)
            and not _in_decorators(node, chain.nodes[0])
        ]
        edits = [*dropped, *assembly.edits(path, chains, resolve, self.include)]
        for decorator in node.decorator_list:
            assembly.left_out[f"@{ast.unparse(decorator)[:90]} of {node.name}"] = None
        if name != node.name:
            word = b"class " if isinstance(node, ast.ClassDef) else b"def "
            start = file.offset(node.lineno, node.col_offset) + len(word)
            edits.append((start, start + len(node.name.encode()), name))
        last = node.end_lineno or node.lineno
        link = assembly.add_part(path, name, (node.lineno, last), PartKind.LAUNCHER)
        assembly.functions.append((link, definition_text(file, node, edits)))
        return name


def include_launcher(kernels: FunctionIncluder, beside: str, launchers: Iterable[str]) -> None:
    """Take the launcher of a kernel into the file, best one that stands in `beside`.

    Other kernels that it launches come with it.

    Raises:
        NeedsError: None is known, or what it needs is neither torch's nor Triton's.
    """
    assembly = kernels.assembly
    assembly.modules = _ALLOWED
    failed = NeedsError("a launcher", "no function of the project is known to launch it")
    for word in sorted(launchers, key=lambda word: _rank(word, beside)):
        path, _, qualname = word.partition("::")
        found = _definition(assembly, path, qualname)
        if found is None:
            continue
        try:
            _Host(kernels).definition(path, found)
        except NeedsError as error:
            failed = error
            break
        else:
            return
    raise failed


def _rank(word: str, path: str) -> tuple[bool, bool, str]:
    at, _, name = word.partition("::")
    return name.rpartition(".")[2].startswith(_ASIDE), at != path, word


def _definition(
    assembly: Assembly, path: str, qualname: str
) -> ast.FunctionDef | ast.ClassDef | None:
    """Return the function that a launcher's name means; of a method, its class."""
    first = qualname.partition(".")[0]
    file = assembly.project.file(path)
    found = assembly.symbols.resolve(path, first) if file is not None and first else None
    if isinstance(found, At) and isinstance(found.binding, Defined):
        node = found.binding.node
        return None if isinstance(node, ast.AsyncFunctionDef) else node
    return None


def _is_jit(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def _in_decorators(node: ast.FunctionDef | ast.ClassDef, name: ast.expr) -> bool:
    return any(inner is name for d in node.decorator_list for inner in ast.walk(d))


def _annotations(node: ast.AST, file: SourceFile) -> Iterator[tuple[int, int, str]]:
    """Yield the edits that take the annotations of parameters and results away."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg) and inner.annotation is not None:
            yield (*file.span(inner), inner.arg)
        elif isinstance(inner, ast.FunctionDef) and inner.returns is not None:
            yield without_result(file, inner)
