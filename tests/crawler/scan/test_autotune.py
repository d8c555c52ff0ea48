"""Autotune: how many configs, their key, the first of them, without running anything."""

# ruff: noqa: E501 - the sources in these tables are read more easily unwrapped
from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from crawler.models import Autotune, AutotuneConfig
from tests.crawler.scan.project import kernel_of

C = "triton.Config({'B': 1})"


def tuned(folder: Path, configs: str, before: str = "", rest: str = "key=['n']") -> Autotune:
    source = (
        f"import triton, itertools\nfrom itertools import product\n{dedent(before)}\n"
        f"@triton.autotune(configs={configs}, {rest})\n@triton.jit\ndef add(x, n):\n    pass\n"
    )
    found = kernel_of(folder, source).autotune
    assert found is not None
    return found


COUNTS: tuple[tuple[str, str, str, int | None], ...] = (
    ("none", "[]", "", 0),
    ("a list", f"[{C}, {C}, {C}]", "", 3),
    ("a tuple", f"({C}, {C})", "", 2),
    ("a list with a name", "CONFIGS", f"CONFIGS = [{C}, {C}]", 2),
    ("a name of a name", "CONFIGS", f"OTHER = [{C}]\nCONFIGS = OTHER", 1),
    ("an annotated name", "CONFIGS", f"CONFIGS: list = [{C}]", 1),
    ("two lists together", "A + B", f"A = [{C}]\nB = [{C}, {C}]", 3),
    ("a list many times", "A * 100", f"A = [{C}, {C}]", 200),
    ("lists spread into one", f"[*A, {C}, *B]", f"A = [{C}]\nB = [{C}, {C}]", 4),
    ("a comprehension", "[triton.Config({'B': b}) for b in (16, 32, 64)]", "", 3),
    ("a comprehension over a range", "[triton.Config({'B': b}) for b in range(5)]", "", 5),
    ("loops in loops", "[triton.Config({}) for a in (1, 2) for b in (1, 2, 3)]", "", 6),
    ("a loop that depends on another", "[triton.Config({}) for a in range(4) for b in range(a)]", "", 6),
    ("a filter", "[triton.Config({}) for a in range(9) if a % 2 == 0]", "", 5),
    ("filters over several loops", "[triton.Config({}) for a in (1, 2, 4) for b in (1, 2, 4) if a * b <= 4 and a >= b]", "", 4),
    ("pairs unpacked", "[triton.Config({}) for a, (b, c) in [(1, (2, 3)), (4, (5, 6))]]", "", 2),
    ("a product", "[triton.Config({}) for a, b in itertools.product((1, 2), (3, 4, 5))]", "", 6),
    ("a product by name", "[triton.Config({}) for a, b in product((1, 2), range(3))]", "", 6),
    ("a product over a million", "[triton.Config({}) for a, b, c in product(range(108), range(112), range(96))]", "", 1_161_216),
    ("loops over a million", "[triton.Config({}) for a in range(108) for b in range(112) for c in range(96)]", "", 1_161_216),
    ("a product over a million with a filter", "[triton.Config({}) for a, b, c in product(range(108), range(112), range(96)) if a != b]", "", None),
    ("a list of a comprehension", "list(triton.Config({}) for a in range(3))", "", 3),
    ("a map over a list", "list(map(make, (1, 2, 3)))", "", 3),
    ("loops over lists with names", "[triton.Config({}) for a in A for b in B]", "A = [1, 2]\nB = [*A, 3]", 6),
    ("shifts and powers", "[triton.Config({'B': 1 << i}) for i in range(4, 2 ** 3)]", "", 4),
    ("a set of distinct values", "[triton.Config({}) for b in {1, 2, 2}]", "", 2),
    ("a choice that is static", f"[{C}] if 1 > 2 else [{C}, {C}]", "", 2),
    ("a helper that returns a list", "configs()", f"def configs():\n    return [{C}, {C}]", 2),
    ("a helper with a docstring and names", "configs()", f"def configs():\n    '''All.'''\n    one = {C}\n    return [one, one]", 2),
    ("a helper with parameters", "configs(3, m=2)", "def configs(n, m=1, k=2):\n    return [triton.Config({}) for a in range(n) for b in range(m) for c in range(k)]", 12),
    ("helpers together", "a() + b()", f"def a():\n    return [{C}]\ndef b():\n    return a() + a()", 3),
    ("configs made by a helper", "[make(1), make(2)]", "def make(b):\n    return triton.Config({'B': b})", 2),
    ("a list that grows later", "CONFIGS", f"CONFIGS = [{C}]\nCONFIGS.append({C})", None),
    ("a list that is added to later", "CONFIGS", f"CONFIGS = [{C}]\nCONFIGS += [{C}]", None),
    ("a name bound on two branches", "CONFIGS", f"if A:\n    CONFIGS = [{C}]\nelse:\n    CONFIGS = [{C}, {C}]", None),
    ("a choice that is not static", f"[{C}] if HIP else [{C}, {C}]", "", None),
    ("a name from elsewhere", "CONFIGS", "from mine import CONFIGS", None),
    ("a helper from elsewhere", "configs()", "from mine import configs", None),
    ("a helper that decides", "configs()", f"def configs():\n    if A:\n        return [{C}]\n    return []", None),
    ("a helper that appends", "configs()", f"def configs():\n    found = []\n    for i in range(3):\n        found.append({C})\n    return found", None),
    ("a filter that is not static", "[triton.Config({}) for a in range(9) if keep(a)]", "", None),
    ("a parameter", "configs", "", None),
    ("a number", "5", "", None),
    ("a loop over a number", "[triton.Config({}) for a in 5]", "", None),
    ("a pair that is none", "[triton.Config({}) for a, b in [1, 2]]", "", None),
    ("a division by zero", "[triton.Config({}) for a in (1, 2) if a / 0]", "", None),
    ("a range beyond reason", "[triton.Config({}) for a in range(10 ** 12)]", "", None),
    ("a range beyond all numbers", "[triton.Config({}) for a in range(10 ** 10 ** 10)]", "", None),
    ("names bound to one another", "A", "A = B\nB = A", None),
    ("a helper that calls itself", "f()", "def f():\n    return f() + f()", None),
)  # fmt: skip


