"""Anyone's function in place of a verified one: `FILE.py:FUNCTION`, held to the same spec."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from verified_kernels.records import CandidateError
from verified_kernels.spec import Spec

_MODULE = "candidate"
# Parameters that say how, not what.
_HOW = ("method",)


def candidate_spec(spec: Spec, told: str) -> Spec:
    """The spec with the function that `told` names as its op.

    Raises:
        CandidateError: the file cannot be imported, or has no such function.
    """
    path, _, name = told.rpartition(":")
    function = _load(Path(path), name)
    return dataclasses.replace(spec, op=_called_as(function, spec))


def _asked_for(
    function: Callable[..., Any], spec: Spec, settings: dict[str, Any]
) -> dict[str, Any]:
    """The settings that a candidate has to be told.

    One that has no such parameter need not hear that it is the usual value, nor by which method: a
    softmax of rows is right for rows, and wrong only where another dimension is asked for.
    """
    try:
        own = inspect.signature(function).parameters
        usual = inspect.signature(spec.op).parameters
    except (TypeError, ValueError):
        return settings
    if any(p.kind is p.VAR_KEYWORD for p in own.values()):
        return settings

    def is_usual(name: str, value: Any) -> bool:
        known = usual.get(name)
        return name in _HOW or (known is not None and known.default == value)

    return {n: v for n, v in settings.items() if n in own or not is_usual(n, v)}


def _load(path: Path, name: str) -> Callable[..., Any]:
    description = importlib.util.spec_from_file_location(_MODULE, path)
    if description is None or description.loader is None:
        raise CandidateError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(description)
    # Triton and dataclasses look a function's module up by its name.
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        description.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise CandidateError(f"{path}{_line_of(error, path)}: {_one_line(error)}") from error
    function = getattr(module, name, None)
    if function is None:
        raise CandidateError(f"{path}: has no function {name}")
    if not callable(function):
        raise CandidateError(f"{path}: {name} is a {type(function).__name__}, not a function")
    return function


def _line_of(error: BaseException, path: Path) -> str:
    """`:LINE` of the file where the error arose, as far as that is known."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename).name == path.name]
    return f":{lines[-1]}" if lines else ""


def _one_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}".splitlines()[0][:300]


def _called_as(function: Callable[..., Any], spec: Spec) -> Callable[..., Any]:
    """The function, called by the spec's names where it has them, else by position."""

    def call(**arguments: Any) -> Any:
        try:
            names = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return function(**arguments)
        settings = {n: v for n, v in arguments.items() if not hasattr(v, "data_ptr")}
        settings = _asked_for(function, spec, settings)
        tensors = {n: v for n, v in arguments.items() if hasattr(v, "data_ptr")}
        if tensors.keys() | settings.keys() <= names.keys():
            return function(**tensors, **settings)
        # A learner's first parameter may be called otherwise; settings go by name all the same.
        return function(*tensors.values(), **settings)

    call.__name__ = spec.name
    return call


def in_words(arguments: dict[str, Any]) -> str:
    """What a function was called with: shapes, strides where they are unusual, settings."""
    parts = []
    for name, value in arguments.items():
        if not hasattr(value, "data_ptr"):
            parts.append(f"{name}={value!r}")
            continue
        part = f"{name} {list(value.shape)}"
        if not value.is_contiguous():
            part += f" with strides {list(value.stride())}"
        parts.append(part)
    return ", ".join(parts)
