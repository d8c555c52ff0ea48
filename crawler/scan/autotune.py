"""Autotune and heuristics decorators -> configs, counted and read without building them."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crawler.models import Autotune, AutotuneConfig
from crawler.scan.facts import Function, Import
from crawler.scan.scope import Scope
from crawler.scan.static import FAILURES, MAX_BITS, Evaluator, NotStaticError, lookup
from crawler.scan.written import well_formed, written

MAX_CONFIGS = 64
MAX_TEXT = 80
MAX_KEYS_DEPTH = 6
MAX_HELPERS = 4
_TUNER_WORDS = ("autotune", "tuner")
_OPTIONS = frozenset(
    {
        "num_warps",
        "num_stages",
        "num_ctas",
        "maxnreg",
        "pre_hook",
        "ir_override",
        "num_buffers_warp_spec",
        "num_consumer_groups",
        "reg_dec_producer",
        "reg_inc_consumer",
    }
)
_LIST_BUILDERS = frozenset({"list", "tuple", "sorted", "reversed"})

Literal = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class _Configs:
    """A list of configs: how many, and the first of them."""

    count: int
    first: tuple[AutotuneConfig, ...]


def is_tuner(call: ast.Call) -> bool:
    """Tell whether a decorator call tunes over configs: Triton's autotune or a project's own."""
    name = decorator_name(call.func).rpartition(".")[2].lower()
    return any(word in name for word in _TUNER_WORDS) or any(
        keyword.arg == "configs" for keyword in call.keywords
    )


def tunes(node: ast.expr) -> bool:
    """Tell whether what is called on a function, `autotune(...)`, tunes it or sets parameters."""
    name = decorator_name(node).rpartition(".")[2].lower()
    return name == "heuristics" or any(word in name for word in _TUNER_WORDS)


def read_autotune(call: ast.Call, scope: Scope) -> Autotune:
    """Return what an autotune decorator says; `scope` is where the kernel is defined."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    # `Autotuner(kernel, names, configs, key)` makes an object of what the decorator applies.
    args = call.args[2:] if is_tuning_object(call) else call.args
    configs_node = keywords.get("configs") or (args[0] if args else None)
    key_node = keywords.get("key") or (args[1] if len(args) > 1 else None)
    reader = _Reader(Evaluator())
    try:
        if configs_node is None:
            raise NotStaticError
        configs = reader.configs(configs_node, scope, {})
    except (NotStaticError, *FAILURES):
        return Autotune(n_configs=None, key=_strings(key_node, scope))
    return Autotune(n_configs=configs.count, key=_strings(key_node, scope), configs=configs.first)


def read_heuristics(call: ast.Call, scope: Scope) -> tuple[str, ...]:
    """Return the names of the parameters that a heuristics decorator sets, as far as they show."""
    args = call.args[2:] if is_tuning_object(call) else call.args
    node = next((k.value for k in call.keywords if k.arg == "values"), args[0] if args else None)
    return tuple(dict.fromkeys(well_formed(key) for key in _keys(node, scope, 0)))


def _keys(node: ast.expr | None, scope: Scope, depth: int) -> Iterator[str]:
    """Yield the keys of a table, through names, spreads and functions that only return one."""
    if depth > MAX_KEYS_DEPTH:
        return
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    yield from _keys(value, scope, depth + 1)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value
        case ast.DictComp(
            key=ast.Name(id=key),
            generators=[ast.comprehension(target=ast.Name(id=each), iter=names, ifs=[])],
        ) if key == each:
            yield from _strings(names, scope)
        case ast.BinOp(op=ast.BitOr()):
            yield from _keys(node.left, scope, depth + 1)
            yield from _keys(node.right, scope, depth + 1)
        case ast.Call(func=ast.Name(id="dict")):
            for arg in node.args:
                yield from _keys(arg, scope, depth + 1)
            yield from (k.arg for k in node.keywords if k.arg is not None)
        case ast.Name() | ast.Call(func=ast.Name()):
            name = node.id if isinstance(node, ast.Name) else node.func.id  # type: ignore[attr-defined]
            try:
                bound, owner = lookup(name, scope)
            except NotStaticError:
                return
            if isinstance(node, ast.Name) and isinstance(bound.what, ast.expr):
                yield from _keys(bound.what, owner, depth + 1)
            elif isinstance(node, ast.Call) and isinstance(bound.what, Function):
                function, inner = scope.module.functions[bound.what.index]
                last = function.body[-1] if isinstance(function, ast.FunctionDef) else None
                if isinstance(last, ast.Return):
                    yield from _keys(last.value, inner, depth + 1)


