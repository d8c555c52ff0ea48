"""How fast the page is in a real browser, and how much a first visit takes.

`python benchmarks/page.py SITE [--browser /usr/bin/chromium]`, with a site that `site build` made.
Types questions letter by letter; a key press ends when its results are painted.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
from pathlib import Path
from typing import Any

from benchmarks.questions import load_questions

QUESTIONS = 12
FIRST_VISIT = ("index.html", "assets/*.js", "assets/*.css", "data/list.js", "data/words.js",
               "data/joined-words.js")  # fmt: skip

# From the input's event to the frame after the one that shows the results.
PRESS = """async (text) => {
    const box = document.querySelector("#q");
    const painted = new Promise((done) => {
        const results = document.querySelector("[data-results]");
        const seen = new MutationObserver(() => {
            seen.disconnect();
            requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
        });
        seen.observe(results, { childList: true });
    });
    const began = performance.now();
    box.value = text;
    box.dispatchEvent(new Event("input"));
    return (await painted) - began;
}"""


def main() -> int:
    """Print the weight of a first visit, the time to the first search, and that of a key press."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--browser", type=Path, default=Path("/usr/bin/chromium"))
    options = parser.parse_args()
    weight = sum(len(gzip.compress(file.read_bytes())) for file in first_visit(options.site))
    print(f"first visit: {weight / 1e6:.2f} MB gzipped")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=options.browser, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{options.site.resolve().as_uri()}/index.html")
        page.wait_for_selector("body[data-ready]")
        print(f"first search after {page.evaluate('performance.now()'):.0f} ms")
        page.wait_for_selector("body[data-settled]")
        pressed = sorted(presses(page))
        browser.close()
    late = pressed[int(len(pressed) * 0.95)]
    print(f"{len(pressed)} key presses to paint: median {statistics.median(pressed):.0f} ms, "
          f"95% within {late:.0f} ms, slowest {pressed[-1]:.0f} ms")  # fmt: skip
    return 0


def first_visit(site: Path) -> list[Path]:
    """Return the files that a browser takes to open the page and be ready for slips."""
    return [file for pattern in FIRST_VISIT for file in site.glob(pattern)]


def presses(page: Any) -> list[float]:
    """Return how long each key press of some questions took, in milliseconds."""
    asked = [question.ask for question in load_questions()[::17][:QUESTIONS]]
    return [page.evaluate(PRESS, ask[:n]) for ask in asked for n in range(1, len(ask) + 1)]


if __name__ == "__main__":
    raise SystemExit(main())
