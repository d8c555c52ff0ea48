"""The fast path gives exactly what a whole-file libcst parse gives."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

import pytest

from crawler.models import ScanSkip
from crawler.scan import link_snapshot, may_hold_kernels, scan_file
from crawler.snapshot import open_snapshot
from crawler.sources import parse_source
from tests.crawler.scan import test_forms, test_ignores, test_notebook, test_text, test_wrappers
from tests.crawler.scan.project import Case, as_bytes
from tests.crawler.scan.test_hostile import SMALL
from tests.crawler.scan.test_roles import CALLS, LAUNCHES

CASES = (
    *test_forms.CASES,
    *test_ignores.CASES,
    *test_notebook.CASES,
    *test_text.CASES,
    *test_wrappers.CASES,
    *(Case(says, files) for says, files, _ in LAUNCHES),
    *(Case(says, files) for says, files in CALLS),
    Case("a small file of everything", {"k.py": SMALL}),
)


def assert_equal(path: str, data: bytes) -> None:
    fast = scan_file(path, data)
    whole = scan_file(path, data, whole_with_libcst=True)
    if isinstance(fast, ScanSkip):
        assert isinstance(whole, ScanSkip)
        return
    assert fast == whole
    assert link_snapshot({path: fast}) == link_snapshot({path: whole})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_both_ways_give_the_same_facts(case: Case) -> None:
    for path, content in case.files.items():
        assert_equal(path, as_bytes(content))


SYNTAX = """
import triton
async def f(a, /, b: int = 1, *c, d=2, **e) -> int:
    async with a as b, c: pass
    async for x in y: await z
    else: pass
    return [x async for x in y if x if not y]
def s(*d: *tuple[A, *B]) -> None: pass
@triton.jit
def t(x, *d: *tuple[A, *B]): pass
def g():
    global h, i
    nonlocal_ = 1
    yield; yield 1; yield from x
    x: int = 1; x: int; x += 1; x @= 2; x //= 3; x **= 4; x >>= 5; x <<= 6; x &= 7; x ^= 8; x |= 9
    del x, (y, z), [a], b[0], c.d
    assert x, y; raise A from B
    while x: break
    else: pass
    for a, *b in c: continue
    with (a as b, c as (d, e)): pass
    try: pass
    except A as b: pass
    except (B, C): pass
    except: pass
    else: pass
    finally: pass
    try: pass
    except* A as b: pass
    match x:
        case [1, 2, *rest] if y: pass
        case {"a": b, **c}: pass
        case A(b, c=d) | None: pass
        case _: pass
    return lambda a, *b, c=1, **d: (a, b)
class A(B, metaclass=C, *d, **e):
    x = {**a, "b": 1, **c}; y = {1, *z}; z = (1,); w = (); v = [*a]; u = {}
    x = a if b else c if d else e; x = not a and b or c and not d; x = a < b <= c != d is not e not in f
    x = a[1], a[1, 2], a[1:2], a[::3], a[1:2, ...], a[*b], a[:, None], a[b:=1]
    x = -a ** -b, ~a, +a, a if not b else c, (yield_ := 3), "a" "b" f"{c!r:>{d}}" b"e" rb"f" u"g"
    x = {k: v for k, v in y for z in v if z}; y = {x for x in y}; z = (x for x in y)
    x = 0x1F, 0o17, 0b1, 1_000, 1e3, 1j, ..., True, None; y = f(*a, b, *c, d=1, **e)
    x = f(x for x in y); y = f(a)(b)[c].d; z = (a, b), (c)
"""


def test_all_of_the_grammar() -> None:
    assert_equal("k.py", SYNTAX.encode())
    assert_equal("k.py", (SYNTAX + SMALL).replace("x", "größe").encode())
    kernel = "\n".join("    " + line for line in SYNTAX.splitlines())
    assert_equal("k.py", f"import triton\n@triton.jit\ndef add(x):\n{kernel}\n".encode())


@pytest.mark.network
def test_both_ways_give_the_same_facts_of_a_real_package() -> None:
    snapshot = open_snapshot(parse_source("pypi:conch-triton-kernels"))
    try:
        sources = [entry for entry in snapshot.entries() if entry.path.endswith(".py")]
        read = [(e.path, d) for e, d in snapshot.read(sources) if isinstance(d, bytes)]
    finally:
        snapshot.close()
    candidates = [(path, data) for path, data in read if may_hold_kernels(data)]
    assert len(candidates) > 20
    for path, data in candidates:
        assert_equal(path, data)
