"""What a fingerprint keeps of a kernel and what it forgets."""

from __future__ import annotations

import pytest

from crawler.enrich.copies.fingerprint import (
    SKETCH_SIZE,
    Fingerprint,
    callee_names,
    definition_text,
    fingerprint_of,
    similarity,
)

SCALE = '''
def scale(x_ptr, y_ptr, n, factor, BLOCK: tl.constexpr):
    """Scales."""
    pid = tl.program_id(axis=0)
    offs = pid * BLOCK + tl.arange(0, BLOCK)  # ours
    mask = offs < n
    x = tl.load(x_ptr + offs, mask=mask)
    tl.store(y_ptr + offs, x * factor, mask=mask)
'''


def fingerprint(text: str, *callees: str) -> Fingerprint:
    found = fingerprint_of(text.strip("\n"), callees)
    assert found is not None
    return found


def variant(*changes: tuple[str, str]) -> Fingerprint:
    text = SCALE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return fingerprint(text)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([("scale", "times"), ("offs", "places"), ("x_ptr", "a")], id="names"),
        pytest.param([('"""Scales."""', "pass")], id="docstring"),
        pytest.param([("  # ours", ""), ("factor, BLOCK", "factor,\n    BLOCK")], id="layout"),
        pytest.param([(": tl.constexpr", "")], id="annotations"),
        pytest.param([("BLOCK: tl.constexpr", "BLOCK: tl.constexpr = 64")], id="defaults"),
        pytest.param([("y_ptr, n, factor", "n, factor, y_ptr")], id="order of parameters"),
        pytest.param([("axis=0", "0"), ("offs, mask=mask)", "offs, mask)")], id="keywords"),
        pytest.param([("tl.", "triton.language.")], id="module alias"),
        pytest.param([("x * factor", "(x * factor)")], id="parentheses"),
    ],
)
def test_equal_after_renaming(changes: list[tuple[str, str]]) -> None:
    assert variant(*changes) == fingerprint(SCALE)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([("x * factor", "x + factor")], id="operator"),
        pytest.param([("x * factor", "factor * x")], id="order of operands"),
        pytest.param([("offs < n", "offs <= n")], id="comparison"),
        pytest.param([("arange(0", "arange(1")], id="constant"),
        pytest.param([("x * factor", "x * n")], id="another variable"),
        pytest.param([("x * factor", "tl.exp(x) * factor")], id="a call"),
        pytest.param([("x * factor", "x.to(tl.float32) * factor")], id="a cast"),
    ],
)
def test_different_code(changes: list[tuple[str, str]]) -> None:
    assert variant(*changes).code != fingerprint(SCALE).code


def test_names_of_a_function_s_own_are_not_those_from_outside() -> None:
    free = "def f(p):\n    tl.store(p, helper(1))"
    assert fingerprint(free).code != fingerprint(free.replace("helper", "other")).code
    assert (
        fingerprint(free).code != fingerprint("def f(p, helper):\n    tl.store(p, helper(1))").code
    )


def test_what_is_compared_by_its_own_code_may_have_any_name() -> None:
    one = fingerprint("def f(p):\n    tl.store(p, gelu(1) + relu(2))", "gelu", "relu")
    other = fingerprint("def f(p):\n    tl.store(p, a(1) + b(2))", "a", "b")
    assert one.code == other.code
    assert (one.callees, other.callees) == (("gelu", "relu"), ("a", "b"))


def test_names_that_triton_offers_mean_the_same_everywhere() -> None:
    assert callee_names(("ops.py::gelu", "std.py::cdiv", "a.py::C.scale")) == {"gelu", "scale"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("    def f(self, p):\n        tl.store(p, 1)\n", id="method"),
        pytest.param("def f[T](p):\n    tl.store(p, 1)\n", id="newer grammar"),
        pytest.param("async def f(p):\n    tl.store(p, 1)\n", id="async"),
    ],
)
def test_every_kind_of_function_is_read(text: str) -> None:
    assert fingerprint(text).code == fingerprint("def f(p):\n    tl.store(p, 1)").code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "def f(:",
        "x = 1",
        "def f():\n    return " + "(" * 5000,
        "\0",
        "def f(): return " + "-" * 99999 + "1",
    ],
)
def test_what_is_no_function_has_no_fingerprint(text: str) -> None:
    assert fingerprint_of(text) is None