def is_tuning_object(call: ast.Call) -> bool:
    """Tell whether a call makes a tuner or heuristics of a kernel itself, as decorators do."""
    return decorator_name(call.func).rpartition(".")[2] in ("Autotuner", "Heuristics")


def decorator_name(node: ast.expr) -> str:
    """Return the dotted name of a decorator or callee, calls and subscripts peeled off."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            break
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _strings(node: ast.expr | None, scope: Scope) -> tuple[str, ...]:
    if node is None:
        return ()
    try:
        found = Evaluator().value(node, scope, {})
    except NotStaticError:
        return ()
    items = found if isinstance(found, (tuple, list)) else (found,)
    return tuple(well_formed(item) for item in items if isinstance(item, str))


class _Reader:
    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.depth = 0

    def configs(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> _Configs:
        """Return the configs that an expression gives; raises `NotStaticError`."""
        self.evaluator.step()
        match node:
            case ast.List() | ast.Tuple():
                return self.listed(node.elts, scope, env)
            case ast.ListComp() | ast.GeneratorExp():
                return self.comprehension(node, scope, env)
            case ast.BinOp(op=ast.Add()):
                parts = (node.left, node.right)
                return _join([self.configs(part, scope, env) for part in parts])
            case ast.BinOp(op=ast.Mult(), right=ast.Constant(value=int(times))):
                once = self.configs(node.left, scope, env)
                times = max(times, 0)
                first = _join([once] * min(times, MAX_CONFIGS)).first
                return _Configs(once.count * times, first)
            case ast.IfExp():
                chosen = node.body if self.evaluator.value(node.test, scope, env) else node.orelse
                return self.configs(chosen, scope, env)
            case ast.Name():
                return self.named(node, scope)
            case ast.Call(func=ast.Name(id=name), args=[inner]) if name in _LIST_BUILDERS:
                return self.configs(inner, scope, env)
            case ast.Call(func=ast.Name(id="map"), args=[_, inner]):
                return _Configs(self.evaluator.length(inner, scope, env), ())
            case ast.Call(func=ast.Name()):
                return self.returned(node, scope, env)
        raise NotStaticError

    def returned(self, node: ast.Call, scope: Scope, env: Mapping[str, Any]) -> _Configs:
        """Return the configs of a call to a function of this file that only returns them."""
        assert isinstance(node.func, ast.Name)
        bound, _ = lookup(node.func.id, scope)
        if not isinstance(bound.what, Function) or self.depth > 8:
            raise NotStaticError
        function, inner = scope.module.functions[bound.what.index]
        if not isinstance(function, ast.FunctionDef):
            raise NotStaticError
        body = [s for s in function.body if not _is_docstring(s)]
        last = body[-1] if body else None
        plain = all(isinstance(s, (ast.Assign, ast.AnnAssign)) for s in body[:-1])
        if not isinstance(last, ast.Return) or last.value is None or not plain:
            raise NotStaticError
        self.depth += 1
        found = self.configs(last.value, inner, self.arguments(node, function.args, scope, env))
        self.depth -= 1
        return found

    def arguments(
        self, node: ast.Call, parameters: ast.arguments, scope: Scope, env: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what the parameters of a called function hold, as far as it is static."""
        if any(isinstance(arg, ast.Starred) for arg in node.args):
            raise NotStaticError
        names = [argument.arg for argument in (*parameters.posonlyargs, *parameters.args)]
        given = dict(
            zip(names[len(names) - len(parameters.defaults) :], parameters.defaults, strict=True)
        )
        given.update(zip(names, node.args, strict=False))
        given.update((k.arg, k.value) for k in node.keywords if k.arg is not None)
        values: dict[str, Any] = {}
        for name, expression in given.items():
            try:
                values[name] = self.evaluator.value(expression, scope, env)
            except NotStaticError:
                continue
        return values

    def listed(
        self, elements: Sequence[ast.expr], scope: Scope, env: Mapping[str, Any]
    ) -> _Configs:
        parts = []
        for element in elements:
            if isinstance(element, ast.Starred):
                parts.append(self.configs(element.value, scope, env))
            else:
                parts.append(_Configs(1, (self.config(element, scope, env),)))
        return _join(parts)

    def comprehension(
        self, node: ast.ListComp | ast.GeneratorExp, scope: Scope, env: Mapping[str, Any]
    ) -> _Configs:
        rounds = self.evaluator.combinations(node.generators, scope, env)
        first = [
            self.config(node.elt, scope, inner) for inner in itertools.islice(rounds, MAX_CONFIGS)
        ]
        if len(first) < MAX_CONFIGS:
            return _Configs(len(first), tuple(first))
        return _Configs(self.count(node.generators, scope, env), tuple(first))

    def count(
        self, generators: Sequence[ast.comprehension], scope: Scope, env: Mapping[str, Any]
    ) -> int:
        """Return the rounds of a comprehension: a product where nothing filters or depends."""
        try:
            if not any(generator.ifs for generator in generators):
                lengths = [self.evaluator.length(g.iter, scope, env) for g in generators]
                total = 1
                for length in lengths:
                    total *= length
                return total
        except NotStaticError:
            pass
        return sum(1 for _ in self.evaluator.combinations(generators, scope, env))

    def named(self, node: ast.Name, scope: Scope) -> _Configs:
        bound, owner = lookup(node.id, scope)
        self.depth += 1
        if not isinstance(bound.what, ast.expr) or self.depth > 8 or node.id in owner.changed:
            raise NotStaticError
        found = self.configs(bound.what, owner, {})
        self.depth -= 1
        return found

    def config(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> AutotuneConfig:
        """Return one config; what is not a literal is kept as source text."""
        if not isinstance(node, ast.Call):
            return AutotuneConfig()
        if not self.makes_config(node, scope):
            return self.helped(node, scope, env)
        kwargs: list[tuple[str, Literal]] = []
        options: list[tuple[str, Literal]] = []
        first = next((k.value for k in node.keywords if k.arg == "kwargs"), None)
        first = first or (node.args[0] if node.args else None)
        if isinstance(first, ast.Dict):
            for key, value in zip(first.keys, first.values, strict=True):
                if isinstance(key, ast.Constant):
                    name = well_formed(str(key.value)[:MAX_TEXT])
                    kwargs.append((name, self.literal(value, scope, env)))
        for name, value in zip(("num_warps", "num_stages"), node.args[1:], strict=False):
            options.append((name, self.literal(value, scope, env)))
        options.extend(
            (keyword.arg, self.literal(keyword.value, scope, env))
            for keyword in node.keywords
            if keyword.arg in _OPTIONS
        )
        return AutotuneConfig(kwargs=tuple(kwargs), options=tuple(options))

    def makes_config(self, node: ast.Call, scope: Scope) -> bool:
        """Tell whether a call is of `triton.Config`, whose arguments it knows by place."""
        name = decorator_name(node.func).rpartition(".")[2]
        if name.endswith("Config"):
            return True
        try:
            what = lookup(name, scope)[0].what
        except NotStaticError:
            return False
        return isinstance(what, Import) and what.name == "Config"

    def helped(self, node: ast.Call, scope: Scope, env: Mapping[str, Any]) -> AutotuneConfig:
        """Return the config that a function of this file makes; another's arguments say nothing."""
        try:
            what = lookup(node.func.id, scope)[0].what if isinstance(node.func, ast.Name) else None
            if isinstance(what, Function):
                function, inner = scope.module.functions[what.index]
            else:
                function, inner = what, scope  # type: ignore[assignment]
            made: ast.expr | None = None
            if isinstance(function, ast.Lambda):
                made = function.body
            elif isinstance(function, ast.FunctionDef):
                body = [s for s in function.body if not _is_docstring(s)]
                made = body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
            if made is None or self.depth > MAX_HELPERS:
                return AutotuneConfig()
            arguments = self.arguments(node, function.args, scope, env)  # type: ignore[attr-defined]
        except NotStaticError:
            return AutotuneConfig()
        self.depth += 1
        found = self.config(made, inner, arguments)
        self.depth -= 1
        return found

    def literal(self, node: ast.expr, scope: Scope, env: Mapping[str, Any]) -> Literal:
        try:
            value = self.evaluator.value(node, scope, env)
        except NotStaticError:
            return written(node, MAX_TEXT)
        if isinstance(value, str):
            return well_formed(value[:MAX_TEXT])
        is_huge = isinstance(value, int) and value.bit_length() > MAX_BITS
        if is_huge or (isinstance(value, float) and not math.isfinite(value)):
            return written(node, MAX_TEXT)
        return value if isinstance(value, (int, float)) or value is None else str(value)[:MAX_TEXT]


def _join(parts: Sequence[_Configs]) -> _Configs:
    first = tuple(
        itertools.islice(itertools.chain.from_iterable(p.first for p in parts), MAX_CONFIGS)
    )
    return _Configs(sum(part.count for part in parts), first)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
