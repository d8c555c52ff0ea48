from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from crawler.models import Role
from tests.wishlist.kernels import candidate
from tests.wishlist.samples import wish
from wishlist.candidates import Candidate
from wishlist.census import Census, Occurrence, model_census
from wishlist.gaps import (
    FEWEST_ARCHITECTURES,
    HALF_ASKED,
    Gap,
    first_task,
    kind_of,
    missing,
    rank_gaps,
)
from wishlist.models import Pass, Wish, WishStatus


def occurs(aten: str, op: str, direction: Pass = Pass.FORWARD, **facts: Any) -> Occurrence:
    defaults: dict[str, Any] = {"architectures": 10, "calls": 40, "among": ("bert",)}
    operator = facts.pop("operator", op)
    return Occurrence(
        aten=f"aten::{aten}", op=op, operator=operator, direction=direction, **(defaults | facts)
    )


def gaps(
    *kernels: Candidate, called: tuple[Occurrence, ...] = (), wishes: tuple[Wish, ...] = ()
) -> dict[str, Gap]:
    census = Census(architectures=20, occurrences=called)
    return {gap.operator: gap for gap in rank_gaps(census, wishes, kernels)}


SOFTMAX = (
    occurs("_softmax", "softmax"),
    occurs("_softmax_backward_data", "softmax", Pass.BACKWARD),
)


def test_an_operator_without_any_kernel_is_missed_as_much_as_it_is_called() -> None:
    gap = gaps(called=SOFTMAX)["softmax"]
    assert gap.score == 10 / 20
    assert missing(gap) == ("no kernel", "no backward")


def test_a_forward_kernel_leaves_the_backward_pass_missing() -> None:
    gap = gaps(candidate("softmax_kernel", "softmax"), called=SOFTMAX)["softmax"]
    assert gap.direction is Pass.BACKWARD
    assert missing(gap)[0] == "no backward"
    assert first_task(gap).startswith("write _softmax_backward_data beside acme/kernels:ops.py::")


OF_EACH_KIND: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing exists": (),
    "no backward": ({},),
    "no forward": ({"direction": Pass.BACKWARD},),
    "none permissive": ({"has_partner": True, "license": "GPL-3.0-only"},),
    "none current": ({"has_partner": True, "triton_max": "3.1.0"},),
    "none permissive and current": (
        {"has_partner": True, "license": None},
        {"has_partner": True, "triton_max": "3.1.0"},
    ),
    "not verified": ({"has_partner": True},),
}


@pytest.mark.parametrize("kind", OF_EACH_KIND)
def test_a_gap_says_what_kind_it_is(kind: str) -> None:
    kernels = [
        candidate(f"softmax_kernel_{n}", "softmax", **facts)
        for n, facts in enumerate(OF_EACH_KIND[kind])
    ]
    assert kind_of(gaps(*kernels, called=SOFTMAX)["softmax"]) == kind


def test_verified_kernels_for_both_directions_leave_no_gap() -> None:
    pair = candidate("softmax_kernel", "softmax", is_verified=True, has_partner=True)
    assert not gaps(pair, called=SOFTMAX)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"license": None}, "no forward kernel with a permissive licence"),
        ({"license": "GPL-3.0-only"}, "no forward kernel with a permissive licence"),
        ({"triton_max": "2.1.0"}, "no forward kernel for the present Triton"),
        ({}, "no verified forward kernel"),
    ],
)
def test_each_flaw_is_named(facts: dict[str, Any], words: str) -> None:
    kernel = candidate("softmax_kernel", "softmax", **facts)
    assert words in missing(gaps(kernel, called=SOFTMAX[:1])["softmax"])


def test_flaws_of_different_kernels_do_not_add_up() -> None:
    old = candidate("old_softmax", "softmax", triton_max="2.1.0")
    closed = candidate("closed_softmax", "softmax", license=None)
    one = gaps(old, closed, called=SOFTMAX[:1])["softmax"]
    both = gaps(
        candidate("softmax", "softmax", triton_max="2.1.0", license=None), called=SOFTMAX[:1]
    )["softmax"]
    assert 0 < one.score < both.score < 0.5


def test_a_device_function_serves_nobody() -> None:
    helper = candidate("softmax_helper", "softmax", role=Role.DEVICE_FUNCTION)
    assert missing(gaps(helper, called=SOFTMAX[:1])["softmax"]) == ("no kernel",)


