"""Jit functions and aggregates into the file: a kernel and what it calls, callees first."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from crawler.extract.assembly import Assembly, Resolver
from crawler.extract.bindings import Assigned, Defined, Imported, Undecided
from crawler.extract.decorators import DecoratorReader
from crawler.extract.free_names import body_names, free_names
from crawler.extract.result import NeedsError, PartKind
from crawler.extract.symbols import At, Builtin, Missing, Outside, Symbol
from crawler.extract.text import definition_text
from crawler.scan.names import JIT_NAMES

MAX_FUNCTIONS = 400
_CONSTEXPR_BUILTINS = frozenset(
    "abs all any bool dict enumerate float int isinstance len list max min pow range reversed "
    "round set sorted str sum tuple zip type print ValueError AssertionError "
    "NotImplementedError".split()
)
_AGGREGATE = "aggregate"


class FunctionIncluder:
    """Takes jit functions, and all that they need, into one file."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self._done: set[int] = set()
        self._by_call: set[int] = set()

    def include(self, at: At, wanted: str) -> str:
        """Return the name of a definition, a constant or an alias, once it is in the file."""
        if isinstance(at.binding, Defined):
            node = at.binding.node
            for decision in at.binding.decided:
                self.assembly.replaced[f"{at.name}: {decision}{self.assembly.under()}"] = None
            if isinstance(node, ast.FunctionDef):
                return self.function(at.path, node, wanted)
            if isinstance(node, ast.ClassDef):
                return self.aggregate(at.path, node, wanted)
            raise NeedsError(at.name, "a coroutine")
        plain = self.assembly.symbols.unaliased(at)
        if isinstance(plain, At) and isinstance(plain.binding, Defined):
            return self.include(plain, wanted)
        if isinstance(plain, (Missing, Builtin)):
            return self.assembly.constant(at, wanted)
        applied = self._applied(at)
        if applied is not None:
            return self.include(applied, wanted)
        return self.assembly.constant(at, wanted)

    def _applied(self, at: At) -> At | None:
        """Return the function that `f = triton.jit(g)` makes a device function of."""
        symbols = self.assembly.symbols
        assert isinstance(at.binding, Assigned)
        value = at.binding.value
        while isinstance(value, ast.Call) and len(value.args) == 1:
            callee = value.func.func if isinstance(value.func, ast.Call) else value.func
            full = symbols.unaliased(symbols.follow(at.path, callee))
            if not isinstance(full, Outside) or full.name not in JIT_NAMES:
                return None
            value = value.args[0]
            found = symbols.unaliased(symbols.follow(at.path, value))
            if isinstance(found, At) and isinstance(found.binding, Defined):
                self._by_call.add(id(found.binding.node))
                return found
        return None

    def function(
        self, path: str, node: ast.FunctionDef, wanted: str, *, is_kernel: bool = False
    ) -> str:
        """Return the name of a jit function, once it is in the file with what it needs."""
        assembly = self.assembly
        name = assembly.names.name((path, node.lineno), wanted)
        if id(node) in self._done:
            return name
        self._done.add(id(node))
        if len(self._done) > MAX_FUNCTIONS:
            raise NeedsError(node.name, f"more than {MAX_FUNCTIONS} functions")
        if node.args.kwarg is not None:
            why = f"open parameters of {node.name}; no release since 2.0 fills them"
            raise NeedsError(f"**{node.args.kwarg.arg}", why)
        file = assembly.file(path)
        resolve = self.scope(path, node)
        made = DecoratorReader(
            assembly, path, node, resolve, is_kernel or id(node) in self._by_call
        )
        decorated = made.read()
        if not (decorated.is_jit or decorated.is_constexpr):
            raise NeedsError(f"{path}::{node.name}", "a Python function called by the kernel")
        if decorated.is_constexpr:
            self._check_constexpr(path, node, resolve)
        edits = assembly.signature_edits(path, node, resolve, self.include)
        edits += assembly.edits(path, body_names(node), resolve, self.include)
        if name != node.name:
            start = file.offset(node.lineno, node.col_offset) + len(b"def ")
            edits.append((start, start + len(node.name.encode()), name))
            assembly.replaced[f"{node.name} of {path} is called {name}"] = None
        kind = PartKind.CONSTEXPR_FUNCTION if decorated.is_constexpr else PartKind.DEVICE_FUNCTION
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        link = assembly.add_part(
            path,
            name,
            (first, node.end_lineno or first),
            PartKind.KERNEL if is_kernel else kind,
        )
        text = "\n".join([*decorated.lines, definition_text(file, node, edits)])
        assembly.functions.append((link, text))
        return name

    def aggregate(self, path: str, node: ast.ClassDef, wanted: str) -> str:
        """Return the name of an aggregate of Gluon or Triton, taken over as a whole."""
        assembly = self.assembly
        name = assembly.names.name((path, node.lineno), wanted)
        if id(node) in self._done:
            return name
        self._done.add(id(node))
        file, resolve = assembly.file(path), assembly.resolver(path)
        decorators = [assembly.symbols.follow(path, d) for d in node.decorator_list]
        if not decorators or not all(
            isinstance(d, Outside) and d.name.endswith(_AGGREGATE) for d in decorators
        ):
            raise NeedsError(f"{path}::{node.name}", "a class")
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                reader = DecoratorReader(assembly, path, member, resolve, False)
                made = reader.read()
                if not (made.is_jit or made.is_constexpr or member.name == "__init__"):
                    raise NeedsError(f"{node.name}.{member.name}", "a Python method")
                self._check_constexpr(path, member, resolve)
            elif not isinstance(member, (ast.AnnAssign, ast.Expr, ast.Pass)):
                raise NeedsError(f"{path}::{node.name}", "a class with code in its body")
        edits = assembly.edits(path, free_names(node), resolve, self.include)
        lines = [
            "@" + assembly.output(d, s, self.include)
            if isinstance(d, ast.Name)
            else f"@{assembly.names.language(s.name)}"
            for d, s in zip(node.decorator_list, decorators, strict=True)
            if isinstance(s, Outside)
        ]
        if name != node.name:
            start = file.offset(node.lineno, node.col_offset) + len(b"class ")
            edits.append((start, start + len(node.name.encode()), name))
        last = node.end_lineno or node.lineno
        link = assembly.add_part(path, name, (node.lineno, last), PartKind.DEVICE_FUNCTION)
        assembly.functions.append((link, "\n".join([*lines, definition_text(file, node, edits)])))
        return name

    def _check_constexpr(self, path: str, node: ast.FunctionDef, resolve: Resolver) -> None:
        """Refuse a compile-time function that reaches beyond its arguments."""
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Import, ast.ImportFrom, ast.Global, ast.ClassDef)):
                raise NeedsError(node.name, "a compile-time function with statements of a module")
            if isinstance(inner, ast.Attribute) and inner.attr.startswith("__"):
                raise NeedsError(node.name, f"a compile-time function that uses {inner.attr}")
        for chain in body_names(node):
            _, symbol = self.assembly.settle(chain, resolve)
            if isinstance(symbol, Builtin) and symbol.name not in _CONSTEXPR_BUILTINS:
                raise NeedsError(symbol.name, "a builtin in a compile-time function")

    def scope(self, path: str, node: ast.FunctionDef) -> Resolver:
        """Return what names mean at a definition, which may stand in other functions."""
        outer = list(_enclosing(self.assembly.file(path).tree, node))
        if not outer:
            return self.assembly.resolver(path)
        locals_ = [self.assembly.symbols.local_names(path, each) for each in outer]

        def resolve(name: str) -> Symbol:
            for function, (names, own) in zip(reversed(outer), reversed(locals_), strict=True):
                if name in names or name in own:
                    return self._local(path, function, name, names.get(name), own)
            return self.assembly.symbols.resolve(path, name)

        return resolve

    def _local(
        self,
        path: str,
        function: ast.FunctionDef,
        name: str,
        binding: Defined | Assigned | Imported | Undecided | None,
        own: frozenset[str],
    ) -> Symbol:
        if isinstance(binding, Imported):
            return self.assembly.symbols.meant(path, binding.value)
        if isinstance(binding, Defined):
            return At(path, name, binding)
        if isinstance(binding, Assigned) and binding.target is None:
            used = {c.root for c in free_names(binding.value)}
            if used.isdisjoint(own):
                return At(path, name, binding)
        return Missing(name, f"a variable of {function.name}")


def _enclosing(tree: ast.AST, node: ast.FunctionDef) -> Iterator[ast.FunctionDef]:
    """Yield the functions that a definition stands in, outermost first."""
    for part in ast.iter_child_nodes(tree):
        first, last = getattr(part, "lineno", 0), getattr(part, "end_lineno", 0)
        if part is node or not (first <= node.lineno <= (last or 0)):
            if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield from _enclosing(part, node)
            continue
        if isinstance(part, ast.FunctionDef):
            yield part
        yield from _enclosing(part, node)
