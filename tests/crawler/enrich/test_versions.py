from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.enrich.api_table import load_table
from crawler.enrich.versions import VersionRange, header_uses, version_range, version_ranges
from crawler.models import ApiUse, ScannedKernel
from crawler.scan import link_snapshot, scan_file
from crawler.scan.facts import FileFacts

DATA = Path(__file__).parents[2] / "data" / "triton_range"
OUTCOME = json.loads((DATA / "outcome.json").read_text("utf-8"))

COMPILES_ALL_THE_SAME = {
    # These drop an assertion before they look at its keywords.
    ("asserts_some", "3.0.0"),
    ("asserts_some", "3.1.0"),
}
FAILS_ALL_THE_SAME = {
    # The function is there and cannot be called: it does not take what the compiler passes.
    ("waits_for_the_grid_before", "3.4.0"),
    # The function is there, and its passes fail on Hopper.
    ("multiplies_scaled", "3.2.0"),
}


def tl(name: str, *keywords: str, guards: tuple[str, ...] = ()) -> ApiUse:
    return ApiUse(name=f"triton.language.{name}", keywords=keywords, guards=guards)


def scanned(text: str) -> tuple[ScannedKernel, ...]:
    facts = scan_file("k.py", text.encode())
    assert isinstance(facts, FileFacts)
    return link_snapshot({"k.py": facts})


def ends(found: VersionRange) -> tuple[str | None, str | None]:
    return found.min, found.max


RANGES = [
    ("what was always there", [tl("load", "mask"), tl("store")], ("2.0.0", None)),
    ("a name", [tl("load"), tl("gather")], ("3.3.0", None)),
    ("a keyword", [tl("dot", "input_precision")], ("3.0.0", None)),
    ("what has gone", [tl("make_block_ptr"), tl("load", "boundary_check")], ("2.1.0", "3.8.0")),
    ("both ends", [tl("make_block_ptr"), tl("topk")], ("3.4.0", "3.8.0")),
    ("a method of a type", [tl("float32.primitive_bitwidth"), tl("gather")], ("3.3.0", None)),
    ("a short life", [tl("_experimental_make_tensor_descriptor")], ("3.3.0", "3.3.1")),
    ("a name beside one that no release has", [tl("tle.x"), tl("gather")], (None, None)),
    ("a keyword that no release has", [tl("dot", "trans_b")], (None, None)),
    ("a secret name, of which no list tells", [tl("_hidden.x"), tl("gather")], ("3.3.0", None)),
    (
        "a name of no release where a device asks for it",
        [tl("load"), tl("extra.cann.x", guards=("IS_ASCEND",))],
        ("3.5.0", None),
    ),
    ("nothing that is known", [tl("tle.x")], (None, None)),
    ("nothing at all", [], (None, None)),
    (
        "the same function under its names over time",
        [tl("math.tanh"), tl("extra.cuda.libdevice.tanh"), tl("extra.libdevice.tanh")],
        ("2.1.0", None),
    ),
    (
        "an alternative that is not Triton's",
        [tl("gather", guards=("one of: triton.language.gather, mine.gather",)), tl("load")],
        ("2.0.0", None),
    ),
    (
        "an alternative, told by the scanner",
        [tl("topk", guards=("one of: triton.language.topk, triton.language.gather",))],
        ("3.3.0", None),
    ),
    (
        "a branch around the definition",
        [tl(n, guards=("TRITON_GE_3_4",)) for n in ("topk", "load")],
        ("2.0.0", None),
    ),
    (
        "a branch in the body over a keyword",
        [tl("load"), tl("cumsum", "dtype", guards=("TRITON_GE_3_4",))],
        ("2.1.0", None),
    ),
    (
        "a branch in the body over a name, which old releases look up all the same",
        [tl("load"), tl("make_tensor_descriptor", guards=("TRITON_GE_3_5",))],
        ("3.4.0", None),
    ),
    (
        "a branch on the device",
        [tl("load"), tl("topk", guards=("IS_HOPPER",))],
        ("3.4.0", None),
    ),
    (
        "a branch that no release takes",
        [tl("load"), tl("dot", "two_ctas", guards=("hasattr(tl, 'tle')",))],
        ("2.0.0", None),
    ),
]


@pytest.mark.parametrize(
    ("uses", "expected"), [case[1:] for case in RANGES], ids=[case[0] for case in RANGES]
)
def test_range(uses: list[ApiUse], expected: tuple[str | None, str | None]) -> None:
    assert ends(version_range(uses)) == expected


