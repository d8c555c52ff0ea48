"""Looks for arguments that a kernel compiles with, led by where the compiler stops.

Attempts that were guessed come first. From the one that got furthest on, the guesses at what stands
where the compiler stopped are changed one by one; a change that lets it get further stays.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

MAX_TRIALS = 48
SECONDS = 8.0
"""Of this process, for changes; the attempts before them have the whole time of the job."""

_MOST_ORIGINS = 4
# What the compiler says of the code or of this release, whatever the arguments are.
_OWN = re.compile(
    r"module 'triton\S*' has no attribute|unexpected keyword argument|have been removed"
    r"|\*\*meta parameters|global variable|^NameError|is not defined\"?'?\)?$"
    r"|^ImportError|^ModuleNotFoundError|^SyntaxError|^IndentationError|unsupported AST node type"
)
_ROUNDS_BEFORE_ALIKE = 2
_ALIKE = ("*i8", "*fp16", "*i32", "*fp32", "*i64", "*fp8e4nv")
_VARIABLE = re.compile(r"variable '?(\w+)'?|'(\w+)' is not")


class Failure:
    """How a trial failed: on one line why, how far it got, what stood there, and with what."""

    def __init__(self, reason: str, error: BaseException | None, attempt: dict[str, Any]) -> None:
        self.reason = reason
        self.attempt = attempt
        self.assumptions: dict[str, Any] = {}
        self.nodes = _nodes(error)
        self.place = [_place(node) for node in self.nodes]
        self.is_own = bool(_OWN.search(reason))


Trial = Callable[[dict[str, Any]], "dict[str, Any] | Failure | None"]
"""Compiles with one attempt; None where exactly that was tried before."""


def search(job: dict[str, Any], trial: Trial) -> dict[str, Any]:
    """Return the answer of the first trial that compiles, else of how it failed.

    That is certain only where every attempt found the same thing missing. Otherwise nothing is
    known but that the guesses were no good.
    """
    failures: list[Failure] = []
    for attempt in job["attempts"]:
        answer = trial(attempt)
        if isinstance(answer, dict):
            return answer
        if answer is not None:
            failures.append(answer)
    if not failures:
        return _failed("no arguments to try", {}, is_certain=False)
    first = failures[0]
    is_certain = first.is_own and {each.reason for each in failures} == {first.reason}
    if not is_certain:
        best = max(failures, key=lambda failure: failure.place)
        answer = _repaired(best, job, trial)
        if answer is not None:
            return answer
    return _failed(first.reason, first.assumptions, is_certain=is_certain)


def _failed(reason: str, assumptions: dict[str, Any], *, is_certain: bool) -> dict[str, Any]:
    return {
        "outcome": "failed",
        "reason": reason,
        "assumptions": assumptions,
        "is_certain": is_certain,
    }


def _repaired(best: Failure, job: dict[str, Any], trial: Trial) -> dict[str, Any] | None:
    until = time.process_time() + SECONDS
    left = MAX_TRIALS
    while True:
        for attempt in _changes(best, job):
            if not left or time.process_time() > until:
                return None
            answer = trial(attempt)
            if isinstance(answer, dict):
                return answer
            if answer is not None:
                left -= 1
                if answer.place > best.place:
                    best = answer
                    break
        else:
            return None


def _changes(failure: Failure, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield attempts with one guess changed of what stands where it stopped, then several alike."""
    choices = job.get("choices", {})
    names = [name for name in _culprits(failure, job) if choices.get(name)]
    for round_ in range(max((len(choices[name]) for name in names), default=0)):
        if round_ == _ROUNDS_BEFORE_ALIKE:
            yield from _changed_alike(failure.attempt, names)
        for name in names:
            if round_ < len(choices[name]):
                yield _changed(failure.attempt, name, *choices[name][round_])


def _changed_alike(attempt: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield attempts in which all pointers of one type are of another."""
    types = attempt["types"]
    for old in dict.fromkeys(types[n] for n in names if types.get(n, "").startswith("*")):
        for new in _ALIKE:
            yield {**attempt, "types": {n: new if t == old else t for n, t in types.items()}}


def _changed(attempt: dict[str, Any], name: str, kind: str, value: Any) -> dict[str, Any]:
    types = {n: t for n, t in attempt["types"].items() if n != name}
    constants = {n: v for n, v in attempt["constants"].items() if n != name}
    if kind == "type":
        types[name] = value
    else:
        constants[name] = value
    return {**attempt, "types": types, "constants": constants}


def _culprits(failure: Failure, job: dict[str, Any]) -> list[str]:
    """Return the kernel's parameters behind what stands where the compiler stopped."""
    functions = job.get("functions", {})
    calls = failure.nodes[:-1]
    told = [name for pair in _VARIABLE.findall(failure.reason) for name in pair if name]
    names = told + _names_in(failure.nodes[-1]) if failure.nodes else []
    for depth in range(len(calls), -1, -1):
        name = job["kernel"] if depth == 0 else _called(calls[depth - 1])
        function = functions.get(name)
        if function is None:
            params = [n for n in names if n in job.get("choices", {})]
        else:
            origins = function["origins"]
            params = list(
                dict.fromkeys(
                    param for each in names for param in origins.get(each, ())[:_MOST_ORIGINS]
                )
            )
        if depth == 0:
            return params
        names = _handed(calls[depth - 1], params, function)
    return []


def _handed(call: ast.AST, params: list[str], function: dict[str, Any] | None) -> list[str]:
    """Return the names in the arguments that a call hands to parameters; of all, if unknown."""
    if not isinstance(call, ast.Call):
        return _names_in(call)
    if function is None:
        return [n for argument in call.args for n in _names_in(argument)]
    given = dict(zip(function["params"], call.args, strict=False))
    given.update({k.arg: k.value for k in call.keywords if k.arg})
    return [n for param in params if param in given for n in _names_in(given[param])]


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return function.id if isinstance(function, ast.Name) else ""


def _names_in(node: ast.AST) -> list[str]:
    return list(dict.fromkeys(n.id for n in ast.walk(node) if isinstance(n, ast.Name)))


def _nodes(error: BaseException | None) -> list[ast.AST]:
    """Return what stood where it failed: in the kernel, in what that called, and so on."""
    found = []
    while error is not None:
        node = getattr(error, "node", None)
        if isinstance(node, ast.AST):
            found.append(node)
        error = error.__cause__
    return found


def _place(node: ast.AST) -> tuple[int, int]:
    """Return how far into the function a node is; what fails as a whole fails at its end."""
    line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
    if isinstance(node, (ast.For, ast.While, ast.If)):
        line, column = node.end_lineno or line, node.end_col_offset or column
    return line, column