def test_decorators_are_cut_off() -> None:
    source = "@triton.autotune(\n    configs=[],\n)\n@triton.jit\ndef f(p):\n    pass"
    assert definition_text(source, 4) == "def f(p):\n    pass"
    assert definition_text("def f(p): pass", 0) == "def f(p): pass"


def steps(body: str, *callees: str) -> tuple[set[str], set[str]]:
    text = "def f(x_ptr, y_ptr, n, FLAG, BLOCK):\n" + "\n".join(
        f"    {s}" for s in body.split("\n")
    )
    found = fingerprint(text, *callees).steps
    return set(found.always), set(found.optional)


def test_steps_are_those_from_what_is_loaded_to_what_is_stored() -> None:
    body = """offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
x = tl.load(x_ptr + offs, mask=offs < n).to(tl.float32)
unused = tl.log(x)
y = tl.exp(x) / 2
tl.store(y_ptr + offs, y, mask=offs < n)"""
    assert steps(body) == ({"exp", "Div>2"}, set())


def test_steps_under_an_if_are_options() -> None:
    body = """x = tl.load(x_ptr)
if FLAG:
    x = tl.sigmoid(x)
x = x * 2 if BLOCK else x
tl.store(y_ptr, -x)"""
    assert steps(body) == ({"USub"}, {"sigmoid", "Mult>2"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tl.max(x, 0)", "tl.min(x, 0)"),
        ("x + x2", "x - x2"),
        ("x - x2", "x2 - x"),
        ("x * x", "x * x2"),
        ("tl.where(x > 0, x, 0)", "tl.where(x > 0, x, x * 0.01)"),
        ("tl.where(x > 0, x, 0)", "tl.where(x < 0, x, 0)"),
        ("x * 0.5", "x * 0.7"),
        ("tl.cumsum(x)", "tl.cumsum(x, reverse=True)"),
        ("tl.maximum(x, 0)", "tl.minimum(x, 0)"),
    ],
)
def test_different_operators_take_different_steps(one: str, other: str) -> None:
    body = "x = tl.load(x_ptr)\nx2 = tl.load(x_ptr + n)\ntl.store(y_ptr, {})"
    assert steps(body.format(one)) != steps(body.format(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tl.store(y_ptr, x * 1.4427)", "tl.store(y_ptr, (x * 1.44269504089).to(tl.float16))"),
        (
            "acc += tl.dot(x, x)\ntl.store(y_ptr, acc)",
            "acc = tl.dot(x, x, acc)\ntl.store(y_ptr, acc)",
        ),
        ("tl.store(y_ptr, x * 2)", "tl.store(y_ptr + (n // 2) * BLOCK, x * 2, mask=n % 3 == 0)"),
    ],
)
def test_casts_offsets_and_masks_are_no_steps(one: str, other: str) -> None:
    body = "x = tl.load(x_ptr)\nacc = tl.zeros((1,), tl.float32)\n"
    assert steps(body + one) == steps(body + other)


def test_a_function_that_gives_back_works_on_its_parameters() -> None:
    found = fingerprint("def gelu(v):\n    return 0.5 * v * (1 + tl.erf(v * 0.707))").steps
    assert found.always == {"Mult", "Mult<0.5", "Add<1", "erf", "Mult>0.707"}


def test_similarity_is_the_shared_part() -> None:
    one = fingerprint(SCALE)
    near = variant(("mask=mask)\n    tl.store", "mask=mask, other=0.0)\n    tl.store"))
    far = fingerprint(
        "def f(p, q):\n    for i in range(9):\n        tl.atomic_add(p + i, tl.load(q))"
    )
    assert similarity(one.sketch, one.sketch) == 1
    assert 0.7 < similarity(one.sketch, near.sketch) < 1
    assert similarity(one.sketch, far.sketch) < 0.2


def test_long_kernels_are_compared_by_a_sample() -> None:
    lines = [f"    v{n} = tl.load(p + {n}) * {n}" for n in range(600)]
    whole = fingerprint("\n".join(["def f(p):", *lines]))
    half = fingerprint("\n".join(["def f(p):", *lines[:300]]))
    assert len(whole.sketch) == len(half.sketch) == SKETCH_SIZE
    assert similarity(whole.sketch, half.sketch) == pytest.approx(0.5, abs=0.1)
