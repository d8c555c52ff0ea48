"""How people open when they ask, and what only looks like it."""

from __future__ import annotations

import pytest

from wishlist.opening import without_opening

OPENINGS = {
    "please add support for rotary embedding": "rotary embedding",
    "attention mask support for flash attention": "attention mask flash attention",
    "Introduce a layer norm kernel": "layer norm kernel",
    "Plan for a layer norm kernel": "layer norm kernel",
    **{
        f"{word} a layer norm kernel": "layer norm kernel"
        for word in (
            "Create",
            "Develop",
            "Bring",
            "Enable",
            "Contribute",
            "Extend",
            "Propose",
            "Include",
            "Build",
            "Ship",
            "Adopt",
            "Upstream",
            "Sample of",
            "Tracking",
        )
    },
    "Sample of a layer norm": "layer norm",
    "Tracking: layer norm": "layer norm",
    "Build layer norm": "layer norm",
    "Bring layer norm to Triton": "layer norm to Triton",
    "Can we have a fused softmax?": "fused softmax?",
    "is there any flash decoding kernel": "flash decoding kernel",
    "Would be nice to have grouped gemm": "grouped gemm",
    "Looking for paged attention please": "paged attention",
    "We could really use a layer norm": "layer norm",
    "please add rms norm": "rms norm",
    "Request: gelu": "gelu",
}
KEPT = [
    "add rms norm fused",
    "add layer norm kernel",
    "softmax over a row",
    "sum of the rows",
    "copy of a tensor",
    "extend attention",
    "kernel for the backward pass of softmax",
    "please",
    "",
]


@pytest.mark.parametrize(("text", "rest"), OPENINGS.items())
def test_is_taken_away(text: str, rest: str) -> None:
    assert without_opening(text) == rest


@pytest.mark.parametrize("text", KEPT)
def test_is_kept(text: str) -> None:
    assert without_opening(text) == text


def test_hostile_text_ends() -> None:
    assert without_opening("please " * 100_000).startswith("please")
    assert without_opening("a " * 100_000)
