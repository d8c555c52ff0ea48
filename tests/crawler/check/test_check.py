"""Findings on names of Triton's: what is told, where, and what is let be."""

from __future__ import annotations

import json

import pytest

from crawler.check.baseline import read_baseline, to_baseline, without_known
from crawler.check.findings import Checked, Finding
from crawler.check.ignores import is_ignored
from crawler.check.run import Check, choose_rules
from crawler.check.wanted import WantedError, parse_wanted

HEAD = """\
import triton
import triton.language as tl
"""
KERNEL = """
@triton.jit
def k(x_ptr, n, B: tl.constexpr):
    i = tl.arange(0, B)
    x = tl.load(x_ptr + i, mask=i < n)
"""


def check(code: str, spec: str | None = None, path: str = "a.py") -> Checked:
    wanted = parse_wanted(spec) if spec is not None else None
    return Check(wanted=lambda path: wanted).run({path: code.encode()})


def told(code: str, spec: str = "3.9") -> list[tuple[int, str | None]]:
    """Return the lines of findings, those of the head not counted, with the names."""
    n = HEAD.count("\n")
    return [(f.line - n, f.name) for f in check(HEAD + code, spec).findings]


TELLS = {
    "an import of a module that went": (
        "from triton.ops import matmul\n",
        [(1, "triton.ops.matmul")],
    ),
    "an import of a module by its whole name": (
        "import triton.ops.blocksparse\n",
        [(1, "triton.ops.blocksparse")],
    ),
    "a keyword of a tool in a launcher": (
        "def bench(f):\n    return triton.testing.do_bench(f, fast_flush=True)\n",
        [(2, "triton.testing.do_bench(fast_flush)")],
    ),
    "a keyword of a config outside of the decorator": (
        "CONFIGS = [triton.Config({}, num_consumer_groups=2)]\n",
        [(1, "triton.Config(num_consumer_groups)")],
    ),
    "a keyword of the decorator that takes such configs, told once": (
        "@triton.autotune(configs=[triton.Config({}, num_consumer_groups=2)], key=[])"
        + KERNEL.replace("\n@triton", "\n@triton", 1),
        [(1, "triton.Config(num_consumer_groups)")],
    ),
    "a name in a kernel": (
        KERNEL + "    y = tl.math.tanh(x)\n",
        [(6, "triton.language.math.tanh")],
    ),
    "a name in a function that a kernel calls, where it stands": (
        "@triton.jit\ndef f(x):\n    return tl.math.tanh(x)\n" + KERNEL + "    y = f(x)\n",
        [(3, "triton.language.math.tanh")],
    ),
    "a slip, whatever is asked": (
        "def f():\n    return triton.next_power_of_two(3)\n",
        [(2, "triton.next_power_of_two")],
    ),
    "what holds on the branch that the release takes": (
        "if not hasattr(triton, 'set_allocator'):\n    pass\nelse:\n    triton.ops.matmul\n",
        [(4, "triton.ops.matmul")],
    ),
}
LEAVES = {
    "what the release has": "def f(n):\n    return triton.cdiv(n, 2)\n",
    "what is asked for first": "if hasattr(triton, 'ops'):\n    triton.ops.matmul()\n",
    "what is asked for in an expression": (
        "m = triton.ops.matmul if hasattr(triton, 'ops') else 0\n"
    ),
    "what is asked for in `and`": "m = hasattr(triton, 'ops') and triton.ops.matmul\n",
    "what an older release alone reaches": (
        "if triton.__version__ < '3.2.0':\n    from triton.ops import matmul\n"
    ),
    "what stands behind an early end": (
        "def f():\n    if not hasattr(triton, 'ops'):\n        return\n    triton.ops.matmul()\n"
    ),
    "what stands behind an assertion": (
        "def f():\n    assert hasattr(triton, 'ops')\n    triton.ops.matmul()\n"
    ),
    "an import whose absence is caught": (
        "try:\n    from triton.ops import matmul\nexcept ImportError:\n    matmul = None\n"
    ),
    "one of two imports under a name": (
        "try:\n    from triton.language.extra.libdevice import tanh\n"
        "except ImportError:\n    from triton.language.math import tanh\n"
        + KERNEL
        + "    tanh(x)\n"
    ),
    "one of two imports that something chooses": (
        "from a import is_new\nif is_new():\n    from triton.language.extra.libdevice import tanh\n"
        "else:\n    from triton.language.math import tanh\n"
    ),
    "what a function compares with a release": (
        "import operator\nfrom a import compare_version\n"
        "if compare_version('triton', operator.lt, '3.0.0'):\n"
        "    from triton.language.math import tanh\n"
    ),
    "an attribute whose absence is caught": (
        "try:\n    f = triton.ops.matmul\nexcept AttributeError:\n    f = None\n"
    ),
    "what is expected to fail": (
        "import pytest\ndef f():\n    with pytest.raises(Exception):\n        triton.ops.matmul\n"
    ),
    "another triton": "def f(triton):\n    return triton.ops.matmul\n",
    "what is set from outside": "triton.knob_of_mine = 3\n",
    "a member that a class inherits": "f = triton.JITFunction.warmup\n",
    "an object that hides its module": "d = triton.runtime.driver.active.get_current_device()\n",
    "a definition that another stands in for": (
        "import os\nif os.environ.get('X'):\n"
        "    @triton.jit\n    def t(x):\n        return tl.math.tanh(x)\n"
        "else:\n    @triton.jit\n    def t(x):\n        return tl.sigmoid(x)\n"
    ),
}


