"""Facts of all files of a snapshot -> its kernels, with roles, launchers and calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from crawler.models import (
    ApiUse,
    Dialect,
    Form,
    Param,
    Role,
    ScannedKernel,
    ScannedOperation,
)
from crawler.scan.callers import CallGraph
from crawler.scan.evaluate import ClassAt, Evaluator, FunctionAt, HandsOn, Jit, ParameterAt
from crawler.scan.facts import Call, FileFacts, FunctionFacts, KernelFacts, Value
from crawler.scan.import_names import ImportNames
from crawler.scan.kinds import Kinds, Launched
from crawler.scan.linked_uses import link_uses
from crawler.scan.names import LANGUAGE_ROOTS
from crawler.scan.notebook import cell_at
from crawler.scan.operations import LaunchedKernel, link_operations
from crawler.scan.usage import Usages

_SHORT = {"triton.language": "tl", "triton.experimental.gluon.language": "gl"}
# A name this short may be anybody's.
_TELLING = 5
_COMMON = frozenset(("apply", "forward", "update", "config", "utils", "logger", "register"))
_MEMORY = ("load", "store", "program_id", "num_programs")


@dataclass(slots=True, eq=False)
class _Kernel:
    """A kernel while its snapshot is being linked."""

    at: FunctionAt
    function: FunctionFacts
    facts: KernelFacts
    jit: Jit
    form: Form
    has_unknown_decorator: bool
    launchers: set[str] = field(default_factory=set)
    launched_by: set[FunctionAt] = field(default_factory=set)
    calls: set[FunctionAt] = field(default_factory=set)
    callers: int = 0
    uses: dict[ApiUse, None] = field(default_factory=dict)
    needs: dict[ApiUse, None] = field(default_factory=dict)
    params: tuple[Param, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """The kernels of a snapshot, by path, cell and line, and the operations that launch them."""

    kernels: tuple[ScannedKernel, ...]
    operations: tuple[ScannedOperation, ...]


def link_snapshot(
    files: Mapping[str, FileFacts],
    *,
    paths: Iterable[str] = (),
    evaluator: Evaluator | None = None,
) -> tuple[ScannedKernel, ...]:
    """Return the kernels of a snapshot alone, sorted by path, cell and line."""
    return link_source(files, paths=paths, evaluator=evaluator).kernels


def link_source(
    files: Mapping[str, FileFacts],
    *,
    paths: Iterable[str] = (),
    evaluator: Evaluator | None = None,
) -> Linked:
    """Return the kernels and operations of a snapshot.

    `paths` are its other Python files, which tell how the kernels are imported. `evaluator` is one
    of `files` that goes on being used.
    """
    evaluator = evaluator or Evaluator(files)
    kernels = {k.at: k for path in sorted(files) for k in _kernels_of(evaluator, path)}
    graph = CallGraph(evaluator)
    for path in sorted(files):
        _add_launches(evaluator, graph, path, kernels)
    _add_handed(evaluator, graph, kernels)
    _add_warmed(evaluator, graph, kernels)
    for kernel in kernels.values():
        _add_uses(evaluator, kernel, kernels)
    _add_method_calls(kernels)
    _settle_params(evaluator, kernels)
    usages = Usages(graph, ImportNames(files, {*files, *paths}))
    scanned = {at: _scanned(kernel, kernels, graph, usages) for at, kernel in kernels.items()}
    numbered = dict(_numbered(sorted(scanned.items(), key=lambda item: _place(item[1]))))
    launched = (
        LaunchedKernel(numbered[at].place, tuple(_launched_by(kernel, graph)))
        for at, kernel in kernels.items()
        if _role(kernel) is not Role.DEVICE_FUNCTION
    )
    return Linked(tuple(numbered.values()), link_operations(graph, launched, kernels))


def _launched_by(kernel: _Kernel, graph: CallGraph) -> list[FunctionAt]:
    """Return the functions that launch a kernel, by path and place."""
    if _role(kernel) is Role.POINTWISE:
        # What expands such a function makes a call of it a launch.
        return graph.direct_callers(kernel.at)
    return sorted(kernel.launched_by, key=lambda f: (f.path, f.index))


@dataclass(frozen=True, slots=True)
class Offered:
    """What a snapshot offers other files to import: names of jit and its wrappers, of kernels."""

    jits: frozenset[str]
    kernels: frozenset[str]


def offered_names(files: Mapping[str, FileFacts]) -> Offered:
    """Return the names that make a file matter which uses them, whatever else is in it."""
    evaluator = Evaluator(files)
    jits: set[str] = set()
    kernels: set[str] = set()
    for path, facts in files.items():
        kernels.update(f.qualname for f in facts.functions if f.kernel and "." not in f.qualname)
        for name, bindings in facts.bindings.items():
            if name not in jits and any(_offers_jit(evaluator, path, b.value) for b in bindings):
                jits.add(name)
    return Offered(frozenset(jits), frozenset(kernels))


def operation_names(files: Mapping[str, FileFacts]) -> frozenset[str]:
    """Return the names of a snapshot's autograd functions and of the functions that launch kernels.

    Common words are no names of operations: half of all files import an `apply` or a `run`.
    """
    return frozenset(
        operation.name
        for operation in link_source(files).operations
        if len(operation.name) >= _TELLING and operation.name not in _COMMON
    )


def _offers_jit(evaluator: Evaluator, path: str, value: Value) -> bool:
    """Tell whether a value, or what calling it gives, makes kernels of functions."""
    return any(_jit_of(evaluator, path, made) is not None for made in (value, Call(value)))


def _kernels_of(evaluator: Evaluator, path: str) -> Iterator[_Kernel]:
    facts = evaluator.files[path]
    called: dict[int, Jit] = {}
    for call in facts.jit_calls:
        jit = _jit_of(evaluator, path, call.callee)
        if jit is not None:
            for at in evaluator.functions(path, call.function):
                if at.path == path:
                    called.setdefault(at.index, jit)
    for index, function in enumerate(facts.functions):
        if function.kernel is None:
            continue
        jits = [_jit_of(evaluator, path, decorator) for decorator in function.decorators]
        applied = next((jit for jit in reversed(jits) if jit is not None), None)
        if applied is not None:
            form = Form.WRAPPER if applied.is_wrapper else Form.DECORATOR
        elif index in called:
            applied, form = called[index], Form.CALL
        else:
            continue
        unknown = any(
            jit is None and not _hands_on(evaluator, path, decorator)
            for jit, decorator in zip(jits, function.decorators, strict=True)
        )
        yield _Kernel(FunctionAt(path, index), function, function.kernel, applied, form, unknown)


def _jit_of(evaluator: Evaluator, path: str, value: Value) -> Jit | None:
    """Return the jit that applying a value applies: jit itself, or the project's wrapper of it."""
    direct = evaluator.jit(path, value)
    if direct is not None:
        return direct
    for meaning in sorted(evaluator.meanings(path, value), key=repr):
        if isinstance(meaning, (ClassAt, FunctionAt)):
            wrapper = evaluator.wrapper(meaning)
            if wrapper is not None:
                return wrapper
    return None


