"""Ranges of small kernels, told from their source: what ties each to its releases, and why."""

from __future__ import annotations

import textwrap

import pytest

from crawler.enrich.versions import VersionRange, version_ranges
from crawler.scan import link_snapshot, scan_file
from crawler.scan.facts import FileFacts

HEAD = """
import triton
import triton.language as tl
"""
BODY = "    tl.store(x_ptr, STEP)\n"


def ranges(text: str, **others: str) -> dict[str, VersionRange]:
    files = {"k.py": text} | {f"{name}.py": source for name, source in others.items()}
    facts = {path: scan_file(path, source.encode()) for path, source in files.items()}
    read = {path: fact for path, fact in facts.items() if isinstance(fact, FileFacts)}
    assert read.keys() == files.keys()
    kernels = link_snapshot(read)
    return {k.name: found for k, found in zip(kernels, version_ranges(kernels), strict=True)}


def of(body: str, *, params: str = "x_ptr, n, B: tl.constexpr", before: str = "") -> VersionRange:
    head = HEAD + textwrap.dedent(before) + f"\n@triton.jit\ndef kernel({params}):\n"
    return ranges(head + textwrap.indent(textwrap.dedent(body), "    "))["kernel"]


def ends(found: VersionRange) -> tuple[str | None, str | None]:
    return found.min, found.max


NONE = (None, None)
TILE = "x = tl.load(x_ptr + tl.arange(0, B)[:, None] * B + tl.arange(0, B)[None, :])\n"
CALLS = [
    ("sum without an axis", TILE + "tl.store(x_ptr, tl.sum(x))", ("2.1.0", None)),
    ("sum along an axis", TILE + "tl.store(x_ptr, tl.sum(x, 0))", ("2.0.0", None)),
    ("sum with arguments that are spread", TILE + "tl.sum(x, *n)", ("2.0.0", None)),
    ("a sum that keeps its axis", TILE + "tl.sum(x, 0, True)", ("3.0.0", None)),
    ("an accumulator by position", TILE + "tl.dot(x, x, x * 2)", ("2.2.0", None)),
    (
        "an accumulator of zeros",
        TILE + "tl.dot(x, x, tl.zeros((B, B), tl.float32))",
        ("2.2.0", None),
    ),
    ("a flag in the accumulator's place", TILE + "tl.dot(x, x, False)", ("2.0.0", "2.1.0")),
    ("a constexpr in the accumulator's place", TILE + "tl.dot(x, x, B)", ("2.0.0", "2.1.0")),
    ("something in the accumulator's place", TILE + "tl.dot(x, x, helper(x))", ("2.0.0", None)),
    ("trans by axes", TILE + "tl.trans(x, 1, 0)", ("3.0.0", None)),
    ("trans", TILE + "tl.trans(x)", ("2.0.0", None)),
    ("a shape in one", TILE + "tl.reshape(x, (B, 1))", ("2.0.0", None)),
    ("a shape in parts", TILE + "tl.reshape(x, B, 1)", ("3.0.0", None)),
    ("a method of the tensor", TILE + "x.trans()", ("3.0.0", None)),
    ("a method of what another gives", TILE + "(x + 1).reshape(B)", ("3.0.0", None)),
    ("a method that was always there", TILE + "x.to(tl.float16)", ("2.0.0", None)),
    ("its keyword", TILE + "x.to(tl.float16, fp_downcast_rounding='rtne')", ("3.0.0", None)),
    ("bitcast by position", TILE + "x.to(tl.int32, True)", ("2.0.0", "2.3.1")),
    ("a method of a later release", TILE + "x.gather(x, 0)", ("3.3.0", None)),
    ("the load of a descriptor", "tl.store(n, x_ptr.load([0, B]))", ("3.4.0", None)),
    ("the load of something else", "tl.store(n, x_ptr.load(B))", ("2.0.0", None)),
    ("one result under two names", TILE + "m, _ = tl.max(x)", ("2.1.0", "3.2.0")),
    ("two results", TILE + "m, i = tl.max(x, 0, return_indices=True)", ("2.1.0", None)),
    ("two results, asked for by position", TILE + "m, i = tl.max(x, 0, True)", ("2.1.0", None)),
    ("one result of a load under two names", "a, b = tl.load(x_ptr)", ("2.0.0", "3.2.0")),
    ("two that are split", TILE + "a, b = tl.split(x)", ("3.0.0", None)),
    ("a keyword of no release", TILE + "tl.dot(x, x, trans_b=True)", NONE),
    ("a typing error", TILE + "tl.cidv(x, 2)", NONE),
    ("a name in an annotation", "a: tl.tensor = tl.load(x_ptr)", ("2.0.0", None)),
]


