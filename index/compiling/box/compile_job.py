"""Compiles one kernel for one target, with Triton of any release from 3.0 on."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import code_facts
import search
import triton
import triton.backends
import triton.compiler
from triton.backends.compiler import GPUTarget

_OPTIONS = (
    "num_warps",
    "num_stages",
    "num_ctas",
    "maxnreg",
    "waves_per_eu",
    "matrix_instr_nonkdim",
)
_DTYPES = {"dtype": lambda name: getattr(triton.language, name)}


class _NotTakenError(Exception):
    """The guessed arguments cannot be put to this kernel."""


def backends_folder() -> str:
    """Return the folder whose programs, the assemblers, compiling starts."""
    return os.path.join(os.path.dirname(triton.__file__), "backends")


def prepare() -> str:
    """Load all that compiling needs, before the box closes, and return Triton's release."""
    importlib.import_module("triton.compiler.code_generator")
    for vendor in ("nvidia", "amd"):
        _import(f"triton.backends.{vendor}.compiler")
    for extra in ("cuda", "hip", "cuda.libdevice", "libdevice"):
        _import(f"triton.language.extra.{extra}")
    _import("triton.experimental.gluon._runtime")
    # The key of a cache that lives for one compile: reading all of Triton for it takes a second.
    for name in ("triton.compiler.compiler", "triton.runtime.cache"):
        if hasattr(module := _import(name), "triton_key"):
            module.triton_key = lambda: "one"
    _leave_out_linking()
    _start_without_shell()
    _keep_tuning()
    return str(triton.__version__)


