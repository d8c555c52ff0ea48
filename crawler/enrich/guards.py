"""What a condition in a kernel's code says of Triton's releases.

A condition is read as two sets of releases: those in which it may hold and those in which it may
fail. One that tells releases apart (`TRITON_VERSION >= (3, 4)`, `hasattr(tl, "gather")`) has no
release in both; one that says nothing of them (`IS_HOPPER`, `USE_TMA`) has every release in both,
since either branch is compiled under some setting. A name that speaks of Triton's version without
saying which (`OLD_TRITON_VERSION`) has none in either: no release is known to reach the branch.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from crawler.enrich.api_table import ApiTable, load_table
from crawler.models import ONE_OF

if TYPE_CHECKING:
    from packaging.version import Version

_ALIASES = {
    "tl": "triton.language",
    "gl": "triton.experimental.gluon.language",
    "ttgl": "triton.experimental.gluon.language",
    "libdevice": "triton.language.extra.libdevice",
}
_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
}
_NAMED_OPERATORS: dict[str, type[ast.cmpop]] = {
    "gt": ast.Gt,
    "ge": ast.GtE,
    "lt": ast.Lt,
    "le": ast.LtE,
    "eq": ast.Eq,
    "ne": ast.NotEq,
}
"""`operator.ge` in `compare_version("triton", operator.ge, "3.0.0")`."""
_FLAG = re.compile(
    r"""triton_?(?:version_?)?(?:is_)?
    (?P<word>ge|gte|gt|le|lte|lt|above|below|before|since|at_least|newer_than|older_than)?_?v?
    (?P<major>\d)(?:_(?P<minor>\d{1,2})|(?P<short>\d))?(?:_?(?P<micro>\d))?
    (?:_?plus|_or_(?:newer|later|above|higher))?$""",
    re.VERBOSE | re.IGNORECASE,
)
_WORDS: dict[str, type[ast.cmpop]] = {
    "gt": ast.Gt,
    "above": ast.Gt,
    "newer_than": ast.Gt,
    "le": ast.LtE,
    "lte": ast.LtE,
    "lt": ast.Lt,
    "below": ast.Lt,
    "before": ast.Lt,
    "older_than": ast.Lt,
}
_SPEAKS_OF_VERSION = re.compile(r"version|(^|_)(new|newer|old|older|legacy)(_|$)", re.IGNORECASE)
_VERSION_CALLS = frozenset({"parse", "Version", "LooseVersion", "StrictVersion", "tuple", "int"})


class Truth(NamedTuple):
    """The releases in which a condition may hold, and those in which it may fail."""

    holds: int
    fails: int


@lru_cache(maxsize=4096)
def live_in(guards: tuple[str, ...]) -> int:
    """Return the releases in which a branch under all these conditions may be compiled."""
    table = load_table()
    live = table.all
    for guard in guards:
        if not guard.startswith(ONE_OF):
            live &= _read(guard, table).holds
    return live


def alternatives(guards: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a use may stand for, as its `one_of` guards list them."""
    listed = (g.removeprefix(ONE_OF) for g in guards if g.startswith(ONE_OF))
    return tuple(name.strip() for names in listed for name in names.split(",") if name.strip())


def _read(text: str, table: ApiTable) -> Truth:
    try:
        node = ast.parse(text, mode="eval").body
        return _truth(node, table)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Truth(table.all, table.all)  # a condition cut off at its end, or beyond reading


def _truth(node: ast.expr, table: ApiTable) -> Truth:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            inner = _truth(node.operand, table)
            return Truth(inner.fails, inner.holds)
        case ast.BoolOp():
            return _joined(node, table)
        case ast.Constant(value=bool(value)):
            return Truth(table.all, 0) if value else Truth(0, table.all)
        case ast.Call(func=function, args=[inner]) if _last(function) in ("constexpr", "bool"):
            return _truth(inner, table)
        case ast.Call():
            return _called(node, table)
        case ast.Compare(ops=[op], comparators=[right]):
            return _compared(node.left, type(op), right, table)
        case ast.Name() | ast.Attribute():
            return _flag(_last(node), table)
    return Truth(table.all, table.all)


def _joined(node: ast.BoolOp, table: ApiTable) -> Truth:
    parts = [_truth(value, table) for value in node.values]
    holds, fails = parts[0]
    for part in parts[1:]:
        if isinstance(node.op, ast.And):
            holds, fails = holds & part.holds, fails | part.fails
        else:
            holds, fails = holds | part.holds, fails & part.fails
    return Truth(holds, fails)


