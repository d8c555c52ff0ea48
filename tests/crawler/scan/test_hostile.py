"""Input made to hang or crash a scanner: each ends as a result or a skip, and soon."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.models import ScannedKernel, ScanSkip
from crawler.scan import FileFacts, link_snapshot, may_hold_kernels, offered_names, scan_file
from crawler.scan.gate import decorator_names, imported_names
from crawler.scan.result import Parsed, decode_result, encode_result, to_result

IMPORTS = "import triton\nimport triton.language as tl\n"
ADD = "@triton.jit\ndef add(x):\n    tl.store(x, 1)\n"
SECONDS = 60
"""Of the processor, on a machine ten times as slow as any: a loop without bounds takes hours."""


def kernels_in(data: bytes) -> tuple[ScannedKernel, ...] | ScanSkip:
    """Scan, pass through the cache's bytes and link, as a crawl does; hold it to its time."""
    started = time.process_time()
    scanned = scan_file("k.py", data)
    decoded = decode_result(encode_result(to_result(scanned)))
    assert time.process_time() - started < SECONDS
    if isinstance(scanned, ScanSkip):
        assert scanned.reason.isprintable()
        return scanned
    assert decoded == Parsed(scanned)
    offered_names({"k.py": scanned})
    found = link_snapshot({"k.py": scanned})
    assert time.process_time() - started < SECONDS
    return found


def indented(code: str) -> str:
    return "".join("    " + line for line in code.splitlines(keepends=True))


def with_default(default: str) -> str:
    return f"@triton.jit\ndef add(x={default}):\n    tl.store(x, 1)\n"


def tuned(configs: str, before: str = "") -> str:
    return f"{before}\n@triton.autotune(configs={configs}, key=['n'])\n{ADD}"


READ = {
    "190 nested parentheses": ADD + "x = " + "(" * 190 + "1" + ")" * 190,
    "2,000 unary minuses": ADD + "x = " + "-" * 2_000 + "1",
    "900 terms": ADD + "x = " + "+".join("a" * 900),
    "900 elifs": ADD + "if a: pass\n" + "".join(f"elif is_{i}: pass\n" for i in range(900)),
    "900 elifs in a kernel": "@triton.jit\ndef add(x):\n    if a: pass\n"
    + "".join(f"    elif is_{i}: tl.load(x, {i})\n" for i in range(900)),
    "900 conditions in a kernel": "@triton.jit\ndef add(x):\n    y = " + "a if is_x else " * 900 + "1\n",
    "a default of 2,000 unary minuses": with_default("-" * 2_000 + "1"),
    "a default of 900 terms": with_default("+".join("a" * 900)),
    "a default of 2,500 terms": with_default("+".join("a" * 2_500)),
    "a default of 1,000 calls": with_default("f" + "()" * 1_000),
    "a default of 10,000 strings": with_default('"" ' * 10_000),
    "a default of 190 nested lists": with_default("[" * 190 + "]" * 190),
    "a default of 20,000 bits": with_default("0x" + "f" * 5_000),
    "a guard of 900 terms": "if version" + "+a" * 900 + ":\n" + indented(ADD),
    "a guard of 900 terms in a kernel": "@triton.jit\ndef add(x):\n    if version" + "+a" * 900 + ":\n        tl.store(x, 1)\n",
    "a guard of 20,000 bits": "if version > 0x" + "f" * 5_000 + ":\n" + indented(ADD),
    "a decorator of 900 terms": "@mark(" + "+".join("a" * 900) + ")\n" + ADD,
    "20,000 decorators": "@mark\n" * 20_000 + ADD,
    "5,000 decorators that are jit": "@triton.jit\n" * 5_000 + ADD,
    "a name of a million letters": ADD.replace("add", "a" * 1_000_000),
    "2,000 attributes": "@triton.jit\ndef add(x):\n    tl" + ".a" * 2_000 + "\n",
    "2,000 calls": "@triton.jit\ndef add(x):\n    tl.a" + "()" * 2_000 + "\n",
    "190 decorators called": "def add(x):\n    tl.store(x, 1)\nadd = " + "f(" * 190 + "triton.jit(add)" + ")" * 190,
    "900 lambdas": ADD + "x = " + "lambda: " * 900 + "1",
    "a line of 3 million letters": ADD + "x = '" + "a" * 3_000_000 + "'",
    "a docstring of 300,000 empty lines": "@triton.jit\ndef add(x):\n    '''" + "\n" * 300_000 + "a'''\n",
    "half a surrogate pair in a docstring": "@triton.jit\ndef add(x):\n    '''\\ud800 a'''\n",
    "half a surrogate pair in a key": "@triton.autotune(configs=[], key=['\\ud800'])\n" + ADD,
    "half a surrogate pair in a heuristic": "@triton.heuristics({'\\ud800': f})\n" + ADD,
    "half a surrogate pair in an import": "m = __import__('\\ud800')\n" + ADD,
    "a comprehension of 10 ** 18 rounds": tuned("[triton.Config({}) " + "".join(f"for x{i} in range(10) " for i in range(18)) + "if x1 > 100]"),
    "a range of a million million": tuned("[triton.Config({}) for x in range(10**12)]"),
    "a power of a power": tuned("[triton.Config({'A': 10**10**10})]"),
    "a string doubled 40 times": tuned("[triton.Config({'A': x}) for x in s40]", "s0 = 'x'\n" + "".join(f"s{i + 1} = s{i} + s{i}\n" for i in range(40))),
    "a list sorted for each of 100,000": tuned("[triton.Config({}) for x in range(100000) if len(sorted(range(100000))) > 5]"),
    "a sum of sums": tuned("a", "".join(f"a{i + 1} = a{i} + a{i}\n" for i in range(60))),
    "a helper that calls itself twice": tuned("f()", "def f():\n    return f() + f()"),
    "a tuple that holds itself": tuned("a", "a = b\nb = [*a, *a]"),
    "names that lead to each other": "a = b\nb = c\nc = a\n@a\ndef f(x): pass\n" + ADD,
    "functions that return each other": "def f(x): return g(x)\ndef g(x): return f(x)\n@f\ndef h(x): pass\n" + ADD,
    "a class that is its own base": "class A(A): pass\n@A\ndef f(x): pass\n" + ADD,
    "10,000 bindings of one name": "def f(x):\n" + "    x = g(x)\n" * 10_000 + "    x[grid](1)\n" + ADD,
    "10,000 bindings on branches": "if c: a = f(a)\n" * 10_000 + "a[grid](1)\n" + ADD,
    "names that lead everywhere": "def f():\n" + "".join(
        f"    a{i}_{j} = {' or '.join(f'a{i - 1}_{m}' for m in range(30)) if i else 'g'}\n"
        for i in range(8)
        for j in range(30)
    ) + "    a7_1[grid](1)\n" + ADD,
    "names that lead to each other on a thousand branches": "def f():\n" + "    if c: a = b\n    if c: b = a\n" * 1_000 + "    a[grid](1)\n" + ADD,
    "attributes that lead to each other": "class C:\n  def f(self):\n" + "    self.a = self.b\n    self.b = self.a\n" * 1_000 + "    self.a[grid](1)\n" + ADD,
    "3,000 kernels": ADD * 3_000,
}  # fmt: skip

