"""What speaks for a kernel and what against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crawler.enrich.standing import Signals, is_trivial, standing_of, standing_reasons

PLAIN = Signals(path="ops/softmax.py", tl_calls=("tl.load", "tl.exp", "tl.store"))

SPEAKS_FOR: list[tuple[str, dict[str, Any]]] = [
    ("copied", {"copiers": 3}),
    ("source", {"source_copiers": 3}),
    ("stars", {"stars": 500}),
    ("authors", {"n_authors": 4}),
    ("library", {"group": "libraries"}),
    ("gradient", {"has_gradient": True}),
    ("public", {"is_public": True}),
    ("documented", {"is_documented": True}),
    ("verified", {"is_verified": True}),
    ("compiled", {"is_compiled": True}),
    ("tested", {"is_tested": True}),
]
SPEAKS_AGAINST: list[tuple[str, dict[str, Any]]] = [
    ("learning", {"group": "learning"}),
    ("exercise", {"path": "tutorials/02-softmax.py"}),
    ("exercise", {"path": "Puzzles.ipynb"}),
    ("collection", {"is_collection": True}),
    ("fork", {"is_fork": True}),
    ("copy", {"is_copy": True}),
    ("generated", {"is_generated": True}),
    ("test", {"is_test": True}),
    ("trivial", {"tl_calls": ("tl.load", "tl.store", "tl.program_id")}),
]


def test_of_what_nothing_is_known_nothing_is_said() -> None:
    assert standing_reasons(PLAIN) == ()
    assert 0 < standing_of(()) < 1


@pytest.mark.parametrize(("signal", "facts"), SPEAKS_FOR)
def test_each_signal_raises_the_standing_and_says_why(signal: str, facts: dict[str, Any]) -> None:
    (reason,) = standing_reasons(replace(PLAIN, **facts))
    assert (reason.signal, reason.worth > 0, bool(reason.text)) == (signal, True, True)
    assert standing_of((reason,)) > standing_of(())


@pytest.mark.parametrize(("signal", "facts"), SPEAKS_AGAINST)
def test_each_signal_lowers_the_standing_and_says_why(signal: str, facts: dict[str, Any]) -> None:
    (reason,) = standing_reasons(replace(PLAIN, **facts))
    assert (reason.signal, reason.worth < 0, bool(reason.text)) == (signal, True, True)
    assert standing_of((reason,)) < standing_of(())


def test_it_stays_between_none_and_all() -> None:
    best = replace(
        PLAIN, **{name: value for _, facts in SPEAKS_FOR for name, value in facts.items()}
    )
    worst = replace(
        PLAIN, **{name: value for _, facts in SPEAKS_AGAINST for name, value in facts.items()}
    )
    assert standing_of(standing_reasons(best)) == 1.0
    assert standing_of(standing_reasons(worst)) == 0.0


@pytest.mark.parametrize(
    ("calls", "ops", "expected"),
    [
        (("tl.load", "tl.store", "tl.program_id", "tl.arange"), (), True),
        (("tl.load", "tl.store"), ("copy",), False),
        (("tl.load", "tl.store", "tl.dot"), (), False),
        ((), (), False),
    ],
)
def test_a_kernel_that_only_moves_is_trivial_unless_that_is_what_it_is_for(
    calls: tuple[str, ...], ops: tuple[str, ...], expected: bool
) -> None:
    assert is_trivial(replace(PLAIN, tl_calls=calls, ops=ops)) is expected


@pytest.mark.parametrize(
    "path", ["ops/latest.py", "kernels/demonstrate.py", "src/lightning_attn/ops.py"]
)
def test_a_word_within_another_is_no_exercise(path: str) -> None:
    assert standing_reasons(replace(PLAIN, path=path)) == ()