def _hands_on(evaluator: Evaluator, path: str, decorator: Value) -> bool:
    return any(isinstance(m, HandsOn) for m in evaluator.meanings(path, decorator))


def _add_launches(
    evaluator: Evaluator, graph: CallGraph, path: str, kernels: Mapping[FunctionAt, _Kernel]
) -> None:
    for launch in evaluator.files[path].launches:
        if not launch.warms:
            _note_launch(evaluator, graph, path, launch.target, launch.launcher, kernels)


def _add_warmed(
    evaluator: Evaluator, graph: CallGraph, kernels: Mapping[FunctionAt, _Kernel]
) -> None:
    """Count who compiles a kernel ahead as its launcher, where nothing launches it in sight."""
    silent = {at: kernel for at, kernel in kernels.items() if not kernel.launchers}
    for path in sorted(evaluator.files) if silent else ():
        for launch in evaluator.files[path].launches:
            if launch.warms:
                _note_launch(evaluator, graph, path, launch.target, launch.launcher, silent)


def _note_launch(
    evaluator: Evaluator,
    graph: CallGraph,
    path: str,
    target: Value,
    launcher: str | None,
    kernels: Mapping[FunctionAt, _Kernel],
) -> None:
    launched_by = graph.named(path, launcher or "")
    if any(function in kernels for function in launched_by):
        return  # a kernel launches nothing
    for function in evaluator.functions(path, target):
        if function in kernels:
            kernels[function].launchers.add(f"{path}::{launcher}" if launcher else path)
            kernels[function].launched_by.update(launched_by)


def _add_handed(
    evaluator: Evaluator, graph: CallGraph, kernels: Mapping[FunctionAt, _Kernel]
) -> None:
    """Count as launched what is given to a function that launches what it is given."""
    launched = {
        meaning
        for path, facts in evaluator.files.items()
        for launch in facts.launches
        for meaning in evaluator.launched(path, launch.target)
    }
    for path in sorted(evaluator.files) if launched else ():
        for handed in evaluator.files[path].handed:
            for function in evaluator.functions(path, handed.callee):
                params = graph.facts(function).params
                at = handed.place
                name = at if isinstance(at, str) else params[at] if at < len(params) else ""
                if ParameterAt(function.path, function.index, name) in launched:
                    _note_launch(evaluator, graph, path, handed.target, handed.launcher, kernels)


