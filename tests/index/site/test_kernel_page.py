"""The page of one kernel in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from index.site.kernel_cards import shard_of
from tests.index.site.browser import Visit


def test_a_kernel_is_shown_with_its_facts_and_what_takes_it(browser: Any, small_site: Path) -> None:
    id = "acme/kernels:ops/norm.py::rms_norm_fwd_kernel"
    visit = Visit(browser, small_site)
    page = visit.open(f"kernel.html#{quote(id, safe='')}")
    shown = {
        field: page.locator(f'[data-field="{field}"]').first.inner_text()
        for field in ("id", "name", "license", "triton_min", "role", "repo", "path", "ops")
    }
    assert shown == {
        "id": id,
        "name": "rms_norm_fwd_kernel",
        "license": "MIT",
        "triton_min": "3.0 and later",
        "role": "kernel",
        "repo": "acme/kernels",
        "path": "ops/norm.py",
        "ops": "rms_norm",
    }
    copied = page.eval_on_selector_all("[data-copy]", "all => all.map(each => each.dataset.copy)")
    assert f"triton-index get {id} -o rms_norm_fwd_kernel.py" in copied
    assert visit.faults == []
    visit.close()


def test_an_id_that_nobody_has_is_said_and_searched_for(browser: Any, small_site: Path) -> None:
    visit = Visit(browser, small_site)
    page = visit.open("kernel.html#acme%2Fkernels%3Agone.py%3A%3Asoftmax_kernel")
    assert page.inner_text("h1") == "No such kernel"
    page.click("[data-kernel] a")
    page.wait_for_selector("body[data-ready]")
    assert page.input_value("#q") == "softmax_kernel"
    assert visit.faults == []
    visit.close()


def test_the_shard_of_an_id_is_the_same_on_every_machine() -> None:
    # FNV-1a's published values for "", "a" and "foobar".
    assert [shard_of(text, 2**32) for text in ("", "a", "foobar")] == [
        0x811C9DC5,
        0xE40C292C,
        0xBF9CF968,
    ]
