"""Syntax tree of a file -> its facts: bindings, functions that are or may be kernels, launches.

The second of two passes: what `crawler.scan.survey` noted is turned into values, now that every
name that it may mean is known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from crawler.scan.autotune import is_tuning_object, tunes
from crawler.scan.calls import called_values
from crawler.scan.described import described
from crawler.scan.facts import (
    UNKNOWN,
    Attribute,
    Binding,
    Call,
    Choice,
    Class,
    ClassFacts,
    Described,
    FileFacts,
    Function,
    FunctionFacts,
    Global,
    Handed,
    Import,
    JitCall,
    Launch,
    Parameter,
    Plain,
    Subscript,
    Unknown,
    Value,
)
from crawler.scan.kernel import BUILTINS, kernel_facts
from crawler.scan.names import is_foreign_package
from crawler.scan.plain import (
    ALLOWS_PLAIN,
    is_plain,
    keeps_annotations_as_text,
    says_constexpr,
)
from crawler.scan.scope import Bound, Scope, bound_value, choice, name_value, to_value, visible
from crawler.scan.survey import Definition, Noted, Survey, parameter_names, required_arguments

_LAUNCH_METHODS = frozenset({"run", "warmup"})
_KERNEL_KEYWORDS = frozenset({"kernel", "fn", "func", "kernel_fn", "triton_kernel"})
_CODE = ("import ", "from ", "def ", "class ", "@", "if ", "try:")
MAX_KERNELS = 10_000
"""Forty times as many as in any file that was seen; a file of more was made to be a burden."""
MAX_HEAD_LINES = 60
MAX_HEAD_CHARACTERS = 4_000
_GIVEN_AS = frozenset({"fn", "func"})
_HANDED_ON = re.compile(r"launch|(?:^|_)(?:run|runner|call|bench|benchmark|grid)(?:_|$)|call$")


# Methods by which an object is made and run.
_MADE_AND_RUN = ("__init__", "forward", "__call__")


class TooManyKernelsError(Exception):
    """A file holds more functions that are or may be kernels than anybody writes."""


Watch = Callable[[ast.Module, Sequence[str], Survey], None]
"""What is told of a file while its survey holds: tree, lines, survey."""


def collect_facts(tree: ast.Module, lines: Sequence[str], watch: Watch | None = None) -> FileFacts:
    """Return the facts of one file; `lines` are its source lines without line ends.

    `watch` is called before the survey is released, with facts made.

    Raises:
        EntangledError: Its names lead to one another in too many ways.
        TooManyKernelsError: It holds more kernels than are taken.
    """
    survey = Survey()
    survey.walk(tree)
    try:
        facts = _Collector(survey, lines).collect()
        if watch is not None:
            watch(tree, lines, survey)
        return facts
    finally:
        survey.release()


class _Collector:
    def __init__(self, survey: Survey, lines: Sequence[str]) -> None:
        self.lines = lines
        self.module = survey.module
        self.definitions = survey.definitions
        self.classes = survey.classes
        self.calls = survey.calls
        self.stars = survey.stars
        self.annotated = survey.annotated
        self.jit_calls: list[JitCall] = []

    def collect(self) -> FileFacts:
        kernels = self.candidates()
        if len(kernels) > MAX_KERNELS:
            raise TooManyKernelsError
        called = called_values(self.calls, self.module, self.is_foreign)
        later = self.annotated_later()
        return FileFacts(
            bindings=self.bindings(),
            stars=tuple(dict.fromkeys(self.stars)),
            functions=tuple(
                self.function(
                    index,
                    definition,
                    tuple(called.get(index, ())),
                    is_kernel=index in kernels,
                    later=later.get(index, ()),
                )
                for index, definition in enumerate(self.definitions)
            ),
            classes=tuple(self.class_facts()),
            launches=tuple(dict.fromkeys(self.launches())),
            handed=tuple(dict.fromkeys(self.handed(kernels))),
            jit_calls=tuple(dict.fromkeys(self.jit_calls)),
            head=_head(self.lines) if kernels else "",
        )

    def candidates(self) -> set[int]:
        """Return the functions that are or may be kernels, by decorator or by a call on them."""
        found = {i for i, definition in enumerate(self.definitions) if self.may_be_jit(definition)}
        names = {d.node.name for d in self.definitions if not isinstance(d.node, ast.Lambda)}
        for noted in self.calls:
            call = noted.call
            first = call.args[0] if call.args else _keyword(call, _GIVEN_AS)
            named = getattr(first, "id", None) or getattr(first, "attr", None)
            if not isinstance(first, ast.Call) and named not in names:
                continue
            index = self.innermost(to_value(first, noted.scope, call.lineno, noted.arms), 0)
            if index is None or isinstance(self.definitions[index].node, ast.Lambda):
                continue
            callee = to_value(call.func, noted.scope, call.lineno, noted.arms)
            if not self.may_make_kernel(callee):
                continue
            found.add(index)
            if _says_jit(call.func) or tunes(call.func):
                applied = call if is_tuning_object(call) else call.func
                self.definitions[index].applied.insert(0, applied)
            self.jit_calls.append(JitCall(callee, Function(index)))
        return found

    def innermost(self, value: Value, depth: int) -> int | None:
        """Return the function that a chain of calls is applied to: f in `a(b(f))`."""
        while isinstance(value, Call) and value.args:
            value = value.args[0]
        options: Sequence[Value] = value.options if isinstance(value, Choice) else ()
        if isinstance(value, Attribute) and depth < 8:
            options = list(self.members(value.base, value.name, depth))
        if isinstance(value, Global) and depth < 8:
            found = visible(self.module.names.get(value.name, ()), value.line, value.arms)
            options = [bound_value(bound, self.module, 0) for bound in found]
        indexes = [self.innermost(option, depth + 1) for option in options]
        if isinstance(value, Function):
            indexes.append(value.index)
        return max((index for index in indexes if index is not None), default=None)

    def members(self, base: Value, name: str, depth: int) -> Iterator[Value]:
        """Yield what a class of this file, or one it inherits from here, binds under a name."""
        if isinstance(base, Global) and depth < 8:
            for bound in visible(self.module.names.get(base.name, ()), base.line, base.arms):
                yield from self.members(bound_value(bound, self.module, 0), name, depth + 1)
        elif isinstance(base, Class) and depth < 8:
            node, inner, arms = self.classes[base.index]
            if name in inner.names:
                yield from (bound_value(b, inner) for b in visible(inner.names[name], None, ()))
            elif inner.parent is not None:
                for above in node.bases:
                    value = to_value(above, inner.parent, node.lineno, arms)
                    yield from self.members(value, name, depth + 1)

    def may_be_jit(self, definition: Definition) -> bool:
        node = definition.node
        if isinstance(node, ast.Lambda) or not node.decorator_list:
            return False
        return any(
            self.may_make_kernel(
                to_value(decorator, definition.scope, decorator.lineno, definition.arms)
            )
            for decorator in node.decorator_list
        )

    def may_make_kernel(self, applied: Value) -> bool:
        """Tell whether what is applied to a function may be jit: nothing says that it is not."""
        return not isinstance(applied, Unknown) and not self.is_foreign(applied)

    def is_foreign(self, value: Value) -> bool:
        """Tell whether every name that the value rests on is Python's or a foreign package's."""
        is_any = False
        for root in self.roots(value, 0):
            if not self.is_foreign_root(root):
                return False
            is_any = True
        return is_any

    def is_foreign_root(self, root: Value) -> bool:
        match root:
            case Import():
                return not root.level and is_foreign_package(root.module)
            case Global():
                return root.name in BUILTINS and root.name not in self.module.names
        return False

    def roots(self, value: Value, depth: int) -> Iterator[Value]:
        match value:
            case Attribute() | Subscript():
                yield from self.roots(value.base, depth)
            case Call():
                yield from self.roots(value.callee, depth)
                for arg in value.args:
                    # `partial(triton.jit)` is as much of Triton as what it is given.
                    if not isinstance(arg, Unknown):
                        yield from self.roots(arg, depth)
            case Choice():
                for option in value.options:
                    yield from self.roots(option, depth)
            case Global() if depth < 3 and value.name in self.module.names:
                for bound in visible(self.module.names[value.name], value.line, value.arms):
                    if isinstance(bound.what, ast.expr):
                        inner = to_value(bound.what, self.module, bound.line, bound.arms)
                        yield from self.roots(inner, depth + 1)
                    else:
                        yield from self.roots(bound.what, depth + 1)
            case _:
                yield value

    def annotated_later(self) -> dict[int, list[tuple[str, Value]]]:
        """Return the annotations that are set after a definition, by function."""
        found: dict[int, list[tuple[str, Value]]] = {}
        for one in self.annotated:
            index = self.innermost(to_value(one.function, one.scope, one.line, one.arms), 0)
            for name, annotation in one.pairs if index is not None else ():
                value = to_value(annotation, one.scope, one.line, one.arms)
                found.setdefault(index, []).append((name, value))  # type: ignore[arg-type]
        return found

    def function(
        self,
        index: int,
        definition: Definition,
        calls: tuple[Value, ...],
        *,
        is_kernel: bool,
        later: Sequence[tuple[str, Value]],
    ) -> FunctionFacts:
        node, scope = definition.node, definition.scope
        facts = FunctionFacts(
            qualname=definition.inner.qualname,
            line=node.lineno,
            params=tuple(parameter_names(node.args)),
            returns=self.returned(definition),
            arguments=tuple(required_arguments(node.args)),
            calls=calls,
            described=self.described(definition),
        )
        if not is_kernel or isinstance(node, ast.Lambda):
            return facts
        return msgspec.structs.replace(
            facts,
            decorators=tuple(
                to_value(decorator, scope, decorator.lineno, definition.arms)
                for decorator in node.decorator_list
            ),
            kernel=kernel_facts(
                node,
                definition.inner,
                self.lines,
                applied=definition.applied,
                guards=definition.guards,
                annotated_later=later,
            ),
        )

    def returned(self, definition: Definition) -> tuple[Value, ...]:
        values = (
            to_value(expression, definition.inner, line, arms)
            for expression, line, arms in definition.returns
        )
        return tuple(dict.fromkeys(value for value in values if not isinstance(value, Unknown)))

    def described(self, definition: Definition) -> Described | None:
        owner, _, name = definition.inner.qualname.rpartition(".")
        if isinstance(definition.node, ast.Lambda) or "." in owner:
            return None
        return described(definition.node) if not owner or name in _MADE_AND_RUN else None

    def class_facts(self) -> Iterator[ClassFacts]:
        for node, inner, arms in self.classes:
            assert inner.parent is not None
            bases = (to_value(base, inner.parent, node.lineno, arms) for base in node.bases)
            members = {
                name: choice([bound_value(bound, inner) for bound in visible(bounds, None, ())])
                for name, bounds in inner.names.items()
            }
            yield ClassFacts(
                name=node.name,
                bases=tuple(b for b in bases if not isinstance(b, Unknown)),
                members={n: m for n, m in members.items() if not isinstance(m, Unknown)},
                kept=tuple(dict.fromkeys(self.kept(inner))),
                described=described(node) if inner.parent is self.module else None,
            )

    def kept(self, inner: Scope) -> Iterator[Value]:
        """Yield the calls on parameters whose result a class keeps."""
        for assigned in inner.attributes.values():
            for bound, scope in assigned:
                if isinstance(bound.what, ast.Call):
                    value = bound_value(bound, scope)
                    if isinstance(value, Call) and any(
                        isinstance(a, Parameter) for a in value.args
                    ):
                        yield value

    def bindings(self) -> dict[str, tuple[Binding, ...]]:
        found: dict[str, tuple[Binding, ...]] = {}
        has_plain = not any(ALLOWS_PLAIN in line for line in self.lines)
        for name, bounds in self.module.names.items():
            is_constant = has_plain and all(self.is_constant(bound) for bound in bounds)
            plain = self.plain(name) if is_constant else UNKNOWN
            values = [Binding(self.bound(b, plain), b.line, b.arms) for b in bounds]
            if any(not isinstance(binding.value, Unknown) for binding in values):
                found[name] = tuple(values)
        return found

    def bound(self, bound: Bound, plain: Value) -> Value:
        """Return what a name of the module is bound to; `plain` where that is a constant."""
        if not isinstance(bound.what, ast.expr):
            return bound.what
        value = to_value(bound.what, self.module, bound.line, bound.arms)
        return plain if isinstance(value, Unknown) or isinstance(plain, Plain) else value

    def is_constant(self, bound: Bound) -> bool:
        return isinstance(bound.what, ast.expr) and is_plain(bound.what, self.module)

    def plain(self, name: str) -> Plain:
        annotation = self.module.annotations.get(name)
        return Plain(says_constexpr(annotation) and not keeps_annotations_as_text(self.module))

    def launches(self) -> Iterator[Launch]:
        for noted in self.calls:
            inside = noted.scope.function
            if noted.scope.is_device:
                continue
            launcher = inside.qualname if inside is not None else None
            for target in self.launch_targets(noted):
                if not isinstance(target, Unknown) and not self.is_foreign(target):
                    yield Launch(target, launcher, _warms(noted.call))

    def handed(self, kernels: set[int]) -> Iterator[Handed]:
        """Yield what may be a kernel and is given to a function that may launch it."""
        names = {self.definitions[i].node.name for i in kernels}  # type: ignore[union-attr]
        for name, bounds in self.module.names.items():
            if any(_may_bring_kernel(bound.what) for bound in bounds):
                names.add(name)
        for noted in self.calls:
            call, inside = noted.call, noted.scope.function
            given = [
                (place, arg)
                for place, arg in (
                    *enumerate(call.args),
                    *((k.arg, k.value) for k in call.keywords),
                )
                if isinstance(arg, ast.Name) and arg.id in names and place is not None
            ]
            if not given or noted.scope.is_device:
                continue
            callee = to_value(call.func, noted.scope, call.lineno, noted.arms)
            if isinstance(callee, (Unknown, Call)) or self.is_foreign(callee):
                continue
            for place, arg in given:
                target = to_value(arg, noted.scope, call.lineno, noted.arms)
                yield Handed(callee, place, target, inside.qualname if inside else None)

    def launch_targets(self, noted: Noted) -> Iterator[Value]:
        call, scope, arms = noted.call, noted.scope, noted.arms
        function = call.func
        keywords = {keyword.arg for keyword in call.keywords}
        match function:
            case ast.Subscript():
                yield to_value(function.value, scope, call.lineno, arms)
            case ast.Name():
                value = name_value(function.id, scope, call.lineno, arms)
                for option in value.options if isinstance(value, Choice) else (value,):
                    yield from self.held_launcher(option)
            case ast.Attribute() if function.attr in _LAUNCH_METHODS and "grid" in keywords:
                yield to_value(function.value, scope, call.lineno, arms)
        for arg in call.args:
            # `run(kernel[grid], ...)`, `wrap(kernel[grid])(...)`: it is given to be called.
            if isinstance(arg, ast.Subscript) and _is_grid(arg.slice):
                yield to_value(arg.value, scope, call.lineno, arms)
        yield from self.handed_on(noted, keywords)

    def held_launcher(self, value: Value) -> Iterator[Value]:
        """Yield the kernel of a launcher that is held in a name: `launch = kernel[grid]`."""
        if isinstance(value, Subscript):
            yield value.base
        elif isinstance(value, Global):
            for bound in visible(self.module.names.get(value.name, ()), value.line, value.arms):
                if isinstance(bound.what, ast.Subscript):
                    yield to_value(bound.what.value, self.module, bound.line, bound.arms)

    def handed_on(self, noted: Noted, keywords: set[str | None]) -> Iterator[Value]:
        """Yield kernels given to a function that will launch them: `launch(kernel, grid, ...)`."""
        call = noted.call
        name = _last_name(call.func).lower()
        if "grid" not in keywords and _HANDED_ON.search(name) is None:
            return
        if isinstance(call.func, ast.Call) and tunes(call.func):
            return
        given = [*call.args, *(k.value for k in call.keywords if k.arg in _KERNEL_KEYWORDS)]
        for arg in given:
            if isinstance(arg, (ast.Name, ast.Attribute)):
                value = to_value(arg, noted.scope, call.lineno, noted.arms)
                if not isinstance(value, (Parameter, Unknown)):
                    yield value


def _may_bring_kernel(what: Value | ast.expr) -> bool:
    """Tell whether an import may bring a kernel of another file."""
    return (
        isinstance(what, Import) and what.name is not None and not is_foreign_package(what.module)
    )


def _warms(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "warmup"


def _is_grid(node: ast.expr) -> bool:
    """Tell whether what stands in brackets is a grid, and no key of a table."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return "grid" in name.lower()
        case ast.Tuple(elts=elements):
            return not any(
                isinstance(e, ast.Constant) and isinstance(e.value, str) for e in elements
            )
    return isinstance(node, ast.Lambda)


def _keyword(call: ast.Call, names: frozenset[str]) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg in names), None)


def _head(lines: Sequence[str]) -> str:
    """Return how a file begins: its first lines up to the first that is code."""
    end = next(
        (i for i, line in enumerate(lines[:MAX_HEAD_LINES]) if line.startswith(_CODE)),
        MAX_HEAD_LINES,
    )
    return "\n".join(lines[:end])[:MAX_HEAD_CHARACTERS]


def _says_jit(node: ast.expr) -> bool:
    """Tell whether an expression names anything like jit."""
    return any(
        "jit" in (inner.id if isinstance(inner, ast.Name) else inner.attr).lower()
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Name, ast.Attribute))
    )


def _last_name(node: ast.expr) -> str:
    while isinstance(node, (ast.Subscript, ast.Call)):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