SKIPPED = {
    "11,000 kernels": "@triton.jit\ndef k(x): pass\n" * 11_000,
    "100,000 functions": "def k(x): pass\n" * 100_000,
    "10,000 nested parentheses": "x = " + "(" * 10_000 + "1" + ")" * 10_000,
    "100,000 unary minuses": "x = " + "-" * 100_000 + "1",
    "50,000 terms": "x = " + "+".join("a" * 50_000),
    "5,000 elifs": "if a: pass\n" + "elif b: pass\n" * 5_000,
    "120 levels of indentation": "".join(" " * i + "if x:\n" for i in range(120)) + " " * 120 + "pass\n",
    "newer grammar and 10,000 nested lists": "type X = int\nx = " + "[" * 10_000 + "]" * 10_000,
    "newer grammar and 10,000 calls": "type X = int\nx = f" + "()" * 10_000,
    "newer grammar and 10,000 terms": "type X = int\nx = " + "+".join("a" * 10_000),
    "f-strings of 200 levels": "x = " + "f'{" * 200 + "1" + "}'" * 200,
    "a number of 5,000 digits": "x = " + "9" * 5_000,
    "3,000 launches of names that lead to each other": "def f():\n" + "    if c: a = b\n    if c: b = a\n" * 100 + "    a[grid](1)\n" * 3_000,
    "a line of 50 MB": "x = '" + "a" * 50_000_000 + "'",
}  # fmt: skip


@pytest.mark.parametrize("code", READ.values(), ids=READ.keys())
def test_is_read(code: str) -> None:
    found = kernels_in((IMPORTS + code).encode())
    assert not isinstance(found, ScanSkip)
    assert len(found) >= 1


@pytest.mark.parametrize("code", SKIPPED.values(), ids=SKIPPED.keys())
def test_is_skipped(code: str) -> None:
    found = kernels_in((IMPORTS + ADD + code).encode())
    assert isinstance(found, ScanSkip)


