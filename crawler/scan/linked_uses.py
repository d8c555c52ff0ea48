"""The uses of a kernel, followed through its snapshot: names of Triton's, functions, constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crawler.models import ONE_OF, ApiUse, Dialect, UseKind
from crawler.scan.evaluate import Constant, Evaluator, FunctionAt, Jit
from crawler.scan.facts import Attribute, Choice, Global, Import, Use, Value

MAX_ALTERNATIVES = 8
OWN_TRITON = "/triton/language/"
"""Where a fork keeps its copy of Triton's language."""

_JIT = {Dialect.TRITON: "triton.jit", Dialect.GLUON: "triton.experimental.gluon.jit"}
_CONSTEXPR_FUNCTION = "constexpr_function"


@dataclass(slots=True)
class LinkedUses:
    """What a kernel uses: Triton's names, what else ties it to releases, functions it names."""

    uses: dict[ApiUse, None] = field(default_factory=dict)
    needs: dict[ApiUse, None] = field(default_factory=dict)
    functions: dict[FunctionAt, None] = field(default_factory=dict)


def link_uses(evaluator: Evaluator, path: str, uses: Sequence[Use]) -> LinkedUses:
    """Return what the uses of a kernel of the file at `path` mean."""
    linked = LinkedUses()
    for use in uses:
        if use.kind in (UseKind.ANNOTATED_POINTER, UseKind.OPEN_PARAMETERS):
            linked.needs[_api_use(use, use.path[0], ())] = None
            continue
        value = chain(use.root, use.path)
        functions = evaluator.functions(path, value)
        names = evaluator.outside_names(path, value)
        if use.kind is UseKind.HEADER:
            names += _jits(evaluator, path, value)
        if use.kind is UseKind.NAME:
            linked.functions.update(dict.fromkeys(functions))
            linked.needs.update(dict.fromkeys(_compiled_calls(evaluator, use, functions)))
        own = any(OWN_TRITON not in f"/{function.path}" for function in functions)
        guards = (*use.guards, *_alternatives(names, has_own=own))
        into = linked.uses if use.kind is UseKind.NAME else linked.needs
        for name in names:
            if name.startswith("triton."):
                into[_api_use(use, name, guards)] = None
        constant = _constant(evaluator, path, use)
        if constant is not None:
            linked.needs[constant] = None
    return linked


def chain(root: Value, path: tuple[str, ...]) -> Value:
    """Return the value of a dotted name: its root, and the names after it."""
    for name in path:
        root = Attribute(root, name)
    return root


def _jits(evaluator: Evaluator, path: str, value: Value) -> list[str]:
    """Return the public names of Triton's own jit functions that a value may be."""
    found = (m for m in evaluator.meanings(path, value) if isinstance(m, Jit) and not m.is_wrapper)
    return sorted({_JIT[jit.dialect] for jit in found})


def _api_use(use: Use, name: str, guards: tuple[str, ...]) -> ApiUse:
    return ApiUse(
        name=name,
        keywords=use.keywords,
        is_call=use.is_call,
        guards=guards,
        kind=use.kind,
        args=use.args,
        unpacked=use.unpacked,
        places=use.places,
    )


def _compiled_calls(
    evaluator: Evaluator, use: Use, functions: Sequence[FunctionAt]
) -> Iterator[ApiUse]:
    """Yield what made the functions named ones that Triton runs while it compiles."""
    for function in functions:
        facts = evaluator.files[function.path].functions[function.index]
        for decorator in facts.decorators:
            for name in evaluator.outside_names(function.path, decorator):
                if name.startswith("triton.") and name.endswith(f".{_CONSTEXPR_FUNCTION}"):
                    yield ApiUse(
                        name=name,
                        is_call=False,
                        guards=use.guards,
                        kind=UseKind.HEADER,
                        places=use.places,
                    )


def _constant(evaluator: Evaluator, path: str, use: Use) -> ApiUse | None:
    """Return the need of a kernel that reads a plain constant of a module."""
    if use.path or use.is_call or use.kind is not UseKind.NAME:
        return None
    meanings = [m for m in evaluator.meanings(path, use.root) if isinstance(m, Constant)]
    if not meanings or len(meanings) < len(evaluator.meanings(path, use.root)):
        return None
    # The annotation counts in the module that the kernel is in.
    is_here = isinstance(use.root, (Global, Choice))
    is_constexpr = all(meaning.is_constexpr for meaning in meanings)
    return ApiUse(
        name=_name_of(use.root),
        is_call=False,
        guards=use.guards,
        kind=UseKind.ANNOTATED_GLOBAL if is_here and is_constexpr else UseKind.PLAIN_GLOBAL,
        places=use.places,
    )


def _name_of(root: Value) -> str:
    match root:
        case Global(name=name):
            return name
        case Import(module=module, name=name):
            return name or module
        case Choice(options=options):
            return _name_of(options[0])
    return "constant"


def _alternatives(names: Sequence[str], *, has_own: bool) -> Iterator[str]:
    """Yield the guard of a use that may mean any of several names, or a function of the project.

    That function's own needs are the kernel's too; here it only tells that no name is a must.
    """
    every = [*names, *(["own"] if has_own else [])]
    if 1 < len(every) <= MAX_ALTERNATIVES:
        yield f"{ONE_OF}{', '.join(every)}"
