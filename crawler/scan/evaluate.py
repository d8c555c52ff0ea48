"""Values of all files of a snapshot -> what they are: jit, a kernel, a module, a name outside.

Evaluation follows imports, re-exports, star imports, aliases and the project's own wrappers around
jit. It is bounded in depth and never raises; what cannot be followed gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from crawler.models import Dialect
from crawler.scan.facts import (
    Attribute,
    Call,
    Choice,
    Class,
    FileFacts,
    Function,
    Global,
    Import,
    Parameter,
    Plain,
    Subscript,
    Value,
)
from crawler.scan.modules import ModuleMap
from crawler.scan.names import (
    HANDED_ON,
    HANDS_ON_NAMES,
    JIT_NAMES,
    LANGUAGE_ROOTS,
    PARTIAL_NAMES,
    WRAPS_KERNEL_NAMES,
    is_foreign_package,
)
from crawler.scan.scope import visible

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Outside:
    """A name of a package outside the snapshot (or Triton's own), e.g. `triton.language.load`."""

    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the snapshot as a module, under the full name it was imported by."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class FunctionAt:
    """A function of the snapshot."""

    path: str
    index: int


@dataclass(frozen=True, slots=True)
class ClassAt:
    """A class of the snapshot."""

    path: str
    index: int


@dataclass(frozen=True, slots=True)
class ParameterAt:
    """A parameter of a function of the snapshot."""

    path: str
    index: int
    name: str


@dataclass(frozen=True, slots=True)
class Jit:
    """Something that turns a function into a kernel; `is_wrapper`: the project's own."""

    dialect: Dialect
    is_wrapper: bool = False


@dataclass(frozen=True, slots=True)
class HandsOn:
    """A decorator that gives back what it is applied to."""


@dataclass(frozen=True, slots=True)
class KernelOf:
    """A function (or a parameter) after jit was applied to it."""

    of: FunctionAt | ParameterAt
    jit: Jit


@dataclass(frozen=True, slots=True)
class Launchable:
    """A kernel with its grid: `kernel[grid]`."""

    of: FunctionAt | ParameterAt


@dataclass(frozen=True, slots=True)
class Constant:
    """A plain constant of Python's; `is_constexpr` by its annotation."""

    is_constexpr: bool


Meaning = (
    Constant
    | Outside
    | Module
    | FunctionAt
    | ClassAt
    | ParameterAt
    | Jit
    | HandsOn
    | KernelOf
    | Launchable
)
_HANDS_ON = HandsOn()
Meanings = frozenset[Meaning]
_NOTHING: Meanings = frozenset()


class Evaluator:
    """Evaluates values in the files of one snapshot; answers are remembered."""

    def __init__(self, files: Mapping[str, FileFacts]) -> None:
        """Take the facts of all files, by path."""
        self.files = files
        self._memo: dict[tuple[str, Value], Meanings] = {}
        self._names: dict[tuple[str, str, int | None, tuple[int, ...]], Meanings] = {}
        self._wrappers: dict[FunctionAt | ClassAt, Jit | None] = {}
        self._active: set[object] = set()

    @cached_property
    def modules(self) -> ModuleMap:
        """The module names of the snapshot."""
        return ModuleMap(self.files)

    def meanings(self, path: str, value: Value, depth: int = 0) -> Meanings:
        """Return all that a value of the file at `path` may be."""
        if depth > MAX_DEPTH:
            return _NOTHING
        key = (path, value)
        known = self._memo.get(key)
        if known is None:
            if key in self._active:
                return _NOTHING
            self._active.add(key)
            known = frozenset(self._evaluate(path, value, depth))
            self._active.discard(key)
            self._memo[key] = known
        return known

    def jit(self, path: str, value: Value) -> Jit | None:
        """Return the jit that a decorator applies, None if it applies none."""
        return next((m for m in _sorted(self.meanings(path, value)) if isinstance(m, Jit)), None)

    def functions(self, path: str, value: Value) -> list[FunctionAt]:
        """Return the functions of the snapshot that a value may stand for, kernels or not."""
        found: dict[FunctionAt, None] = {}
        for meaning in self.meanings(path, value):
            of = meaning.of if isinstance(meaning, (KernelOf, Launchable)) else meaning
            if isinstance(of, FunctionAt):
                found[of] = None
        return sorted(found, key=lambda f: (f.path, f.index))

    def launched(self, path: str, value: Value) -> list[ParameterAt]:
        """Return the parameters of functions that a launched value may stand for."""
        found = (
            m.of if isinstance(m, (KernelOf, Launchable)) else m for m in self.meanings(path, value)
        )
        return [of for of in found if isinstance(of, ParameterAt)]

    def outside_names(self, path: str, value: Value) -> list[str]:
        """Return the names outside the snapshot that a value may stand for, sorted."""
        return sorted(m.name for m in self.meanings(path, value) if isinstance(m, Outside))

    def _evaluate(self, path: str, value: Value, depth: int) -> Iterable[Meaning]:
        match value:
            case Import():
                return self._import(path, value, depth)
            case Global():
                return self._global(path, value.name, value.line, value.arms, depth)
            case Attribute():
                return self._attribute(path, value, depth)
            case Subscript():
                return self._subscript(path, value, depth)
            case Call():
                return self._call(path, value, depth)
            case Choice():
                return [m for o in value.options for m in self.meanings(path, o, depth + 1)]
            case Function():
                return (FunctionAt(path, value.index),)
            case Class():
                return (ClassAt(path, value.index),)
            case Parameter():
                return (ParameterAt(path, value.index, value.name),)
            case Plain():
                return (Constant(value.is_constexpr),)
        return ()

    def _import(self, path: str, value: Import, depth: int) -> Iterable[Meaning]:
        absolute = self.modules.absolute(path, value.level, value.module)
        full = ".".join(part for part in (absolute, value.name) if part)
        special = _special(full)
        target, name = self.modules.imported(path, value)
        if special is not None:
            members = self._member(target, name, depth) if target and name else ()
            return (special, *(m for m in members if isinstance(m, FunctionAt)))
        if target is None or (target == path and name is None):
            return (Outside(_handed_on(value) or full),)
        if name is None:
            return (Module(target, full),)
        return self._member(target, name, depth) or (Outside(full),)

    def _member(self, path: str, name: str, depth: int) -> Iterable[Meaning]:
        """Return what `name` is in the module at `path`."""
        found = self._global(path, name, None, (), depth + 1)
        if found:
            return found
        submodule = self.modules.submodule(path, name)
        return (Module(submodule, f"{self.modules.name(path)}.{name}"),) if submodule else ()

    def _global(
        self, path: str, name: str, line: int | None, arms: tuple[int, ...], depth: int
    ) -> Meanings:
        key = (path, name, line, arms)
        known = self._names.get(key)
        if known is not None:
            return known
        facts = self.files.get(path)
        if facts is None or depth > MAX_DEPTH or key in self._active:
            return _NOTHING
        self._active.add(key)
        found: set[Meaning] = set()
        for binding in visible(facts.bindings.get(name, ()), line, arms):
            found |= self.meanings(path, binding.value, depth + 1)
        if not found and name not in facts.bindings:
            for star in facts.stars:
                found |= self._starred(path, star, name, depth + 1)
        self._active.discard(key)
        result = frozenset(found)
        self._names[key] = result
        return result

    def _starred(self, path: str, star: Import, name: str, depth: int) -> Meanings:
        """Return what `from module import *` brings under `name`."""
        absolute = self.modules.absolute(path, star.level, star.module)
        special = _special(f"{absolute}.{name}")
        if special is not None:
            return frozenset((special,))
        target = self.modules.find(path, star.level, star.module)
        if target is None or target == path:
            return _NOTHING
        return self._global(target, name, None, (), depth)

    def _attribute(self, path: str, value: Attribute, depth: int) -> Iterable[Meaning]:
        found: list[Meaning] = []
        for base in self.meanings(path, value.base, depth + 1):
            match base:
                case Outside():
                    full = f"{base.name}.{value.name}"
                    # `import a.b.c` binds `a`, which need not be a file itself.
                    inside = self.modules.find(path, 0, full)
                    module = Module(inside, full) if inside is not None else None
                    found.append(_special(full) or module or Outside(full))
                case Module():
                    full = f"{base.name}.{value.name}"
                    special = _special(full)
                    members = self._module_member(base, value, depth)
                    found.extend(m for m in members if not special or isinstance(m, FunctionAt))
                    found.extend((special,) if special else ())
                case ClassAt():
                    members = list(self._members(base, value.name, depth))
                    if members:
                        found.extend(members)
                    elif value.name == "apply":
                        # What runs an autograd function: a call of it is a call of the class.
                        found.append(base)
                case FunctionAt() | KernelOf() if value.name in ("fn", "jit_fn", "kernel"):
                    found.append(base)
        return found

    def _members(self, of: ClassAt, name: str, depth: int) -> Iterable[Meaning]:
        """Return what a class binds under a name, or the first of its bases that does."""
        facts = self.files[of.path].classes[of.index]
        if name in facts.members:
            return self.meanings(of.path, facts.members[name], depth + 1)
        for base in facts.bases if depth < MAX_DEPTH else ():
            for meaning in _sorted(self.meanings(of.path, base, depth + 1)):
                if isinstance(meaning, ClassAt) and meaning != of:
                    found = self._members(meaning, name, depth + 1)
                    if found:
                        return found
        return ()

    def _module_member(self, base: Module, value: Attribute, depth: int) -> Iterable[Meaning]:
        members = tuple(self._member(base.path, value.name, depth))
        return members or (Outside(f"{base.name}.{value.name}"),)

    def _subscript(self, path: str, value: Subscript, depth: int) -> Iterable[Meaning]:
        for base in self.meanings(path, value.base, depth + 1):
            if isinstance(base, KernelOf):
                yield Launchable(base.of)
            elif isinstance(base, (FunctionAt, ParameterAt, ClassAt, Jit, HandsOn)):
                # A table of kernels or decorators, or a decorated function: that is told later.
                yield base

    def _call(self, path: str, value: Call, depth: int) -> Iterable[Meaning]:
        found: list[Meaning] = []
        callees = self.meanings(path, value.callee, depth + 1)
        for callee in callees:
            match callee:
                case Jit():
                    found.extend(self._apply_jit(path, callee, value, depth))
                case HandsOn():
                    found.extend(self._given(path, value, depth))
                case Outside():
                    found.extend(self._call_outside(path, callee, value, depth))
                case FunctionAt() | ClassAt():
                    found.extend(self._call_inside(path, callee, value, depth))
        return found or [m for m in self._given(path, value, depth) if self._is_kernel(m)]

    def _is_kernel(self, meaning: Meaning) -> bool:
        """Tell whether something is a kernel: a call that cannot be followed hands it on."""
        if not isinstance(meaning, FunctionAt):
            return isinstance(meaning, KernelOf)
        function = self.files[meaning.path].functions[meaning.index]
        return function.kernel is not None and any(
            self.jit(meaning.path, decorator) is not None for decorator in function.decorators
        )

    def _given(self, path: str, value: Call, depth: int) -> Iterable[Meaning]:
        return self.meanings(path, value.args[0], depth + 1) if value.args else ()

    def _apply_jit(self, path: str, jit: Jit, value: Call, depth: int) -> Iterable[Meaning]:
        if not value.args:
            return (jit,)
        given = self._given(path, value, depth)
        of = [g.of if isinstance(g, KernelOf) else g for g in given]
        kernels = [KernelOf(g, jit) for g in of if isinstance(g, (FunctionAt, ParameterAt))]
        # A project's own decorator may take other things first: `@kernel("name")`.
        return kernels or ((jit,) if jit.is_wrapper else ())

    def _call_outside(
        self, path: str, callee: Outside, value: Call, depth: int
    ) -> Iterable[Meaning]:
        if callee.name in PARTIAL_NAMES or callee.name in WRAPS_KERNEL_NAMES:
            return self._given(path, value, depth)
        return (_HANDS_ON,) if callee.name in HANDS_ON_NAMES else ()

    def _call_inside(
        self, path: str, callee: FunctionAt | ClassAt, value: Call, depth: int
    ) -> Iterable[Meaning]:
        jit = self.wrapper(callee, depth + 1)
        if jit is not None:
            return self._apply_jit(path, jit, value, depth)
        if isinstance(callee, ClassAt):
            call = self.files[callee.path].classes[callee.index].members.get("__call__")
            jit = self._jit_applied(callee.path, call, depth) if call is not None else None
            return (jit,) if jit is not None else ()
        returned: list[Meaning] = []
        for meaning in self._returned(callee, depth + 1):
            of = meaning.of if isinstance(meaning, KernelOf) else meaning
            if isinstance(of, ParameterAt) and of.path == callee.path and of.index == callee.index:
                returned.extend(self._given(path, value, depth))
            elif isinstance(meaning, (Launchable, Jit)) or self._is_kernel(meaning):
                returned.append(meaning)
        return returned

    def _returned(self, function: FunctionAt, depth: int) -> Meanings:
        facts = self.files[function.path].functions[function.index]
        found: set[Meaning] = set()
        for value in facts.returns:
            found |= self.meanings(function.path, value, depth + 1)
        return frozenset(found)

    def wrapper(self, callee: FunctionAt | ClassAt, depth: int = 0) -> Jit | None:
        """Return the jit that a project's own function or class applies, None if none."""
        if callee not in self._wrappers:
            self._wrappers[callee] = None
            if isinstance(callee, ClassAt):
                self._wrappers[callee] = self._class_wrapper(callee, depth)
            else:
                self._wrappers[callee] = self._function_wrapper(callee, depth)
        return self._wrappers[callee]

    def _class_wrapper(self, callee: ClassAt, depth: int) -> Jit | None:
        facts = self.files[callee.path].classes[callee.index]
        for base in facts.bases:
            for meaning in _sorted(self.meanings(callee.path, base, depth + 1)):
                if isinstance(meaning, Jit):
                    return Jit(meaning.dialect, is_wrapper=True)
                inner = self.wrapper(meaning, depth + 1) if isinstance(meaning, ClassAt) else None
                if inner is not None:
                    return inner
        for value in facts.kept:
            for meaning in _sorted(self.meanings(callee.path, value, depth + 1)):
                if isinstance(meaning, KernelOf) and isinstance(meaning.of, ParameterAt):
                    return Jit(meaning.jit.dialect, is_wrapper=True)
        return None

    def _jit_applied(self, path: str, value: Value, depth: int) -> Jit | None:
        """Return the jit that one of the functions a value may be applies, None if none."""
        for meaning in _sorted(self.meanings(path, value, depth + 1)):
            jit = self.wrapper(meaning, depth + 1) if isinstance(meaning, FunctionAt) else None
            if jit is not None:
                return jit
        return None

    def _function_wrapper(self, callee: FunctionAt, depth: int) -> Jit | None:
        """A function wraps jit if it returns jit, a jitted parameter, or a function that does."""
        for meaning in _sorted(self._returned(callee, depth)):
            match meaning:
                case Jit():
                    return Jit(meaning.dialect, is_wrapper=True)
                case KernelOf(of=ParameterAt()):
                    return Jit(meaning.jit.dialect, is_wrapper=True)
                case FunctionAt() if meaning != callee and depth < MAX_DEPTH:
                    inner = self.wrapper(meaning, depth + 1)
                    if inner is not None:
                        return inner
        return None


def _handed_on(value: Import) -> str | None:
    """Return what of Triton's another package hands on: `from vllm.triton_utils import tl`.

    Where that package is not at hand, the name that it gives away under is all there is to go by.
    """
    if value.level or is_foreign_package(value.module):
        return None
    return HANDED_ON.get(value.name or "")


def _special(full: str) -> Meaning | None:
    """Return what a full name is where Triton gives it a meaning."""
    dialect = JIT_NAMES.get(full)
    if dialect is not None:
        return Jit(dialect)
    is_language = full.startswith(tuple(f"{root}." for root in LANGUAGE_ROOTS))
    return Outside(full) if full in HANDS_ON_NAMES or is_language else None


def _sorted(meanings: Meanings) -> list[Meaning]:
    """Return meanings in an order that does not change from run to run."""
    return sorted(meanings, key=repr)
