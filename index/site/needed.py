"""What people need and nobody has written: the wish board and the gaps, with links that ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import duckdb

from index.queries.gaps import list_gaps
from index.queries.wishes import load_wishes
from index.site.folder import SiteFolder
from index.site.kernels import Kernels
from index.site.op_pages import Lack
from index.site.pages import Page, render
from wishlist.models import Wish

PROJECT = "https://github.com/gpu-mode/triton-index"


def write_needed(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels
) -> Mapping[str, list[Lack]]:
    """Write the page, and return what each op lacks."""
    wishes = load_wishes(con)
    open_wishes = [wish for wish in wishes if not wish.status.is_settled]
    gaps: list[dict[str, Any]] = list(list_gaps(con, wishes).records())
    board = [(wish, best_match(wish)) for wish in open_wishes]
    rows = [(gap, ask_address(gap["operator"], gap["first_task"])) for gap in gaps]
    page = Page(
        address="needed.html",
        title="Triton kernels that are needed",
        about="What people wish for, and operators of real models that no open kernel serves.",
    )
    known = kernels.by_op.keys()
    html = render("needed.html", page, board=board, gaps=rows, ask=ask_address("", ""), ops=known)
    folder.page(page.address, html)
    return _lacks(gaps, open_wishes)


def ask_address(operation: str, why: str) -> str:
    """Return the form that asks for a kernel, filled in as far as is known."""
    values = {"template": "kernel-request.yml"}
    if operation:
        values |= {"title": f"[Wish] {operation}", "operation": operation, "why": why}
    return f"{PROJECT}/issues/new?{urlencode(values)}"


def best_match(wish: Wish) -> Any:
    """Return the kernel that comes nearest to a wish, None where there is none."""
    return max(wish.matches, key=lambda match: match.score, default=None)


def _lacks(gaps: Sequence[Mapping[str, Any]], wishes: Sequence[Wish]) -> dict[str, list[Lack]]:
    found: dict[str, list[Lack]] = {}
    for gap in gaps:
        text = f"{gap['kind']} of {gap['operator']}, in {gap['architectures']} model architectures"
        lack = Lack(text=text, task=gap["first_task"])
        found.setdefault(gap["op"] or gap["operator"], []).append(lack)
    for wish in wishes:
        for op in wish.ops:
            found.setdefault(op, []).append(Lack(text=wish.title, url=wish.url))
    return found
