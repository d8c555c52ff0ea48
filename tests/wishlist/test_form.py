from __future__ import annotations

import pytest

from tests.wishlist.written import rendered
from wishlist.form import parse_form
from wishlist.models import Pass
from wishlist.vocabulary import Field

WHOLE = {
    "operation": "RMSNorm",
    "reference": "```python\ndef rms_norm(x, w):\n    ### Operation\n    return x\n```",
    "passes": "forward, backward",
    "dtypes": "bfloat16, float8",
    "shapes": "x [8192, 4096]\nw [4096]",
    "hardware": "NVIDIA Hopper, AMD CDNA",
    "why": "training\n\n#### details\n\nof it",
    "help": "- [X] I can write, test or time it.",
}


def test_a_form_filled_in_as_github_renders_it() -> None:
    form = parse_form(rendered(**WHOLE))
    assert form.operation == "RMSNorm"
    assert form.reference == "def rms_norm(x, w):\n    ### Operation\n    return x"
    assert form.passes == (Pass.FORWARD, Pass.BACKWARD)
    assert form.dtypes == ("bfloat16", "float8")
    assert form.shapes == "x [8192, 4096]\nw [4096]"
    assert form.hardware == ("NVIDIA Hopper", "AMD CDNA")
    assert form.why == "training\n\ndetails\n\nof it"
    assert form.offers_help
    assert (form.rest, form.notes) == ("", ())


def test_an_empty_form() -> None:
    form = parse_form(rendered(help="- [ ] I can write, test or time it."))
    assert form.operation is form.reference is form.shapes is form.why is None
    assert form.passes == form.dtypes == form.hardware == ()
    assert not form.offers_help
    assert form.is_form
    assert form.notes == ()


def test_other_systems_line_ends_change_nothing() -> None:
    body = rendered(**WHOLE)
    assert parse_form(body.replace("\n", "\r\n")) == parse_form(body)


def test_the_order_of_the_fields_does_not_matter() -> None:
    parts = rendered(**WHOLE).split("\n\n### ")
    parts[0] = parts[0].removeprefix("### ")
    backwards = "\n\n".join(f"### {part}" for part in reversed(parts))
    assert parse_form(backwards) == parse_form(rendered(**WHOLE))


@pytest.mark.parametrize(
    "hidden", ["<!--\n### Operation\n\nevil\n-->\n\n", "x <!--\n\n### Operation\n\nevil\n\n-->\n\n"]
)
def test_hidden_text_cannot_take_the_place_of_what_is_seen(hidden: str) -> None:
    assert parse_form(hidden + rendered(**WHOLE)).operation == "RMSNorm"


def test_a_second_heading_is_refused_and_noted() -> None:
    form = parse_form(rendered(**WHOLE) + "\n\n### Operation\n\nevil\n")
    assert form.operation == "RMSNorm"
    (note,) = form.notes
    assert (note.field, note.reason) == ("operation", "a second heading 'Operation' is left out")
    assert "evil" not in form.rest


def test_a_page_that_was_translated() -> None:
    names = ("算子", "参考实现", "方向", "数据类型", "形状", "硬件", "为什么", "帮助")
    values = ("RMSNorm", "x", "前向", "fp16", "[8]", "H100", "快", "- [x] 可以")
    body = "\n\n".join(f"### {name}\n\n{value}" for name, value in zip(names, values, strict=True))
    form = parse_form(body)
    assert (form.operation, form.passes) == ("RMSNorm", (Pass.FORWARD,))
    assert (form.dtypes, form.hardware) == (("float16",), ("NVIDIA Hopper",))
    assert form.offers_help
    assert form.notes == ()


def test_headings_that_nobody_knows_are_read_by_their_place_if_all_are_there() -> None:
    unknown = rendered(**WHOLE).replace("### Operation\n\nRMS", "### Toiminto\n\nRMS")
    form = parse_form(unknown)
    assert form.operation == "RMSNorm"
    assert [note.reason for note in form.notes] == ["the heading 'Toiminto' is read by its place"]
    short = "### Toiminto\n\nRMSNorm\n\n### Passes\n\nforward\n\n### Why\n\nspeed"
    form = parse_form(short)
    assert form.operation is None
    assert form.rest == "RMSNorm"
    assert [note.reason for note in form.notes] == ["the heading 'Toiminto' is none of the form"]


def test_free_form_headings_and_lines_with_labels() -> None:
    form = parse_form("Hi!\n\n## What kernel do you need?\nRoPE\n## Hardware:\nMI300X\n## More\nx")
    assert (form.operation, form.hardware, form.rest) == ("RoPE", ("AMD CDNA",), "Hi!\n\nx")
    form = parse_form("We need\n\n**Operation**: softmax\n- dtypes: bf16\nPasses: both\n\nthanks")
    assert (form.operation, form.dtypes, form.passes) == ("softmax", ("bfloat16",), tuple(Pass))
    assert form.rest == "We need\n\n\nthanks"
    form = parse_form("```\nOperation: code\n```\nOperation: a\nOperation: b")
    assert (form.operation, len(form.notes)) == ("a", 1)


def test_no_form_at_all() -> None:
    form = parse_form("please write a fast softmax")
    assert not form.is_form
    assert (form.fields, form.rest) == (frozenset(), "please write a fast softmax")


ANSWERS = {
    "passes": {
        "forward only, no backward": (Pass.FORWARD,),
        "fwd + bwd": tuple(Pass),
        "Both": tuple(Pass),
        "training": tuple(Pass),
        "without the gradient": (),
        "- [x] Forward\n- [ ] Backward": (Pass.FORWARD,),
        "- [ ] Forward\n- [ ] Backward": (),
    },
    "dtypes": {
        "torch.float16 / bf16": ("float16", "bfloat16"),
        "fp8 (e4m3)": ("float8",),
        "float8_e4m3fn": ("float8",),
        "- [X] float32\n- [ ] int8": ("float32",),
        "N/A": (),
    },
    "hardware": {
        "H100 and 4090": ("NVIDIA Ada", "NVIDIA Hopper"),
        "RTX 30 series": ("NVIDIA Ampere",),
        "any": (),
        "AMD MI300X, gfx942": ("AMD CDNA",),
    },
}


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [(name, *case) for name, cases in ANSWERS.items() for case in cases.items()],
)
def test_answers(name: str, answer: str, expected: tuple[str, ...]) -> None:
    form = parse_form(rendered(operation="x", **{name: answer}))
    assert getattr(form, name) == expected
    assert form.notes == ()


@pytest.mark.parametrize(
    ("name", "answer", "note"),
    [
        ("passes", "sideways", "'sideways' names neither the forward nor the backward pass"),
        ("dtypes", "bf16, int64", "'int64' is no number format that the index tells apart"),
        ("hardware", "my toaster", "'my toaster' is no hardware that the list knows"),
    ],
)
def test_what_is_not_understood_is_noted(name: str, answer: str, note: str) -> None:
    form = parse_form(rendered(operation="x", **{name: answer}))
    assert [(one.field, one.reason) for one in form.notes] == [(name, note)]


def test_long_answers_are_cut_and_that_is_noted() -> None:
    form = parse_form(rendered(operation="a" * 400, why="b" * 60_000))
    assert form.operation is not None
    assert form.why is not None
    assert (len(form.operation), len(form.why)) == (300, 8_000)
    assert {note.field for note in form.notes} == {Field.OPERATION, Field.WHY}
    assert parse_form("x" * 80_000).notes[0].reason == "only 70,000 characters are read"