def _called(node: ast.Call, table: ApiTable) -> Truth:
    match node:
        case ast.Call(func=ast.Name(id="hasattr"), args=[owner, ast.Constant(value=str(name))]):
            return _has(owner, name, table)
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Constant(value=str(name)), *_]):
            return _has(owner, name, table)
        case ast.Call(func=ast.Attribute(value=value, attr="startswith"), args=[prefix]):
            if _is_version(value) and isinstance(prefix, ast.Constant):
                return _where(table, lambda release: release.startswith(str(prefix.value)))
        case ast.Call(args=[]):
            return _flag(_last(node.func), table)
        case ast.Call(args=[ast.Constant(value="triton"), op, other]):
            compare, release = _NAMED_OPERATORS.get(_last(op)), _literal(other)
            if compare is not None and release is not None:
                return _against(table, compare, release)
    name = _last(node.func)
    wanted = _literal(node.args[0] if len(node.args) == 1 else ast.Tuple(node.args))
    if wanted is not None and re.search("triton", name, re.I) and _SPEAKS_OF_VERSION.search(name):
        return _against(table, ast.GtE, wanted)
    return _flag(name, table)


def _compared(left: ast.expr, op: type[ast.cmpop], right: ast.expr, table: ApiTable) -> Truth:
    everything = Truth(table.all, table.all)
    match (left, op, right):
        case (ast.Constant(value=str(name)), ast.In | ast.NotIn, ast.Call(args=[owner])):
            if _last(right.func) == "dir":
                found = _has(owner, name, table)
                return found if op is ast.In else Truth(found.fails, found.holds)
        case (ast.Call(), ast.Is | ast.IsNot, ast.Constant(value=None)):
            found = _truth(left, table)
            return found if op is ast.IsNot else Truth(found.fails, found.holds)
    if _is_version(right):
        left, op, right = right, _MIRRORED.get(op, op), left
    if not _is_version(left) or op not in _OPERATORS:
        return everything
    wanted = _literal(right)
    if wanted is None:
        return everything
    is_tuple = isinstance(right, (ast.Tuple, ast.List))
    return _read_as(_shapes(left, op, wanted, is_tuple=is_tuple), op, wanted, table)


def _has(owner: ast.expr, name: str, table: ApiTable) -> Truth:
    root, _, rest = ast.unparse(owner).partition(".")
    module = ".".join(part for part in (_ALIASES.get(root, root), rest) if part)
    full = f"{module}.{name}"
    if module.partition(".")[0] != "triton":
        return Truth(table.all, table.all)
    found = table.find(full)
    has = found[1].releases if found is not None and found[0] == full else 0
    return Truth(has, table.all & ~has)


def _flag(name: str, table: ApiTable) -> Truth:
    """Return what a name such as `TRITON_GE_3_4` or `IS_TRITON_22` says."""
    if "triton" not in name.lower():
        return Truth(table.all, table.all)
    match = _FLAG.search(name)
    if match is not None:
        numbers = match["major"], match["minor"] or match["short"] or "0", match["micro"] or "0"
        op = _WORDS.get((match["word"] or "").lower(), ast.GtE)
        return _against(table, op, _version(".".join(numbers)))
    return Truth(0, 0) if _SPEAKS_OF_VERSION.search(name) else Truth(table.all, table.all)


def _is_version(node: ast.expr) -> bool:
    """Tell whether an expression is Triton's version in any shape: text, tuple, its major."""
    match node:
        case ast.Attribute(value=ast.Name(id="triton"), attr="__version__" | "version"):
            return True
        case ast.Attribute(value=owner, attr="major" | "minor" | "micro" | "release"):
            return _is_version(owner)
        case ast.Name() | ast.Attribute():
            name = _last(node).lower()
            return "triton" in name and any(w in name for w in ("version", "major", "minor"))
        case ast.Subscript():
            return _is_version(node.value)
        case ast.Call(func=ast.Attribute(value=owner, attr="split" | "release")):
            return _is_version(owner)
        case ast.Call():
            is_reader = _last(node.func) in _VERSION_CALLS | {"map", "version"}
            texts = [a for a in node.args if not (isinstance(a, ast.Name) and a.id == "int")]
            if is_reader and [getattr(a, "value", None) for a in texts] == ["triton"]:
                return True  # importlib.metadata.version("triton")
            return is_reader and len(texts) == 1 and _is_version(texts[0])
        case ast.GeneratorExp(generators=[ast.comprehension(iter=source)]):
            return _is_version(source)
        case ast.ListComp(generators=[ast.comprehension(iter=source)]):
            return _is_version(source)
    return False


