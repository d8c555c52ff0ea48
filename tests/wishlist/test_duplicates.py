from __future__ import annotations

from typing import Any

import pytest

from tests.wishlist.samples import wish
from wishlist.duplicates import find_duplicates
from wishlist.models import Pass

ROPE: dict[str, Any] = {"title": "RoPE for q and k", "ops": ("rope",)}


def are_duplicates(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return bool(find_duplicates((wish(1, **first), wish(2, **second))))


@pytest.mark.parametrize(
    "other",
    [
        ROPE,
        {"title": "rotary embedding kernel, please", "ops": ("rope",)},
        {"title": "RoPE, bf16", "ops": ("rope",), "dtypes": ("bfloat16",)},
        {"title": "RoPE fwd + bwd", "ops": ("rope",), "passes": (Pass.FORWARD, Pass.BACKWARD)},
    ],
)
def test_wishes_for_the_same_are_duplicates(other: dict[str, Any]) -> None:
    assert are_duplicates(ROPE, other)


@pytest.mark.parametrize(
    "other",
    [
        {"title": "softmax for q and k", "ops": ("softmax",)},
        {"title": "RoPE backward", "ops": ("rope",), "passes": (Pass.BACKWARD,)},
        {"title": "RoPE and fused RMSNorm", "ops": ("rope", "rms_norm")},
        {"title": "two-dimensional spiral RoPE", "ops": ("rope",)},
        {"title": "something else", "ops": ()},
    ],
)
def test_wishes_that_look_alike_are_none(other: dict[str, Any]) -> None:
    assert not are_duplicates(ROPE, other)


def test_formats_tell_wishes_apart() -> None:
    matmul = {"title": "quantized matmul", "ops": ("quantized_matmul",)}
    assert not are_duplicates(matmul | {"dtypes": ("int4",)}, matmul | {"dtypes": ("float8",)})
    assert are_duplicates(matmul | {"dtypes": ("int4",)}, matmul | {"dtypes": ("int4", "float16")})


def test_words_decide_where_no_op_is_known() -> None:
    first = {"title": "Soft-DTW loss", "ops": ()}
    assert are_duplicates(first, {"title": "soft DTW loss kernel", "ops": ()})
    assert not are_duplicates(first, {"title": "RNN-T loss", "ops": ()})


def test_the_earlier_wish_is_the_one_that_is_repeated() -> None:
    (pair,) = find_duplicates((wish(7, **ROPE), wish(3, **ROPE)))
    assert (pair.of, pair.number) == (3, 7)
    assert pair.reason == "rope; 100% of the words"
