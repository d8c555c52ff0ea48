"""What is said of a learner's function: true of the records, and no more."""

from __future__ import annotations

import pytest

from index.learning.verdict import Input, judge, kind_of
from verified_kernels.records import Pass, Record


def record(
    case: str,
    note: str | None,
    *,
    dtype: str = "float32",
    kernel: str = "var",
    pass_: Pass = Pass.FORWARD,
) -> Record:
    return Record(
        kernel=kernel,
        case=case,
        pass_=pass_,
        dtype=dtype,
        device="cpu",
        passed=note is None,
        max_abs_err=None,
        rel_rms_err=None,
        tolerance=0.0,
        note=note,
    )


def wrong(inputs: str, actual: str) -> str:
    return f"x {inputs}: output[0]: {actual} where 1.0 is right; 1 of 3 entries"


GOOD = record("a power of two", None)
RAGGED = [
    record(f"rows of {n}", f"x [3, {n}], dim=1: output[0]: 2.5 where 1.0 is right; 3 of 3 entries")
    for n in (127, 129, 1031)
]


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (record("rows", "x [3, 129]: output[0]: 1 where 2 is right"), Input.PLAIN),
        (record("padded rows", "x [3, 9] with strides [12, 1]: output: ..."), Input.STRIDED),
        (record("expanded", "x [6, 50] with strides [0, 1]: output: ..."), Input.STRIDED),
        (record("NaN and infinity", "x [9, 13]: output[0]: 1 where nan is right"), Input.SPECIAL),
        (record("no entries in a row", "x [3, 0], dim=1: IndexError: no"), Input.EMPTY),
        (record("whole numbers", "x [3, 9]: output[0]: 1 where 2", dtype="int64"), Input.INTEGER),
        (
            record("columns", "x [3, 9]: TypeError: f() got an unexpected keyword argument 'dim'"),
            Input.SETTING,
        ),
        (record("rows", "x [3, 9]: gradient of x: none", pass_=Pass.BACKWARD), Input.GRADIENT),
    ],
    ids=lambda value: value.case if isinstance(value, Record) else value.name,
)
def test_failures_are_sorted_by_what_is_hard_about_the_input(one: Record, kind: Input) -> None:
    assert kind_of(one) is kind


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (RAGGED, "has a length that is a power of two"),
        (
            [
                *RAGGED,
                record("columns", wrong("[129, 8], dim=0", "2")),
                record("everything", wrong("[3, 8], dim=None", "2")),
                record("keepdim", "x [3, 8], dim=1: output: shape [3] where [3, 1] is right"),
            ],
            "has a length that is a power of two",
        ),
        ([record("rows", "x [3, 8]: output[0]: nan where 1 is right; 1 of 3")], "NaN came out"),
        ([record("rows", "x [3, 8]: wrote after an output of 32 bytes")], "past an end"),
        ([record("the process of mode verify", "died of signal 11: (in rows)")], "ended the proc"),
        (
            [record("rows", "x [3, 8], dim=1: output: shape [8] where [3] is right")],
            "dimension 0 gives",
        ),
        (
            [
                record(f"rows of {n}", wrong(f"[3, {n}], dim=1", f"{(n - 1) / n}"))
                for n in (4, 8)
            ],
            "(n - 1) / n of what is right",
        ),
        (
            [record(f"rows of {n}", wrong(f"[3, {n}]", "2"), dtype="float16") for n in (8, 16)],
            "right in float32 and wrong in float16",
        ),
        ([record("rows, far from zero", "x [3, 8]: output[0]: 1 where 2 is right")], "cancel"),
        ([record("rows", "x [3, 8]: x was overwritten")], "changes its input"),
    ],
)  # fmt: skip
def test_what_failures_share_is_said(failed: list[Record], said: str) -> None:
    assert said in "\n".join(judge("var", [GOOD, *failed]).told())


@pytest.mark.parametrize(
    ("failed", "unsaid"),
    [
        ([*RAGGED, record("rows of 128", "x [3, 128]: output[0]: 2 where 1.0 is right")], "power"),
        ([record("NaN", "x [3, 8]: output[0]: nan where 1 is right; 1 of 3")], "NaN came out"),
        (RAGGED, "(n - 1) / n"),
        (
            [record("keepdim", "x [3, 8], dim=1: output: shape [3] where [3, 1] is right")],
            "another axis",
        ),
        (
            [
                *RAGGED,
                record("columns", wrong("[128, 9], dim=0", "2")),
            ],
            "power of two",
        ),
        ([*RAGGED, record("r", wrong("[3, 9]", "2"), dtype="float16")], "float16 has"),
    ],
)  # fmt: skip
def test_what_is_not_true_of_all_is_not_said(failed: list[Record], unsaid: str) -> None:
    assert unsaid not in "\n".join(judge("var", [GOOD, *failed]).lines)


def test_a_right_function_is_told_so() -> None:
    verdict = judge("var", [GOOD, GOOD])
    assert verdict.passed
    assert verdict.told() == ("var: 2 of 2 checks passed",)


def test_nothing_checked_is_no_pass() -> None:
    assert not judge("var", []).passed


def test_one_that_fails_on_hard_inputs_alone_is_right_on_plain_ones() -> None:
    verdict = judge("var", [GOOD, record("padded", "x [3, 9] with strides [12, 1]: output: ...")])
    assert verdict.is_right_on_plain and not verdict.passed
    assert verdict.lines[0] == "right on every plain input"
