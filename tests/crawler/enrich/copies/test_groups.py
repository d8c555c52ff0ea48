"""Which kernels are copies, near copies, or neither."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crawler.enrich.copies.fingerprint import callee_names, fingerprint_of
from crawler.enrich.copies.groups import Copyable, group_copies

SOFTMAX = """
def softmax_kernel(out_ptr, in_ptr, in_stride, out_stride, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    x = tl.load(in_ptr + row * in_stride + offs, mask=mask, other=-float("inf"))
    x = x - tl.max(x, axis=0)
    num = tl.exp(x)
    den = tl.sum(num, axis=0)
    tl.store(out_ptr + row * out_stride + offs, num / den, mask=mask)
"""
GATED = """
def gated_kernel(a_ptr, b_ptr, c_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    a = tl.load(a_ptr + offs, mask=mask).to(tl.float32)
    b = tl.load(b_ptr + offs, mask=mask).to(tl.float32)
    tl.store(c_ptr + offs, act(a) * b, mask=mask)
"""
GELU = """
def act(x):
    inner = 0.7979 * (x + 0.0447 * x * x * x)
    return 0.5 * x * (1 + tl.extra.cuda.libdevice.tanh(inner))
"""
SILU = "def act(x):\n    return x * (1 / (1 + tl.exp(-x)))"


def kernel(text: str, repo: str = "a/a", path: str = "k.py", **facts: Any) -> Copyable:
    text = text.strip("\n")
    name = text.split("(")[0].removeprefix("def ")
    calls = facts.pop("calls", ())
    fingerprint = fingerprint_of(text, callee_names(calls))
    assert fingerprint is not None
    return Copyable(
        id=f"{repo}:{path}::{name}",
        repo=repo,
        path=path,
        qualname=name,
        ops=facts.pop("ops", ()),
        calls=calls,
        fingerprint=fingerprint,
    )


def changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def groups(*kernels: Copyable) -> list[set[str]]:
    """Return the groups as sets of repositories, the largest first."""
    found = [{member.repo for member in group.members} for group in group_copies(kernels)]
    return sorted(found, key=lambda repos: (-len(repos), sorted(repos)))


def test_equal_after_renaming_whatever_the_name() -> None:
    renamed = changed(SOFTMAX, ("softmax_kernel", "sm"), ("offs", "cols"), ("num", "numerator"))
    assert groups(kernel(SOFTMAX), kernel(renamed, "b/b")) == [{"a/a", "b/b"}]


def test_the_code_of_copies_is_told_apart_from_that_of_near_copies() -> None:
    near = changed(SOFTMAX, ("tl.load(in_ptr", "tl.load(tl.multiple_of(in_ptr, 8)"))
    (group,) = group_copies([kernel(SOFTMAX), kernel(SOFTMAX, "b/b"), kernel(near, "c/c")])
    codes = [group.codes[member.id] for member in sorted(group.members, key=lambda m: m.repo)]
    assert codes[0] == codes[1] != codes[2]


@pytest.mark.parametrize(
    "change",
    [
        ("tl.program_id(0)", "tl.program_id(0).to(tl.int64)"),
        ("mask=mask)\n", "mask=mask, cache_modifier='.cg')\n"),
        ("    offs =", "    tl.assume(in_stride > 0)\n    offs ="),
        ("num / den", "(num / den).to(tl.float16)"),
    ],
)
def test_a_small_change_that_computes_the_same_is_a_near_copy(change: tuple[str, str]) -> None:
    near = changed(SOFTMAX, change)
    assert groups(kernel(SOFTMAX), kernel(near, "b/b")) == [{"a/a", "b/b"}]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("tl.max(", "tl.min("), id="min for max"),
        pytest.param(("tl.exp(", "tl.exp2("), id="another power"),
        pytest.param(("num / den", "tl.log(num / den)"), id="log softmax"),
        pytest.param(("num / den", "num * den"), id="product for quotient"),
        pytest.param(("x - tl.max", "x + tl.max"), id="sum for difference"),
        pytest.param(("num / den", "den / num"), id="upside down"),
    ],
)
def test_one_step_that_differs_is_another_operator(change: tuple[str, str]) -> None:
    other = changed(SOFTMAX, change)
    assert groups(kernel(SOFTMAX), kernel(other, "b/b")) == []


def test_what_is_called_decides_and_not_what_it_is_called() -> None:
    calls = ("k.py::act",)
    gelu = [kernel(GELU, repo) for repo in ("a/a", "b/b")]
    gated = [kernel(GATED, repo, calls=calls) for repo in ("a/a", "b/b", "c/c")]
    assert {"a/a", "b/b"} in groups(*gelu, *gated, kernel(SILU, "c/c"))
    assert not any("c/c" in group for group in groups(*gelu, *gated, kernel(SILU, "c/c")))
    renamed = changed(GATED, ("act(", "gelu("))
    found = groups(
        *gelu[:1],
        gated[0],
        kernel(changed(GELU, ("act", "gelu")), "b/b"),
        kernel(renamed, "b/b", calls=("k.py::gelu",)),
    )
    assert found == [{"a/a", "b/b"}] * 2


def test_functions_that_call_each_other_are_compared_too() -> None:
    one = changed(GATED, ("gated_kernel", "one"), ("act(a)", "two(a)"))
    two = changed(GATED, ("gated_kernel", "two"), ("act(a)", "one(b)"))
    kernels = [
        kernel(text, repo, calls=(f"k.py::{called}",))
        for repo in ("a/a", "b/b")
        for text, called in ((one, "two"), (two, "one"))
    ]
    assert groups(*kernels)[0] == {"a/a", "b/b"}


def test_an_option_more_is_a_near_copy_and_two_different_options_are_not() -> None:
    long = changed(SOFTMAX, ("    num =", "".join(_steps(8)) + "    num ="))
    scaled = changed(long, ("    num =", "    if SCALE:\n        x = tl.sigmoid(x)\n    num ="))
    capped = changed(long, ("    num =", "    if CAP:\n        x = tl.erf(x)\n    num ="))
    always = changed(long, ("    num =", "    x = tl.erf(x)\n    num ="))
    assert groups(kernel(long), kernel(scaled, "b/b")) == [{"a/a", "b/b"}]
    assert groups(kernel(long), kernel(capped, "b/b")) == [{"a/a", "b/b"}]
    assert groups(kernel(long), kernel(always, "b/b")) == []
    assert groups(kernel(scaled), kernel(capped, "b/b")) == []
    assert len(groups(kernel(long), kernel(scaled, "b/b"), kernel(capped, "c/c"))[0]) == 2


def _steps(n: int) -> list[str]:
    return [f"    p{i} = tl.load(in_ptr + {i} * in_stride + offs, mask=mask)\n" for i in range(n)]


def test_names_of_two_operators_keep_what_moves_data_apart() -> None:
    copy = changed(
        GATED, ("act(a) * b", "a"), (".to(tl.float32)", ""), ("gated_kernel", "copy_kernel")
    )
    flip = changed(copy, ("a_ptr + offs", "a_ptr + n - offs"), ("copy_kernel", "flip_kernel"))
    assert groups(kernel(copy, ops=("copy",)), kernel(flip, "b/b", ops=("flip",))) == []
    same = changed(flip, ("flip_kernel", "copy_kernel"))
    assert groups(kernel(copy), kernel(same, "b/b")) == []


def test_ops_that_are_known_to_differ_keep_near_copies_apart() -> None:
    near = changed(SOFTMAX, ("tl.program_id(0)", "tl.program_id(0).to(tl.int64)"))
    one, other = kernel(SOFTMAX, ops=("softmax",)), kernel(near, "b/b", ops=("entmax",))
    assert groups(one, other) == []
    assert groups(one, kernel(SOFTMAX, "b/b", ops=("entmax",))) == [{"a/a", "b/b"}]


def test_one_project_s_variant_with_an_op_more_is_no_copy_and_another_project_s_is() -> None:
    near = changed(SOFTMAX, ("tl.program_id(0)", "tl.program_id(0).to(tl.int64)"))
    plain, both = ("softmax",), ("softmax", "masked_softmax")
    one = kernel(SOFTMAX, ops=plain)
    assert groups(one, kernel(near, path="masked.py", ops=both)) == []
    assert groups(one, kernel(near, path="masked.py", ops=plain)) == [{"a/a"}]
    assert groups(one, kernel(near, "b/b", "masked.py", ops=both)) == [{"a/a", "b/b"}]


def test_siblings_of_one_project_are_no_copies_unless_they_are_equal() -> None:
    sibling = changed(
        SOFTMAX, ("softmax_kernel", "online_rows"), ("program_id(0)", "program_id(1)")
    )
    ops = ("softmax",)
    assert groups(kernel(SOFTMAX, ops=ops), kernel(sibling, ops=ops)) == []


@pytest.mark.parametrize(
    "text", ["def add(a, b):\n    return a + b", "def fill(p):\n    tl.store(p, 1)"]
)
def test_what_everybody_writes_alike_is_no_copy_of_another_project_s(text: str) -> None:
    assert groups(kernel(text), kernel(text, "b/b")) == []
    assert groups(kernel(text), kernel(text, path="other.py")) == [{"a/a"}]


def test_a_short_function_that_does_several_things_is() -> None:
    assert groups(kernel(GELU), kernel(GELU, "b/b")) == [{"a/a", "b/b"}]


def test_block_pointers_rewritten_as_masks_leave_a_near_copy() -> None:
    blocks = changed(
        SOFTMAX,
        (
            'in_ptr + row * in_stride + offs, mask=mask, other=-float("inf"))',
            "tl.make_block_ptr(in_ptr, (n_rows, n_cols), (in_stride, 1), (row, 0), (1, BLOCK), "
            '(1, 0)), boundary_check=(0, 1), padding_option="neg_inf")',
        ),
        (
            "out_ptr + row * out_stride + offs, num / den, mask=mask",
            "tl.make_block_ptr(out_ptr, (n_rows, n_cols), (out_stride, 1), (row, 0), (1, BLOCK), "
            "(1, 0)), num / den, boundary_check=(0, 1)",
        ),
    )
    ops = ("softmax",)
    assert groups(kernel(SOFTMAX, ops=ops), kernel(blocks, "b/b", ops=ops)) == [{"a/a", "b/b"}]
    assert groups(kernel(SOFTMAX), kernel(blocks, "b/b")) == []


MOVER = """
def pack_kernel(src_ptr, dst_ptr, n, row_stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    offs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(src_ptr + row * row_stride + offs, mask=offs < n, other=0)
    tl.store(dst_ptr + row * n + offs, x, mask=offs < n)
"""


def test_what_only_moves_data_is_a_near_copy_if_op_and_file_are_the_same_too() -> None:
    near = changed(MOVER, ("program_id(0)", "program_id(0).to(tl.int64)"))
    ops = ("pack",)
    one, other = kernel(MOVER, path="a/utils/pack.py", ops=ops), "b/utils/pack.py"
    assert groups(one, kernel(near, "b/b", other, ops=ops)) == [{"a/a", "b/b"}]
    assert groups(one, kernel(near, "b/b", "b/other/pack.py", ops=ops)) == []
    assert groups(one, kernel(near, "b/b", other)) == []


def taken_over(*texts: str, ops: tuple[str, ...] = ()) -> list[set[str]]:
    """Return the groups where a folder was taken over and one kernel in it was changed."""
    shared = [
        kernel(
            changed(SOFTMAX, ("softmax_kernel", f"k{n}"), ("+ offs, mask", f"+ {n}, mask")), repo
        )
        for repo in ("a/a", "b/b")
        for n in range(3)
    ]
    both = zip(texts, ("a/a", "b/b"), strict=True)
    changed_ones = [kernel(text, repo, "new.py", ops=ops) for text, repo in both]
    return groups(*shared, *changed_ones)[3:]


def test_in_a_folder_that_was_taken_over_rewriting_leaves_a_copy_and_other_steps_do_not() -> None:
    blocks = """
def pack_kernel(src, dst, n, stride, BLOCK: tl.constexpr):
    i_b = tl.program_id(0)
    p_src = tl.make_block_ptr(src + i_b * stride, (n,), (1,), (0,), (BLOCK,), (0,))
    p_dst = tl.make_block_ptr(dst + i_b * n, (n,), (1,), (0,), (BLOCK,), (0,))
    b_src = tl.load(p_src, boundary_check=(0,))
    tl.store(p_dst, b_src.to(p_dst.dtype.element_ty), boundary_check=(0,))
"""
    assert taken_over(MOVER, blocks, ops=("pack",)) == [{"a/a", "b/b"}]
    assert taken_over(MOVER, changed(blocks, ("b_src.to", "(b_src + 1).to")), ops=("pack",)) == []
    assert taken_over(MOVER, blocks) == []
    short = "def relu(x):\n    return tl.maximum(x, 0)"
    assert taken_over(short, changed(short, ("(x", "(v"))) == [{"a/a", "b/b"}]
    assert taken_over(short, changed(short, ("maximum", "minimum"))) == []


def test_near_copies_do_not_chain() -> None:
    versions = [SOFTMAX]
    for n in range(12):
        line = f"    tl.store(out_ptr + {n} * n_cols + in_stride, tl.load(in_ptr + {n}))\n"
        versions.append(changed(versions[-1], ("    num =", line + "    num =")))
    kernels = [kernel(text, f"r/{n:02}") for n, text in enumerate(versions)]
    found = groups(*kernels)
    assert len(found) > 1
    assert not any({"r/00", "r/12"} <= group for group in found)


def test_the_order_of_kernels_does_not_matter() -> None:
    near = changed(SOFTMAX, ("tl.program_id(0)", "tl.program_id(0).to(tl.int64)"))
    kernels = [
        *(kernel(SOFTMAX, f"a/{n}") for n in range(3)),
        *(kernel(near, f"b/{n}") for n in range(3)),
        *(kernel(GELU, f"c/{n}") for n in range(3)),
    ]
    expected = groups(*kernels)
    for seed in range(5):
        random.Random(seed).shuffle(kernels)
        assert groups(*kernels) == expected
