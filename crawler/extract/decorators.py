"""A project's decorators -> plain `jit`, `autotune` and `heuristics`; what is neither is told."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from crawler.extract.assembly import Assembly, Resolver
from crawler.extract.bindings import Assigned, Defined
from crawler.extract.free_names import free_names
from crawler.extract.known import ConfigValue
from crawler.extract.setting import NotKnownError, Opaque
from crawler.extract.symbols import At, Builtin, Missing, Outside, Symbol
from crawler.extract.text import edited
from crawler.models import Dialect
from crawler.scan.names import AUTOTUNE_NAMES, HEURISTICS_NAMES, JIT_NAMES

CONSTEXPR_FUNCTIONS = frozenset(
    {
        "triton.constexpr_function",
        "triton.language.constexpr_function",
        "triton.runtime.jit.constexpr_function",
        "triton.experimental.gluon.constexpr_function",
        "triton.experimental.gluon.language.constexpr_function",
        # `@tl.constexpr` on a function: a constant that can be called while compiling.
        "triton.language.constexpr",
    }
)
MAX_CONFIGS = 512
_LAMBDA_BUILTINS = frozenset("abs all any bool float int len max min round str sum tuple".split())
_JIT_LITERALS = frozenset(
    "do_not_specialize do_not_specialize_on_alignment noinline debug version".split()
)
_TUNE_LITERALS = frozenset("reset_to_zero restore_value warmup rep use_cuda_graph".split())
_BLOCK = ("BLOCK", "TILE", "CHUNK")


@dataclass(frozen=True, slots=True)
class Decorated:
    """The decorator lines of a function in the file, and whether it is jit at all."""

    lines: tuple[str, ...]
    is_jit: bool
    is_constexpr: bool = False


@dataclass(slots=True)
class DecoratorReader:
    """Reads the decorators of one function; `is_kernel`: it is what was asked for."""

    assembly: Assembly
    path: str
    node: ast.FunctionDef
    resolve: Resolver
    is_kernel: bool
    is_gluon: bool = False

    def read(self) -> Decorated:
        """Return the decorators of the file; what is stripped or changed is noted."""
        lines: list[str] = []
        is_jit = is_constexpr = False
        for decorator in self.node.decorator_list:
            full = self._full(decorator)
            if full in JIT_NAMES:
                is_jit = True
                lines.append(self._jit(decorator, full))
            elif full in CONSTEXPR_FUNCTIONS:
                is_constexpr = True
                lines.append(f"@{self._callee_text(decorator)}")
            elif full in AUTOTUNE_NAMES or self._tunes(decorator, full):
                lines += self._autotune(decorator, full)
            elif full in HEURISTICS_NAMES or self._is_called(decorator, "heuristics"):
                lines += self._heuristics(decorator)
            elif decorator is self.node.decorator_list[-1] and self._wraps_jit(decorator, full):
                is_jit = True
                lines.append(self._plain_jit(decorator))
            else:
                self._strip(decorator)
        if self.is_kernel and not is_jit:
            lines.append(f"@{self._jit_name()}")
            self._note(f"{self.node.name}: made a kernel elsewhere; here by a decorator")
            is_jit = True
        return Decorated(tuple(lines), is_jit, is_constexpr)

    def _full(self, decorator: ast.expr) -> str:
        """Return the name outside the project that a decorator is, "" where it is none."""
        callee = decorator.func if isinstance(decorator, ast.Call) else decorator
        symbol = self.assembly.symbols.unaliased(self._follow(callee))
        if isinstance(symbol, At) and isinstance(symbol.binding, Assigned):
            try:
                value = self.assembly.symbols.value(symbol.path, symbol.name)
            except NotKnownError:
                return ""
            return value.name if isinstance(value, Opaque) else ""
        return symbol.name if isinstance(symbol, Outside) else ""

    def _follow(self, node: ast.expr) -> Symbol:
        if isinstance(node, ast.Name):
            return self.resolve(node.id)
        if isinstance(node, ast.Attribute):
            base = self.assembly.symbols.unaliased(self._follow(node.value))
            return self.assembly.symbols.attribute(base, node.attr)
        return Missing("", "no name")

    def _note(self, text: str) -> None:
        self.assembly.replaced[text] = None

    def _written(self, node: ast.expr) -> str:
        text = " ".join(ast.unparse(node).split())
        return text if len(text) <= 90 else f"{text[:87]}..."

    def _strip(self, decorator: ast.expr) -> None:
        self.assembly.left_out[f"@{self._written(decorator)} of {self.node.name}"] = None

    def _is_called(self, decorator: ast.expr, word: str) -> bool:
        callee = decorator.func if isinstance(decorator, ast.Call) else None
        last = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
        return word in str(last).lower()

    def _tunes(self, decorator: ast.expr, full: str) -> bool:
        if not isinstance(decorator, ast.Call) or full.startswith("triton."):
            return False
        has_configs = any(k.arg == "configs" for k in decorator.keywords)
        return has_configs or self._is_called(decorator, "tune")

    def _wraps_jit(self, decorator: ast.expr, full: str) -> bool:
        """Tell whether a decorator of the project, the innermost, is its own wrapper of jit."""
        callee = decorator.func if isinstance(decorator, ast.Call) else decorator
        symbol = self.assembly.symbols.unaliased(self._follow(callee))
        if isinstance(symbol, At) and isinstance(symbol.binding, Defined):
            names = free_names(symbol.binding.node) if symbol.binding.node else ()
            if any(
                n.nodes[-1].attr == "jit" for n in names if isinstance(n.nodes[-1], ast.Attribute)
            ):
                return True
        return (
            self._is_called(decorator, "jit")
            or (
                isinstance(callee, (ast.Name, ast.Attribute))
                and "jit" in ast.unparse(callee).lower()
            )
            or (self.is_kernel and not full)
        )

    def _jit_name(self) -> str:
        names = self.assembly.names
        if self.is_gluon:
            return f"{names.import_name('triton.experimental.gluon', 'gluon')}.jit"
        return f"{names.language('triton')}.jit"

    def _plain_jit(self, decorator: ast.expr) -> str:
        text = f"@{self._jit_name()}"
        self._note(f"@{self._written(decorator)} of {self.node.name} is {text}")
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        given = self._literals(keywords, _JIT_LITERALS, "triton.jit")
        return f"{text}({', '.join(given)})" if given else text

    def _callee_text(self, decorator: ast.expr) -> str:
        callee = decorator.func if isinstance(decorator, ast.Call) else decorator
        assembly = self.assembly
        file = assembly.file(self.path)
        edits = assembly.edits(
            self.path, free_names(callee), self.resolve, assembly.include_constant
        )
        return edited(file, *file.span(callee), edits)

    def _jit(self, decorator: ast.expr, full: str) -> str:
        symbol = self._follow(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if isinstance(symbol, Outside):
            callee = self._callee_text(decorator)
        else:
            is_gluon = JIT_NAMES[full] is Dialect.GLUON
            self.is_gluon = self.is_gluon or is_gluon
            callee = self._jit_name()
            self._note(f"@{self._written(decorator)} of {self.node.name} is @{callee}")
        if not isinstance(decorator, ast.Call):
            return f"@{callee}"
        given = self._literals(decorator.keywords, _JIT_LITERALS, "triton.jit")
        return f"@{callee}({', '.join(given)})" if given else f"@{callee}"

    def _literals(
        self, keywords: list[ast.keyword], wanted: frozenset[str], full: str
    ) -> Iterator[str] | list[str]:
        """Return `name=value` of the keywords that this release takes and that are known."""
        assembly, found = self.assembly, []
        for keyword in keywords:
            text = None
            if keyword.arg in wanted and assembly.setting.takes(full, keyword.arg):
                try:
                    value = assembly.symbols.known().value(self.path, keyword.value)
                    text = assembly.literal(value)
                except NotKnownError:
                    text = None
            if text is None:
                name = keyword.arg or "**"
                assembly.left_out[f"{full}({name}=...) of {self.node.name}"] = None
            else:
                found.append(f"{keyword.arg}={text}")
        return found

    # Tuning.

    def _autotune(self, decorator: ast.expr, full: str) -> list[str]:
        if not isinstance(decorator, ast.Call) or not self.is_kernel:
            self._strip(decorator)
            return []
        assembly = self.assembly
        keywords = {k.arg: k.value for k in decorator.keywords}
        positional = dict(zip(("configs", "key"), decorator.args, strict=False))
        configs_node = keywords.pop("configs", None) or positional.get("configs")
        key_node = keywords.pop("key", None) or positional.get("key")
        configs = self._configs(configs_node)
        key = self._key(key_node)
        rest = [k for k in decorator.keywords if k.arg not in ("configs", "key")]
        given = self._literals(rest, _TUNE_LITERALS, "triton.autotune")
        lines = "".join(f"        {config},\n" for config in configs)
        name = f"{assembly.names.language('triton')}.autotune"
        if full not in AUTOTUNE_NAMES:
            self._note(f"@{self._written(decorator)} of {self.node.name} is @{name}")
        more = "".join(f"    {each},\n" for each in given)
        return [f"@{name}(\n    configs=[\n{lines}    ],\n    key={key},\n{more})"]

    def _configs(self, node: ast.expr | None) -> list[str]:
        assembly = self.assembly
        try:
            if node is None:
                raise NotKnownError("no configs")
            found = assembly.symbols.known().value(self.path, node)
            if isinstance(found, ConfigValue) or not isinstance(found, (list, tuple)) or not found:
                raise NotKnownError("no list of configs")
            if not all(isinstance(each, ConfigValue) for each in found):
                raise NotKnownError("no list of configs")
            texts = list(dict.fromkeys(assembly.config(each) for each in found))
        except NotKnownError as error:
            default = self._default_config(node)
            why = f"the configs are known only to a run ({error})"
            self._note(f"autotune of {self.node.name}: one default config, {default}; {why}")
            return [default]
        if not isinstance(node, (ast.List, ast.Tuple)):
            written = self._written(node) if node is not None else ""
            self._note(f"autotune of {self.node.name}: {len(texts)} configs were {written}")
        if len(texts) > MAX_CONFIGS:
            self._note(f"autotune of {self.node.name}: the first {MAX_CONFIGS} configs")
        return texts[:MAX_CONFIGS]

    def _default_config(self, node: ast.expr | None) -> str:
        """Return one config that sets what the project's own would, as far as that shows."""
        arguments = self.node.args
        params = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        constexprs = {a.arg for a in params if "constexpr" in _dump(a.annotation)}
        named = {
            key.value
            for inner in (ast.walk(node) if node is not None else ())
            if isinstance(inner, ast.Dict)
            for key in inner.keys
            if isinstance(key, ast.Constant)
        }
        required = {a.arg for a in params[: len(params) - len(arguments.defaults)]}
        blocks = {name for name in constexprs & required if name.startswith(_BLOCK)}
        chosen = constexprs & named or blocks
        kwargs = {a.arg: _default_of(a.arg) for a in params if a.arg in chosen}
        return self.assembly.config(ConfigValue(kwargs, {"num_warps": 4}))

    def _key(self, node: ast.expr | None) -> str:
        arguments = self.node.args
        params = {a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
        try:
            if node is None:
                raise NotKnownError("no key")
            found = list(self.assembly.symbols.known().value(self.path, node))
        except (NotKnownError, TypeError):
            self._note(f"autotune of {self.node.name}: key=[]; the key is known only to a run")
            return "[]"
        kept = [name for name in found if name in params]
        for name in found:
            if name not in params:
                self.assembly.left_out[f"autotune key {name!r}: no parameter"] = None
        return "[" + ", ".join(f'"{name}"' for name in kept) + "]"

    # Heuristics.

    def _heuristics(self, decorator: ast.expr) -> list[str]:
        if not isinstance(decorator, ast.Call) or not self.is_kernel:
            self._strip(decorator)
            return []
        node = next((k.value for k in decorator.keywords if k.arg == "values"), None)
        node = node or (decorator.args[0] if decorator.args else None)
        pairs = []
        for path, key, value in self._pairs(self.path, node, 0):
            text = self._rule(path, value, 0)
            if text is None:
                told = f"heuristic of {key}: {self._written(value)[:60]}; give {key} at the call"
                self.assembly.left_out[told] = None
            else:
                pairs.append(f'    "{key}": {text},\n')
        if not pairs:
            self._strip(decorator)
            return []
        name = f"{self.assembly.names.language('triton')}.heuristics"
        return [f"@{name}({{\n{''.join(pairs)}}})"]

    def _pairs(
        self, path: str, node: ast.expr | None, depth: int
    ) -> Iterator[tuple[str, str, ast.expr]]:
        """Yield the file, the parameter and the rule of each entry of a table."""
        symbols = self.assembly.symbols
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    yield from self._pairs(path, value, depth + 1)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield path, key.value, value
        elif isinstance(node, (ast.Name, ast.Attribute)) and depth < 6:
            found = symbols.unaliased(symbols.follow(path, node))
            if isinstance(found, At) and isinstance(found.binding, Assigned):
                yield from self._pairs(found.path, found.binding.value, depth + 1)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            yield from self._pairs(path, node.left, depth + 1)
            yield from self._pairs(path, node.right, depth + 1)
        elif isinstance(node, ast.Subscript) and depth < 6:
            yield from self._pairs(path, self._picked(path, node), depth + 1)

    def _picked(self, path: str, node: ast.Subscript) -> ast.expr | None:
        """Return the entry that `table["name"]` picks from a table that is written out."""
        symbols = self.assembly.symbols
        found = symbols.unaliased(symbols.follow(path, node.value))
        if isinstance(found, At) and isinstance(found.binding, Assigned):
            table = found.binding.value
            if isinstance(table, ast.Dict) and isinstance(node.slice, ast.Constant):
                for key, value in zip(table.keys, table.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == node.slice.value:
                        return value
        return None

    def _rule(self, path: str, node: ast.expr, depth: int) -> str | None:
        """Return a heuristic as a lambda that needs nothing of the project; None if it does."""
        symbols = self.assembly.symbols
        if isinstance(node, (ast.Name, ast.Attribute)) and depth < 6:
            found = symbols.unaliased(symbols.follow(path, node))
            if isinstance(found, At) and isinstance(found.binding, Assigned):
                return self._rule(found.path, found.binding.value, depth + 1)
            if isinstance(found, At) and isinstance(found.binding, Defined):
                return self._as_lambda(found.path, found.binding.node)
        if not isinstance(node, ast.Lambda) or not self._is_harmless(path, node):
            return None
        return " ".join(self.assembly.plain_text(path, node).split())

    def _as_lambda(self, path: str, node: ast.stmt) -> str | None:
        """Return a function of one `return` as a lambda."""
        if not isinstance(node, ast.FunctionDef):
            return None
        body = [s for s in node.body if not isinstance(s, ast.Expr)]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or node.decorator_list:
            return None
        value, args = body[0].value, node.args.args
        if value is None or len(args) != 1:
            return None
        made = ast.Lambda(node.args, value)
        if not self._is_harmless(path, made):
            return None
        text = " ".join(self.assembly.plain_text(path, value).split())
        self._note(f"heuristic {node.name} of {self.node.name} is a lambda")
        inner = text if text.startswith("(") else f"({text})"
        return f"lambda {args[0].arg}: {inner}"

    def _is_harmless(self, path: str, node: ast.Lambda) -> bool:
        """Tell whether a lambda reaches nothing but its arguments, numbers and Triton's sums."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and inner.attr.startswith("_"):
                return False
            if isinstance(inner, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
                return False
        own = {a.arg for a in node.args.args}
        for chain in free_names(node.body, frozenset(own)):
            found = self.assembly.symbols.follow(path, chain.nodes[-1])
            if isinstance(found, Builtin) and found.name in _LAMBDA_BUILTINS:
                continue
            if isinstance(found, Outside) and found.name.startswith("triton"):
                continue
            is_constant = isinstance(found, At) and isinstance(found.binding, Assigned)
            if not is_constant or not self.assembly.is_plain(path, chain.nodes[-1]):
                return False
        return True


def _dump(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _default_of(name: str) -> int:
    """Return a usual value of a parameter that is tuned."""
    upper = name.upper()
    if upper.startswith("GROUP"):
        return 8
    return 64 if upper.startswith((*_BLOCK, "B")) else 1
