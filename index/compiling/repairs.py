"""What else may be assumed of each parameter, and which parameters a name of the code comes from.

The compiler tells where it stops. What stands there leads back to parameters; for each of those
there is a list of other guesses, the likeliest first. `index.compiling.box.search` tries them one
by one and keeps what lets the compiler get further.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from crawler.models import Param, ParamKind
from index.compiling.body_uses import Uses, functions_of, parameters_of, uses_of

Value = str | int | float | bool | None | dict[str, str]

_POINTERS = ("*fp16", "*i32", "*fp32", "*i64", "*bf16", "*i8", "*i1", "*u8")
_SIZES = (64, 16, 32, 128, 1, 2, 4, 256, 1024, True, False, None)
_DTYPES = ("float32", "float16", "bfloat16", "int32", "int8")
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionNames:
    """The parameters of a function, and for each of its names those that it is made from."""

    params: tuple[str, ...]
    origins: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """By parameter of the kernel the other guesses: (`type` or `constant`, what it is)."""

    choices: Mapping[str, tuple[tuple[str, Value], ...]] = field(default_factory=dict)
    functions: Mapping[str, FunctionNames] = field(default_factory=dict)


def repairs_for(source: str, name: str, params: Sequence[Param], fixed: Sequence[str]) -> Repairs:
    """Return what may be changed of the guesses at kernel `name`; `fixed` is said, not guessed."""
    functions = functions_of(ast.parse(source))
    known: dict[str, Uses] = {}
    for each in functions.values():
        known[each.name] = known.get(each.name) or uses_of(each, functions, known)
    kinds = {param.name: param.kind for param in params}
    choices = {
        parameter: tuple(_choices(parameter, kinds.get(parameter), known[name]))
        for parameter in parameters_of(functions[name])
        if parameter not in fixed
    }
    return Repairs(
        choices=choices,
        functions={each.name: _names(each, known[each.name]) for each in functions.values()},
    )


def _choices(name: str, kind: ParamKind | None, uses: Uses) -> Iterator[tuple[str, Value]]:
    if kind is ParamKind.CONSTEXPR or name in uses.sizes:
        words = [word for word in uses.compared.get(name, ()) if isinstance(word, (str, int))]
        yield from (("constant", word) for word in dict.fromkeys(words[: 2 * _MOST_WORDS]))
        if name in uses.dtypes:
            yield from (("constant", {"dtype": dtype}) for dtype in _DTYPES)
        if name in uses.flags:
            yield from (("constant", value) for value in (True, False, None))
        yield from (("constant", value) for value in _SIZES)
        if name not in uses.dtypes:
            yield from (("constant", {"dtype": dtype}) for dtype in _DTYPES[:2])
    elif kind is ParamKind.POINTER:
        yield from (("type", each) for each in _POINTERS)
        yield "constant", None
    elif kind is ParamKind.DESCRIPTOR:
        rank = len(uses.dims.get(name, [[0, 0]])[0])
        for sizes in product((64, 128, 32, 16), repeat=min(rank, 2)):
            block = ", ".join(map(str, (1,) * (rank - len(sizes)) + sizes))
            yield "type", f"tensordesc<fp16[{block}]>"
    else:
        yield from (("type", each) for each in ("i32", "fp32", "*fp16", "*i32", "*fp32", "i64"))
        yield from (("constant", value) for value in (None, 1))


def _names(function: ast.FunctionDef, uses: Uses) -> FunctionNames:
    params = parameters_of(function)
    names = {*uses.after, *uses.loaded, *params}
    return FunctionNames(
        params=tuple(params),
        origins={name: tuple(_origins(name, uses, params)) for name in sorted(names)},
    )


def _origins(name: str, uses: Uses, params: Sequence[str]) -> Iterator[str]:
    """Yield the parameters that a name is made from, those of what it was loaded by first."""
    due, seen = [name], {name}
    for each in due:
        if each in params:
            yield each
        for further in (*sorted(uses.loaded.get(each, ())), *sorted(uses.after.get(each, ()))):
            if further not in seen:
                seen.add(further)
                due.append(further)