@pytest.mark.parametrize(("body", "expected"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_calls(body: str, expected: tuple[str | None, str | None]) -> None:
    assert ends(of(body)) == expected


CONSTANTS = [
    ("a plain constant", "STEP = 4", ("2.0.0", "2.3.1")),
    ("arithmetic", "import math\nSTEP = 1 / math.log(2)", ("2.0.0", "2.3.1")),
    ("one that rests on another", "A = 2\nSTEP = A * 2", ("2.0.0", "2.3.1")),
    ("an annotated one", "STEP: tl.constexpr = 4", ("2.0.0", "3.2.0")),
    ("an annotation that is kept as text", "STEP: 'tl.constexpr' = 4", ("2.0.0", "2.3.1")),
    ("a constexpr", "STEP = tl.constexpr(4)", ("2.0.0", None)),
    ("a type of Triton's", "STEP = tl.float32", ("2.0.0", None)),
    ("one of several", "STEP = 4\nif COND:\n    STEP = tl.constexpr(5)", ("2.0.0", None)),
    ("what is not known", "STEP = make()", ("2.0.0", None)),
    (
        "where the file allows it",
        "import os\nos.environ['TRITON_ALLOW_NON_CONSTEXPR_GLOBALS'] = '1'\nSTEP = 4",
        ("2.0.0", None),
    ),
]


@pytest.mark.parametrize(
    ("before", "expected"), [c[1:] for c in CONSTANTS], ids=[c[0] for c in CONSTANTS]
)
def test_constants_of_the_module(before: str, expected: tuple[str, str | None]) -> None:
    assert ends(of("tl.store(x_ptr, STEP)", before=before)) == expected


def test_a_local_of_that_name_makes_a_constant_harmless() -> None:
    assert ends(of("STEP = 3\ntl.store(x_ptr, STEP)", before="STEP = 4")) == ("2.0.0", None)


def test_a_constant_of_another_file() -> None:
    text = HEAD + "from consts import STEP\n@triton.jit\ndef kernel(x_ptr):\n" + BODY
    constant = "import triton.language as tl\nSTEP: tl.constexpr = 4\n"
    assert ends(ranges(text, consts=constant)["kernel"]) == ("2.0.0", "2.3.1")
    assert ends(
        ranges(text, consts="import triton.language as tl\nSTEP = tl.constexpr(4)\n")["kernel"]
    ) == ("2.0.0", None)


def test_a_constant_names_what_sets_the_end() -> None:
    assert of("tl.store(x_ptr, STEP)", before="STEP = 4").max_symbol == "STEP"


HEADERS = [
    (
        "a keyword of a long decorator",
        "configs=[triton.Config({'B': 1}, num_warps=4)],\n\n\n\n\n key=['n'], cache_results=True",
        "",
        ("3.4.0", None),
    ),
    (
        "an option of a config",
        "[triton.Config({}, num_consumer_groups=2)], ['n']",
        "",
        ("3.2.0", "3.3.1"),
    ),
    ("an option of no release", "[triton.Config({}, waves_per_eu=2)], ['n']", "", NONE),
    (
        "a config made in a function of the file",
        "make(), ['n']",
        "def make():\n    return [triton.Config({}, maxnreg=64) for _ in range(3)]",
        ("3.0.0", None),
    ),
    (
        "a pruner of triton.ops",
        "configs=[], key=[], prune_configs_by={'early_config_prune': early_config_prune}",
        "from triton.ops.matmul_perf_model import early_config_prune",
        ("2.0.0", "3.1.0"),
    ),
]


@pytest.mark.parametrize(
    ("arguments", "before", "expected"), [c[1:] for c in HEADERS], ids=[c[0] for c in HEADERS]
)
def test_decorators(arguments: str, before: str, expected: tuple[str | None, str | None]) -> None:
    text = f"{HEAD}{before}\n@triton.autotune({arguments})\n@triton.jit\ndef kernel(x_ptr, n):\n"
    assert ends(ranges(text + "    tl.store(x_ptr, n)\n")["kernel"]) == expected


def test_the_annotation_of_a_pointer() -> None:
    body = "tl.store(x_ptr, n)"
    assert ends(of(body, params="x_ptr: torch.Tensor, n: tl.int32")) == ("2.1.0", None)
    assert ends(of(body, params="x_ptr, n: tl.int32")) == ("2.0.0", None)
    assert ends(of(body, params="x_ptr: tl.const, n")) == ("3.0.0", None)


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("tl.constexpr_function", ("3.4.0", "3.4.0")),
        ("triton.constexpr_function", ("3.5.0", None)),
    ],
)
def test_a_constexpr_function_that_is_called(
    decorator: str, expected: tuple[str, str | None]
) -> None:
    before = f"@{decorator}\ndef half(n):\n    return n // 2\n"
    assert ends(of("tl.store(x_ptr, half(B))", before=before)) == expected


