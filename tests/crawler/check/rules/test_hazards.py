"""What each hazard's rule flags, and where it says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.check.rules import HAZARDS
from crawler.check.run import Check, choose_rules

HEAD = "import triton\nimport triton.language as tl\n\n@triton.jit\n"
HEAD += "def k(x_ptr, y_ptr, n, x_stride, s: tl.constexpr, B: tl.constexpr):\n"
RANGE = "i = tl.arange(0, B)\n"

BLOCK = "i = tl.program_id(0) * B + tl.arange(0, B)\n"
LOOP = "for j in range(n):\n"

FLAGGED = {
    "unmasked-edge": [
        (BLOCK + "x = tl.load(x_ptr + i, mask=i < n)\ntl.store(y_ptr + i, x)", 3),
        (BLOCK + "x = tl.load(x_ptr + i * x_stride)\ntl.store(y_ptr + i, x, mask=i < n)", 2),
        (
            BLOCK
            + "m = (i[:, None] < n) & (s > 0)\np = x_ptr + i[:, None]\nx = tl.load(p, mask=m)\n"
            + LOOP
            + "  tl.store(y_ptr + i, 1.0)",
            6,
        ),
    ],
    "implicit-type": [
        ("a = tl.zeros((B,), dtype=tl.float16)\n" + LOOP + "  a += tl.load(x_ptr + j)", 1),
        ("a = tl.zeros((B, B), tl.bfloat16)\n" + LOOP + "  a = tl.dot(s, s, a)", 1),
        (
            LOOP
            + "  a = tl.full((B,), 0.0, dtype=tl.float16)\n  for k in range(B):\n    a = a + k",
            2,
        ),
    ],
    "masked-other": [
        (RANGE + "x = tl.load(x_ptr + i, mask=i < n)\ntl.store(y_ptr, tl.sum(x))", 2),
        (RANGE + "m = i < n\nx = tl.load(x_ptr + i, m).to(tl.float32)\ny = tl.max(x, axis=0)", 3),
        (RANGE + "x = tl.load(x_ptr + i, mask=i < n)\ny = tl.sum(x * x)", 2),
        (RANGE + "x = tl.load(x_ptr + i, mask=i < n)\ny = tl.sum(tl.exp(x))", 2),
    ],
    "nondeterministic": [
        ("a = tl.zeros((B,), dtype=tl.float32)\ntl.atomic_add(y_ptr + tl.arange(0, B), a)", 2),
        (RANGE + "x = tl.load(x_ptr + i).to(tl.float32)\ntl.atomic_add(y_ptr, tl.sum(x))", 3),
    ],
    "int32-offset": [
        ("r = tl.program_id(0)\ntl.store(x_ptr + r * x_stride, 1.0)", 2),
        ("p = x_ptr + x_stride * tl.program_id(0)\nx = tl.load(p)\ny = tl.load(p + 1)", 1),
    ],
}
LET_BE = {
    "unmasked-edge": [
        BLOCK + "tl.store(y_ptr + i, tl.load(x_ptr + i))",
        BLOCK + "x = tl.load(x_ptr + i, mask=i < n)\nif s:\n  tl.store(y_ptr + i, x)",
        BLOCK + "x = tl.load(x_ptr + i % n)\ntl.store(y_ptr + i, x, mask=i < n)",
        BLOCK + "x = tl.load(x_ptr + tl.minimum(i, n - 1))\ntl.store(y_ptr + i, x, mask=i < n)",
        BLOCK + "j = tl.load(x_ptr + i, mask=i < n)\nx = tl.load(y_ptr + j)",
        BLOCK + "rounded = n + B\nx = tl.load(x_ptr + i, mask=i < n)\n"
        "tl.store(y_ptr + rounded + i, x)",
        BLOCK + "j = tl.arange(0, B)\nx = tl.load(x_ptr + j)\ntl.store(y_ptr + i, x, mask=i < n)",
    ],
    "implicit-type": [
        "a = tl.zeros((B,), dtype=tl.float32)\n" + LOOP + "  a += tl.load(x_ptr + j)",
        LOOP + "  a = tl.zeros((B,), dtype=tl.float16)\n  a += tl.load(x_ptr + j)",
        LOOP
        + "  a = tl.zeros((B,), dtype=tl.float16)\n  a += 1.0\n"
        + LOOP
        + "  a = tl.zeros((B,), dtype=tl.float16)\n  a += 2.0",
        "a = tl.zeros((B,), dtype=tl.float16)\na += tl.load(x_ptr)",
        "a = tl.zeros((B,), dtype=tl.float16)\nif s:\n  a = x_ptr\n" + LOOP + "  a += 1",
    ],
    "masked-other": [
        RANGE + "x = tl.load(x_ptr + i, mask=i < n, other=0.0)\ny = tl.sum(x)",
        RANGE + "x = tl.load(x_ptr + i, mask=i < n)\ny = tl.sum(tl.where(i < n, x, 0.0))",
        RANGE + "x = tl.load(x_ptr + i, mask=i < n)\nx = tl.where(i < n, x, 0.0)\ny = tl.sum(x)",
        RANGE + "x = tl.load(x_ptr + i, mask=n > 0)\ny = tl.sum(x)",
        RANGE + "p = x_ptr + i[:, None] + i[None, :]\nx = tl.load(p, mask=i[:, None] < n)\n"
        "y = tl.sum(x, axis=1)",
        RANGE + "x = tl.load(x_ptr + i, mask=i < n)\ntl.store(y_ptr + i, x, mask=i < n)",
    ],
    "nondeterministic": [
        "tl.atomic_add(y_ptr, 1)",
        "x = tl.atomic_add(y_ptr, 0.0)",
        RANGE + "x = (tl.load(x_ptr + i) > 0.5).to(tl.int32)\ntl.atomic_add(y_ptr, tl.sum(x))",
        "a = tl.zeros((B,), dtype=tl.int32)\ntl.atomic_add(y_ptr, tl.sum(a))",
    ],
    "int32-offset": [
        "r = tl.program_id(0).to(tl.int64)\ntl.store(x_ptr + r * x_stride, 1.0)",
        "r = tl.program_id(0)\ntl.store(x_ptr + r * s, 1.0)",
        "r = tl.program_id(0)\ny = r * x_stride\ntl.store(x_ptr, 1.0)",
    ],
}


def lines(rule: str, body: str) -> list[int]:
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
    found = Check(rules=choose_rules([rule], ())).run({"a.py": text.encode()}).findings
    assert {f.kernel for f in found} <= {"k"}
    return [f.line - HEAD.count("\n") for f in found if f.rule == rule]


@pytest.mark.parametrize(
    ("rule", "body", "line"), [(r, b, n) for r, all_ in FLAGGED.items() for b, n in all_]
)
def test_flags_the_line(rule: str, body: str, line: int) -> None:
    assert lines(rule, body) == [line]


@pytest.mark.parametrize(("rule", "body"), [(r, b) for r, all_ in LET_BE.items() for b in all_])
def test_says_nothing(rule: str, body: str) -> None:
    assert lines(rule, body) == []


@pytest.mark.parametrize("rule", HAZARDS, ids=lambda rule: rule.id)
def test_page_says_why_how_and_whether_it_is_on(rule) -> None:  # type: ignore[no-untyped-def]
    page = Path(__file__).parents[4] / "docs" / "rules" / f"{rule.id}.md"
    text = page.read_text()
    assert "**Why.**" in text
    assert "**How to mend.**" in text
    assert ("On by default" in text) == rule.is_default
