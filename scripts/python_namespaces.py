"""What the modules of a package offer, read from their source without importing anything.

`Package.namespace("pkg.module")` answers with the names that `dir()` would show after an import,
and with the parameters that each function and class takes. Imports, re-exports, stars, aliases and
decorators are followed within the package; what comes from elsewhere is left out, and so is a
function whose whole body raises: the name is there and the thing is gone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from scripts.python_bindings import Binding, File, From, FunctionDef, Module, bound_targets

__all__ = [
    "ABSENT",
    "ANY_KEYWORD",
    "VALUE",
    "Absent",
    "Class",
    "Function",
    "Module",
    "Package",
    "Symbol",
    "Value",
]

ANY_KEYWORD = "**"
"""Stands among the parameters of a function that takes any keyword (`**kwargs`)."""
MEMBER_DECORATOR = "_tensor_member_fn"
"""What makes a function of Triton's a method of `tensor` too."""


@dataclass(frozen=True, slots=True)
class Value:
    """Something that is no function: a constant, a type, the result of a call."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nothing of the package's: a name from outside, or a function that only raises."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method with its parameters, as `crawler.enrich.signatures` writes them."""

    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Class:
    """A class; `parameters` are those of its constructor, None where they cannot be known."""

    parameters: tuple[str, ...] | None
    members: Mapping[str, Symbol] = field(default_factory=dict)


Symbol = Module | Value | Absent | Function | Class
VALUE, ABSENT = Value(), Absent()


