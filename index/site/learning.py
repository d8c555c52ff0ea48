"""Where to learn: the path with its exercises, and the resources by kind."""

from __future__ import annotations

from collections.abc import Sequence

from index.learning.card import card_of
from index.learning.plan import (
    exercises_of,
    load_cards,
    load_exercises,
    load_features,
    load_stages,
)
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
    """Write the page of the learning path: stages, exercises, and what else to read for each."""
    resources = load_resources()
    page = Page(
        address="learn/index.html",
        title="Learn to write Triton kernels",
        about="Exercises in five stages, each with a worked answer, what to measure, the trap, and "
        "open kernels to imitate.",
    )
    live = {kernel.id: kernel for kernel in kernels.all}
    html = render(
        "learn.html",
        page,
        stages=[
            (
                stage,
                [
                    (card_of(one, ()), [live[id] for id in one.examples if id in live])
                    for one in exercises_of(stage.number)
                ],
                [one for one in resources if one.stage == stage.number],
            )
            for stage in load_stages()
        ],
        ops=kernels.by_op,
        cards=load_cards(),
        features=load_features(),
    )
    folder.page(page.address, html)


def exercises_by_op() -> dict[str, list[tuple[str, str]]]:
    """Return of each op that an exercise is about the address and the title of that exercise."""
    found: dict[str, list[tuple[str, str]]] = {}
    for exercise in load_exercises():
        for op in exercise.functions:
            address = f"learn/index.html#{exercise.id}"
            found.setdefault(op, []).append((address, f"{exercise.id} {exercise.title}"))
    return found