def compile_job(job: dict[str, Any], scratch: str) -> dict[str, Any]:
    """Return how compiling a job's kernel ended, and the attempt that compiled.

    Each attempt has types of arguments and values of constants. A module that cannot be loaded
    fails whatever the arguments are.
    """
    path = os.path.join(scratch, "kernel.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(job["source"])
    try:
        kernel = _load(path, job["source"], job["kernel"])
    except Exception as error:
        return {"outcome": "failed", "reason": told(error), "assumptions": {}}
    seen: list[Any] = []

    def trial(attempt: dict[str, Any]) -> dict[str, Any] | search.Failure | None:
        launch = _launch(kernel, attempt)
        shown = _shown(launch)
        if shown in seen:
            return None
        seen.append(shown)
        return _tried(kernel, launch, attempt, job)

    answer: dict[str, Any] = search.search(job, trial)
    return answer


def _tried(
    kernel: Any, launch: _Launch, attempt: dict[str, Any], job: dict[str, Any]
) -> dict[str, Any] | search.Failure:
    """Return the answer of a compile with these arguments, or how that failed."""
    try:
        facts = _compile(kernel, launch, job)
    except Exception as error:
        failure = search.Failure(told(error), error, attempt)
    else:
        shown = _shown(launch)
        if not (wrong := _misfit(facts, job)):
            answer = {"outcome": "compiled", "reason": None, "assumptions": shown}
            return {**answer, "attempt": attempt, "facts": facts}
        failure = search.Failure(wrong, None, attempt)
    failure.assumptions = _shown(launch)
    return failure


def told(error: BaseException) -> str:
    """Return an error on one line: the compiler's own words, without the code around them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    if getattr(error, "error_message", None) and lines and error.__cause__ is None:
        return _last(error)
    if kind == "CompilationError" and lines:
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if cause is not error:
            return told(cause) if type(cause).__name__ != "CompilationError" else _last(cause)
        return _last(error)
    return f"{kind}: {lines[0] if lines else ''}".rstrip(": ")[:300]


def _last(error: BaseException) -> str:
    message = getattr(error, "error_message", None)
    lines = [line.strip() for line in str(message or error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if message else lines[-1]}"[:300]


def _misfit(facts: dict[str, Any], job: dict[str, Any]) -> str | None:
    most = job["shared_limit"]
    if most and facts["shared_bytes"] is not None and facts["shared_bytes"] > most:
        return f"needs {facts['shared_bytes']} bytes of shared memory, of {most}"
    return None


class _Launch:
    """What a kernel is compiled for: types of its arguments, values of its constants, options."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.constants: dict[str, Any] = {}
        self.options: dict[str, Any] = {}


def _launch(kernel: Any, attempt: dict[str, Any]) -> _Launch:
    launch = _Launch()
    constants = {name: _value(value) for name, value in attempt["constants"].items()}
    configs = getattr(kernel, "_configs", [])
    if configs:
        config = configs[min(attempt.get("config", 0), len(configs) - 1)]
        constants |= config.kwargs
        for name in _OPTIONS:
            if getattr(config, name, None) is not None:
                launch.options[name] = getattr(config, name)
    launch.options |= attempt.get("options", {})
    for name in [n for n in constants if n in _OPTIONS and n not in kernel.arg_names]:
        launch.options[name] = constants.pop(name)
    known = dict.fromkeys(kernel.arg_names, 1024) | constants
    for name, value in getattr(kernel, "_heuristics", {}).items():
        try:
            constants[name] = known[name] = value(known | launch.options)
        except Exception:  # noqa: S112 - what it depends on is guessed too; the guess stands
            continue
    for parameter in kernel.params:
        name = parameter.name
        if name in constants:
            launch.constants[name] = constants[name]
        elif parameter.is_constexpr:
            default = parameter.default
            is_none = default is None or default is parameter._param.empty
            launch.constants[name] = None if is_none else default
        else:
            launch.types[name] = attempt["types"].get(name, "i32")
    return launch


def _value(value: Any) -> Any:
    """Return a constant as it was meant: `{"dtype": "float16"}` stands for a type of Triton."""
    if isinstance(value, dict):
        ((kind, name),) = value.items()
        return _DTYPES[kind](name)
    return value


def _shown(launch: _Launch) -> dict[str, Any]:
    """Return the assumptions as plain values, options among them."""
    values = {
        name: value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in launch.constants.items()
    }
    return launch.types | values | launch.options


def _compile(kernel: Any, launch: _Launch, job: dict[str, Any]) -> dict[str, Any]:
    target = GPUTarget(job["backend"], job["arch"], job["warp_size"])
    options = dict(launch.options)
    if job["backend"] == "hip":
        options.pop("maxnreg", None)
        options.pop("num_ctas", None)
    else:
        options.pop("waves_per_eu", None)
        options.pop("matrix_instr_nonkdim", None)
    source = _source(kernel, launch, job["backend"])
    compiled = triton.compiler.compile(source, target=target, options=options)
    facts: dict[str, Any] = code_facts.facts_of(compiled, job["backend"])
    return facts


def _source(kernel: Any, launch: _Launch, backend: str) -> Any:
    """Return what this release's compiler takes; all pointers and integers are multiples of 16."""
    position = {name: n for n, name in enumerate(kernel.arg_names)}
    aligned = [n for n, t in launch.types.items() if t.startswith("*") or t in ("i32", "i64")]
    release = tuple(int(part) for part in triton.__version__.split(".")[:2])
    of_source = triton.compiler.ASTSource
    if release >= (3, 3):
        if getattr(kernel, "is_gluon", bool)():
            of_source = _import("triton.experimental.gluon._runtime").GluonASTSource
        signature = {n: launch.types.get(n, "constexpr") for n in kernel.arg_names}
        constants = {(position[n],): value for n, value in launch.constants.items()}
        attributes = {(position[n],): [["tt.divisibility", 16]] for n in aligned}
        return of_source(kernel, signature, constants, attributes)
    where = {position[n] for n in aligned}
    if release >= (3, 2):
        descriptor = triton.compiler.compiler.AttrsDescriptor.from_hints(dict.fromkeys(where, 16))
        return of_source(kernel, launch.types, launch.constants, descriptor)
    attributes = triton.compiler.compiler.AttrsDescriptor(where, set())
    # These releases count arguments, constants among them.
    types_ = {position[n]: t for n, t in launch.types.items()}
    indexed = {position[n]: value for n, value in launch.constants.items()}
    return of_source(kernel, types_, indexed, attributes)


def _load(path: str, source: str, name: str) -> Any:
    """Run the module that holds the kernel and return the kernel."""
    module = types.ModuleType("kernel")
    module.__file__ = path
    sys.modules["kernel"] = module
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - this is what the box is for
    kernel = module.__dict__[name]
    if not hasattr(kernel, "arg_names"):
        raise _NotTakenError(f"{name} is no jit function")
    return kernel


def _keep_tuning() -> None:
    """Let autotune and heuristics leave the kernel as it is and note what they were given.

    They would look for a GPU.
    """

    def keep(name: str) -> Callable[..., Any]:
        def decorator(given: Any = None, *rest: Any, **named: Any) -> Callable[[Any], Any]:
            value = given if given is not None else named.get("configs", named.get("values"))

            def note(kernel: Any) -> Any:
                if isinstance(value, dict):
                    setattr(kernel, name, getattr(kernel, name, {}) | value)
                else:
                    setattr(kernel, name, [*getattr(kernel, name, []), *(value or [])])
                return kernel

            return note

        return decorator

    triton.autotune = keep("_configs")
    triton.heuristics = keep("_heuristics")
    for module in ("triton.runtime", "triton.runtime.autotuner"):
        found = _import(module)
        found.autotune, found.heuristics = triton.autotune, triton.heuristics


def _leave_out_linking() -> None:
    """Stop at the assembly for AMD: old wheels have no linker, and no fact needs the rest."""
    found = triton.backends.backends.get("amd")
    if found is not None:
        # Old releases load these files under a name of their own; the class is what is used.
        found.compiler.make_hsaco = staticmethod(lambda src, metadata, options: b"")
        found.compiler.hash = lambda self: "one"


def _start_without_shell() -> None:
    """Let the releases that start the assembler through a shell start it themselves."""
    run = subprocess.run

    def run_alone(command: Any, *, shell: bool = False, **named: Any) -> Any:
        if not shell:
            return run(command, **named)
        words, _, log = command.partition(" 2> ")
        with open(log.strip() or os.devnull, "wb") as file:
            return run(shlex.split(words), stderr=file, **named)

    subprocess.run = run_alone  # type: ignore[assignment]


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
