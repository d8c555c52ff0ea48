"""What a kernel is compiled for, where nobody says: types of arguments, values of constants.

The rules, in the order in which they hold:

- A constant is what the first autotune config says, else what a launch in the same file writes out,
  else its default, else by use: a flag is true; what is compared with a literal is that literal;
  a type is that of the data, float32 where its name speaks of accumulating; the size of a block is
  64 (of a single dimension 1024); a group is 8, stages 2, warps 4; what is unrolled over is 2.
- A pointer points to integers of 32 bits if what is loaded by it is used as an address, a count or
  a set of bits, or its name speaks of such (`cu_seqlens`, `block_table`), else to the
  half-precision type that the code names, to the first that the index knows the kernel for, or to
  float16.
- A scalar is float32 if its name speaks of one (eps, scale) or it meets no address, count or
  comparison in the body, else an integer of 32 bits. Pointers and integers are multiples of 16.
- A descriptor is of the pointers' type, with blocks of the size that its indices are multiples of.
- What is handed to another function of the file is taken for what that function uses it as.

Where that does not compile, the second attempt takes another type, integers of 64 bits, flags that
are false and blocks of 32; the third a third type with blocks of 16 and the last autotune config.
From the attempt that got furthest on, single guesses are then changed where the compiler stopped,
see `index.compiling.repairs`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crawler.models import Param, ParamKind
from index.compiling.body_uses import Uses, functions_of, parameters_of, uses_of

Value = str | int | float | bool | None | dict[str, str]

_FLOATS = re.compile(
    r"(^|_)(eps|epsilon|\w*scale|alpha|beta|gamma|lr|dropout|prob|p|momentum|decay|soft_?cap|slope|"
    r"temperature|threshold|sm_scale|weight_decay|beta[12]|inv_\w+|lambda_?|factor|limit|"
    r"softmax_scale|qk_scale|smooth\w*|penalty|theta|base)$",
    re.IGNORECASE,
)
_WHOLE_NAMES = re.compile(
    r"(^|_)(idx|index|indexes|indices|ind|indptr|offs|offset|offsets|ids?|lock|locks|counts?|"
    r"counter|lens?|lengths?|(cu_?)?seq_?lens?\w*|tables?|block_?tables?|page_?table|slot_mapping|"
    r"positions?|labels?|tokens|perm|mapping|(num|n)_tokens\w*)(_?ptrs?)?$",
    re.IGNORECASE,
)
_DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64"}
_DTYPE_NAME = re.compile(r"d?type$|dtype", re.IGNORECASE)
_ACCUMULATES = re.compile(r"acc|compute|fp32|float32", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One set of assumptions. `config` counts autotune configs; -1 is the last."""

    types: Mapping[str, str]
    constants: Mapping[str, Value]
    config: int = 0
    options: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    dtype: str
    whole: str
    flag: bool
    block: int
    line: int
    config: int = 0


def attempts_for(
    source: str,
    name: str,
    params: Sequence[Param],
    *,
    dtypes: Sequence[str] = (),
    launched: Mapping[str, Value] | None = None,
) -> tuple[Attempt, ...]:
    """Return up to three sets of assumptions for kernel `name` of a module, the likeliest first.

    `params` tells the kinds of its parameters, `dtypes` what the index knows it to handle,
    `launched` what a launch writes out.
    """
    functions = functions_of(ast.parse(source))
    function = functions[name]
    uses = uses_of(function, functions)
    known = [*_cast_to(functions), *(_DTYPES[each] for each in dtypes if each in _DTYPES)]
    first = known[0] if known else "fp16"
    second, third = [t for t in ("fp32", "fp16", "bf16") if t != first][:2]
    variants = (
        _Variant(dtype=first, whole="i32", flag=True, block=64, line=1024),
        _Variant(dtype=second, whole="i64", flag=False, block=32, line=256),
        _Variant(dtype=third, whole="i32", flag=False, block=16, line=128, config=-1),
    )
    return tuple(_attempt(function, uses, params, variant, launched or {}) for variant in variants)


