"""Where to learn more: the resources by kind, filtered as one types, and by stage."""

from __future__ import annotations

from collections.abc import Sequence

from index.learning.resources import Kind, Resource, load_resources
from index.site.folder import SiteFolder
from index.site.kernels import Kernels
from index.site.pages import Page, render

# The order in which people come for them, and what a group of them is called.
_GROUPS = {
    Kind.COURSE: "Courses and tutorials",
    Kind.ARTICLE: "Articles",
    Kind.PAPER: "Papers",
    Kind.VIDEO: "Videos",
    Kind.NOTEBOOK: "Notebooks",
    Kind.PUZZLE: "Puzzles",
    Kind.TOOL: "Tools",
    Kind.LIBRARY: "Libraries",
    Kind.INTEGRATION: "Integrations",
    Kind.BACKEND: "Backends",
    Kind.CONFERENCE: "Conferences",
    Kind.COMMUNITY: "Communities",
}


def write_resources(folder: SiteFolder, kernels: Kernels) -> None:
    """Write the page of everything to read, watch and try."""
    found = load_resources()
    groups: list[tuple[Kind, str, Sequence[Resource]]] = [
        (kind, name, [one for one in found if one.kind is kind]) for kind, name in _GROUPS.items()
    ]
    page = Page(
        address="resources.html",
        title="Resources for Triton kernels",
        about=f"{len(found)} articles, papers, videos, tools and courses for people who write "
        "Triton kernels, each with a word on what it is good for.",
    )
    html = render(
        "resources.html",
        page,
        groups=[group for group in groups if group[2]],
        n=len(found),
        ops=kernels.by_op,
    )
    folder.page(page.address, html)


def write_learn(folder: SiteFolder, kernels: Kernels) -> None:
    """Write the page of what to read and try, stage by stage."""
    found = load_resources()
    stages = sorted({one.stage for one in found if one.stage is not None})
    page = Page(
        address="learn/index.html",
        title="Learn to write Triton kernels",
        about="What to read, watch and try, stage by stage, with open kernels as examples.",
    )
    html = render(
        "learn.html",
        page,
        stages=[(stage, [one for one in found if one.stage == stage]) for stage in stages],
        ops=kernels.by_op,
    )
    folder.page(page.address, html)