@pytest.mark.parametrize(
    "configs, before, count", [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_how_many_configs(configs: str, before: str, count: int | None, tmp_path: Path) -> None:
    found = tuned(tmp_path, configs, before)
    assert found.n_configs == count
    assert found.key == ("n",)
    assert len(found.configs) == min(count or 0, 64) or "map(" in configs


def test_a_config_has_meta_parameters_and_options(tmp_path: Path) -> None:
    found = tuned(
        tmp_path,
        "[triton.Config({'M': 64, 'N': N, 'T': tl.float32, 'S': 'x', 'E': True}, 4, num_stages=2),"
        " triton.Config(kwargs={'M': 1 << 5}, num_warps=8, pre_hook=hook)]",
        "N = 32",
    )
    kwargs = (("M", 64), ("N", 32), ("T", "tl.float32"), ("S", "x"), ("E", True))
    assert found.configs == (
        AutotuneConfig(kwargs=kwargs, options=(("num_warps", 4), ("num_stages", 2))),
        AutotuneConfig(kwargs=(("M", 32),), options=(("num_warps", 8), ("pre_hook", "hook"))),
    )


def test_a_comprehension_fills_in_its_values(tmp_path: Path) -> None:
    found = tuned(
        tmp_path, "[triton.Config({'B': b}, num_warps=w) for b in (1, 2) for w in (4, 8)]"
    )
    assert [(c.kwargs[0][1], c.options[0][1]) for c in found.configs] == [
        (1, 4),
        (1, 8),
        (2, 4),
        (2, 8),
    ]


UNUSUAL = (
    ("infinity", "1e999", "1e309"),
    ("a number of thousands of digits", "0x" + "f" * 5000, "..."),
    ("a number beyond 256 bits", "1 << 255 << 2", "1 << 255 << 2"),
    ("bytes", "b'x'", "b'x'"),
    ("half a surrogate pair", "'\\ud800'", "?"),
    ("a long string", "'" + "x" * 500 + "'", "x" * 80),
    ("a power beyond reason", "10 ** 10 ** 10", "10 ** 10 ** 10"),
)


@pytest.mark.parametrize("value, kept", [u[1:] for u in UNUSUAL], ids=[u[0] for u in UNUSUAL])
def test_a_value_that_no_table_holds_is_kept_as_text(value: str, kept: str, tmp_path: Path) -> None:
    (config,) = tuned(tmp_path, f"[triton.Config({{'B': {value}}})]").configs
    assert config.kwargs == (("B", kept),)


KEYS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("a list", "key=['m', 'n']", ("m", "n")),
    ("a tuple", "key=('m',)", ("m",)),
    ("a name", "key=KEY", ("k",)),
    ("two lists together", "key=['m'] + KEY", ("m", "k")),
    ("not static", "key=keys()", ()),
    ("what is no string", "key=[1, None, 'm']", ("m",)),
)


@pytest.mark.parametrize("rest, key", [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_the_key(rest: str, key: tuple[str, ...], tmp_path: Path) -> None:
    assert tuned(tmp_path, "[]", "KEY = ['k']", rest).key == key


TUNERS = (
    ("triton's", "@triton.autotune([triton.Config({})], ['n'])"),
    ("triton's by name", "@autotune(configs=[triton.Config({})], key=['n'])"),
    ("the project's own", "@mine.libtuner(configs=[triton.Config({})], key=['n'])"),
    ("one that takes configs", "@mine.cached(configs=[triton.Config({})], key=['n'])"),
)


@pytest.mark.parametrize("line", [t[1] for t in TUNERS], ids=[t[0] for t in TUNERS])
def test_every_tuner_is_read(line: str, tmp_path: Path) -> None:
    source = f"import triton, mine\nfrom triton import autotune\n{line}\n@triton.jit\ndef add(x, n):\n    pass\n"
    found = kernel_of(tmp_path, source).autotune
    assert found is not None
    assert (found.n_configs, found.key) == (1, ("n",))


def test_a_kernel_that_is_not_tuned_says_so(tmp_path: Path) -> None:
    assert kernel_of(tmp_path, "import triton\n@triton.jit\ndef add(x): pass\n").autotune is None


HELPERS = (
    ("a function of the file", "def make(m, w):\n    return triton.Config({'M': m}, num_warps=w)\n", "make(64, 4)", ((("M", 64),), (("num_warps", 4),))),
    ("a lambda", "make = lambda m, w: triton.Config({'M': m}, num_warps=w)\n", "make(64, w=4)", ((("M", 64),), (("num_warps", 4),))),
    ("a function from elsewhere", "from elsewhere import make\n", "make({'M': 64}, 4, 2)", ((), ())),
    ("a function that computes", "def make(m, w):\n    w = w + 1\n    return triton.Config({'M': m}, num_warps=w)\n", "make({'M': 64}, 4)", ((), ())),
    ("Config under another name", "from triton import Config as C\n", "C({'M': 64}, 4)", ((("M", 64),), (("num_warps", 4),))),
)  # fmt: skip


@pytest.mark.parametrize(
    "head, made, config", [h[1:] for h in HELPERS], ids=[h[0] for h in HELPERS]
)
def test_a_config_that_a_helper_makes(head, made, config, tmp_path):
    source = (
        f"import triton\n{head}@triton.autotune(configs=[{made}], key=[])\n"
        "@triton.jit\ndef add(x, M):\n    pass\n"
    )
    autotune = kernel_of(tmp_path, source).autotune
    assert autotune.n_configs == 1
    assert (autotune.configs[0].kwargs, autotune.configs[0].options) == config


def test_a_tuner_made_as_an_object(tmp_path):
    source = """
import triton
from triton.runtime import Autotuner, Heuristics

def add(x, n, M):
    pass

add = triton.jit(add)
add = Heuristics(add, add.arg_names, {"EVEN": f})
tuned = Autotuner(add, add.arg_names, [triton.Config({"M": 64})], ["n"])
"""
    record = kernel_of(tmp_path, source)
    assert record.heuristics == ("EVEN",)
    assert (record.autotune.n_configs, record.autotune.key) == (1, ("n",))
