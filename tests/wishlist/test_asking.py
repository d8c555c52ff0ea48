from __future__ import annotations

import pytest

from tests.wishlist.samples import wish
from wishlist.asking import (
    DETAIL,
    HEAD,
    MODIFIER,
    NOISE_SHARE,
    PURPOSE,
    asking,
    most_specific,
    stems,
)
from wishlist.models import Pass


def words(title: str, **facts: object) -> dict[str, float]:
    return {word.text: word.weight for word in asking(wish(title=title, **facts)).words}


@pytest.mark.parametrize(
    ("title", "rest"),
    [
        ("Please add a fused RMSNorm kernel", {}),
        ("Rotated RoI align", {"rotated": MODIFIER}),
        ("Focal loss for RetinaNet", {"retina": PURPOSE, "net": PURPOSE}),
        ("Kernel for soft-DTW", {"soft": HEAD, "dtw": HEAD}),
        ("GeGLU with tanh approximation", {"approximation": DETAIL}),
        ("all-reduce (one shot)", {"shot": DETAIL}),
        ("Lovász hinge", {"lovasz": HEAD, "hinge": HEAD}),
        ("jagged softmax", {"jagged": NOISE_SHARE}),
        ("fp8 matmul on H100, backward", {}),
        ("top-k of rows", {"rows": NOISE_SHARE * DETAIL}),
    ],
)
def test_what_names_no_op_is_kept_by_its_weight(title: str, rest: dict[str, float]) -> None:
    assert words(title) == pytest.approx(rest)


def test_the_operation_of_the_form_goes_before_the_title() -> None:
    assert words("Kernel request", operation="rotated roi align") == {"rotated": MODIFIER}


def test_a_word_of_every_day_names_an_op_only_by_itself() -> None:
    assert asking(wish(title="max along rows")).op_words[0].text == "max"
    assert [word.text for word in asking(wish(title="max softmax")).op_words] == ["softmax"]


def test_only_the_most_special_ops_are_asked_for() -> None:
    assert most_specific(("rms_norm", "fused_add_rms_norm", "no such op")) == (
        "fused_add_rms_norm",
    )


def test_who_says_nothing_of_passes_asks_for_the_forward_one() -> None:
    assert asking(wish()).passes == {Pass.FORWARD}
    assert asking(wish(passes=(Pass.BACKWARD,))).passes == {Pass.BACKWARD}


def test_words_are_compared_by_their_stems() -> None:
    assert stems("deformable convolutions") & stems("deform_convolution_kernel")


@pytest.mark.parametrize("title", ["", "🦀🦀🦀", "\x00\x1b[31m", "a" * 100_000, "( [ , ; : - ' _"])
def test_any_text_can_be_taken_apart(title: str) -> None:
    assert isinstance(words(title), dict)
