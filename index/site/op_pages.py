"""A page for each op: what it is, its kernels with why, and what is missing; as Markdown too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crawler.enrich.op_vocabulary import Op, op_vocabulary
from index.plain_text import one_line
from index.site.folder import SiteFolder
from index.site.kernels import Kernel, Kernels, range_text
from index.site.pages import Page, kernel_address, op_address, render

MOST_SHOWN = 25
MOST_IN_MARKDOWN = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that an op lacks: the gap in a sentence, what to do first, a wish if there is."""

    text: str
    task: str | None = None
    url: str | None = None


def write_ops(
    folder: SiteFolder,
    kernels: Kernels,
    lacks: Mapping[str, Sequence[Lack]],
    exercises: Mapping[str, Sequence[tuple[str, str]]],
) -> None:
    """Write the pages of all ops that a kernel computes, and their list.

    `exercises` has of ops the address and title of what teaches them.
    """
    listed: dict[str, list[tuple[str, int, int, bool]]] = {}
    for op, found in kernels.by_op.items():
        known = op_vocabulary().ops.get(op)
        best = kernels.best(found, op)
        _write_op(folder, kernels, known, op, best, lacks.get(op, ()), exercises.get(op, ()))
        category = known.category if known is not None else "other"
        row = (op, len(found), len(best), any(k.is_verified for k in found))
        listed.setdefault(category, []).append(row)
    page = Page(
        address="op/index.html",
        title="Operators that Triton kernels compute",
        about=f"{len(kernels.by_op)} operators with the kernels that compute them.",
    )
    groups = sorted(listed.items())
    folder.page(page.address, render("ops.html", page, groups=groups, n=len(kernels.by_op)))


def _write_op(
    folder: SiteFolder,
    kernels: Kernels,
    known: Op | None,
    op: str,
    best: Sequence[Kernel],
    lacks: Sequence[Lack],
    exercises: Sequence[tuple[str, str]],
) -> None:
    page = Page(
        address=op_address(op),
        title=f"{op}: Triton kernels",
        about=f"{len(best)} different open Triton kernels for {op}, the most trusted first: "
        "licence, releases they run on, copies, backward.",
    )
    html = render(
        "op.html",
        page,
        op=op,
        names=known.other_names if known is not None else (),
        tags=known.tags if known is not None else (),
        rows=[(k, kernels.reasons(k), kernels.marks(k)) for k in best[:MOST_SHOWN]],
        n_best=len(best),
        found=kernels.by_op[op],
        releases=kernels.releases,
        matrix=_matrix(kernels.by_op[op]),
        lacks=lacks,
        exercises=exercises,
    )
    folder.page(page.address, html)
    folder.write(page.address.removesuffix("html") + "md", _markdown(op, known, best))


def _matrix(found: Sequence[Kernel]) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Return dtypes, the commonest first, and of each direction how many kernels name them."""
    often = Counter(dtype for k in found for dtype in k.dtypes)
    dtypes = [dtype for dtype, _ in often.most_common(10)]
    directions = (("forward", False), ("backward", True))
    counts = [
        (name, [sum(k.is_backward is way and d in k.dtypes for k in found) for d in dtypes])
        for name, way in directions
    ]
    return dtypes, counts


def _markdown(op: str, known: Op | None, best: Sequence[Kernel]) -> str:
    """Return the page as agents read it: facts in a table, ids that the commands take."""
    lines = [f"# {op}", ""]
    if known is not None and known.other_names:
        lines += [f"Also called: {', '.join(known.other_names)}.", ""]
    lines += [
        f"{len(best)} different kernels; the {min(len(best), MOST_IN_MARKDOWN)} most trusted. Take "
        "one with `triton-index get ID`.",
        "",
        "| id | direction | licence | Triton | standing | source |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for k in best[:MOST_IN_MARKDOWN]:
        cells = (
            f"`{one_line(k.id).replace('`', '')}`".replace("|", "\\|"),
            "backward" if k.is_backward else "forward",
            k.license or "unknown",
            range_text(k.triton_min, k.triton_max),
            f"{k.standing:.2f}",
            f"<{k.permalink}>",
        )
        lines.append(f"| {' | '.join(cells)} |")
    more = f"../{kernel_address('')}"
    return "\n".join([*lines, "", f"Every kernel has a page at {more} and its id.", ""])
