"""Words of names: which of them tell of a gradient."""

from __future__ import annotations

import pytest

from crawler.enrich.words import backward_words, is_gradient_in_backward


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("_attn_bwd_dkdv", ("bwd", "dkdv")),
        ("attn_dq_kernel", ("dq",)),
        ("kernel_dqkv", ("dqkv",)),
        ("layer_norm_dwdb", ("dwdb",)),
        ("_compute_dW", ("dw",)),
        ("dgamma_kernel", ("dgamma",)),
        ("wgrad_kernel", ("wgrad",)),
        ("silu_backward", ("backward",)),
    ],
)
def test_tells_of_a_gradient(name: str, words: tuple[str, ...]) -> None:
    assert backward_words(name) == words


@pytest.mark.parametrize(
    "word", "dual doc do dock dgx dcu dao dag dab div disp drop dim dot".split()
)
def test_is_a_word_of_another_kind(word: str) -> None:
    assert backward_words(f"{word}_gemm_kernel") == ()


@pytest.mark.parametrize(
    ("word", "is_one"), [("do", True), ("dqkv", True), ("dual", False), ("x", False)]
)
def test_gradients_in_a_name_that_goes_backward(word: str, is_one: bool) -> None:
    assert is_gradient_in_backward(word) is is_one
