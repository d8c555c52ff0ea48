"""What the values in a kernel's body are, as far as the body tells: tensors, descriptors.

Triton's tensors have methods, and each came with some release; `x.trans()` can be told from a
method of the project's own only by what `x` is, or where nothing else has a method of that name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MAX_DEPTH = 24

TENSOR_METHODS = frozenset(
    "abs argmax argmin associative_scan broadcast_to cast cdiv ceil cos cumprod cumsum erf "
    "exp exp2 expand_dims floor histogram item log log2 logical_and logical_or max min permute "
    "ravel reduce reduce_or reshape rsqrt sigmoid sin softmax sqrt sqrt_rn sum to trans view "
    "xor_sum".split()
)
"""Methods that, of all that a kernel's values can be, only a tensor has."""
SHARED_METHODS = frozenset(
    "atomic_add atomic_and atomic_cas atomic_max atomic_min atomic_or atomic_xchg atomic_xor flip "
    "gather sort split store".split()
)
"""Methods of tensors that other values have too."""
DESCRIPTOR_METHODS = frozenset(
    "load store gather scatter atomic_add atomic_and atomic_max atomic_min atomic_or "
    "atomic_xor".split()
)
_TENSOR_FUNCTIONS = frozenset(
    "abs arange argmax argmin atomic_add atomic_and atomic_cas atomic_max atomic_min atomic_or "
    "atomic_xchg atomic_xor broadcast_to cast cat ceil clamp cos cumprod cumsum dot dot_scaled erf "
    "exp exp2 expand_dims fdiv flip floor fma full gather histogram interleave join load log log2 "
    "max_contiguous maximum minimum multiple_of num_programs permute program_id rand randint randn "
    "ravel reshape rsqrt sigmoid sin softmax sort sqrt sqrt_rn sum trans view where xor_sum zeros "
    "zeros_like".split()
)
_MAKERS = frozenset({"create", "initialize", "make"})
"""What classes of a project call the functions that make their values."""
_KEEPS = TENSOR_METHODS - {"item"}


@dataclass(frozen=True, slots=True)
class Values:
    """The values that a body binds.

    `assigned` are the expressions that a name is bound to, `unclear` the names that are bound in
    other ways too. `language` tells the function of Triton's language that a call means, if any.
    """

    params: frozenset[str]
    constexprs: frozenset[str]
    pointers: frozenset[str]
    assigned: Mapping[str, Sequence[ast.expr]]
    unclear: frozenset[str]
    language: Callable[[ast.expr], str | None]

    def is_tensor(self, node: ast.expr, seen: frozenset[str] = frozenset(), depth: int = 0) -> bool:
        """Tell whether an expression is a tensor for sure."""
        if depth > MAX_DEPTH:
            return False
        inner = depth + 1
        match node:
            case ast.Name(id=name):
                return self._is_tensor_name(name, seen, inner)
            case ast.Call(func=function):
                if self.language(function) in _TENSOR_FUNCTIONS:
                    return True
                return (
                    isinstance(function, ast.Attribute)
                    and function.attr in _KEEPS
                    and self.is_tensor(function.value, seen, inner)
                )
            case ast.BinOp(left=left, right=right):
                return self.is_tensor(left, seen, inner) or self.is_tensor(right, seen, inner)
            case ast.Compare(left=left, comparators=[right]):
                return self.is_tensor(left, seen, inner) or self.is_tensor(right, seen, inner)
            case ast.UnaryOp(op=ast.USub() | ast.Invert(), operand=operand):
                return self.is_tensor(operand, seen, inner)
            case ast.Subscript(value=value):
                return self.is_tensor(value, seen, inner)
            case ast.Attribute(value=value, attr="T"):
                return self.is_tensor(value, seen, inner)
        return False

    def _is_tensor_name(self, name: str, seen: frozenset[str], depth: int) -> bool:
        if name in self.unclear:
            return False
        if name in self.params and name not in self.assigned:
            return name in self.pointers and name not in self.constexprs
        if name in seen:
            return True  # what it was before is asked for already
        given = self.assigned.get(name, ())
        every = (self.is_tensor(each, seen | {name}, depth) for each in given)
        return bool(given) and len(seen) < MAX_DEPTH and all(every)

    def form(self, node: ast.expr) -> str:
        """Return how an argument is given, in the words of `ApiUse.args`."""
        match node:
            case ast.Starred():
                return "*"
            case ast.Constant(value=bool() | None as value):
                return str(value)
            case ast.Constant(value=str()):
                return "text"
            case ast.Constant():
                return "number"
            case ast.List() | ast.Tuple():
                return "list"
            case ast.Name(id=name) if name in self.constexprs and name not in self.assigned:
                return "constexpr"
        return "tensor" if self.is_tensor(node) else "?"

    def method_of(self, call: ast.Call) -> tuple[str, str] | None:
        """Return the class of Triton's and its method that a call of a local value means."""
        function = call.func
        if not isinstance(function, ast.Attribute):
            return None
        name, owner = function.attr, function.value
        is_local = self._is_local(owner)
        if is_local and name in TENSOR_METHODS:
            return "tensor", name
        if name in SHARED_METHODS and self.is_tensor(owner):
            return "tensor", name
        if name in DESCRIPTOR_METHODS and isinstance(owner, ast.Name) and self._is_handed(owner.id):
            first = call.args[0] if call.args else None
            first = next((k.value for k in call.keywords if k.arg == "offsets"), first)
            if isinstance(first, (ast.List, ast.Tuple)):
                return "tensor_descriptor", name
        return None

    def _is_handed(self, name: str) -> bool:
        """Tell whether a name is a parameter as it came, and no constant."""
        is_own = name in ("self", "cls") or name in self.assigned or name in self.unclear
        return name in self.params and name not in self.constexprs and not is_own

    def _is_local(self, node: ast.expr) -> bool:
        """Tell whether an expression is a value of the body's: no constant, no global, no field."""
        match node:
            case ast.Name(id=name):
                if name in self.params:
                    return name not in self.constexprs and name not in ("self", "cls")
                return (
                    name in self.assigned
                    and name not in self.constexprs
                    and not any(map(_makes_own, self.assigned[name]))
                )
            case ast.BinOp() | ast.Compare():
                return self.is_tensor(node)
            case ast.Call():
                return self.is_tensor(node)
            case ast.Subscript(value=value):
                return self.is_tensor(value)
        return False


def _makes_own(node: ast.expr) -> bool:
    """Tell whether an expression may make a value of a class of the project's."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name[:1].isupper() or name in _MAKERS
