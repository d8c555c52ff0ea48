"""Expressions and small functions of a project -> their values under one setting, without a run.

What tells releases and devices apart (`HAS_TMA = torch.cuda.get_device_capability()[0] >= 9`) is
worked out from `crawler.extract.setting`; so are lists of configs. Steps, sizes and depth are
bounded; what is not understood is `NotKnownError`, never a guess.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from packaging.version import Version

from crawler.extract.bindings import imported_names, target_names
from crawler.extract.setting import Device, NotKnownError, Opaque, Setting
from crawler.scan.facts import Import
from crawler.scan.static import _BINARY, _COMPARE, _UNARY, MAX_BITS, MAX_ITEMS

MAX_STEPS = 400_000
MAX_DEPTH = 24
CONFIG_NAMES = frozenset(
    {"triton.Config", "triton.runtime.Config", "triton.runtime.autotuner.Config"}
)

_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        "split rsplit startswith endswith lower upper strip lstrip rstrip replace partition "
        "rpartition isdigit removeprefix removesuffix join count find".split()
    ),
    list: frozenset({"append", "extend", "copy", "index", "count", "insert"}),
    dict: frozenset({"get", "items", "keys", "values", "copy", "update"}),
    tuple: frozenset({"index", "count"}),
    int: frozenset({"bit_length"}),
}
_BUILTINS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bool": bool,
    "dict": dict,
    "enumerate": lambda *a: list(enumerate(*a)),
    "float": float,
    "int": int,
    "len": len,
    "list": list,
    "max": max,
    "min": min,
    "pow": lambda a, b: _power(a, b),
    "range": lambda *a: _range(*a),
    "reversed": lambda a: list(reversed(a)),
    "round": round,
    "set": lambda *a: list(dict.fromkeys(*a)),
    "frozenset": lambda *a: tuple(dict.fromkeys(*a)),
    "sorted": sorted,
    "str": lambda a="": a if isinstance(a, str) else str(_plain(a)),
    "sum": sum,
    "tuple": tuple,
    "zip": lambda *a: list(zip(*a, strict=False)),
}
_ITERABLE: Any = (
    *(list, tuple, dict, str, itertools.product),
    *(type({}.items()), type({}.keys()), type({}.values())),
)
_FAILURES = (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """A `triton.Config`: meta-parameters, options, and what of it could not be told."""

    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function of the project, or a lambda, with the file that it stands in."""

    path: str
    node: ast.FunctionDef | ast.Lambda
    env: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A file of the project as a module."""

    path: str


class Names(Protocol):
    """Who knows what the names of the project's modules are."""

    setting: Setting

    def value(self, path: str, name: str) -> Any:
        """Return the value of a module's name; raises NotKnownError."""

    def imported(self, path: str, value: Import) -> Any:
        """Return the value of what an import at `path` means; raises NotKnownError."""


class _Return(Exception):  # noqa: N818 - no error: how a call ends
    def __init__(self, value: Any) -> None:
        self.value = value


class _Raised(Exception):  # noqa: N818 - an exception of the program that is read
    pass


