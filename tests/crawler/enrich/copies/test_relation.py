"""What is proven of two kernels that compute the same."""

from __future__ import annotations

import pytest

from crawler.enrich.copies.fingerprint import Fingerprint, fingerprint_of
from crawler.enrich.copies.relation import Relation, relation_of

ADD = """
def add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    pid = tl.program_id(axis=0)
    offs = pid * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    tl.store(out_ptr + offs, tl.load(x_ptr + offs, mask=mask) + tl.load(y_ptr + offs, mask=mask))
"""
GATE = """
def gate(x_ptr, y_ptr, stride, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    a = tl.load(x_ptr + row * stride + cols, mask=cols < n, other=0.0).to(tl.float32)
    b = tl.load(x_ptr + row * stride + n + cols, mask=cols < n, other=0.0).to(tl.float32)
    tl.store(y_ptr + row * n + cols, a / (1 + tl.exp(-a)) * b, mask=cols < n)
"""
OTHER_GATE = """
def gate(out, gates, ups, total, B: tl.constexpr):
    where = tl.program_id(0) * B + tl.arange(0, B)
    up = tl.load(ups + where, where < total)
    left = tl.load(gates + where, where < total).to(tl.float32)
    left = left / (1 + tl.exp(-left))
    tl.store(out + where, (left * up).to(out.dtype.element_ty), where < total)
"""


def print_of(text: str) -> Fingerprint:
    found = fingerprint_of(text.strip("\n"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        pytest.param(ADD, ADD, Relation.SAME_COMPUTATION, id="everybody's vector add"),
        pytest.param(GATE, GATE, Relation.COPY, id="equal"),
        pytest.param(GATE, GATE.replace("cols", "c"), Relation.COPY, id="renamed"),
        pytest.param(GATE, GATE.replace(".to(tl.int64)", ""), Relation.NEAR_COPY, id="a cast more"),
        pytest.param(GATE, OTHER_GATE, Relation.SAME_COMPUTATION, id="written twice"),
    ],
)
def test_a_copy_is_claimed_where_the_text_proves_it(
    one: str, other: str, relation: Relation
) -> None:
    first, second = print_of(one), print_of(other)
    is_equal = first.code == second.code
    assert relation_of(first, second, is_equal=is_equal) == relation
    assert relation_of(second, first, is_equal=is_equal) == relation


def test_a_credit_proves_what_the_text_does_not() -> None:
    first, second = print_of(GATE), print_of(OTHER_GATE)
    found = relation_of(first, second, is_equal=False, is_credited=True)
    assert found is Relation.NEAR_COPY