@pytest.mark.parametrize(
    ("imported", "called", "dialect"),
    [
        ("import triton.language.extra.tlx as tlx", "tlx.local_alloc((B,), tl.float32, 2)", "TLX"),
        ("import triton.language.extra.cann.extension as al", "al.sub_vec_id()", "CANN"),
        ("from triton.language.extra.mlu.libdevice import ultra_exp", "ultra_exp(n)", "MLU"),
    ],
)
def test_names_of_dialects_are_in_no_release(imported: str, called: str, dialect: str) -> None:
    found = of(f"tl.store(x_ptr, {called})", before=imported)
    assert ends(found) == NONE
    assert found.dialects == (dialect,)
    assert len(found.lacks) == 1 and found.lacks[0].startswith("triton.language.extra.")


JIT = "class JITFunction: ...\ndef jit(fn):\n    return JITFunction(fn)"
CORE = "from ..runtime.jit import jit\ndef load(): ...\ndef store(): ..."
STANDARD = """
from . import core
from ..runtime.jit import jit
@jit
def sum(input, axis):
    return core.fork_only(input)
"""
VENDORED = {
    "__init__.py": "from .runtime.jit import jit\nfrom . import language",
    "runtime/__init__.py": "",
    "runtime/jit.py": JIT,
    "language/__init__.py": "from .standard import sum\nfrom .core import load, store",
    "language/core.py": CORE,
    "language/standard.py": STANDARD,
}


def test_a_copy_of_triton_within_a_fork_is_no_callee() -> None:
    kernel = "@triton.jit\ndef kernel(x_ptr):\n    tl.store(x_ptr, tl.sum(x_ptr, 0, True))\n"
    roots = ("python", "third_party/a/python")
    files = {f"{r}/triton/{path}": text for r in roots for path, text in VENDORED.items()}
    files["k.py"] = HEAD + kernel
    facts = {path: scan_file(path, text.encode()) for path, text in files.items()}
    kernels = link_snapshot({p: f for p, f in facts.items() if isinstance(f, FileFacts)})
    found = {k.path: r for k, r in zip(kernels, version_ranges(kernels), strict=True)}
    assert ends(found["k.py"]) == ("3.0.0", None)


@pytest.mark.parametrize(
    ("says", "body", "expected"),
    [
        ("what the body reads", "tl.store(x_ptr + tl.arange(0, META['B']), 1.0)", NONE),
        ("what nobody reads", "tl.store(x_ptr, 1.0)", ("2.0.0", None)),
    ],
)
def test_open_parameters_are_filled_by_no_release(
    says: str, body: str, expected: tuple[str | None, str | None]
) -> None:
    found = of(body, params="x_ptr, **META")
    assert ends(found) == expected
    assert found.unknown == (("**META",) if expected == NONE else ())
