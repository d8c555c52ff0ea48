"""A real browser for the page, driven by Playwright; where there is none, no test runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@contextmanager
def started_browser() -> Iterator[Any]:
    """Yield a browser; the tests that ask for one are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; name one with CHROMIUM")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page of a site opened from its folder, and what it did that it should not have done."""

    def __init__(self, browser: Any, site: Path, **options: Any) -> None:
        self.site = site
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", lambda said: self._heard(said))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _heard(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.faults.append(said.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.site.as_uri(), "data:")):
            self.faults.append(f"asked for {url}")

    def open(self, address: str) -> Any:
        """Open an address of the site and return its page once it shows what it has."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.site.as_uri()}/{address}")
        name = address.partition("#")[0].partition("?")[0]
        if name == "index.html":
            self.page.wait_for_selector("body[data-ready]")
        if name == "kernel.html":
            self.page.wait_for_selector("[data-kernel] h1")
        return self.page

    def ids(self) -> list[str]:
        """Return the ids of the results."""
        found = self.page.eval_on_selector_all(
            "[data-results] [data-id]", "all => all.map(each => each.dataset.id)"
        )
        return [str(id) for id in found]

    def count(self) -> int:
        """Return the number of results that the page tells."""
        return int(self.page.inner_text("[data-count]"))

    def close(self) -> None:
        """Close the page and everything of it."""
        self.context.close()
