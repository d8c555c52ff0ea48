from __future__ import annotations

import pytest

from index.text import BREAK, LONGEST_TEXT, LONGEST_WORD, normalise, normalise_phrases, term, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rms_norm_fwd", ["rms", "norm", "fwd"]),
        ("RMSNorm", ["rms", "norm"]),
        ("RMS norm", ["rms", "norm"]),
        ("rmsnorm", ["rmsnorm"]),
        ("LayerNormBackward", ["layer", "norm", "backward"]),
        ("SwiGLU", ["swi", "glu"]),
        ("FP8Gemm", ["fp8", "gemm"]),
        ("W8A8", ["w8a8"]),
        ("FFTs and GRUs", ["fft", "and", "gru"]),
        ("fused MLPs", ["fused", "mlp"]),
        ("conv2d", ["conv2d"]),
        ("_attn_fwd__inner", ["attn", "fwd", "inner"]),
        ("tl.make_block_ptr", ["tl", "make", "block", "ptr"]),
        ("make.<locals>.k", ["make", "locals", "k"]),
        ("", []),
        ("--- !!", []),
        ("naïve Größe", ["naïve", "größe"]),
    ],
)
def test_words_of_identifiers_and_prose(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_normalise_keeps_camel_case_tokens_joined() -> None:
    assert normalise("RMSNorm of x_ptr") == "rms+norm of x ptr"


def test_phrases_are_kept_apart() -> None:
    assert normalise_phrases(["block_m", "", "k"]) == f"block m {BREAK} k"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kernels", "kernel"),
        ("softmaxes", "softmax"),
        ("indices", "index"),
        ("matrices", "matrix"),
        ("quantized", "quantization"),
        ("quant", "quantize"),
        ("reductions", "reduce"),
        ("normalized", "norm"),
        ("fwd", "forward"),
        ("attn", "attention"),
        ("ptrs", "pointer"),
        ("lstms", "lstm"),
    ],
)
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert term(one) == term(other)


@pytest.mark.parametrize(("one", "other"), [("norm", "normal"), ("max", "min"), ("fp8", "fp16")])
def test_different_words_are_different_terms(one: str, other: str) -> None:
    assert term(one) != term(other)


def test_hostile_text_is_cut() -> None:
    assert len(words("x" * 1_000_000)[0]) == LONGEST_WORD
    assert len(normalise("a " * 1_000_000)) <= LONGEST_TEXT