def launched_values(source: str, name: str) -> dict[str, Value]:
    """Return what launches of kernel `name` in a module write out by keyword, as literals.

    What two launches say differently is as the first has it.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, Value] = {}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Subscript)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == name
        ):
            for keyword in node.keywords:
                value = keyword.value
                literal = value.value if isinstance(value, ast.Constant) else None
                if keyword.arg and isinstance(literal, (bool, int, float, str)):
                    found.setdefault(keyword.arg, literal)
    return found


def _cast_to(functions: Mapping[str, ast.FunctionDef]) -> list[str]:
    """Return the half-precision type that code casts to by its name, if that is one."""
    nodes = (node for function in functions.values() for node in ast.walk(function))
    named = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found = named & {"float16", "bfloat16"}
    return [_DTYPES[each] for each in found] if len(found) == 1 else []


def _attempt(
    function: ast.FunctionDef,
    uses: Uses,
    params: Sequence[Param],
    variant: _Variant,
    launched: Mapping[str, Value],
) -> Attempt:
    kinds = {param.name: param for param in params}
    counting = uses.behind(uses.whole | uses.ordered | uses.bits)
    types: dict[str, str] = {}
    constants: dict[str, Value] = {}
    sizes = [n for n, p in kinds.items() if p.kind is ParamKind.CONSTEXPR and n in uses.sizes]
    whole = uses.to_whole()
    for name in parameters_of(function):
        param = kinds.get(name) or Param(name=name, kind=ParamKind.UNKNOWN)
        if param.kind is ParamKind.CONSTEXPR or name in uses.sizes:
            if name in launched:
                constants[name] = launched[name]
            elif param.default in (None, "None"):
                constants[name] = _constant(name, uses, variant, is_line=len(sizes) < 2)
        elif param.kind is ParamKind.DESCRIPTOR:
            types[name] = _descriptor(name, uses, variant)
        elif param.kind is ParamKind.POINTER:
            types[name] = f"*{_pointed(name, uses, whole, variant)}"
        elif _FLOATS.search(name) or name in uses.read - counting:
            types[name] = "fp32"
        else:
            types[name] = "i32"
    options = {n: v for n, v in launched.items() if n in ("num_warps", "num_stages")}
    plain = {n: v for n, v in options.items() if isinstance(v, int)}
    return Attempt(types=types, constants=constants, config=variant.config, options=plain)


def _pointed(name: str, uses: Uses, whole: set[str], variant: _Variant) -> str:
    """Return the type of what a pointer points to."""
    if name in whole or name in uses.bits:
        return "i32" if name in uses.bits or name in uses.counters else variant.whole
    return variant.whole if _WHOLE_NAMES.search(name) else variant.dtype


def _constant(name: str, uses: Uses, variant: _Variant, *, is_line: bool) -> Value:
    if name in uses.compared and not isinstance(uses.compared[name][0], bool):
        literals = uses.compared[name]
        if isinstance(literals[0], str) or name not in uses.sizes:
            value = literals[0]
            return value if isinstance(value, (str, int, float)) else None
    if name in uses.dtypes or _DTYPE_NAME.search(name):
        data = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}
        return {"dtype": "float32" if _ACCUMULATES.search(name) else data[variant.dtype]}
    if name in uses.flags or name in uses.compared:
        return variant.flag
    return _size(name.upper(), name in uses.sizes, name in uses.unrolled, variant, is_line=is_line)


def _size(name: str, is_block: bool, is_unrolled: bool, variant: _Variant, *, is_line: bool) -> int:
    """Return a guess at a whole number, by what its name speaks of."""
    if "GROUP" in name and not is_block:
        return 8
    if "STAGE" in name or "FACTOR" in name:
        return 2
    if "WARPS" in name:
        return 4
    if is_unrolled:
        return 2
    if "SPLIT" in name and not is_block:
        return 1
    if is_block:
        return variant.line if is_line else variant.block
    return variant.block


def _descriptor(name: str, uses: Uses, variant: _Variant) -> str:
    """Return the type of a descriptor, a block as long as what each index is a multiple of."""
    indices = uses.dims.get(name, [])
    rank = len(indices[0]) if indices else 2
    block = ", ".join([str(variant.block)] * rank)
    return f"tensordesc<{variant.dtype}[{block}]>"