class _Shape(NamedTuple):
    """What of the version is compared: some of its numbers, or the first of its characters."""

    numbers: slice | None = None
    n_characters: int | None = None


_WHOLE = _Shape()


def _shapes(
    node: ast.expr, op: type[ast.cmpop], wanted: Version, *, is_tuple: bool
) -> tuple[_Shape, ...]:
    """Return the shapes that the version may have where it is compared with `wanted`.

    A name (`TRITON_VERSION <= (3, 3)`) may hold all numbers of the version, or as many as it is
    compared with.
    """
    shape = _shape(node)
    if shape is not _WHOLE or not is_tuple or not isinstance(node, (ast.Name, ast.Attribute)):
        return (shape,)
    cut = _Shape(slice(0, len(wanted.release)))
    return (cut,) if op in (ast.Eq, ast.NotEq) else (cut, _Shape(slice(0, None)))


def _shape(node: ast.expr) -> _Shape:
    """Return which part of the version an expression keeps."""
    match node:
        case ast.Call(args=[*_, inner]) if _last(node.func) in ("int", "tuple", "list", "map"):
            return _shape(inner)
        case ast.GeneratorExp(generators=[ast.comprehension(iter=source)]):
            return _shape(source)
        case ast.ListComp(generators=[ast.comprehension(iter=source)]):
            return _shape(source)
        case ast.Subscript(value=owner, slice=ast.Constant(value=int(place))) if place >= 0:
            if _is_text(owner):
                return _Shape(n_characters=1) if place == 0 else _WHOLE
            return _Shape(slice(place, place + 1))
        case ast.Subscript(
            value=owner, slice=ast.Slice(lower=None, upper=ast.Constant(value=int(end)))
        ) if end > 0:
            return _Shape(n_characters=end) if _is_text(owner) else _Shape(slice(0, end))
        case ast.Name() | ast.Attribute() if "major" in _last(node).lower():
            return _Shape(slice(0, 1))
        case ast.Name() | ast.Attribute() if "minor" in _last(node).lower():
            return _Shape(slice(1, 2))
        case ast.Attribute(attr="micro"):
            return _Shape(slice(2, 3))
        case ast.Attribute(attr="release"):
            return _Shape(slice(0, None))
    return _WHOLE


def _is_text(node: ast.expr) -> bool:
    """Tell whether the version is at hand as text: cutting it counts characters."""
    match node:
        case ast.Attribute(attr="__version__"):
            return True
        case ast.Call(func=function):
            return _last(function) == "version"
    return False


def _literal(node: ast.expr) -> Version | None:
    """Return the version that a constant stands for: "3.4", (3, 4), 3, parse("3.4")."""
    match node:
        case ast.Call(args=[inner]) if _last(node.func) in _VERSION_CALLS:
            return _literal(inner)
        case ast.Constant(value=str() | int() | float() as value) if not isinstance(value, bool):
            text = str(value)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) if elements:
            text = ".".join(str(getattr(e, "value", "?")) for e in elements)
        case _:
            return None
    # Late, like all of `packaging` here: few kernels ask for a version.
    from packaging.version import InvalidVersion

    try:
        return _version(text)
    except InvalidVersion:
        return None


@lru_cache(maxsize=256)
def _version(text: str) -> Version:
    from packaging.version import Version

    return Version(text)


def _read_as(
    shapes: Sequence[_Shape], op: type[ast.cmpop], wanted: Version, table: ApiTable
) -> Truth:
    """Return what a comparison says where the version has any of these shapes."""
    truths = [_against(table, op, wanted, shape) for shape in shapes]
    return Truth(
        reduce(operator.or_, (truth.holds for truth in truths)),
        reduce(operator.or_, (truth.fails for truth in truths)),
    )


def _against(
    table: ApiTable, op: type[ast.cmpop], wanted: Version, shape: _Shape = _WHOLE
) -> Truth:
    compare = _OPERATORS[op]

    def holds(release: str) -> bool:
        version = _version(release)
        if shape.numbers is not None:
            # As Python compares tuples: (3, 3) comes before (3, 3, 0).
            return bool(compare(version.release[shape.numbers], wanted.release))
        if shape.n_characters is not None:
            return bool(compare(release[: shape.n_characters], str(wanted)))
        return bool(compare(version, wanted))

    return _where(table, holds)


def _where(table: ApiTable, holds: Callable[[str], bool]) -> Truth:
    found = sum(1 << place for place, release in enumerate(table.releases) if holds(release))
    return Truth(found, table.all & ~found)


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