class Known:
    """Works out values; `names` resolves those of modules."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._setting = names.setting
        self._steps = MAX_STEPS
        self._depth = 0

    def value(self, path: str, node: ast.expr, env: Mapping[str, Any] | None = None) -> Any:
        """Return the value of an expression of the file at `path`; raises NotKnownError."""
        self._steps -= 1
        self._depth += 1
        try:
            if self._steps < 0 or self._depth > MAX_DEPTH * 4:
                raise NotKnownError("too long to work out")
            return self._value(path, node, {} if env is None else env)
        except _FAILURES as error:
            raise NotKnownError(ast.unparse(node)[:80]) from error
        finally:
            self._depth -= 1

    def truth(self, path: str, node: ast.expr) -> bool:
        """Return whether a condition holds; `and`, `or` with one side known may be enough."""
        if isinstance(node, ast.BoolOp):
            wants = isinstance(node.op, ast.Or)
            unknown: NotKnownError | None = None
            for operand in node.values:
                try:
                    if self.truth(path, operand) == wants:
                        return wants
                except NotKnownError as error:
                    unknown = error
            if unknown is not None:
                raise unknown
            return not wants
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self.truth(path, node.operand)
        found = self.value(path, node)
        return bool(found) if not isinstance(found, Opaque) else True

    def call(
        self, path: str, function: FunctionValue, args: list[Any], named: dict[str, Any]
    ) -> Any:
        """Return what a call of a function of the project gives; raises NotKnownError."""
        del path
        node, env = function.node, dict(function.env)
        arguments = node.args
        params = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
        if arguments.vararg or arguments.kwarg or len(args) > len(params):
            raise NotKnownError("a call with open arguments")
        defaults = dict(zip(reversed(params), reversed(arguments.defaults), strict=False))
        given = dict(zip(params, args, strict=False)) | named
        only = {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
        for name in [*params, *only]:
            default = defaults.get(name) or only.get(name)
            if name in given:
                env[name] = given[name]
            elif default is not None:
                env[name] = self.value(function.path, default)
            else:
                raise NotKnownError(f"argument {name}")
        if isinstance(node, ast.Lambda):
            return self.value(function.path, node.body, env)
        try:
            self._run(function.path, node.body, env)
        except _Return as done:
            return done.value
        except _Raised:
            raise NotKnownError(f"{node.name} raises") from None
        return None

    def _run(self, path: str, body: list[ast.stmt], env: dict[str, Any]) -> None:
        for statement in body:
            self._steps -= 1
            self._statement(path, statement, env)

    def _statement(self, path: str, node: ast.stmt, env: dict[str, Any]) -> None:
        match node:
            case ast.Return():
                raise _Return(None if node.value is None else self.value(path, node.value, env))
            case ast.If():
                chosen = node.body if self.value(path, node.test, env) else node.orelse
                self._run(path, chosen, env)
            case ast.Assign(targets=[target]):
                _bind(target, self.value(path, node.value, env), env)
            case ast.AnnAssign(value=ast.expr(), target=ast.Name()):
                assert node.value is not None
                _bind(node.target, self.value(path, node.value, env), env)
            case ast.AugAssign(target=ast.Name(id=name)):
                env[name] = self._binary(node.op, env[name], self.value(path, node.value, env))
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert():
                pass
            case ast.Expr():
                self.value(path, node.value, env)
            case ast.For(orelse=[]):
                for item in self._iterable(path, node.iter, env):
                    _bind(node.target, item, env)
                    self._run(path, node.body, env)
            case ast.Import() | ast.ImportFrom():
                for name, value in imported_names(node):
                    env[name] = self._names.imported(path, value)
            case ast.Try():
                try:
                    self._run(path, node.body, env)
                except _Raised:
                    self._run(path, node.handlers[0].body, env)
            case ast.Raise():
                raise _Raised
            case _:
                raise NotKnownError(type(node).__name__.lower())

    def _value(self, path: str, node: ast.expr, env: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name):
                if name in env:
                    return env[name]
                return self._names.value(path, name)
            case ast.Attribute():
                return self._attribute(self.value(path, node.value, env), node.attr)
            case ast.Tuple():
                return tuple(self._elements(path, node.elts, env))
            case ast.List() | ast.Set():
                return list(self._elements(path, node.elts, env))
            case ast.Dict():
                return self._dict(path, node, env)
            case ast.UnaryOp():
                return _UNARY[type(node.op)](_plain(self.value(path, node.operand, env)))
            case ast.BinOp():
                left, right = self.value(path, node.left, env), self.value(path, node.right, env)
                return self._binary(node.op, left, right)
            case ast.BoolOp():
                result: Any = None
                for operand in node.values:
                    result = self.value(path, operand, env)
                    if bool(result) == isinstance(node.op, ast.Or):
                        break
                return result
            case ast.Compare():
                return self._compare(path, node, env)
            case ast.IfExp():
                chosen = node.body if self.value(path, node.test, env) else node.orelse
                return self.value(path, chosen, env)
            case ast.Subscript():
                return self._subscript(path, node, env)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                rounds = self._rounds(path, node.generators, 0, dict(env))
                return [self.value(path, node.elt, each) for each in rounds]
            case ast.DictComp():
                rounds = self._rounds(path, node.generators, 0, dict(env))
                return {
                    self.value(path, node.key, each): self.value(path, node.value, each)
                    for each in rounds
                }
            case ast.Lambda():
                return FunctionValue(path, node, dict(env))
            case ast.JoinedStr():
                return "".join(str(_plain(self.value(path, part, env))) for part in node.values)
            case ast.FormattedValue(format_spec=None):
                return self.value(path, node.value, env)
            case ast.Call():
                return self._call(path, node, env)
        raise NotKnownError(type(node).__name__.lower())

    def _dict(self, path: str, node: ast.Dict, env: Mapping[str, Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            inner = self.value(path, value, env)
            found.update(inner if key is None else {self.value(path, key, env): inner})
        return found

    def _elements(self, path: str, nodes: list[ast.expr], env: Mapping[str, Any]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.value(path, node.value, env)
            else:
                yield self.value(path, node, env)

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        left, right = _plain(left), _plain(right)
        if isinstance(op, (ast.Pow, ast.LShift)):
            return _power(left, right) if isinstance(op, ast.Pow) else left << _small(right)
        sized = [side for side in (left, right) if isinstance(side, (str, list, tuple))]
        if isinstance(op, ast.Mult) and sized:
            raise NotKnownError("a repeated sequence")
        if isinstance(op, ast.Mod) and isinstance(left, str):
            raise NotKnownError("a formatted string")
        if isinstance(left, dict) and isinstance(op, ast.BitOr):
            return left | right
        result = _BINARY[type(op)](left, right)
        if isinstance(result, int) and result.bit_length() > MAX_BITS:
            raise NotKnownError("a very large number")
        if isinstance(result, (str, list, tuple)) and len(result) > MAX_ITEMS:
            raise NotKnownError("a very long sequence")
        return result

    def _compare(self, path: str, node: ast.Compare, env: Mapping[str, Any]) -> bool:
        left = self.value(path, node.left, env)
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self.value(path, other, env)
            is_identity = isinstance(op, (ast.Is, ast.IsNot)) and None in (left, right)
            if not is_identity and isinstance(left, Opaque) != isinstance(right, Opaque):
                raise NotKnownError(ast.unparse(node)[:80])
            if not is_identity and isinstance(left, Version) != isinstance(right, Version):
                raise NotKnownError(ast.unparse(node)[:80])
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _subscript(self, path: str, node: ast.Subscript, env: Mapping[str, Any]) -> Any:
        base = self.value(path, node.value, env)
        if isinstance(node.slice, ast.Slice):
            part = node.slice
            bounds = (part.lower, part.upper, part.step)
            lower, upper, step = (None if b is None else self.value(path, b, env) for b in bounds)
            return base[lower:upper:step]
        if isinstance(base, (Opaque, Device)):
            raise NotKnownError(ast.unparse(node)[:80])
        return base[self.value(path, node.slice, env)]

    def _rounds(
        self, path: str, generators: list[ast.comprehension], at: int, env: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        one = generators[at]
        for item in self._iterable(path, one.iter, env):
            self._steps -= 1
            inner = dict(env)
            _bind(one.target, item, inner)
            if all(self.value(path, test, inner) for test in one.ifs):
                if at + 1 < len(generators):
                    yield from self._rounds(path, generators, at + 1, inner)
                else:
                    yield inner

    def _iterable(self, path: str, node: ast.expr, env: Mapping[str, Any]) -> Iterator[Any]:
        found = self.value(path, node, env)
        if not isinstance(found, _ITERABLE):
            raise NotKnownError(ast.unparse(node)[:80])
        for item in found:
            self._steps -= 1
            if self._steps < 0:
                raise NotKnownError("too long to work out")
            yield item

    def _attribute(self, base: Any, name: str) -> Any:
        if isinstance(base, Opaque):
            return self._setting.value(f"{base.name}.{name}")
        if isinstance(base, ModuleValue):
            return self._names.value(base.path, name)
        if isinstance(base, Device):
            if name in base.fields:
                return base.fields[name]
        elif isinstance(base, Version) and name in ("major", "minor", "micro", "release", "public"):
            return getattr(base, name)
        elif type(base) is tuple and len(base) >= 3 and name in ("major", "minor", "micro"):
            return base[("major", "minor", "micro").index(name)]
        raise NotKnownError(f".{name}")

    def _call(self, path: str, node: ast.Call, env: Mapping[str, Any]) -> Any:
        function = node.func
        if isinstance(function, ast.Name) and function.id not in env:
            special = self._builtin(path, node, function.id, env)
            if special is not None:
                return special[0]
        if isinstance(function, ast.Attribute):
            owner = self.value(path, function.value, env)
            allowed = _METHODS.get(type(owner), frozenset())
            if function.attr in allowed:
                args = list(self._elements(path, node.args, env))
                return getattr(owner, function.attr)(*args)
            callee = self._attribute(owner, function.attr)
        else:
            callee = self.value(path, function, env)
        if isinstance(callee, Opaque) and callee.name in CONFIG_NAMES:
            return self._config(path, node, env)
        args = list(self._elements(path, node.args, env))
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            inner = self.value(path, keyword.value, env)
            named.update(inner if keyword.arg is None else {keyword.arg: inner})
        return self._apply(path, callee, args, named)

    def _apply(self, path: str, callee: Any, args: list[Any], named: dict[str, Any]) -> Any:
        if isinstance(callee, FunctionValue):
            self._depth += 4
            try:
                return self.call(path, callee, args, named)
            finally:
                self._depth -= 4
        if isinstance(callee, Opaque):
            if callee.name == "itertools.product" and not named:
                return itertools.product(*(list(a) for a in args))
            if callee.name == "functools.partial":
                raise NotKnownError("a partial")
            if callee.name == "triton.language.constexpr":
                return args[0]
            return self._setting.call(callee.name, args, named)
        raise NotKnownError("a call")

    def _builtin(
        self, path: str, node: ast.Call, name: str, env: Mapping[str, Any]
    ) -> tuple[Any] | None:
        """Return the value of a call of a builtin in a tuple; None where the name is none."""
        if name not in _BUILTINS and name not in ("hasattr", "getattr", "map", "isinstance"):
            return None
        try:
            self._names.value(path, name)
        except NotKnownError:
            pass
        else:
            return None
        args = list(self._elements(path, node.args, env))
        if name == "map" and isinstance(node.args[0], ast.Name):
            function = _BUILTINS[node.args[0].id]
            return ([function(each) for each in args[1]],)
        if name in ("hasattr", "getattr"):
            return (self._has(name, args),)
        if name == "isinstance":
            raise NotKnownError("isinstance")
        named = {k.arg: self.value(path, k.value, env) for k in node.keywords if k.arg}
        return (_BUILTINS[name](*args, **named),)

    def _has(self, name: str, args: list[Any]) -> Any:
        owner, attribute = args[0], args[1]
        if not isinstance(owner, Opaque):
            raise NotKnownError(f"{name} of something of the project")
        has = self._setting.has(owner.name, attribute)
        if name == "hasattr":
            return has
        if not has:
            return args[2] if len(args) > 2 else self._attribute(Opaque("missing"), attribute)
        return self._setting.value(f"{owner.name}.{attribute}")

    def _config(self, path: str, node: ast.Call, env: Mapping[str, Any]) -> ConfigValue:
        given = {k.arg: k.value for k in node.keywords}
        spread = given.pop(None, None)
        names = ("kwargs", "num_warps", "num_stages", "num_ctas")
        given.update(zip(names, node.args, strict=False))
        kwargs = given.pop("kwargs", None)
        options, dropped = {}, []
        for name, value in given.items():
            try:
                options[str(name)] = self.value(path, value, env)
                if isinstance(options[str(name)], FunctionValue | Opaque):
                    raise NotKnownError(str(name))
            except NotKnownError:
                if name != "pre_hook":
                    raise
                options.pop(str(name), None)
                dropped.append(str(name))
        if spread is not None:
            options.update(self.value(path, spread, env))
        return ConfigValue(
            {} if kwargs is None else dict(self.value(path, kwargs, env)), options, tuple(dropped)
        )


def _bind(target: ast.expr, item: Any, env: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        env[target.id] = item
    elif isinstance(target, (ast.Tuple, ast.List)):
        if any(isinstance(inner, ast.Starred) for inner in target.elts):
            raise NotKnownError("a starred target")
        for inner, value in zip(target.elts, item, strict=True):
            _bind(inner, value, env)
    else:
        raise NotKnownError(", ".join(target_names(target)) or "an assignment")


def _plain(value: Any) -> Any:
    if isinstance(value, (Opaque, FunctionValue, ModuleValue, Device)):
        raise NotKnownError(getattr(value, "name", "a function"))
    return value


def _small(number: Any) -> int:
    if not isinstance(number, int) or not 0 <= number < MAX_BITS:
        raise NotKnownError("a very large number")
    return number


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) >= MAX_BITS or (isinstance(base, int) and abs(base) > 1 << MAX_BITS):
        raise NotKnownError("a very large number")
    return base**exponent


def _range(*args: int) -> list[int]:
    if len(range(*args)) > MAX_ITEMS:
        raise NotKnownError("a very long range")
    return list(range(*args))
