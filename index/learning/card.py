"""What a person reads of a stage and of an exercise."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from index.learning.examples import Example
from index.learning.plan import Exercise, Stage, exercises_of
from index.learning.resources import Resource, load_resources
from index.plain_text import printable
from verified_kernels import OPS

WIDTH = 98
SOURCES = "verified_kernels/ops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All of an exercise: its text, worked answers, examples, and what to read."""

    exercise: Exercise
    answers: tuple[str, ...]
    examples: tuple[Example, ...]
    reading: tuple[Resource, ...]

    def record(self) -> dict[str, Any]:
        """Return the fields for programs."""
        return {
            "exercise": self.exercise.id,
            **asdict(self.exercise),
            "answers": list(self.answers),
            "examples": [asdict(one) for one in self.examples],
            "reading": [{"title": one.title, "url": one.url} for one in self.reading],
        }

    def text(self) -> str:
        """Return the lines for a person."""
        one = self.exercise
        lines = [f"{one.id}  {one.title}", "", *_bullets(one.tasks), ""]
        if one.functions:
            lines += _told("check", f"triton-index learn check {one.id} mine.py")
            lines += _told("functions", ", ".join(one.functions))
        if one.unchecked:
            lines += _told("not checked", one.unchecked)
        lines += [line for answer in self.answers for line in _told("worked answer", answer)]
        for example in self.examples:
            lines += _told("imitate", _example(example))
        lines += _told("measure", one.measure) + _told("trap", one.trap)
        for resource in self.reading:
            lines += _told("read", f"{resource.title}: {resource.url}")
        return printable("\n".join(lines)) + "\n"


def card_of(exercise: Exercise, examples: Sequence[Example]) -> Card:
    """Return an exercise with what it points to."""
    files = dict.fromkeys(f"{SOURCES}/{OPS[name]}.py" for name in exercise.functions)
    listed = {one.url: one for one in load_resources()}
    return Card(
        exercise=exercise,
        answers=tuple(files),
        examples=tuple(examples),
        reading=tuple(listed[url] for url in exercise.reading),
    )


def stage_card(stage: Stage) -> str:
    """Return what a stage teaches and its exercises."""
    lines = [f"Stage {stage.number}: {stage.title} (weeks {stage.weeks})", "", stage.goal, ""]
    lines += [*_bullets(stage.lessons), ""]
    lines += [f"{one.id}  {one.title}" for one in exercises_of(stage.number)]
    lines += ["", f"triton-index learn {stage.number}.1 shows an exercise"]
    return printable("\n".join(lines)) + "\n"


def _bullets(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")


def _told(label: str, text: str) -> list[str]:
    start = f"{label:<15}"
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _example(example: Example) -> str:
    if example.permalink is None:
        return f"{example.id} (not in this index)"
    facts = [example.license or "", f"{example.n_copies} copies" if example.n_copies else ""]
    told = ", ".join(filter(None, facts))
    return f"{example.id} ({told}) {example.permalink}"