SLOW_TO_SEARCH = {
    "the word import on one line": b"jit import " + b"import" * 500_000,
    "at signs on one line": b"jit\n@" + b"@ " * 1_000_000,
    "open brackets": b"a[" * 1_000_000 + b"](",
    "spaces behind a bracket": b"jit a[x]" + b" " * 3_000_000,
    "open imports": b"from a import (" * 200_000,
    "open imports on lines": b"from a import (\n" * 200_000,
    "continued imports": b"from a import \\\n" * 200_000,
    "decorators": b"@a\n" * 1_000_000,
    "dots": b"@" + b"a." * 1_000_000,
}


@pytest.mark.parametrize("data", SLOW_TO_SEARCH.values(), ids=SLOW_TO_SEARCH.keys())
def test_the_gate_takes_no_time(data: bytes) -> None:
    started = time.process_time()
    may_hold_kernels(data)
    decorator_names(data)
    imported_names(data)
    assert time.process_time() - started < SECONDS


def star_circle(size: int) -> dict[str, str]:
    """Return files that all bring in all of the next two."""
    return {
        f"m{i}.py": f"from m{(i + 1) % size} import *\nfrom m{(i * 7 + 3) % size} import *\n"
        f"import triton\n@kernel\ndef add{i}(x): return x\n"
        for i in range(size)
    }


def import_circle(size: int) -> dict[str, str]:
    """Return files that import a name from one another, and where no file has it."""
    return {
        f"m{i}.py": f"import triton\ntry:\n    from m{(i + 1) % size} import kernel\n"
        f"except ImportError:\n    from m{(i * 7 + 3) % size} import kernel\n"
        f"@kernel\ndef add{i}(x): return x\n"
        for i in range(size)
    }


@pytest.mark.parametrize("make", [star_circle, import_circle])
def test_files_that_import_one_another_in_circles(make: Callable[[int], dict[str, str]]) -> None:
    scanned = {path: scan_file(path, code.encode()) for path, code in make(200).items()}
    files = {path: facts for path, facts in scanned.items() if isinstance(facts, FileFacts)}
    assert len(files) == 200
    started = time.process_time()
    offered_names(files)
    assert link_snapshot(files) == ()
    assert time.process_time() - started < SECONDS


SMALL = (
    IMPORTS
    + '''
N = [16, 32]

@triton.autotune(configs=[triton.Config({"B": b}, num_warps=4) for b in N if b > 8], key=["n"])
@triton.heuristics({"EVEN": lambda args: args["n"] % 2 == 0})
@triton.jit
def add(x_ptr, y_ptr, n, B: tl.constexpr, EVEN: tl.constexpr = True):
    """Adds."""
    i = tl.program_id(0) * B + tl.arange(0, B)
    if EVEN or triton.__version__ > "3":
        tl.store(y_ptr + i, helper(tl.load(x_ptr + i, mask=i < n)))

def helper(x):
    return x + 1

helper = triton.jit(helper)

class Op:
    def __init__(self):
        self.kernel = add

    def run(self, x, y):
        grid = lambda meta: (triton.cdiv(len(x), meta["B"]),)
        self.kernel[grid](x, y, len(x))
'''
)
PIECES = [*SMALL.split(" "), "(", ")", "[", "]", ":", "\n", "    ", "'", '"""', "\\", "{", "}", ",", "*", "**", "@", "=", ":=", "type X = ", "\0", "\f", "é", "\ud800"]  # fmt: skip
quick = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def test_the_small_file_is_whole() -> None:
    found = kernels_in(SMALL.encode())
    assert not isinstance(found, ScanSkip)
    assert [k.name for k in found] == ["add", "helper"]


@quick
@given(st.binary(max_size=300), st.sampled_from(["k.py", "k.ipynb"]))
def test_any_bytes_end_as_a_result_or_a_skip(data: bytes, path: str) -> None:
    assert isinstance(scan_file(path, data), (FileFacts, ScanSkip))
    assert isinstance(scan_file(path, IMPORTS.encode() + data), (FileFacts, ScanSkip))


@quick
@given(
    st.lists(
        st.tuples(st.integers(0, len(SMALL)), st.integers(0, 30), st.sampled_from(PIECES)),
        max_size=4,
    )
)
def test_a_kernel_with_pieces_replaced_ends_as_a_result_or_a_skip(
    edits: list[tuple[int, int, str]],
) -> None:
    text = SMALL
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    kernels_in(text.encode("utf-8", "surrogatepass"))


@quick
@given(st.lists(st.sampled_from(SMALL.splitlines(keepends=True)), max_size=30))
def test_lines_in_any_order_end_as_a_result_or_a_skip(lines: list[str]) -> None:
    kernels_in("".join([IMPORTS, *lines]).encode())