@pytest.mark.parametrize(("code", "expected"), TELLS.values(), ids=TELLS)
def test_tells(code: str, expected: list[tuple[int, str]]) -> None:
    assert told(code) == expected


@pytest.mark.parametrize("code", LEAVES.values(), ids=LEAVES)
def test_leaves(code: str) -> None:
    assert told(code) == []


def one(code: str, spec: str | None = None) -> Finding:
    (finding,) = check(code, spec).findings
    return finding


def test_a_finding_says_since_when_until_when_and_what_to_write_instead() -> None:
    finding = one(
        HEAD + KERNEL + "    p = tl.make_block_ptr(x_ptr, (n,), (1,), (0,), (B,), (0,))\n"
    )
    assert (finding.rule, finding.kernel) == ("api", "k")
    assert (finding.since, finding.until) == ("2.1.0", "3.8.0")
    assert finding.instead is not None and "make_tensor_descriptor" in finding.instead
    assert finding.instead in finding.message


def test_what_is_still_there_needs_nothing_instead() -> None:
    code = HEAD + KERNEL + "    d = tl.make_tensor_descriptor(x_ptr, [n], [1], [B])\n"
    finding = one(code)
    assert (finding.since, finding.until, finding.instead) == ("3.4.0", None, None)


def test_a_finding_stands_at_the_keyword_or_at_the_name() -> None:
    code = HEAD + KERNEL + "    é = 1; x = tl.load(x_ptr,\n        evict='x') + tl.math.tanh(x)\n"
    places = [
        (f.line, f.column, f.end_line, f.end_column, f.name) for f in check(code, "3.9").findings
    ]
    line = code.split("\n")[8]
    column = line.index("tl.math") + 1
    assert places == [
        (9, 9, 9, 14, "triton.language.load(evict)"),
        (9, column, 9, column + len("tl.math.tanh"), "triton.language.math.tanh"),
    ]


def test_columns_count_characters() -> None:
    code = HEAD + KERNEL + "    é = 'ü'; y = tl.math.tanh(x)\n"
    finding = one(code, "3.9")
    assert code.split("\n")[finding.line - 1][finding.column - 1 :].startswith("tl.math.tanh(")


def test_a_name_of_no_release_has_a_rule_of_its_own_and_its_dialect() -> None:
    code = HEAD + "import triton.language.extra.tlx as tlx\n"
    finding = one(code)
    assert (finding.rule, finding.dialect) == ("unknown-api", "TLX")
    assert finding.since is finding.until is None
    slip = one(HEAD + KERNEL + "    tl.store(x_ptr, tl.maximun(x, 1))\n")
    assert slip.rule == "unknown-api" and "`triton.language.maximum`" in slip.message


