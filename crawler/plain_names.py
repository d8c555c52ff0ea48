"""Which names of Triton and of Python may stand in code that is compiled."""

from __future__ import annotations

import ast
import re
import sys

BUILTINS = frozenset(
    "abs all any bool dict enumerate float int isinstance len list max min pow print range "
    "reversed round set slice sorted str sum tuple type zip True False None Ellipsis "
    "AssertionError ValueError NotImplementedError".split()
)
"""Of Python's own functions those that reach nothing beyond their arguments."""

_MODULES = re.compile(
    r"triton|triton\.language(\.[a-z_0-9]+)*|triton\.experimental\.gluon(\.[a-z_0-9]+)*"
    r"|triton\.experimental|triton\.tools\.ragged_tma|math|typing|__future__"
)
# What a package of Triton holds besides its language: roads to files, processes and Python itself.
_CLOSED = (sys.stdlib_module_names | {"builtins", "numpy", "np", "torch"}) - {"math", "random"} | {
    *"knobs runtime compiler backends tools driver testing semantic interpreter jit_fn ir".split(),
    *"fn raw src parse_fn cache wraps partial_fn contextmanager cached_property".split(),
}
_FRAMES = re.compile(r"_|(gi|cr|ag|f|tb|co|func)_|mro$|format(_map)?$")
_CALLS = frozenset(
    "triton.Config triton.cdiv triton.next_power_of_2 triton.language.constexpr "
    "triton.language.cdiv triton.language.next_power_of_2 triton.runtime.Config "
    "abs all any bool dict float int len list max min pow range round str sum tuple zip "
    "math.ceil math.floor math.log math.log2 math.sqrt math.exp math.pow math.gcd".split()
)
_METHODS = frozenset("get items keys values bit_length append".split())
_EXPERIMENTAL = "triton.language._experimental_"


class PlainError(Exception):
    """Something that is not compiled; the message names it."""


class HostNames:
    """What the imports of a module make its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self._names: dict[str, str] = {}
        for node in tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    self._names[alias.asname or root] = alias.name if alias.asname else root
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def full_name(self, node: ast.expr) -> str | None:
        """Return what a dotted name stands for (`triton.language.dot`), None for anything else."""
        name = dotted(node)
        if name is None:
            return None
        root, dot, rest = name.partition(".")
        return None if root not in self._names else f"{self._names[root]}{dot}{rest}"

    def refuse_call(self, call: ast.Call, where: str) -> None:
        """Refuse a call that is made while the module is loaded, but for a few.

        Raises:
            PlainError: it is none of them.
        """
        called = self.full_name(call.func) or dotted(call.func)
        if called in _CALLS:
            return
        if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
            return
        raise PlainError(f"{where}: calls {ast.unparse(call.func)[:60]}")


def dotted(node: ast.expr) -> str | None:
    """Return `a.b.c` for such an expression, None for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join((node.id, *reversed(parts))) if isinstance(node, ast.Name) else None


def imported(statement: ast.Import | ast.ImportFrom) -> ast.stmt:
    """Return an import of Triton's language as it is kept.

    Raises:
        PlainError: it imports something else.
    """
    if isinstance(statement, ast.ImportFrom):
        wrong = statement.level or not _MODULES.fullmatch(statement.module or "")
        names = {alias.name for alias in statement.names}
        closed = names & (_CLOSED | {"*"})
        if not wrong and not closed and not any(n.startswith("_") for n in names):
            return statement
        module = "." * statement.level + (statement.module or "")
        raise PlainError(f"needs {module}.{min(closed or names)}")
    for alias in statement.names:
        if not _MODULES.fullmatch(alias.name):
            raise PlainError(f"needs {alias.name}")
    return statement


def is_jit(host: HostNames, decorator: ast.expr, *, compile_time: bool = False) -> bool:
    """Tell whether a decorator makes a jit function, or, if asked, a compile-time function."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    full = host.full_name(called) or ""
    package, _, name = full.rpartition(".")
    if name == "constexpr_function" and package.startswith("triton"):
        return compile_time
    return name == "jit" and package in (
        "triton",
        "triton.runtime",
        "triton.runtime.jit",
        "triton.experimental.gluon",
    )


def refuse_attribute(host: HostNames, node: ast.Attribute, where: str, local: set[str]) -> None:
    """Refuse an attribute that leads out of the language.

    Raises:
        PlainError: it does.
    """
    name = dotted(node)
    if (host.full_name(node) or "").startswith(_EXPERIMENTAL):
        return
    if _FRAMES.match(node.attr):
        raise PlainError(f"{where}: the attribute {node.attr}")
    if name is None or name.partition(".")[0] in local:
        return
    full = host.full_name(node)
    if full is not None and any(part in _CLOSED for part in full.split(".")[1:]):
        raise PlainError(f"{where}: {full} is not of the language")
