"""Holding what a learner wrote to the reference of an exercise, in a process of its own."""

from __future__ import annotations

import ast
from pathlib import Path

from index.errors import LearnError
from index.learning.plan import Exercise
from index.learning.verdict import Verdict, judge


def functions_of(exercise: Exercise, told: str) -> tuple[tuple[str, str], ...]:
    """Return what of a file is checked: the function of the exercise and FILE.py:FUNCTION, each.

    `told` is FILE.py, of which every function is checked that is called like one of the exercise,
    or FILE.py:FUNCTION, which may have a name of its own where the exercise has one function. The
    file is parsed, not imported.

    Raises:
        LearnError: Nothing in the file can be held to the exercise.
    """
    if not exercise.functions:
        raise LearnError(f"exercise {exercise.id} is not checked: {exercise.unchecked}")
    file, _, function = (told, "", "") if told.endswith(".py") else told.rpartition(":")
    if not file:
        raise LearnError(f"{told}: name a file FILE.py, or a function in it as FILE.py:FUNCTION")
    names = _names_in(Path(file))
    wanted = ", ".join(exercise.functions)
    if function:
        if function in exercise.functions:
            return ((function, f"{file}:{function}"),)
        if len(exercise.functions) == 1:
            return ((exercise.functions[0], f"{file}:{function}"),)
        raise LearnError(
            f"{told}: exercise {exercise.id} has several functions; call yours like the one that "
            f"it is: {wanted}"
        )
    found = tuple((name, f"{file}:{name}") for name in exercise.functions if name in names)
    if not found:
        raise LearnError(
            f"{file}: has no function of exercise {exercise.id}; it asks for {wanted}, with the "
            "parameters of torch.nn.functional or torch"
        )
    return found


def check(
    exercise: Exercise,
    name: str,
    candidate: str,
    *,
    device: str,
    forward: bool,
    seconds: float,
) -> Verdict:
    """Return what holding FILE.py:FUNCTION to one function of an exercise finds.

    Gradients are left out where the exercise has none, and with `forward`.

    Raises:
        LearnError: PyTorch and Triton are missing, or the file cannot be used.
    """
    from verified_kernels.verify import VerifyError, check_candidate

    try:
        found = check_candidate(
            name,
            candidate,
            device=device,
            forward=forward or not exercise.backward,
            seeds=1,
            seconds=seconds,
        )
    except VerifyError as error:
        raise LearnError(str(error).removeprefix("--candidate ")) from error
    return judge(name, found.records)


def _names_in(path: Path) -> frozenset[str]:
    """Return the names that a file binds at its top."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except OSError as error:
        raise LearnError(f"{path}: {error.strerror}; name the file with your function") from error
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise LearnError(f"{path}{f':{line}' if line else ''}: is no Python: {error}") from error
    return frozenset(_bound(tree))


def _bound(tree: ast.Module) -> list[str]:
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [one.id for one in node.targets if isinstance(one, ast.Name)]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [alias.asname or alias.name for alias in node.names]
    return found