class Package:
    """A package by the text of its files: `{"triton/language/core.py": text, ...}`.

    A file that does not parse counts as empty.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._sources = {_module_name(path): text for path, text in files.items()}
        self._packages = {_module_name(path) for path in files if path.endswith("/__init__.py")}
        self._root = f"{min(self._sources, default='').partition('.')[0]}."
        self._files: dict[str, File] = {}
        self._found: dict[tuple[str, str], Symbol] = {}

    def modules(self) -> list[str]:
        """Return the full names of all modules, sorted."""
        return sorted(self._sources)

    def offers(self, module: str, name: str) -> bool:
        """Tell whether a module means a name for its users: listed in `__all__`."""
        return name in (self._file(module).listed("__all__") or ())

    def is_package(self, module: str) -> bool:
        """Tell whether a module may hold other modules."""
        return module in self._packages

    def namespace(self, module: str) -> dict[str, Symbol]:
        """Return every name that a module offers and what it is, submodules included."""
        names = set(self._file(module).bindings)
        names.update(name for star in self._file(module).stars for name in self._exported(star))
        if self.is_package(module):
            prefix = f"{module}."
            names.update(m[len(prefix) :] for m in self._sources if m.startswith(prefix))
        symbols = {name: self.resolve(module, name) for name in sorted(names) if "." not in name}
        return {name: symbol for name, symbol in symbols.items() if symbol != ABSENT}

    def borrowed(self, module: str) -> list[str]:
        """Return the names that a module imports from outside the package, sorted."""
        return sorted(
            name
            for name, bound in self._file(module).bindings.items()
            if isinstance(bound, (From, Module))
            and not f"{bound.module if isinstance(bound, From) else bound.name}.".startswith(
                self._root
            )
        )

    def resolve(self, module: str, name: str) -> Symbol:
        """Return what a name of a module stands for."""
        key = (module, name)
        if key not in self._found:
            self._found[key] = ABSENT  # what a circle of imports comes back to
            self._found[key] = self._resolve(module, name)
        return self._found[key]

    def _file(self, module: str) -> File:
        if module not in self._files:
            source, is_package = self._sources[module], self.is_package(module)
            self._files[module] = File(module, source, is_package, self._listed)
        return self._files[module]

    def _listed(self, module: str, name: str) -> list[str]:
        """Return the strings in a list that a module binds to a name."""
        return self._file(module).listed(name) or [] if module in self._sources else []

    def _exported(self, module: str) -> list[str]:
        if module not in self._sources:
            return []
        file = self._file(module)
        every = file.listed("__all__")
        return every if every is not None else [n for n in file.bindings if not n.startswith("_")]

    def _resolve(self, module: str, name: str) -> Symbol:
        if module not in self._sources:
            # What compiled modules hold is Triton's own; what `libtriton` holds are such modules.
            is_compiled = module.startswith(self._root) and not module.endswith("libtriton")
            return VALUE if is_compiled else ABSENT
        file = self._file(module)
        bound = file.bindings.get(name)
        if name in file.bindings and bound != From(module, name):  # `from . import submodule`
            return self._bound(module, bound)
        for star in file.stars:
            if name in self._exported(star):
                return self.resolve(star, name)
        submodule = f"{module}.{name}"
        return Module(submodule) if submodule in self._sources else ABSENT

    def _bound(self, module: str, what: Binding) -> Symbol:
        match what:
            case None:
                return VALUE
            case Module():
                return what if what.name in self._sources else ABSENT
            case From():
                return self.resolve(what.module, what.name)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return ABSENT if _only_raises(what) else Function(_parameters(what.args))
            case ast.ClassDef():
                return self._class(module, what)
        return self._evaluate(module, what)

    def _evaluate(self, module: str, node: ast.expr) -> Symbol:
        match node:
            case ast.Name():
                return self.resolve(module, node.id) if self._has(module, node.id) else VALUE
            case ast.Attribute():
                found = self._attribute(self._evaluate(module, node.value), node.attr)
                return VALUE if found == ABSENT else found
            case ast.Call():
                return self._called(module, node)
            case ast.IfExp():
                return self._evaluate(module, node.body)
        return VALUE

    def _has(self, module: str, name: str) -> bool:
        return name in self._file(module).bindings or any(
            name in self._exported(star) for star in self._file(module).stars
        )

    def _attribute(self, owner: Symbol, name: str) -> Symbol:
        match owner:
            case Module():
                return self.resolve(owner.name, name)
            case Class():
                return owner.members.get(name, VALUE)
            case Function():
                return owner  # `f.fn`: the function under the decorator
        return VALUE

    def _called(self, module: str, node: ast.Call) -> Symbol:
        """Return what a call gives: a wrapper around a function takes what the function takes."""
        if ast.unparse(node.func).rpartition(".")[2] in ("TypeVar", "ParamSpec"):
            return ABSENT
        for arg in node.args:
            given = self._evaluate(module, arg) if not isinstance(arg, ast.Starred) else VALUE
            if isinstance(given, Function):
                return given
            if isinstance(given, Absent):
                return ABSENT
        return VALUE

    def _class(self, module: str, node: ast.ClassDef) -> Class:
        members: dict[str, Symbol] = {}
        parameters: tuple[str, ...] | None = ()
        for base in reversed(node.bases):
            inherited = self._evaluate(module, base)
            if isinstance(inherited, Class):
                members |= inherited.members
                parameters = inherited.parameters
            else:
                parameters = None
        own = dict(_class_members(node))
        members |= {name: s for name, s in own.items() if not isinstance(s, FunctionDef)}
        for name, function in own.items():
            if isinstance(function, FunctionDef):
                members[name] = Function(_parameters(function.args, skip=_skipped(function)))
        if node.name == "tensor":
            members |= {n: s for n, s in self._tensor_members.items() if n not in own}
        init = own.get("__init__", own.get("__new__"))
        if isinstance(init, FunctionDef):
            parameters = _parameters(init.args, skip=1)
        elif any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            parameters = (*(parameters or ()), *_fields(node))
        return Class(parameters, members)

    @cached_property
    def _tensor_members(self) -> dict[str, Symbol]:
        members: dict[str, Symbol] = {}
        for module in self.modules():
            if ".language." not in module or MEMBER_DECORATOR not in self._sources[module]:
                continue
            for name, bound in self._file(module).bindings.items():
                if isinstance(bound, FunctionDef) and not _only_raises(bound):
                    marks = (ast.unparse(d).rpartition(".")[2] for d in bound.decorator_list)
                    if MEMBER_DECORATOR in marks:
                        members[name] = Function(_parameters(bound.args, skip=1))
        return members


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _parameters(arguments: ast.arguments, skip: int = 0) -> tuple[str, ...]:
    """Return the parameters of a signature; those with an underscore are the compiler's."""
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(positional) - len(arguments.defaults)
    found: list[str] = []
    for place, argument in enumerate(positional):
        if place >= skip and not argument.arg.startswith("_"):
            found.append(argument.arg if place < optional else f"{argument.arg}=")
        if place == len(arguments.posonlyargs) - 1 and found:
            found.append("/")
    if arguments.vararg is not None:
        found.append(f"*{arguments.vararg.arg}")
    only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    by_keyword = [a.arg if d is None else f"{a.arg}=" for a, d in only if a.arg[0] != "_"]
    if by_keyword and arguments.vararg is None:
        found.append("*")
    found += by_keyword
    return (*found, ANY_KEYWORD) if arguments.kwarg else tuple(found)


def _only_raises(node: FunctionDef) -> bool:
    body = node.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return bool(body) and isinstance(body[0], ast.Raise)


def _class_members(node: ast.ClassDef) -> Iterator[tuple[str, Symbol | FunctionDef]]:
    for statement in node.body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                marks = {ast.unparse(d).rpartition(".")[2] for d in statement.decorator_list}
                is_value = marks & {"property", "cached_property"}
                yield statement.name, VALUE if is_value else statement
            case ast.ClassDef():
                yield statement.name, VALUE
            case ast.Assign():
                for target in statement.targets:
                    yield from ((name, VALUE) for name, _ in bound_targets(target, None))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, VALUE


def _skipped(function: FunctionDef) -> int:
    """Return how many leading parameters a call of the method does not give: self, or none."""
    return 0 if any(ast.unparse(d) == "staticmethod" for d in function.decorator_list) else 1


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                if not name.startswith("_") and "ClassVar" not in ast.unparse(statement.annotation):
                    yield name if statement.value is None else f"{name}="
