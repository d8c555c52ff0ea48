"""The file while it is put together: what is needed so far, each definition once and in order."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crawler.extract.bindings import Assigned
from crawler.extract.free_names import Chain, body_names, free_names
from crawler.extract.known import ConfigValue
from crawler.extract.names import OutputNames
from crawler.extract.project import Project, SourceFile
from crawler.extract.result import NeedsError, Part, PartKind
from crawler.extract.setting import NotKnownError, Opaque, Setting
from crawler.extract.symbols import At, Builtin, Missing, ModuleAt, Outside, Symbol, Symbols
from crawler.extract.text import Edit, edited, without_result

CALLS = frozenset(
    {
        "triton.cdiv",
        "triton.next_power_of_2",
        "triton.language.constexpr",
        "triton.language.core.constexpr",
        "triton.language.cdiv",
        "triton.language.next_power_of_2",
    }
)
"""What a constant may call."""
CONSTEXPR_NAMES = frozenset({"triton.language.constexpr", "triton.language.core.constexpr"})
_LISTED = ("triton.language", "triton.experimental")
"""Of these packages it is known which release has which public name."""
_CONSTANT_BUILTINS = frozenset("abs bool float int len max min tuple list".split())
_TYPES = frozenset("int float bool str object list dict tuple None type".split())
_REFUSED = frozenset(
    "exec eval open compile __import__ input breakpoint globals locals vars setattr delattr "
    "memoryview __builtins__ __loader__ __spec__ help exit quit".split()
)
_TRITON_TYPE = re.compile(r"(const\s+)?\*?k?[iu]?(i|u|fp|bf)(1|8|16|32|64)|constexpr|nvTmaDesc")
"""What Triton takes as the type of a parameter where an annotation is a string."""
_OPERATIONS = (
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.UnaryOp,
    ast.BinOp,
    ast.Compare,
    ast.BoolOp,
    ast.IfExp,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.boolop,
    ast.expr_context,
)

Resolver = Callable[[str], Symbol]
"""What the names of one scope mean."""
Includer = Callable[[At, str], str]
"""Takes a definition into the file, under this name if it can be, and returns its name there."""


@dataclass(slots=True)
class Assembly:
    """Collects constants and functions with all that they need; raises `NeedsError`."""

    project: Project
    setting: Setting
    symbols: Symbols
    names: OutputNames = field(default_factory=OutputNames)
    constants: list[str] = field(default_factory=list)
    functions: list[tuple[str, str]] = field(default_factory=list)
    """Permalink and text of each, in order."""
    parts: list[Part] = field(default_factory=list)
    replaced: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    paths: dict[str, None] = field(default_factory=dict)
    needs_future: bool = False
    """Whether an annotation is not to be evaluated."""
    modules: frozenset[str] = frozenset({"triton", "math"})
    """The packages outside the project that may be imported."""
    _done: set[tuple[str, str]] = field(default_factory=set)

    def file(self, path: str) -> SourceFile:
        """Return a file that is needed; it counts as a source from here on."""
        found = self.project.file(path)
        if found is None:
            raise NeedsError(path, "the file cannot be read")
        if path not in self.paths:
            self.paths[path] = None
            self.names.texts.append(found.text)
        return found

    def add_part(self, path: str, name: str, lines: tuple[int, int], kind: PartKind) -> str:
        """Note where a definition comes from; return its permalink."""
        link = self.project.permalink(path, *lines)
        self.parts.append(
            Part(name=name, permalink=link, license=self.project.license(path), kind=kind)
        )
        return link

    # Names.

    def settle(self, chain: Chain, resolve: Resolver) -> tuple[ast.expr, Symbol]:
        """Return the node of a chain that names no module of the project, and what it means."""
        symbol: Symbol = resolve(chain.root)
        node = chain.nodes[0]
        for further in chain.nodes[1:]:
            plain = self.symbols.unaliased(symbol)
            if not isinstance(plain, ModuleAt):
                break
            assert isinstance(further, ast.Attribute)
            symbol, node = self.symbols.attribute(plain, further.attr), further
        return node, symbol

    def output(self, node: ast.expr, symbol: Symbol, include: Includer) -> str:
        """Return how to write what a symbol means, once that stands in the file."""
        wanted = node.id if isinstance(node, ast.Name) else node.attr  # type: ignore[attr-defined]
        match symbol:
            case Builtin(name):
                if name in _REFUSED:
                    raise NeedsError(name, "a builtin that is not let through")
                return name
            case Outside(full):
                return self.outside(full, wanted)
            case At():
                return include(symbol, wanted)
            case ModuleAt(path):
                raise NeedsError(path, "a module used as a value")
            case Missing(name, why):
                raise NeedsError(name, why)
        raise AssertionError(symbol)

    def outside(self, full: str, wanted: str) -> str:
        """Return the name of something outside the project, imported."""
        root = full.partition(".")[0]
        if root not in self.modules:
            why = "the kernel would need torch" if root == "torch" else "outside the project"
            raise NeedsError(full, why)
        is_listed = full.startswith(_LISTED) and not any(p.startswith("_") for p in full.split("."))
        if is_listed and not self.setting.has_name(full):
            raise NeedsError(full, f"not in Triton {self.setting.triton}")
        return self.names.import_name(full, wanted)

    def edits(
        self, path: str, chains: Iterable[Chain], resolve: Resolver, include: Includer
    ) -> list[Edit]:
        """Return the edits that names told apart make necessary; includes what they mean."""
        file, found = self.file(path), []
        for chain in chains:
            node, symbol = self.settle(chain, resolve)
            text = self.output(node, symbol, include)
            span = file.span(node)
            if file.slice(*span) != text:
                found.append((*span, text))
        return found

    # Constants.

    def constant(self, at: At, wanted: str) -> str:
        """Return the name of a constant, which stands in the file from here on."""
        assert isinstance(at.binding, Assigned)
        name = self.names.name((at.path, at.name), wanted)
        if (at.path, at.name) in self._done:
            return name
        self._done.add((at.path, at.name))
        made = at.binding
        self.file(at.path)
        value = self.constant_text(at, made)
        text = f"{name}{self._annotation(at.path, made)} = {value}"
        line = made.value.lineno
        lines = (line, made.value.end_lineno or line)
        self.add_part(at.path, name, lines, PartKind.CONSTANT)
        for decision in made.decided:
            self.replaced[f"{name}: {decision}{self.under()}"] = None
        self.constants.append(text)
        return name

    def under(self) -> str:
        """Return the words for the setting."""
        s = self.setting
        return f" for Triton {s.triton}, {s.backend}:{s.arch}"

    def constant_text(self, at: At, made: Assigned) -> str:
        """Return the text of a constant's value: as written if that is plain, else a literal."""
        is_changed = self.symbols.changed(at.path, at.name)
        if made.target is None and not is_changed and self.is_plain(at.path, made.value):
            return self.plain_text(at.path, made.value)
        value = made.value
        if made.target is None and not is_changed and isinstance(value, ast.Call) and value.args:
            callee = self.symbols.follow(at.path, value.func)
            if isinstance(callee, Outside) and callee.name in CONSTEXPR_NAMES:
                inner = self._valued(at.path, value.args[0], at.name)
                text = f"{self.names.language('triton.language')}.constexpr({inner})"
                return self._told(at, text)
        try:
            found = self.symbols.value(at.path, at.name)
            return self._told(at, self.literal(found))
        except NotKnownError as error:
            raise NeedsError(at.name, f"its value is not known before a run: {error}") from error

    def _told(self, at: At, text: str) -> str:
        assert isinstance(at.binding, Assigned)
        written = " ".join(ast.unparse(at.binding.value).split())[:100]
        self.replaced[f"{at.name} = {text} was {written}{self.under()}"] = None
        return text

    def _valued(self, path: str, node: ast.expr, name: str) -> str:
        try:
            return self.literal(self.symbols.known().value(path, node))
        except NotKnownError as error:
            raise NeedsError(name, f"its value is not known before a run: {error}") from error

    def _annotation(self, path: str, made: Assigned) -> str:
        if made.annotation is None:
            return ""
        found = self.symbols.follow(path, made.annotation)
        if isinstance(found, Outside) and found.name in CONSTEXPR_NAMES:
            return f": {self.names.language('triton.language')}.constexpr"
        return ""

    def is_plain(self, path: str, node: ast.AST, depth: int = 0) -> bool:
        """Tell whether an expression may stand as it is: literals, Triton's names, constants."""
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._is_plain_name(path, node, depth)
        if isinstance(node, ast.Call):
            return self._is_plain_call(path, node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift, ast.Mult)):
            try:
                self.symbols.known().value(path, node)
            except NotKnownError:
                return False
        return isinstance(node, _OPERATIONS) and all(
            self.is_plain(path, part, depth) for part in ast.iter_child_nodes(node)
        )

    def _is_plain_name(self, path: str, node: ast.Name | ast.Attribute, depth: int) -> bool:
        found = self.symbols.follow(path, node)
        if isinstance(found, At) and isinstance(found.binding, Assigned) and depth < 12:
            if self.symbols.changed(found.path, found.name) or found.binding.target is not None:
                return False
            return self.is_plain(found.path, found.binding.value, depth + 1)
        if not isinstance(found, Outside) or not found.name.startswith("triton"):
            return False
        try:
            return isinstance(self.setting.value(found.name), Opaque)
        except NotKnownError:
            return False

    def _is_plain_call(self, path: str, node: ast.Call, depth: int) -> bool:
        callee = self.symbols.follow(path, node.func)
        is_allowed = (isinstance(callee, Outside) and callee.name in CALLS) or (
            isinstance(callee, Builtin) and callee.name in _CONSTANT_BUILTINS
        )
        inner = [*node.args, *(k.value for k in node.keywords)]
        return is_allowed and all(self.is_plain(path, each, depth) for each in inner)

    def plain_text(self, path: str, node: ast.expr) -> str:
        """Return a plain expression as written, with what it names in the file."""
        file = self.file(path)
        edits = self.edits(path, free_names(node), self.resolver(path), self.include_constant)
        text = edited(file, *file.span(node), edits)
        return f"({text})" if "\n" in text and not text.startswith(("(", "[", "{")) else text

    def include_constant(self, at: At, wanted: str) -> str:
        """Include what a plain expression may name."""
        if isinstance(at.binding, Assigned):
            return self.constant(at, wanted)
        raise NeedsError(at.name, "a function in a constant")

    def resolver(self, path: str) -> Resolver:
        """Return what the names of a module mean."""
        return lambda name: self.symbols.resolve(path, name)

    def literal(self, value: Any) -> str:
        """Return a value as source text; raises NotKnownError where it has none."""
        match value:
            case bool() | None | str():
                return repr(value)
            case int() | float():
                text = repr(value)
                return f'float("{text}")' if text.strip("-") in ("inf", "nan") else text
            case tuple():
                inner = ", ".join(self.literal(v) for v in value)
                return f"({inner},)" if len(value) == 1 else f"({inner})"
            case list():
                return f"[{', '.join(self.literal(v) for v in value)}]"
            case dict():
                pairs = (f"{self.literal(k)}: {self.literal(v)}" for k, v in value.items())
                return f"{{{', '.join(pairs)}}}"
            case Opaque(name) if name.startswith("triton."):
                return self.names.language(name)
            case ConfigValue():
                return self.config(value)
        raise NotKnownError(str(getattr(value, "name", type(value).__name__)))

    def config(self, value: ConfigValue) -> str:
        """Return a `triton.Config` as source text, with what this release knows of it."""
        given = [self.literal(dict(value.kwargs))]
        for name, option in value.options.items():
            if self.setting.takes("triton.Config", name):
                given.append(f"{name}={self.literal(option)}")
            else:
                self.left_out[f"Config({name}=...): not in Triton {self.setting.triton}"] = None
        for name in value.dropped:
            self.left_out[f"Config({name}=...): a function of the project"] = None
        return f"{self.names.language('triton')}.Config({', '.join(given)})"

    # Signatures.

    def signature_edits(
        self, path: str, node: ast.FunctionDef, resolve: Resolver, include: Includer
    ) -> list[Edit]:
        """Return the edits of defaults and annotations; what cannot stand is taken out and told."""
        file, found = self.file(path), []
        for arg in _arguments(node.args):
            if arg.annotation is None:
                continue
            edits = self._annotation_edits(path, arg.annotation, resolve, include)
            if edits is None:
                start, end = file.span(arg)
                found.append((start, end, arg.arg))
                told = f"annotation {file.written(arg.annotation)} of {node.name}({arg.arg})"
                self.left_out[told] = None
            else:
                found.extend(edits)
        if node.returns is not None:
            edits = self._annotation_edits(path, node.returns, resolve, include)
            if edits is None:
                found.append(without_result(file, node))
                self.left_out[f"annotation of what {node.name} returns"] = None
            else:
                found.extend(edits)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is None:
                continue
            if self.is_plain(path, default):
                found.extend(self.edits(path, free_names(default), resolve, include))
            else:
                text = self._valued(path, default, f"a default of {node.name}")
                found.append((*file.span(default), text))
                self.replaced[f"default {file.written(default)[:80]} is {text}{self.under()}"] = (
                    None
                )
        return found

    def _annotation_edits(
        self, path: str, node: ast.expr, resolve: Resolver, include: Includer
    ) -> list[Edit] | None:
        """Return the edits of an annotation, None where it needs what the file has not."""
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, str):
                return []
            return [] if self._is_known_text(node.value, resolve) else None
        chains = list(free_names(node))
        for chain in chains:
            _, symbol = self.settle(chain, resolve)
            if isinstance(symbol, Builtin) and symbol.name in _TYPES:
                continue
            if not isinstance(symbol, Outside) or symbol.name.partition(".")[0] != "triton":
                return None
        if not all(isinstance(n, _ANNOTATIONS) for n in ast.walk(node)):
            return None
        if any(isinstance(n, (ast.BinOp, ast.Subscript)) for n in ast.walk(node)):
            self.needs_future = True
        return self.edits(path, chains, resolve, include)

    def _is_known_text(self, text: str, resolve: Resolver) -> bool:
        if _TRITON_TYPE.fullmatch(text.strip()):
            return True
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return False
        for chain in free_names(node):
            _, symbol = self.settle(chain, resolve)
            if isinstance(symbol, Builtin) and symbol.name in _TYPES:
                continue
            if not isinstance(symbol, Outside) or not symbol.name.startswith("triton"):
                return False
            if self.names.import_name(symbol.name, chain.root) != chain.root:
                return False
        return True


_ANNOTATIONS = (
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.Tuple,
    ast.List,
    ast.Constant,
    ast.BinOp,
    ast.BitOr,
    ast.expr_context,
)


def _arguments(node: ast.arguments) -> Iterator[ast.arg]:
    yield from [*node.posonlyargs, *node.args, *node.kwonlyargs]
    yield from (a for a in (node.vararg, node.kwarg) if a is not None)


def function_chains(node: ast.FunctionDef) -> Sequence[Chain]:
    """Return what the body of a function names from outside."""
    return tuple(body_names(node))