def test_a_notebook_is_told_by_cell_and_line_in_the_cell() -> None:
    cells = ["x = 1", HEAD + KERNEL, KERNEL.replace("k(", "g(") + "    y = tl.math.tanh(x)\n"]
    book = json.dumps({"cells": [{"cell_type": "code", "source": text} for text in cells]})
    checked = check(book, "3.9", "a.ipynb")
    assert [(f.path, f.line) for f in checked.findings] == [("a.ipynb[2]", 6)]
    assert [(k.path, k.line) for k in checked.kernels] == [("a.ipynb[1]", 5), ("a.ipynb[2]", 3)]


def test_names_are_followed_across_files() -> None:
    files = {
        "p/__init__.py": b"",
        "p/compat.py": b"import triton.language as lang\nfrom triton.language.math import tanh\n",
        "p/k.py": b"import triton\nfrom .compat import lang, tanh\n\n@triton.jit\n"
        b"def k(x):\n    return tanh(lang.abs(x))\n",
    }
    checked = Check(wanted=lambda path: parse_wanted("3.9")).run(files)
    assert [(f.path, f.line, f.name) for f in checked.findings] == [
        ("p/compat.py", 2, "triton.language.math.tanh"),
        ("p/k.py", 6, "triton.language.math.tanh"),
    ]
    assert [(k.triton_min, k.triton_max) for k in checked.kernels] == [("2.1.0", "2.3.1")]


def test_the_range_is_that_of_all_code_together() -> None:
    old = check(HEAD + "from triton.ops import matmul\n" + KERNEL)
    assert (old.triton_min, old.triton_max) == ("2.0.0", "3.1.0")
    never = check(HEAD + "from triton.ops import matmul\ntriton.set_allocator(f)\n")
    assert (never.triton_min, never.triton_max) == (None, None)


@pytest.mark.parametrize(
    ("comment", "is_silent"),
    [
        ("# triton-index: ignore", True),
        ("# triton-index: ignore[api]", True),
        ("# triton-index: ignore[other, api]  why", True),
        ("# triton-index: ignore[other]", False),
        ("# triton-index: ignore[]", False),
        ("# ignore", False),
    ],
)
def test_a_comment_silences_its_line(comment: str, is_silent: bool) -> None:
    assert is_ignored("api", f"x = 1  {comment}") == is_silent
    code = HEAD + f"from triton.ops import matmul  {comment}\n"
    assert check(code, "3.9").findings == () if is_silent else check(code, "3.9").findings


def test_rules_are_selected_and_ignored() -> None:
    assert [rule.id for rule in choose_rules(["api"], [])] == ["api"]
    assert "api" not in {rule.id for rule in choose_rules([], ["api"])}
    assert {rule.id for rule in choose_rules([], [])} <= {r.id for r in choose_rules(["all"], [])}


def test_a_baseline_lets_known_findings_be_and_no_others() -> None:
    line = "from triton.ops import matmul\n"
    run = Check(wanted=lambda path: parse_wanted("3.9"))
    before = run.run({"a.py": (HEAD + line).encode()}).findings
    known = read_baseline(to_baseline(before, run.line_of), "b.json")
    after = run.run({"a.py": (HEAD + "\n\n" + line + line + "triton.ops.x\n").encode()}).findings
    left = list(without_known(after, known, run.line_of))
    assert [f.line for f in left] == [6, 7]


def test_what_is_wanted_decides_what_contradicts() -> None:
    code = HEAD + "from triton.ops import matmul\n"
    assert check(code, "3.1").findings == check(code, ">=2.0,<3.2").findings == ()
    assert check(code, ">=3.0").findings
    for text in ("3.44", "new", "", ">=9"):
        with pytest.raises(WantedError, match="--triton"):
            parse_wanted(text)


def test_a_method_of_a_value_of_the_projects_own_is_no_tensors() -> None:
    code = (
        "\n@triton.jit\ndef k(x_ptr, Clock):\n    state = Clock(x_ptr)\n    state.advance()\n"
        "    other = Clock.create(x_ptr)\n    other.reduce()\n    other.view()\n"
    )
    assert told(code) == []


def test_a_kernel_may_match_what_is_true() -> None:
    code = KERNEL + "    match n:\n        case True:\n            tl.math.tanh(x)\n"
    assert told(code) == [(8, "triton.language.math.tanh")]
