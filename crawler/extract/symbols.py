"""What a name of any file of the project stands for, through imports, stars and aliases."""

from __future__ import annotations

import ast
import builtins
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from crawler.extract.bindings import (
    IMPORT_ALL,
    Assigned,
    Binding,
    Defined,
    Imported,
    Undecided,
    bound_names,
    imported_names,
    target_names,
)
from crawler.extract.known import FunctionValue, Known, ModuleValue
from crawler.extract.project import Project
from crawler.extract.setting import NotKnownError, Setting
from crawler.scan.facts import Import
from crawler.scan.names import HANDED_ON

MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Outside:
    """A name of a package outside the project."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleAt:
    """A file of the project as a module."""

    path: str


@dataclass(frozen=True, slots=True)
class At:
    """A definition or an assignment of the project, as `name` in the file at `path`."""

    path: str
    name: str
    binding: Defined | Assigned


@dataclass(frozen=True, slots=True)
class Builtin:
    """A name of Python's own."""

    name: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that cannot be followed, and why."""

    name: str
    why: str


Symbol = Outside | ModuleAt | At | Builtin | Missing


class _Fails(Exception):  # noqa: N818 - an import that would fail, not an error of ours
    pass


class _Scope:
    """The names of one module as far as it was read."""

    def __init__(self) -> None:
        self.names: dict[str, Binding] = {}
        self.stars: list[Import] = []
        self.changed: set[str] = set()


class Symbols:
    """Follows names in the files of one project under one setting."""

    def __init__(self, project: Project, setting: Setting) -> None:
        self.project = project
        self.setting = setting
        self._scopes: dict[str, _Scope] = {}
        self._active: set[tuple[str, str]] = set()
        self._depth = 0

    def known(self) -> Known:
        """Return an evaluator with fresh bounds."""
        return Known(self)

    def resolve(self, path: str, name: str) -> Symbol:
        """Return what a name means at the end of a module."""
        scope = self._scope(path)
        if scope is None:
            return Missing(f"{path}::{name}", "the file cannot be read")
        binding = scope.names.get(name)
        if binding is None:
            for star in reversed(scope.stars):
                found = self._starred(path, star, name)
                if not isinstance(found, Missing):
                    return found
            if hasattr(builtins, name):
                return Builtin(name)
            return Missing(name, "not found")
        return self._symbol(path, name, binding)

    def changed(self, path: str, name: str) -> bool:
        """Tell whether a module changes what a name stands for in place."""
        scope = self._scope(path)
        return scope is not None and name in scope.changed

    def attribute(self, base: Symbol, name: str) -> Symbol:
        """Return what `base.name` means."""
        if isinstance(base, Outside):
            return Outside(f"{base.name}.{name}")
        if isinstance(base, ModuleAt):
            found = self.resolve(base.path, name)
            if isinstance(found, (Missing, Builtin)):
                inner = self.project.modules.submodule(base.path, name)
                return ModuleAt(inner) if inner else Missing(name, "not found")
            return found
        if isinstance(base, At) and isinstance(base.binding, Assigned):
            of = self._alias(base)
            if of is not None and of != base:
                return self.attribute(of, name)
        return Missing(name, "an attribute that is not followed")

    def follow(self, path: str, node: ast.expr) -> Symbol:
        """Return what a dotted name in the module at `path` means."""
        if isinstance(node, ast.Name):
            return self.resolve(path, node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(self.follow(path, node.value), node.attr)
        return Missing(ast.unparse(node)[:60], "no name")

    def _alias(self, at: At) -> Symbol | None:
        """Return what an assignment of a dotted name stands for, None for any other."""
        assert isinstance(at.binding, Assigned)
        value = at.binding.value
        inner = value
        while isinstance(inner, ast.Attribute):
            inner = inner.value
        if not isinstance(inner, ast.Name) or self._depth > MAX_DEPTH:
            return None
        self._depth += 1
        try:
            return self.follow(at.path, value)
        finally:
            self._depth -= 1

    def unaliased(self, symbol: Symbol) -> Symbol:
        """Return what a symbol stands for once assignments of plain names are followed."""
        for _ in range(MAX_DEPTH):
            if not isinstance(symbol, At) or not isinstance(symbol.binding, Assigned):
                return symbol
            further = self._alias(symbol)
            if further is None or isinstance(further, Missing) or further == symbol:
                return symbol
            symbol = further
        return symbol

    def meant(self, path: str, value: Import) -> Symbol:
        """Return what an import at `path` means."""
        return self._import(path, value)

    def local_names(
        self, path: str, function: ast.FunctionDef
    ) -> tuple[dict[str, Binding], frozenset[str]]:
        """Return what a function's body binds, and all names that are its own."""
        scope = _Scope()
        with contextlib.suppress(_Fails):
            self._read(path, scope, function.body, ())
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        own = {a.arg for a in every} | set(bound_names(function.body))
        kept = {n: b for n, b in scope.names.items() if n not in scope.changed}
        return kept, frozenset(own)

    # The evaluator's side.

    def value(self, path: str, name: str) -> Any:
        """Return the value of a module's name; raises NotKnownError."""
        if (path, name) in self._active:
            raise NotKnownError(name)
        self._active.add((path, name))
        try:
            return self._valued(self.resolve(path, name))
        finally:
            self._active.discard((path, name))

    def imported(self, path: str, value: Import) -> Any:
        """Return the value of what an import at `path` means; raises NotKnownError."""
        return self._valued(self._import(path, value))

    def _valued(self, symbol: Symbol) -> Any:
        match symbol:
            case Outside(name):
                return self.setting.value(name)
            case ModuleAt(path):
                return ModuleValue(path)
            case At(path, name, Assigned() as made):
                if self.changed(path, name):
                    raise NotKnownError(f"{name} (changed in place)")
                value = self.known().value(path, made.value)
                return value if made.target is None else _part(made.target, name, value)
            case At(path, _, Defined(node)) if isinstance(node, ast.FunctionDef):
                return FunctionValue(path, node, {})
        raise NotKnownError(getattr(symbol, "name", "a name"))

    # Reading modules.

    def _scope(self, path: str) -> _Scope | None:
        if path not in self._scopes:
            file = self.project.file(path)
            if file is None:
                return None
            scope = self._scopes[path] = _Scope()
            with contextlib.suppress(_Fails):
                self._read(path, scope, file.tree.body, ())
        return self._scopes[path]

    def _read(
        self, path: str, scope: _Scope, body: list[ast.stmt], decided: tuple[str, ...]
    ) -> None:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    scope.names[node.name] = Defined(node, decided)
                case ast.Import() | ast.ImportFrom():
                    self._read_import(path, scope, node, decided)
                case ast.Assign():
                    for target in node.targets:
                        self._assign(scope, target, Assigned(node.value, decided=decided))
                case ast.AnnAssign(value=ast.expr(), target=ast.Name()):
                    assert node.value is not None
                    made = Assigned(node.value, node.annotation, decided=decided)
                    self._assign(scope, node.target, made)
                case ast.AugAssign():
                    scope.changed.update(target_names(node.target))
                case ast.If():
                    self._read_if(path, scope, node, decided)
                case ast.Try():
                    self._read_try(path, scope, node, decided)
                case ast.With():
                    self._read(path, scope, node.body, decided)
                case ast.Raise():
                    raise _Fails
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
                    scope.changed.add(name)
                case ast.For() | ast.While():
                    for name in bound_names([node]):
                        scope.names[name] = Undecided("bound in a loop")
                case ast.Delete():
                    for name in target_names(node):  # type: ignore[arg-type]
                        scope.names.pop(name, None)

    def _assign(self, scope: _Scope, target: ast.expr, made: Assigned) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = made
            scope.changed.discard(target.id)
            return
        if isinstance(target, (ast.Subscript, ast.Attribute)):
            base: ast.expr = target
            while isinstance(base, (ast.Subscript, ast.Attribute)):
                base = base.value
            if isinstance(base, ast.Name):
                scope.changed.add(base.id)
        for name in target_names(target):
            scope.names[name] = replace(made, target=target)

    def _read_import(
        self,
        path: str,
        scope: _Scope,
        node: ast.Import | ast.ImportFrom,
        decided: tuple[str, ...],
    ) -> None:
        for name, value in imported_names(node):
            if value.name == IMPORT_ALL:
                scope.stars.append(replace_name(value))
            else:
                scope.names[name] = Imported(value, decided)

    def _read_if(self, path: str, scope: _Scope, node: ast.If, decided: tuple[str, ...]) -> None:
        text = " ".join(ast.unparse(node.test).split())[:100]
        try:
            holds = self.known().truth(path, node.test)
        except NotKnownError as error:
            self._either(path, scope, [node.body, node.orelse], f"{text}: {error} is not known")
            return
        note = f"if {text}: {'taken' if holds else 'not taken'}"
        self._read(path, scope, node.body if holds else node.orelse, (*decided, note))

    def _either(self, path: str, scope: _Scope, bodies: list[list[ast.stmt]], why: str) -> None:
        """Read all arms of a branch: a name that only one binds is taken to be that."""
        arms: list[dict[str, Binding]] = []
        for body in bodies:
            arm = _Scope()
            arm.names = dict(scope.names)
            try:
                self._read(path, arm, body, ())
            except _Fails:
                continue
            scope.stars.extend(arm.stars)
            own = {n: b for n, b in arm.names.items() if scope.names.get(n) is not b}
            arms.append(own)
        for name in dict.fromkeys(n for arm in arms for n in arm):
            options = [arm[name] for arm in arms if name in arm]
            if name in scope.names and len(options) < len(bodies):
                options.append(scope.names[name])
            same = len({_same(o) for o in options}) == 1
            chosen = options[0] if same else Undecided(why, tuple(options))
            scope.names[name] = chosen

    def _read_try(self, path: str, scope: _Scope, node: ast.Try, decided: tuple[str, ...]) -> None:
        kept = dict(scope.names)
        try:
            for statement in node.body:
                if isinstance(statement, (ast.Import, ast.ImportFrom)):
                    self._try_import(path, statement)
                self._try_statement(path, statement)
                self._read(path, scope, [statement], decided)
            self._read(path, scope, node.orelse, decided)
        except _Fails:
            del kept
            for handler in node.handlers[:1]:
                self._read(path, scope, handler.body, (*decided, "try: its import fails"))
        self._read(path, scope, node.finalbody, decided)

    def _try_statement(self, path: str, node: ast.stmt) -> None:
        """Raise where an assignment names something of Triton's that the release lacks."""
        if not isinstance(node, (ast.Assign, ast.Expr)):
            return
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute):
                found = self.follow(path, inner)
                name = found.name if isinstance(found, Outside) else ""
                if name.startswith("triton.language.") and not self.setting.has_name(name):
                    raise _Fails

    def _try_import(self, path: str, node: ast.Import | ast.ImportFrom) -> None:
        for _, value in imported_names(node):
            if isinstance(node, ast.Import):
                value = Import(0, node.names[0].name)
            found = self._import(path, replace_name(value) if value.name == IMPORT_ALL else value)
            if isinstance(found, Missing):
                raise _Fails
            is_outside = isinstance(found, Outside) and value.name != IMPORT_ALL
            if is_outside and not self.setting.can_import(value.module, value.name):
                raise _Fails

    def _symbol(self, path: str, name: str, binding: Binding) -> Symbol:
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                return Missing(name, "its imports go round in a circle")
            match binding:
                case Imported(value):
                    return self._import(path, value)
                case Undecided(why, options):
                    return self._undecided(path, name, why, options)
                case Defined() | Assigned():
                    return At(path, name, binding)
        finally:
            self._depth -= 1

    def _undecided(self, path: str, name: str, why: str, options: tuple[Binding, ...]) -> Symbol:
        found = [self._symbol(path, name, option) for option in options]
        plain = [self.unaliased(f) for f in found]
        if found and len(set(plain)) == 1:
            return found[0]
        for symbol, meant in zip(found, plain, strict=True):
            # Behind a check that Triton is there stands Triton, or a stand-in for it.
            if isinstance(meant, Outside) and meant.name.partition(".")[0] == "triton":
                return symbol
        return Missing(name, why)

    def _import(self, path: str, value: Import) -> Symbol:
        modules = self.project.modules
        absolute = modules.absolute(path, value.level, value.module)
        full = ".".join(part for part in (absolute, value.name) if part)
        root = full.partition(".")[0]
        if value.level == 0 and root in ("triton", "torch", "math", "typing", "os", "functools"):
            target, name = modules.imported(path, value)
            if target is None or root != "triton" or self.setting.has_name(full):
                return Outside(full)
        else:
            target, name = modules.imported(path, value)
        if target is None:
            if value.level == 0 and value.module.partition(".")[0]:
                handed = value.name or value.module
                if handed in HANDED_ON and value.name and root != "triton":
                    return Outside(HANDED_ON[handed])
                return Outside(full)
            return Missing(full or ".", "not found")
        if name is None:
            if value.name is None and "." not in value.module and target == path:
                return Outside(full)
            return ModuleAt(target)
        found = self.attribute(ModuleAt(target), name)
        if isinstance(found, Missing) and name in HANDED_ON:
            return Outside(HANDED_ON[name])
        if isinstance(found, Missing) and found.why == "not found":
            return Missing(full, "not found")
        return found

    def _starred(self, path: str, star: Import, name: str) -> Symbol:
        modules = self.project.modules
        absolute = modules.absolute(path, star.level, star.module)
        if absolute.partition(".")[0] == "triton" and self.setting.has_name(f"{absolute}.{name}"):
            return Outside(f"{absolute}.{name}")
        target = modules.find(path, star.level, star.module)
        if target is None or target == path or self._depth > MAX_DEPTH:
            return Missing(name, "not found")
        self._depth += 1
        try:
            found = self.resolve(target, name)
        finally:
            self._depth -= 1
        return Missing(name, "not found") if isinstance(found, Builtin) else found

    def all_functions(self, path: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        """Yield every function of a file with its qualname, in the order of the text."""
        file = self.project.file(path)
        yield from _functions(file.tree.body, "") if file is not None else ()


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        match node:
            case ast.FunctionDef():
                yield f"{prefix}{node.name}", node
                yield from _functions(node.body, f"{prefix}{node.name}.<locals>.")
            case ast.ClassDef():
                yield from _functions(node.body, f"{prefix}{node.name}.")
            case _:
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, ast.stmt):
                        yield from _functions([part], prefix)
                    elif isinstance(part, (ast.ExceptHandler, ast.match_case)):
                        yield from _functions(part.body, prefix)


def replace_name(value: Import) -> Import:
    """Return the import of a module itself."""
    return Import(value.level, value.module)


def _same(binding: Binding) -> str:
    match binding:
        case Defined(node):
            return ast.dump(node)
        case Assigned(value):
            return ast.dump(value)
        case Imported(value):
            return repr(value)
    return repr(binding)


def _part(target: ast.expr, name: str, value: Any) -> Any:
    """Return the part of a value that a tuple of targets gives to a name."""
    if isinstance(target, ast.Name) and target.id == name:
        return value
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (tuple, list)):
        for inner, each in zip(target.elts, value, strict=False):
            if name in target_names(inner):
                return _part(inner, name, each)
    raise NotKnownError(name)
