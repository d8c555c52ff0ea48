from __future__ import annotations

from typing import Any

import pytest

from crawler.models import Role
from tests.wishlist.kernels import candidate
from tests.wishlist.samples import wish
from wishlist.asked import ops_in_words
from wishlist.asking import most_specific
from wishlist.candidates import Candidate, is_permissive
from wishlist.match import MOST_MATCHES, match
from wishlist.models import EXISTS_SCORE, PARTLY_SCORE, Pass, Wish, WishMatch
from wishlist.opening import without_opening

BOTH = (Pass.FORWARD, Pass.BACKWARD)


def best(wanted: Wish, *kernels: Candidate) -> WishMatch:
    return match(wanted, kernels)[0]


def softmax(**facts: Any) -> Candidate:
    return candidate("softmax_kernel", "softmax", **facts)


def wanted(title: str = "softmax", *ops: str, **facts: Any) -> Wish:
    return wish(title=title, ops=ops or ("softmax",), **facts)


def test_a_kernel_of_the_op_exists() -> None:
    found = best(wanted(), softmax())
    assert found.score >= EXISTS_SCORE
    assert found.reason == "softmax; forward only; MIT; Triton 3.0.0+"


@pytest.mark.parametrize(
    ("asked", "facts", "words"),
    [
        ({"passes": BOTH}, {}, "forward only, no backward"),
        ({"passes": (Pass.BACKWARD,)}, {}, "forward only, no backward"),
        ({}, {"direction": Pass.BACKWARD}, "backward only, no forward"),
        ({"dtypes": ("float8",)}, {}, "float8 missing"),
        ({"dtypes": ("int4",)}, {"dtypes": ("int8",)}, "int4 missing"),
        ({"features": ("paged", "causal")}, {"features": ("masked",)}, "no paged; no causal"),
        ({"title": "sparse softmax"}, {}, "softmax, nothing of sparse"),
        ({}, {"role": Role.DEVICE_FUNCTION}, "a device function"),
    ],
)
def test_what_lacks_something_exists_only_partly(
    asked: dict[str, Any], facts: dict[str, Any], words: str
) -> None:
    found = best(wanted(asked.pop("title", "softmax"), **asked), softmax(**facts))
    assert PARTLY_SCORE <= found.score < EXISTS_SCORE
    assert words in found.reason


@pytest.mark.parametrize(
    ("asked", "facts", "words"),
    [
        ({"passes": BOTH}, {"has_partner": True}, "forward and backward"),
        ({"dtypes": ("float16", "float32")}, {}, "softmax"),
        ({"dtypes": ("float8",)}, {"dtypes": ("float8", "float8e4nv")}, "float8"),
        ({"features": ("causal",)}, {"features": ("causal",)}, "causal"),
        ({}, {"license": None}, "licence unknown"),
        ({}, {"triton_min": "2.0.0", "triton_max": "2.3.1"}, "Triton 2.0.0 to 2.3.1"),
        ({}, {"is_verified": True}, "verified"),
    ],
)
def test_what_has_all_that_is_asked_for_exists(
    asked: dict[str, Any], facts: dict[str, Any], words: str
) -> None:
    found = best(wanted(**asked), softmax(**facts))
    assert found.score >= EXISTS_SCORE
    assert words in found.reason


def test_a_kernel_of_a_more_general_op_is_a_part() -> None:
    general = candidate("attention_kernel", "attention")
    found = best(wanted("paged attention", "paged_attention", "attention"), general)
    assert PARTLY_SCORE <= found.score < EXISTS_SCORE


def test_a_kernel_for_that_alone_goes_before_one_that_does_more() -> None:
    more = candidate("softmax_dropout_kernel", "softmax", "dropout")
    assert [m.id for m in match(wanted(), (more, softmax()))] == [softmax().id, more.id]


def test_half_of_a_fused_operation_is_a_part_and_its_add_is_no_half() -> None:
    fused = wanted("RMSNorm + RoPE", "rms_norm", "rope")
    half = best(fused, candidate("rms_norm_kernel", "rms_norm"))
    assert half.score < EXISTS_SCORE
    with_add = wanted("RMSNorm + residual add", "rms_norm", "add")
    assert best(with_add, candidate("rms_norm_residual_kernel", "rms_norm")).score >= EXISTS_SCORE


def test_without_an_op_words_decide() -> None:
    asked = wish(title="farthest hot peak suppression", ops=())
    same = candidate("farthest_hot_peak_suppression_kernel")
    other = candidate("peak_kernel")
    found = match(asked, (other, same))
    assert found[0].id == same.id
    assert found[0].score >= EXISTS_SCORE > found[1].score
    assert "nothing of farthest or hot or suppression" in found[1].reason


