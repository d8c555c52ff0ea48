from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wishlist.samples import issue
from tests.wishlist.written import rendered
from wishlist.demand import asks_again
from wishlist.models import IssueWish, Pass, WishSkip
from wishlist.reading import read_pull, read_wish

HOSTILE = {
    "a line of blanks": " " * 65_000,
    "words that ask": "i need " * 9_000,
    "words that begin to ask": "would be " * 7_000 + "would" + " " * 9_000,
    "commas": "### Operation\n\nx\n\n### Data types\n\n" + "," * 60_000,
    "unknown answers": "### Operation\n\nx\n\n### Hardware\n\n" + "a," * 30_000,
    "unknown headings": "### Operation\n\nx\n\n### Why\n\n"
    + "".join(f"### h{n}\n\n" for n in range(7_000)),
    "ids of kernels": "a/b:c " * 10_000,
    "references": "closes octo/" * 5_000,
    "dots": "a." * 30_000,
    "letters that unfold": "### \ufdfa" + "\ufdfa" * 20_000,
    "quotes": ">" * 60_000,
    "lists": "- " * 30_000,
    "comments without end": "<!--" * 15_000,
    "comments and fences": "<!-- -->\n\n```\n-->\n```\n" * 2_800,
    "backticks of many lengths": "".join("`" * (n % 200 + 1) + "a" for n in range(600)),
    "brackets": "[" * 60_000,
    "headings": "#\n" * 30_000,
    "comments across paragraphs": "x <!--\n\n" * 7_000 + "-->",
    "link definitions": "[a]: b\n" * 8_000,
    "tags": "<a " * 20_000,
    "HTML that hides": "<div> <!--\n\n" * 4_500,
    "emphasis": "*a_" * 20_000,
    "one long word": "a" * 65_536,
    "emoji": "🚀" * 16_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_no_body_takes_long(body: str) -> None:
    began = time.process_time()
    read = read_wish(issue(body=body, labels=("kernel-request",)))
    read_pull(issue(body=body, is_pull=True))
    asks_again(body)
    assert isinstance(read, IssueWish)
    assert len(read.notes) <= 60
    assert time.process_time() - began < 60


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=2_000))
def test_whatever_is_written_ends_as_a_wish_or_a_skip(title: str, body: str) -> None:
    for text in (body, rendered(operation=body, passes=title, dtypes=body, hardware=title)):
        assert isinstance(read_wish(issue(title=title or "x", body=text)), IssueWish | WishSkip)


def test_what_a_title_and_the_text_tell_beside_the_form() -> None:
    body = "We run it with bf16 and varlen inputs on half of our GPUs."
    read = read_wish(issue(title="Need causal attention backward", body=body))
    assert isinstance(read, IssueWish)
    assert (read.ops, read.passes) == (("attention",), (Pass.BACKWARD,))
    assert (read.dtypes, read.features) == (("bfloat16",), ("causal", "variable_length"))
    assert read.why == body


def test_the_form_says_more_than_the_title() -> None:
    body = rendered(operation="softmax", passes="forward", dtypes="float32")
    read = read_wish(issue(title="[Wish] fp8 attention backward", body=body))
    assert isinstance(read, IssueWish)
    assert (read.ops, read.passes, read.dtypes) == (("softmax",), (Pass.FORWARD,), ("float32",))


BUG = "### Platform\n\nH100\n\n### Context\n\nCI\n\n### Reproduction\n\npython -c 1"


@pytest.mark.parametrize(
    ("body", "labels", "reason"),
    [
        (BUG, (), "it does not follow the form and names no op"),
        (rendered(operation="softmax"), ("bug",), "its labels say that it is something else"),
        (rendered(operation="softmax"), ("bug", "kernel-request"), None),
        (rendered(operation="frobnicate"), (), None),
    ],
)
def test_other_forms_and_other_labels(
    body: str, labels: tuple[str, ...], reason: str | None
) -> None:
    read = read_wish(issue(title="It", body=body, labels=labels))
    assert (read.reason if isinstance(read, WishSkip) else None) == reason


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Zorbled quux transform in Triton", ""),
        ("Triton kernel for zorbling", ""),
        ("Zorbling of voxels", "This is slow today. We need a fused GPU kernel for it."),
    ],
)
def test_a_wish_for_a_kernel_that_no_op_is_known_of_is_one(title: str, body: str) -> None:
    read = read_wish(issue(title=title, body=body))
    assert isinstance(read, IssueWish)
    assert read.ops == ()


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Zorbling of voxels", "Have a look at the website."),
        ("Crash in Triton when zorbling", ""),
        ("Typo in the guide", "See the page on kernels of the GPU."),
    ],
)
def test_what_asks_for_no_kernel_is_no_wish(title: str, body: str) -> None:
    assert isinstance(read_wish(issue(title=title, body=body)), WishSkip)


@pytest.mark.parametrize(
    ("title", "body", "hardware"),
    [
        ("Softmax for MI300X", "", ("AMD CDNA",)),
        ("Softmax on Hopper", "It has to run on B200, too.", ("NVIDIA Hopper", "NVIDIA Blackwell")),
        ("Softmax", "for all of us, on any device; ping ada", ()),
        ("Softmax on H100", rendered(operation="softmax", hardware="MI300X"), ("AMD CDNA",)),
    ],
)
def test_hardware_is_read_in_title_and_text(
    title: str, body: str, hardware: tuple[str, ...]
) -> None:
    read = read_wish(issue(title=title, body=body))
    assert isinstance(read, IssueWish)
    assert read.hardware == hardware


@pytest.mark.parametrize(
    ("title", "ops"),
    [
        ("Root mean square layer normalisation", {"rms_norm"}),
        ("silu(gate) * up in one kernel", {"swiglu"}),
        ("gated GELU", {"geglu"}),
        ("Attention with a block table for the KV cache", {"paged_attention", "attention"}),
        ("F.scaled_dot_product_attention", {"attention"}),
        ("aten::native_layer_norm.default", {"layer_norm"}),
    ],
)
def test_paraphrases_are_read_as_the_op_that_they_mean(title: str, ops: set[str]) -> None:
    read = read_wish(issue(title=title))
    assert isinstance(read, IssueWish)
    assert set(read.ops) == ops
