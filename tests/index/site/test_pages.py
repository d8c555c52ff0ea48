"""Every kind of page: reachable, without a fault, accessible in both themes, on a phone too."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.index.site.browser import Visit

KERNEL = "kernel.html#acme%2Fkernels%3Aops%2Fnorm.py%3A%3Arms_norm_fwd_kernel"
PAGES = (
    "index.html", "index.html#q=norm&license=MIT", KERNEL, "kernel.html#none", "op/index.html",
    "op/rms_norm.html", "repo/index.html", "repo/acme/kernels.html", "needed.html",
    "verified.html", "releases.html#name=make_block_ptr", "new.html", "resources.html#q=attention",
    "learn/index.html",
)  # fmt: skip
by_page = pytest.mark.parametrize("address", PAGES)


@by_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Any, small_site: Path, address: str, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    # Axe is put into the page, which the page's own policy would forbid.
    visit = Visit(browser, small_site, color_scheme=theme, bypass_csp=True)
    page = visit.open(address)
    if address.startswith("index.html"):
        page.wait_for_selector("body[data-settled]")
    found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    told = [
        (each["id"], node["html"][:120])
        for each in found.response["violations"]
        for node in each["nodes"][:3]
    ]
    assert told == []
    visit.close()


@by_page
def test_a_phone_shows_a_page_without_moving_it_sideways(
    browser: Any, small_site: Path, address: str
) -> None:
    visit = Visit(browser, small_site, viewport={"width": 360, "height": 740}, has_touch=True)
    page = visit.open(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("h1").first.is_visible()
    assert visit.faults == []
    visit.close()


@by_page
def test_without_script_a_page_reads_or_says_where_the_data_is(
    browser: Any, small_site: Path, address: str
) -> None:
    visit = Visit(browser, small_site, java_script_enabled=False)
    visit.page.goto(f"{small_site.as_uri()}/{address}")
    said = visit.page.inner_text("main")
    assert len(said) > 60
    if address.startswith(("index", "kernel")):
        assert "needs JavaScript" in said
        assert visit.page.locator('main a[href="data/kernels.parquet"]').is_visible()
    visit.close()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.found += [value for name in ("href", "src") if (value := known.get(name))]
        if known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"] or ""
        if tag == "style" or (tag == "script" and "src" not in known):
            self.inline.append(tag)
        self.inline += [name for name in known if name.startswith("on") or name == "style"]


def test_every_link_leads_somewhere_and_no_page_holds_script_or_style(small_site: Path) -> None:
    dead = []
    pages = list(small_site.rglob("*.html"))
    assert len(pages) > 12
    for page in pages:
        links = _Links()
        links.feed(page.read_text(encoding="utf-8"))
        assert "default-src 'none'; script-src 'self'" in links.policy, page
        assert links.inline == [], page
        for link in links.found:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "http"), link
            elif parts.path and not (page.parent / unquote(parts.path)).exists():
                dead.append((page.name, link))
    assert dead == []


def test_the_outlines_are_whole(small_site: Path) -> None:
    feed = ElementTree.parse(small_site / "feed.atom").getroot()
    atom = "{http://www.w3.org/2005/Atom}"
    assert len(feed.findall(f"{atom}entry")) == 1
    sitemap = ElementTree.parse(small_site / "sitemap.xml").getroot()
    addresses = {url[0].text for url in sitemap}
    assert "https://example.org/index/op/rms_norm.html" in addresses
    for address in addresses:
        assert (small_site / str(address).removeprefix("https://example.org/index/")).exists()
    outline = (small_site / "llms.txt").read_text()
    assert outline.startswith("# triton-index\n\n> ")
    assert "(https://example.org/index/op/rms_norm.md)" in outline
    assert "rms_norm_fwd_kernel" in (small_site / "op" / "rms_norm.md").read_text()
    fields = json.loads((small_site / "data" / "schema.json").read_text())["kernels"]
    assert {"name": "id", "type": "VARCHAR", "meaning": "`owner/name:path::qualname`"} in fields


def test_badges_are_pictures_that_say_in_words_what_they_show(small_site: Path) -> None:
    badge = ElementTree.parse(small_site / "badge" / "zeta" / "gemm.svg").getroot()
    assert badge.get("aria-label") == "triton-index: 26 kernels"
    assert (small_site / "badge" / "kernel" / "3.0-and-later.svg").exists()


def test_resources_are_filtered_by_all_words(browser: Any, small_site: Path) -> None:
    visit = Visit(browser, small_site)
    page = visit.open("resources.html")
    everything = page.locator("[data-filter-item]:visible").count()
    page.fill("#filter", "video attention")
    found = page.locator("[data-filter-item]:visible")
    assert 0 < found.count() < everything
    assert page.inner_text("[data-filter-count]") == f"{found.count()} found"
    assert visit.faults == []
    visit.close()


def test_what_is_missing_and_wished_for_stands_with_its_op(small_site: Path) -> None:
    page = (small_site / "op" / "rms_norm.html").read_text()
    assert "Fused RMS norm with a residual" in page
    needed = (small_site / "needed.html").read_text()
    assert "https://github.com/acme/index/issues/7" in needed
    assert re.search(r"issues/new\?template=kernel-request.yml&amp;title=", needed)


def test_verified_kernels_stand_with_checks_times_and_a_plot(small_site: Path) -> None:
    page = (small_site / "verified.html").read_text()
    assert "2.00" in page  # twice as fast as its peer
    assert page.count('<svg class="plot"') == 1
    assert "NVIDIA H200, torch 2.11.0, Triton 3.6.0" in page


def test_a_release_says_whom_it_breaks(small_site: Path) -> None:
    page = (small_site / "releases.html").read_text()
    after = page.split('id="3.3.1"')[1].split("</section>")[0]
    assert "It breaks 1" in after
    assert "acme/kernels" in after
