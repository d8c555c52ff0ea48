"""The workflow files, read: jobs, steps, and what each step runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = tuple(sorted((ROOT / ".github" / "workflows").glob("*.yml")))


@dataclass(frozen=True)
class Step:
    """One step of a job; `name` says where it stands."""

    name: str
    job: str
    facts: Mapping[str, Any]

    @property
    def run(self) -> str:
        """What it runs in a shell; empty for an action."""
        return str(self.facts.get("run", ""))


def read(path: Path) -> dict[str, Any]:
    """Return a workflow; its key `on` is `True`, as YAML 1.1 reads it."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> Iterator[Step]:
    """Yield the steps of a workflow, job by job."""
    for job, facts in read(path)["jobs"].items():
        for number, step in enumerate(facts["steps"], start=1):
            yield Step(name=f"{path.name}: {job}, step {number}", job=job, facts=step)


def all_steps() -> list[Step]:
    """Return the steps of all workflows."""
    return [step for path in WORKFLOWS for step in steps(path)]
