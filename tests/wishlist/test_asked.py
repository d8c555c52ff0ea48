from __future__ import annotations

import pytest

from wishlist.asked import ops_asked_for, ops_in_code, ops_in_words

WORDS = {
    "RMSNorm": ("rms_norm",),
    "Fused RMSNorm + residual add": ("fused_add_rms_norm", "rms_norm"),
    "RoPE backward kernel": ("rope",),
    "Please add softmax": ("softmax",),
    "torch.nn.functional.scaled_dot_product_attention": ("attention",),
    "aten::_softmax.default": ("softmax",),
    "F.add": ("add",),
    "SwiGLU / GeGLU": ("swiglu", "geglu"),
    "I need a kernel for int4 matmul": ("quantized_matmul", "matmul"),
    "fused linear cross entropy": ("fused_linear_cross_entropy", "cross_entropy"),
    "decode attention, please": ("decode_attention", "attention"),
    "Add a search command": (),
    "Crash when installing": (),
    "": (),
}

CODE = {
    "def rms_norm(x, w):\n    return x * torch.rsqrt(x.pow(2).mean())": ("rms_norm",),
    "y = torch.nn.functional.softmax(x, -1)": ("softmax",),
    "y = F.softmax(q @ k) @ v; y = F.dropout(y)": (),
    "x = 1": (),
}


@pytest.mark.parametrize(("words", "ops"), WORDS.items())
def test_ops_in_words(words: str, ops: tuple[str, ...]) -> None:
    assert ops_in_words(words) == ops


@pytest.mark.parametrize(("code", "ops"), CODE.items())
def test_ops_in_code(code: str, ops: tuple[str, ...]) -> None:
    assert ops_in_code(code) == ops


def test_what_is_nearest_to_the_wish_speaks_first() -> None:
    reference = "def layer_norm(x): ..."
    assert ops_asked_for("gelu", "softmax", reference).ops == ("softmax",)
    assert ops_asked_for("[Wish] gelu", None, reference).ops == ("gelu",)
    assert ops_asked_for("A kernel that I need", None, reference).ops == ("layer_norm",)
    assert ops_asked_for("Hello", None, None, "> gelu\n\na fast softmax\n\nrope").ops == (
        "softmax",
    )


def test_an_operation_that_nobody_knows_is_noted() -> None:
    asked = ops_asked_for("softmax", "frobnicate", None)
    assert asked.ops == ("softmax",)
    (note,) = asked.notes
    assert note.reason == "'frobnicate' names no op of the vocabulary"