def _add_uses(evaluator: Evaluator, kernel: _Kernel, kernels: Mapping[FunctionAt, _Kernel]) -> None:
    linked = link_uses(evaluator, kernel.at.path, kernel.facts.uses)
    kernel.uses, kernel.needs = linked.uses, linked.needs
    for function in linked.functions:
        if function in kernels and function != kernel.at and function not in kernel.calls:
            kernel.calls.add(function)
            kernels[function].callers += 1


def _add_method_calls(kernels: Mapping[FunctionAt, _Kernel]) -> None:
    """Count as called the methods of aggregates: which class `cfg` has in `cfg.f()` is not known.

    A jit function in a class body can only be reached through the class, so a method call of its
    name in another jit function is taken to mean it.
    """
    called = {name for kernel in kernels.values() for name in kernel.facts.methods}
    for kernel in kernels.values():
        owner, _, name = kernel.function.qualname.rpartition(".")
        if owner and not owner.endswith("<locals>") and name in called:
            kernel.callers += 1


def _settle_params(evaluator: Evaluator, kernels: Mapping[FunctionAt, _Kernel]) -> None:
    """Let kinds flow back from the functions that a kernel hands its parameters to."""
    kinds = Kinds(
        evaluator,
        {
            at: Launched(kernel.facts, kernel.jit.dialect, _role(kernel) is Role.KERNEL)
            for at, kernel in kernels.items()
        },
    )
    for at, kernel in kernels.items():
        kernel.params = kinds.params(at)


def _role(kernel: _Kernel) -> Role:
    """Return what the kernel is for: by who uses it, else by what only a launched one does."""
    names = {use.name.rpartition(".")[2] for use in kernel.uses}
    touches_memory = bool(names & set(_MEMORY)) or any(n.startswith("atomic_") for n in names)
    facts = kernel.facts
    if kernel.launchers:
        return Role.KERNEL
    if kernel.has_unknown_decorator and facts.returns_value and not touches_memory:
        return Role.POINTWISE
    if kernel.callers:
        return Role.DEVICE_FUNCTION
    if facts.autotune is not None or any("heuristics" in text for text in facts.decorators):
        return Role.KERNEL
    if facts.returns_value:
        return Role.UNKNOWN
    stores = "store" in names or any(name.startswith("atomic_") for name in names)
    return Role.KERNEL if stores or "program_id" in names else Role.UNKNOWN


def _scanned(
    kernel: _Kernel, kernels: Mapping[FunctionAt, _Kernel], graph: CallGraph, usages: Usages
) -> ScannedKernel:
    here = kernel.facts
    cell, offset = cell_at(graph.file(kernel.at).cells, here.start_line)
    role = _role(kernel)
    launched_by = _launched_by(kernel, graph)
    if role is Role.POINTWISE:
        kernel.launchers.update(graph.place(caller) for caller in launched_by)
    return ScannedKernel(
        path=kernel.at.path,
        cell=cell,
        qualname=kernel.function.qualname,
        name=kernel.function.qualname.rpartition(".")[2],
        ordinal=1,
        dialect=_dialect(kernel),
        form=kernel.form,
        role=role,
        start_line=here.start_line - offset,
        def_line=here.def_line - offset,
        end_line=here.end_line - offset,
        docstring=here.docstring,
        params=kernel.params,
        autotune=here.autotune,
        heuristics=here.heuristics,
        decorators=here.decorators,
        tl_calls=tuple(
            sorted({_short(u.name) for u in kernel.uses if u.is_call and _is_language(u.name)})
        ),
        launchers=tuple(sorted(kernel.launchers)),
        usage=usages.usage(kernel.at, role, launched_by),
        passes=tuple(graph.passes_above(launched_by)),
        calls=tuple(sorted(f"{f.path}::{kernels[f].function.qualname}" for f in kernel.calls)),
        uses=tuple(kernel.uses),
        needs=tuple(kernel.needs),
        source=here.source,
    )


def _dialect(kernel: _Kernel) -> Dialect:
    return kernel.jit.dialect


def _place(kernel: ScannedKernel) -> tuple[str, int, int]:
    return kernel.path, -1 if kernel.cell is None else kernel.cell, kernel.start_line


def _numbered(
    kernels: Iterable[tuple[FunctionAt, ScannedKernel]],
) -> Iterator[tuple[FunctionAt, ScannedKernel]]:
    seen: Counter[tuple[str, int | None, str]] = Counter()
    for at, kernel in kernels:
        key = (kernel.path, kernel.cell, kernel.qualname)
        seen[key] += 1
        yield at, kernel if seen[key] == 1 else replace(kernel, ordinal=seen[key])


def _is_language(name: str) -> bool:
    return name.startswith(tuple(root + "." for root in LANGUAGE_ROOTS))


def _short(name: str) -> str:
    for root, alias in _SHORT.items():
        if name.startswith(root + "."):
            return alias + name[len(root) :]
    return name