def test_words_in_common_by_chance_are_no_match() -> None:
    asked = wish(title="Chamfer distance between point clouds", ops=())
    assert best(asked, candidate("pairwise_distance_kernel", "pairwise_distance")).score < 0.5


def test_copies_are_one_match_and_the_original_stands_for_them() -> None:
    first = softmax(repo="first/kernels", group="g1", origin="first/kernels:ops.py::softmax_kernel")
    copy = softmax(repo="a/copy", group="g1", origin=first.id)
    assert [found.id for found in match(wanted(), (copy, first))] == [first.id]


def test_no_more_matches_than_a_person_reads() -> None:
    kernels = [softmax(path=f"{n}.py") for n in range(20)]
    found = match(wanted(), kernels)
    assert [m.id for m in found] == [kernel.id for kernel in kernels[:MOST_MATCHES]]


def test_what_has_nothing_of_it_is_no_match() -> None:
    assert match(wanted(), (candidate("cumsum_kernel", "cumsum"),)) == ()
    assert match(wish(title="", ops=()), (softmax(),)) == ()


@pytest.mark.parametrize(
    ("expression", "is_free"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR MIT", True),
        ("(GPL-3.0-only OR MIT)", True),
        ("GPL-3.0-only", False),
        ("MIT AND LicenseRef-Llama-Community", False),
        ("", False),
        (None, False),
    ],
)
def test_a_permissive_licence_is_told_from_others(expression: str | None, is_free: bool) -> None:
    assert is_permissive(expression) is is_free


@pytest.mark.parametrize(
    ("title", "kernel", "helper"),
    [
        (
            "Kernel request: Gated Delta Net",
            "fused_recurrent_gated_delta_rule_fwd_kernel",
            "gdn_gate_fwd_kernel",
        ),
        (
            "Kernel request: Gated Delta Net",
            "chunk_gated_delta_rule_kernel",
            "_gated_delta_preprocess_kernel",
        ),
        ("layer norm", "fancy_layer_norm_fast_path_kernel", "layer_norm_prepare"),
        ("flash attention", "flash_attn_big_tiles_kernel", "flash_attn_metadata"),
        # Its name says a smaller op: a part of the one that is asked for.
        ("Root mean square layer normalisation", "_my_rms_norm_kernel", "_square_kernel"),
    ],
)
def test_a_helper_does_not_outrank_the_kernel(title: str, kernel: str, helper: str) -> None:
    (op,) = most_specific(ops_in_words(without_opening(title)))
    found = match(
        wish(title=title, ops=(op,)),
        [candidate(helper, op, path="a.py"), candidate(kernel, op, path="b.py")],
    )
    assert [each.id.rpartition("::")[2] for each in found] == [kernel, helper]


def test_what_is_part_of_an_ops_own_name_is_no_helper() -> None:
    name = "fused_sigmoid_gating_delta_rule_kernel"
    asked = wish(title="gated delta net", ops=("gated_delta_rule",))
    assert match(asked, [candidate(name, "gated_delta_rule")])[0].score >= EXISTS_SCORE
    asked = wish(title="swiglu", ops=("swiglu",))
    assert match(asked, [candidate("_swiglu_gate_up_kernel", "swiglu")])[0].score >= EXISTS_SCORE


def test_of_two_ops_that_no_kernel_has_together_each_has_its_best_kernel() -> None:
    asked = wish(title="Softmax and dropout", ops=("softmax", "dropout"))
    softmaxes = [candidate(f"softmax_kernel_{n}", "softmax", path=f"s{n}.py") for n in range(9)]
    found = match(asked, [*softmaxes, candidate("dropout_fwd_kernel", "dropout", path="d.py")])
    assert [each.reason.partition(";")[0] for each in found[:2]] == [
        "softmax, no dropout",
        "dropout, no softmax",
    ]
    assert found[0].score < EXISTS_SCORE
    both = candidate("softmax_dropout_kernel", "softmax", "dropout", path="both.py")
    assert match(asked, [*softmaxes, both])[0].id.endswith("::softmax_dropout_kernel")


def test_a_block_table_beside_attention_is_a_matter_of_paging() -> None:
    title = "Attention with a block table"
    asked = wish(title=title, ops=ops_in_words(title), features=("paged",))
    paged = candidate("_decode_kernel", "paged_attention", "attention", features=("paged",))
    plain = candidate("attention_kernel", "attention", path="plain.py")
    found = match(asked, [plain, paged])
    assert found[0].id == paged.id
    assert found[0].score >= EXISTS_SCORE > found[1].score
