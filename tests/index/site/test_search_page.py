"""The search page in a real browser, opened from its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.index.samples import names
from tests.index.site.browser import Visit


@pytest.fixture
def visit(browser: Any, small_site: Path) -> Iterator[Visit]:
    visit = Visit(browser, small_site)
    yield visit
    visit.close()
    assert visit.faults == []


def ask(visit: Visit, text: str) -> None:
    """Type a question and wait until the address has it and the results are those of it."""
    visit.page.fill("#q", text)
    settle(visit)


def settle(visit: Visit) -> None:
    """Wait until the search that was asked for last is painted, with its filters."""
    visit.page.wait_for_selector("body[data-settled]")


def test_all_kernels_but_tests_are_there_before_anything_is_asked(visit: Visit) -> None:
    visit.open("index.html")
    assert visit.count() == 30
    assert "test_softmax_kernel" not in names(visit.ids())


def test_results_come_as_one_types_in_any_spelling_of_a_name(visit: Visit) -> None:
    visit.open("index.html")
    for text in ("rmsnorm", "rms_norm", "RMS norm"):
        ask(visit, text)
        assert names(visit.ids())[:2] == ["rms_norm_fwd_kernel", "rms_norm_bwd_kernel"]


def test_a_slip_is_read_as_the_word_that_was_meant(visit: Visit) -> None:
    page = visit.open("index.html")
    ask(visit, "sofmtax")
    assert names(visit.ids()) == ["softmax_kernel"]
    assert "read as softmax" in page.inner_text("[data-said]")


def test_a_word_that_is_still_being_typed_is_completed(visit: Visit) -> None:
    visit.open("index.html")
    ask(visit, "softm")
    assert names(visit.ids()) == ["softmax_kernel"]


def test_a_facet_says_how_many_choosing_it_gives(visit: Visit) -> None:
    page = visit.open("index.html")
    settle(visit)
    for facet, value in (
        ("op", "matmul"), ("license", "permissive"), ("license", "MIT"), ("role", "kernel"),
        ("triton", "3.4.0"), ("repo", "zeta/gemm"), ("dtype", "bfloat16"), ("tag", "norm"),
    ):  # fmt: skip
        button = page.locator(f'[data-facet="{facet}"] [data-value="{value}"]')
        told = int(button.locator(".n").inner_text())
        button.click()
        settle(visit)
        assert visit.count() == told > 0, (facet, value)
        assert button.get_attribute("aria-pressed") == "true"
        button.click()
        settle(visit)
    assert visit.count() == 30


def test_the_address_holds_the_state_and_back_and_forward_move_in_it(visit: Visit) -> None:
    page = visit.open("index.html")
    ask(visit, "softmax norm")
    page.click('[data-facet="license"] [data-value="MIT"]')
    settle(visit)
    chosen, address = visit.ids(), page.url
    assert names(chosen) == ["rms_norm_fwd_kernel", "rms_norm_bwd_kernel"]
    page.go_back()
    settle(visit)
    assert "softmax_kernel" in names(visit.ids())
    page.go_forward()
    settle(visit)
    assert visit.ids() == chosen
    visit.open(address.removeprefix(f"{visit.site.as_uri()}/"))
    assert visit.ids() == chosen
    assert page.input_value("#q") == "softmax norm"


def test_a_question_in_the_query_of_an_address_is_asked_too(visit: Visit) -> None:
    visit.open("index.html?q=softmax")
    assert names(visit.ids()) == ["softmax_kernel"]


def test_few_of_one_source_stand_first_and_more_are_shown_on_demand(visit: Visit) -> None:
    page = visit.open("index.html")
    ask(visit, "matmul")
    assert (visit.count(), len(visit.ids())) == (26, 20)
    page.click("[data-more]")
    assert len(visit.ids()) == 26
    assert page.is_hidden("[data-more]")


def test_keys_reach_the_box_the_results_and_a_kernel(visit: Visit) -> None:
    page = visit.open("index.html")
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("rms norm")
    settle(visit)
    first = "document.activeElement.textContent"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(first) == "rms_norm_bwd_kernel"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-kernel] h1")
    assert page.inner_text('[data-field="name"]') == "rms_norm_fwd_kernel"


def test_nothing_found_is_said_with_what_is_near(visit: Visit) -> None:
    page = visit.open("index.html")
    ask(visit, "quaternion")
    assert visit.count() == 0
    assert "No kernel has the word" in page.inner_text("[data-said]")


def test_tests_and_copies_are_shown_on_demand(visit: Visit) -> None:
    page = visit.open("index.html#q=softmax")
    page.check("[data-option=tests]")
    settle(visit)
    assert "test_softmax_kernel" in names(visit.ids())
    assert "tests=1" in page.url


def test_dark_is_chosen_and_stays(visit: Visit) -> None:
    page = visit.open("index.html")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("[data-theme-switch]")
    assert page.evaluate(paper) != light
    visit.open("index.html#q=softmax")
    assert page.evaluate(paper) != light
