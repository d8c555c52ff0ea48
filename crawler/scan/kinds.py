"""Kinds of parameters across a snapshot: what a kernel's own file cannot tell, its calls may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crawler.models import Dialect, Param, ParamKind
from crawler.scan.evaluate import Evaluator, FunctionAt
from crawler.scan.facts import Attribute, KernelFacts, Pass, Value

MAX_ROUNDS = 32
"""Functions that hand a parameter on to one another; real chains are three or four long."""

_CONSTEXPR = ("triton.language.constexpr", "triton.language.core.constexpr")
_TENSORS = frozenset({"torch.Tensor", "torch.FloatTensor", "torch.nn.Parameter"})
_FLOWS_BACK = (ParamKind.POINTER, ParamKind.DESCRIPTOR)
_NUMBERS = (ParamKind.SCALAR, ParamKind.CONSTEXPR)
_STRIDE = "stride"


@dataclass(frozen=True, slots=True)
class Launched:
    """A jit function to be told of: its facts, its dialect, and whether it is launched."""

    facts: KernelFacts
    dialect: Dialect
    is_kernel: bool


class Kinds:
    """The kinds of the parameters of all jit functions of a snapshot."""

    def __init__(self, evaluator: Evaluator, kernels: Mapping[FunctionAt, Launched]) -> None:
        """Take the jit functions; kinds are settled at once."""
        self._evaluator = evaluator
        self._kernels = kernels
        self._kinds = {at: self._of_file(at, one) for at, one in kernels.items()}
        self._numbers = {at: set(one.facts.numbers) for at, one in kernels.items()}
        self._passes = {at: list(self._resolved(at, one)) for at, one in kernels.items()}
        for _ in range(MAX_ROUNDS):
            changed = [self._take_back(at) for at in kernels]
            if not any(changed):
                break

    def params(self, at: FunctionAt) -> tuple[Param, ...]:
        """Return the parameters of a jit function with their kinds."""
        kinds, one = self._kinds[at], self._kernels[at]
        return tuple(
            Param(
                name=param.name,
                kind=self._final(at, param, kinds[param.name])
                if one.is_kernel
                else kinds[param.name],
                default=param.default,
            )
            for param in one.facts.params
        )

    def _final(self, at: FunctionAt, param: Param, kind: ParamKind) -> ParamKind:
        """Return the kind of a launched kernel's parameter: what it computes with is a scalar."""
        autotune = self._kernels[at].facts.autotune
        is_number = (
            param.name in self._numbers[at]
            or _STRIDE in param.name.lower()
            # What configurations are chosen by is a value; tensors count by their type anyway.
            or (autotune is not None and param.name in autotune.key)
        )
        return ParamKind.SCALAR if kind is ParamKind.UNKNOWN and is_number else kind

    def _of_file(self, at: FunctionAt, one: Launched) -> dict[str, ParamKind]:
        kinds = {param.name: param.kind for param in one.facts.params}
        for name in one.facts.methods_of:
            # In Gluon what has these methods is memory that a kernel made, not what it is given.
            if one.dialect is Dialect.TRITON:
                kinds[name] = ParamKind.DESCRIPTOR
        for name, annotation in one.facts.annotations:
            names = set(self._evaluator.outside_names(at.path, annotation))
            if names & set(_CONSTEXPR):
                kinds[name] = ParamKind.CONSTEXPR
            elif names & _TENSORS and one.is_kernel and kinds[name] is ParamKind.UNKNOWN:
                kinds[name] = ParamKind.POINTER
        return kinds

    def _resolved(self, at: FunctionAt, one: Launched) -> Iterator[tuple[Pass, FunctionAt, str]]:
        """Yield what a function hands on, with the function and its parameter that get it."""
        targets: dict[tuple[Value, tuple[str, ...]], list[FunctionAt]] = {}
        for given in one.facts.passes:
            key = (given.root, given.path)
            if key not in targets:
                found = self._evaluator.functions(at.path, _chain(*key))
                targets[key] = [function for function in found if function in self._kernels]
            for function in targets[key]:
                name = _param_at(self._kernels[function].facts.params, given.place)
                if name is not None:
                    yield given, function, name

    def _take_back(self, at: FunctionAt) -> bool:
        kinds, numbers = self._kinds[at], self._numbers[at]
        told: dict[str, ParamKind] = {}
        for given, function, name in self._passes[at]:
            if kinds.get(given.param) is not ParamKind.UNKNOWN:
                continue
            kind = self._kinds[function][name]
            if given.address is not None:
                if (given.address, name) in self._kernels[function].facts.given_back:
                    told[given.param] = ParamKind.POINTER
            elif kind in _FLOWS_BACK:
                told.setdefault(given.param, kind)
            elif kind in _NUMBERS or name in self._numbers[function]:
                told.setdefault(given.param, ParamKind.SCALAR)
        new = {name for name, kind in told.items() if kind is ParamKind.SCALAR} - numbers
        numbers |= new
        kinds.update((n, kind) for n, kind in told.items() if kind in _FLOWS_BACK)
        return bool(new) or any(kind in _FLOWS_BACK for kind in told.values())


def _param_at(params: Iterable[Param], place: int | str) -> str | None:
    for index, param in enumerate(params):
        if place in (index, param.name):
            return param.name
    return None


def _chain(root: Value, path: tuple[str, ...]) -> Value:
    for name in path:
        root = Attribute(root, name)
    return root