def test_the_ends_are_named() -> None:
    found = version_range([tl("load"), tl("make_block_ptr"), tl("range", "flatten")])
    assert (found.min, found.min_symbol) == ("3.3.0", "triton.language.range(flatten)")
    assert (found.max, found.max_symbol) == ("3.8.0", "triton.language.make_block_ptr")


def test_the_ends_of_the_table_are_nobodys() -> None:
    found = version_range([tl("load")])
    assert (found.min_symbol, found.max_symbol) == (None, None)


def test_what_cannot_be_had_together_is_named() -> None:
    found = version_range([tl("load"), tl("math.tanh"), tl("topk")])
    assert ends(found) == (None, None)
    assert found.conflict == ("triton.language.math.tanh", "triton.language.topk")


def test_what_no_release_has_is_told() -> None:
    found = version_range([tl("load", "care_padding"), tl("cidv")])
    assert found.unknown == ("triton.language.cidv", "triton.language.load(care_padding)")


def test_a_callee_needs_what_its_callers_need_of_it() -> None:
    assert ends(version_range([tl("load")], [[tl("gather")], [tl("topk")]])) == ("3.4.0", None)


def test_a_range_has_its_releases() -> None:
    found = version_range([tl("make_block_ptr"), tl("topk")])
    assert [r for r in load_table().releases if found.has(r)] == [
        r for r in load_table().releases if "3.4.0" <= r <= "3.8.0"
    ]
    assert not found.has("9.9.9")
    assert not VersionRange().has("3.4.0")
    assert version_range([tl("topk")]).has(load_table().releases[-1])


CALLS = """
import triton
import triton.language as tl

if hasattr(tl, "gather"):
    @triton.jit
    def pick(x, i):
        return tl.gather(x, i, 0)
else:
    @triton.jit
    def pick(x, i):
        return x

@triton.jit
def deep(x):
    return tl.topk(x, 4)

@triton.jit
def middle(x):
    return deep(x) + middle(x)

@triton.jit
def kernel(x_ptr, i_ptr):
    tl.store(x_ptr, pick(tl.load(x_ptr), tl.load(i_ptr)))

@triton.jit
def caller(x_ptr):
    tl.store(x_ptr, middle(tl.load(x_ptr)))
"""


def test_a_callee_counts_wherever_it_is_called_from() -> None:
    kernels = scanned(CALLS)
    found = {k.qualname: r for k, r in zip(kernels, version_ranges(kernels), strict=True)}
    assert (found["caller"].min, found["caller"].min_symbol) == ("3.4.0", "triton.language.topk")
    assert found["kernel"].min == "2.0.0"


DECORATED = """
import triton
import triton.language as tl

@triton.autotune(configs=[triton.Config({"B": 1}, num_warps=4, maxnreg=64)], key=["n"])
@triton.jit(do_not_specialize=["n"])
def kernel(x_ptr, n):
    tl.store(x_ptr, n)

@triton.autotune(configs=[], key=["n"], cache_results=True)
@triton.jit
def cached(x_ptr, n):
    tl.store(x_ptr, n)

@project.jit(cache_key="x")
def theirs(x_ptr, n):
    tl.store(x_ptr, n)
"""


def test_decorators_count() -> None:
    kernels = scanned(DECORATED)
    names = {(use.name, use.keywords) for use in header_uses(kernels[0])}
    assert names == {
        ("triton.jit", ()),
        ("triton.Config", ("maxnreg", "num_warps")),
    }
    names = {(use.name, use.keywords) for use in kernels[0].needs}
    assert names == {
        ("triton.jit", ("do_not_specialize",)),
        ("triton.autotune", ("configs", "key")),
        ("triton.Config", ("maxnreg", "num_warps")),
    }
    first, second, *_ = version_ranges(kernels)
    assert (first.min, first.min_symbol) == ("3.0.0", "triton.Config(maxnreg)")
    assert (second.min, second.min_symbol) == ("3.4.0", "triton.autotune(cache_results)")


def test_agrees_with_what_really_compiles() -> None:
    facts = scan_file("kernels.py", (DATA / "kernels.py").read_bytes())
    assert isinstance(facts, FileFacts)
    kernels = link_snapshot({"kernels.py": facts})
    ranges = {k.qualname: r for k, r in zip(kernels, version_ranges(kernels), strict=True)}
    assert len(OUTCOME["releases"]) >= 6
    assert len(OUTCOME["compiles"]) >= 40
    wrong = {
        (name, release)
        for name, compiled in OUTCOME["compiles"].items()
        for release in OUTCOME["releases"]
        if ranges[name].has(release) != (release in compiled)
    }
    assert wrong == COMPILES_ALL_THE_SAME | FAILS_ALL_THE_SAME
