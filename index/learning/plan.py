"""The learning path in `data/plan.toml`: stages, exercises, hardware."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from index.errors import LearnError
from index.learning.reading import read_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the path; `lessons` are what is understood when it is done."""

    number: int
    title: str
    weeks: str
    goal: str
    lessons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One exercise of a stage.

    `functions` are those of `verified_kernels` that answer it, to which `learn check` holds what a
    learner wrote; `backward`: their gradients too. `unchecked` says what is not checked, and why.
    `examples` are ids of kernels in the index, `reading` addresses of resources.
    """

    stage: int
    number: int
    title: str
    tasks: tuple[str, ...]
    measure: str
    trap: str
    functions: tuple[str, ...] = ()
    backward: bool = False
    unchecked: str | None = None
    examples: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Its name in commands and addresses: `2.1`."""
        return f"{self.stage}.{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU to learn on."""

    gpu: str
    memory: str
    architecture: str
    good_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What an architecture can do."""

    name: str
    ampere: bool
    hopper: bool


@cache
def load_stages() -> tuple[Stage, ...]:
    """Return the stages, the first first."""
    return read_tables("plan.toml", "stage", Stage)


@cache
def load_exercises() -> tuple[Exercise, ...]:
    """Return every exercise, in order."""
    return read_tables("plan.toml", "exercise", Exercise)


@cache
def load_cards() -> tuple[Card, ...]:
    """Return the GPUs that suit a learner."""
    return read_tables("plan.toml", "card", Card)


@cache
def load_features() -> tuple[Feature, ...]:
    """Return what the architectures can do."""
    return read_tables("plan.toml", "feature", Feature)


def exercises_of(stage: int) -> tuple[Exercise, ...]:
    """Return the exercises of a stage, in order."""
    return tuple(one for one in load_exercises() if one.stage == stage)


def find_stage(word: str) -> Stage:
    """Return the stage of that number.

    Raises:
        LearnError: There is none.
    """
    for stage in load_stages():
        if str(stage.number) == word:
            return stage
    raise LearnError(f"no stage {word}; there are 1 to {len(load_stages())}")


def find_exercise(word: str) -> Exercise:
    """Return the exercise of that id, such as 2.1.

    Raises:
        LearnError: There is none.
    """
    for exercise in load_exercises():
        if exercise.id == word:
            return exercise
    there = ", ".join(one.id for one in load_exercises())
    raise LearnError(f"no exercise {word}; there are {there}")
