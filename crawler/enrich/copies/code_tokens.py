"""The code of a kernel as tokens that no renaming and no formatting changes.

Two spellings of each token are kept. In the exact one, what the function names itself (parameters,
variables) is numbered in the order of its first use, so that two functions are equal after renaming
if and only if their tokens are. In the near one every such name is the same token, so that one more
variable does not change all that follows. The order and defaults of parameters, annotations,
docstrings and decorators are no part of either.

Names from outside keep their last part alone: `tl.math.exp`, `libdevice.exp` and an imported `exp`
are the same word, since projects move between them with the releases of Triton.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

# What the tutorials pass by place in one line and by keyword in the next: the keyword wins.
_KEYWORDS = {
    "load": ("", "mask", "other"),
    "store": ("", "", "mask"),
    "program_id": ("axis",),
    "num_programs": ("axis",),
    "sum": ("", "axis"),
    "max": ("", "axis"),
    "min": ("", "axis"),
    "zeros": ("shape", "dtype"),
    "dot": ("", "", "acc"),
}
_HINTS = frozenset(
    "assume static_assert device_assert device_print static_print debug_barrier multiple_of"
    " max_contiguous".split()
)
_LEFT_OUT = frozenset("ctx annotation returns decorator_list type_comment type_params kind".split())


@dataclass(slots=True)
class CodeTokens:
    """The tokens of a function; `callees` are the given names that it calls, in order of use."""

    exact: list[str] = field(default_factory=list)
    near: list[str] = field(default_factory=list)
    callees: list[str] = field(default_factory=list)


def tokens_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef, callees: Collection[str] = ()
) -> CodeTokens:
    """Return the tokens of a function's body.

    Args:
        function: its definition.
        callees: names of functions that the caller compares by their own code; in the tokens they
            are numbered.
    """
    writer = _Writer(frozenset(callees))
    writer.bind_parameters(function.args)
    writer.names[function.name] = len(writer.names)
    writer.block(function.body)
    return writer.tokens


class _Writer:
    def __init__(self, callees: frozenset[str]) -> None:
        self.tokens = CodeTokens()
        self.names: dict[str, int] = {}
        """Names of the function's own, in the order in which they were bound."""
        self.numbers: dict[str, int] = {}
        """Those that were used, in the order of use."""
        self.callees = callees

    def say(self, word: str) -> None:
        self.tokens.exact.append(word)
        self.tokens.near.append(word)

    def bind_parameters(self, arguments: ast.arguments) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += filter(None, (arguments.vararg, arguments.kwarg))
        for argument in every:
            self.names.setdefault(argument.arg, len(self.names))

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            if not _says_nothing(statement):
                self.node(statement)

    def node(self, node: ast.AST) -> None:
        kind = type(node).__name__
        method = getattr(self, f"n_{kind}", None)
        if method is not None:
            method(node)
            return
        self.say(kind)
        self.fields(node)

    def fields(self, node: ast.AST) -> None:
        for name in node._fields:
            if name in _LEFT_OUT:
                continue
            value = getattr(node, name)
            if isinstance(value, ast.AST):
                self.node(value)
            elif isinstance(value, list):
                if value and isinstance(value[0], ast.stmt):
                    self.block(value)
                else:
                    for item in value:
                        self.node(item) if isinstance(item, ast.AST) else self.say(str(item))
                # Where a list ends tells `if a: b` from `if a: pass; b`.
                self.say("]")
            elif value is not None:
                self.say(str(value))

    def n_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.names.setdefault(node.id, len(self.names))
        if node.id in self.names:
            self.tokens.exact.append(f"${self.numbers.setdefault(node.id, len(self.numbers))}")
            self.tokens.near.append("$")
        else:
            self.outside(node.id)

    def outside(self, name: str) -> None:
        if name not in self.callees:
            self.say(name)
            return
        if name not in self.tokens.callees:
            self.tokens.callees.append(name)
        self.tokens.exact.append(f"@{self.tokens.callees.index(name)}")
        self.tokens.near.append("@")

    def n_Attribute(self, node: ast.Attribute) -> None:
        root = root_name(node)
        if root is not None and root not in self.names:
            self.outside(node.attr)
            return
        self.say(f".{node.attr}")
        self.node(node.value)

    def n_Constant(self, node: ast.Constant) -> None:
        self.say(repr(node.value))

    def n_BinOp(self, node: ast.BinOp) -> None:
        self.say(type(node.op).__name__)
        self.node(node.left)
        self.node(node.right)

    def n_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.say(type(node.op).__name__)
        self.node(node.operand)

    def n_AugAssign(self, node: ast.AugAssign) -> None:
        # `x += y` is `x = x + y`; the names it is read by are those it is written to.
        self.say("Assign")
        self.node(node.target)
        self.say("]")
        self.say(type(node.op).__name__)
        self.node(node.target)
        self.node(node.value)

    def n_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            self.names.setdefault(getattr(node.target, "id", ""), len(self.names))
            return
        self.say("Assign")
        self.node(node.target)
        self.say("]")
        self.node(node.value)

    def n_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call) and last_name(call.func) in _HINTS:
            # They come and go between copies, and change no result.
            before = len(self.tokens.near)
            self.node(call)
            del self.tokens.near[before:]
        else:
            self.node(call)

    def n_Call(self, node: ast.Call) -> None:
        self.node(node.func)
        self.say("(")
        places = _KEYWORDS.get(last_name(node.func), ())
        named: list[tuple[str, ast.expr]] = []
        for place, value in enumerate(node.args):
            keyword = places[place] if place < len(places) else ""
            if keyword and not isinstance(value, ast.Starred):
                named.append((keyword, value))
            else:
                self.node(value)
        named += ((keyword.arg or "**", keyword.value) for keyword in node.keywords)
        for name, value in sorted(named, key=lambda pair: pair[0]):
            self.say(f"{name}=")
            self.node(value)
        self.say(")")

    def n_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.say("def")
        for name in (node.name, *(argument.arg for argument in node.args.args)):
            self.names.setdefault(name, len(self.names))
        self.block(node.body)
        self.say("]")


def root_name(node: ast.expr) -> str | None:
    """Return the name that a dotted name begins with, None where it begins with anything else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name or attribute, empty where there is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _says_nothing(statement: ast.stmt) -> bool:
    """Tell whether a statement is a string by itself (a docstring, a comment) or `pass`."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)
