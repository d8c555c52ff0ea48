"""Under which conditions a kernel uses a name, as whoever reads them needs to know."""

from __future__ import annotations

from textwrap import dedent

import pytest

from crawler.enrich.versions import version_ranges
from tests.crawler.scan.project import kernel_of

HEAD = """
import triton
import triton.language as tl
from packaging import version
"""
KERNEL = """
@triton.jit
def add(x, MODE: tl.constexpr):
    if FLAG:
        tl.store(x, tl.gather(x, x, 0))
    else:
        tl.store(x, x)
"""

FLAGS = (
    ("what Triton has", 'FLAG = hasattr(tl, "gather")', "hasattr(tl, 'gather')"),
    (
        "its version",
        'FLAG = version.parse(triton.__version__) >= version.parse("3.3.0")',
        "version.parse(triton.__version__) >= version.parse('3.3.0')",
    ),
    (
        "a version with a name of its own",
        'HERE = version.parse(triton.__version__)\nNEW = HERE >= version.parse("3.3")\nFLAG = NEW',
        "version.parse(triton.__version__) >= version.parse('3.3')",
    ),
    (
        "a flag on a flag",
        'HERE = triton.__version__\nNEW = HERE >= "3.3"\nFLAG = tl.constexpr(not NEW)',
        "tl.constexpr(not triton.__version__ >= '3.3')",
    ),
    ("what says nothing of Triton", "FLAG = some.device() > 3", None),
    ("a flag that is set twice", 'FLAG = hasattr(tl, "gather")\nFLAG = True', None),
    ("a flag on a branch", 'if x:\n    FLAG = hasattr(tl, "gather")', None),
    ("a flag that rests on itself", 'FLAG = FLAG or hasattr(tl, "gather")', "FLAG or hasattr"),
    ("a long flag", "FLAG = hasattr(tl, 'gather') or " + "x or " * 200 + "y", None),
)


@pytest.mark.parametrize(("says", "flag", "guard"), FLAGS, ids=[case[0] for case in FLAGS])
def test_flags_of_the_module_are_put_in_full(tmp_path, says, flag, guard):
    kernel = kernel_of(tmp_path, HEAD + flag + KERNEL)
    (use,) = [use for use in kernel.uses if use.name == "triton.language.gather"]
    if guard is None:
        assert use.guards == ()
    else:
        assert use.guards[0].startswith(guard)


def test_a_parameter_of_the_kernel_is_no_flag(tmp_path):
    flag = 'MODE = hasattr(tl, "gather")\n'
    kernel = kernel_of(tmp_path, HEAD + flag + KERNEL.replace("FLAG", "MODE"))
    assert all(use.guards == () for use in kernel.uses)


def test_a_flag_around_a_definition_counts(tmp_path):
    code = """
    FLAG = hasattr(tl, "gather")
    if FLAG:
        @triton.jit
        def add(x):
            tl.store(x, tl.gather(x, x, 0))
    """
    kernel = kernel_of(tmp_path, HEAD + dedent(code))
    assert {use.guards for use in kernel.uses} == {("hasattr(tl, 'gather')",)}


def test_flags_that_grow_without_end_are_left(tmp_path):
    grown = 'F0 = hasattr(tl, "gather")\n'
    grown += "".join(f"F{n} = F{n - 1} and F{n - 1} and F{n - 1}\n" for n in range(1, 40))
    kernel = kernel_of(tmp_path, HEAD + grown + KERNEL.replace("FLAG", "F39"))
    assert all(use.guards == () for use in kernel.uses)


ALTERNATIVES = (
    (
        "whichever can be imported",
        "try:\n    from triton.language import gather as g\n"
        "except ImportError:\n    from triton.language import topk as g\n",
        "one of: triton.language.gather, triton.language.topk",
        "3.3.0",
    ),
    (
        "a function of the project in its place",
        "@triton.jit\ndef mine(x, y, z):\n    return x\ng = tl.gather if triton else mine\n",
        "one of: triton.language.gather, own",
        "2.0.0",
    ),
    ("one name alone", "g = tl.gather\n", None, "3.3.0"),
)


@pytest.mark.parametrize(
    ("says", "binding", "guard", "first"), ALTERNATIVES, ids=[case[0] for case in ALTERNATIVES]
)
def test_alternatives_of_a_name_are_told(tmp_path, says, binding, guard, first):
    code = "@triton.jit\ndef add(x):\n    tl.store(x, g(x, x, 0))\n"
    kernel = kernel_of(tmp_path, HEAD + binding + code)
    guards = {use.guards for use in kernel.uses if use.name.endswith(("gather", "topk"))}
    assert guards == {(guard,) if guard else ()}
    (span,) = version_ranges([kernel])
    assert (span.min or "2.0.0") == first