def test_wishes_and_their_votes_are_need() -> None:
    asked = wish(title="ctc loss", ops=("ctc_loss",), votes=HALF_ASKED - 1)
    assert gaps(wishes=(asked,))["ctc_loss"].score == 0.5
    more = gaps(called=SOFTMAX[:1], wishes=(wish(title="softmax", ops=("softmax",)),))["softmax"]
    assert more.score > 0.5


@pytest.mark.parametrize(
    "status", [WishStatus.FULFILLED, WishStatus.DECLINED, WishStatus.DUPLICATE]
)
def test_a_settled_wish_is_no_need(status: WishStatus) -> None:
    assert not gaps(wishes=(wish(title="ctc loss", ops=("ctc_loss",), status=status),))


def test_the_pass_that_is_wished_for_is_the_one_that_is_missed() -> None:
    asked = wish(title="ctc backward", ops=("ctc_loss",), passes=(Pass.BACKWARD,))
    gap = gaps(candidate("ctc_loss_kernel", "ctc_loss"), wishes=(asked,))["ctc_loss"]
    assert missing(gap) == ("no backward",)


def test_only_the_most_special_op_of_a_wish_is_missed() -> None:
    asked = wish(title="add rms norm", ops=("fused_add_rms_norm", "rms_norm"))
    assert set(gaps(wishes=(asked,))) == {"fused_add_rms_norm"}


VARIANTS = (
    occurs("upsample_nearest2d", "upsample_nearest", operator="upsample_nearest2d"),
    occurs("_upsample_nearest_exact2d", "upsample_nearest", operator="upsample_nearest_exact2d"),
    occurs("upsample_nearest1d", "upsample_nearest", operator="upsample_nearest1d"),
)


def test_a_kernel_for_one_variant_does_not_serve_another() -> None:
    found = gaps(candidate("upsample_nearest2d_kernel", "upsample_nearest"), called=VARIANTS)
    assert {name: missing(gap)[0] for name, gap in found.items()} == {
        "upsample_nearest2d": "no verified forward kernel",
        "upsample_nearest_exact2d": "no kernel",
        "upsample_nearest1d": "no kernel",
    }


def test_a_kernel_that_names_no_dimensions_may_have_any() -> None:
    found = gaps(candidate("upsample_nearest_kernel", "upsample_nearest"), called=VARIANTS)
    assert missing(found["upsample_nearest1d"]) == ("no verified forward kernel",)
    assert missing(found["upsample_nearest_exact2d"]) == ("no kernel",)


def test_what_a_single_architecture_calls_is_no_need() -> None:
    assert not gaps(called=(occurs("sort", "sort", architectures=1),))
    assert gaps(called=(occurs("sort", "sort", architectures=2),))


def test_the_worst_gap_comes_first_and_the_order_is_the_same_each_time() -> None:
    called = (
        occurs("sort", "sort", architectures=2),
        occurs("topk", "topk", architectures=5),
        occurs("roll", "roll", architectures=5),
    )
    census = Census(architectures=20, occurrences=called)
    assert [gap.op for gap in rank_gaps(census, (), ())] == ["roll", "topk", "sort"]
    again = Census(architectures=20, occurrences=called[::-1])
    assert rank_gaps(again, (), ()) == rank_gaps(census, (), ())


def test_the_best_kernel_is_the_worthiest_and_plainest() -> None:
    kernels = (
        candidate("a_fused_softmax_dropout", "softmax", "dropout"),
        candidate("softmax", "softmax", license=None),
        candidate("softmax_kernel", "softmax"),
    )
    supply = gaps(*kernels, called=SOFTMAX[:1])["softmax"].supply[Pass.FORWARD]
    assert supply.best[0] == "acme/kernels:ops.py::softmax_kernel"
    assert (supply.kernels, supply.permissive, supply.present, supply.verified) == (3, 2, 3, 0)


def test_most_of_the_first_rows_hold_up_to_a_reader() -> None:
    path = Path(__file__).parent.parent / "data" / "gaps_judged.toml"
    judged = tomllib.loads(path.read_text(encoding="utf-8"))["rows"]
    assert len({row["operator"] for row in judged}) == len(judged) == 30
    assert sum(row["holds"] for row in judged) >= 25
    called = {
        each.operator
        for each in model_census().occurrences
        if each.architectures >= FEWEST_ARCHITECTURES
    }
    assert {row["operator"] for row in judged} <= called
