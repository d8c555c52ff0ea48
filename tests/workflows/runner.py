"""A runner of our own: the `run` steps of a job in a shell, as GitHub Actions starts them.

Actions that carry files between jobs are stood in for by one folder; nothing else of a job needs
GitHub.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from tests.index.automation.jobs import Jobs
from tests.workflows.files import ROOT, Step, steps

SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
"""How Actions run a step whose workflow names no shell, or bash."""

_FORCED = "--accept"


@dataclass(frozen=True)
class Ran:
    """One step that was run."""

    step: Step
    code: int
    out: str
    err: str


def run_job(jobs: Jobs, workflow: str, job: str) -> list[Ran]:
    """Run the shell steps of a job in order, until one fails that may not; return them.

    The installation is left out, and what only a person who asks for it publishes.
    """
    work = jobs.work
    work.mkdir(parents=True, exist_ok=True)
    environment = work / ".venv"
    if not environment.exists():
        environment.symlink_to(sys.prefix)
    variables = jobs.environment | {
        "PYTHONPATH": str(ROOT),
        "TRITON_INDEX_SOURCES": str(jobs.sources),
    }
    ran = []
    for step in steps(ROOT / ".github" / "workflows" / workflow):
        if step.job != job or not step.run or step.run.startswith("make") or _FORCED in step.run:
            continue
        done = subprocess.run(
            (*SHELL, step.run),
            cwd=work,
            env=variables | _strings(step.facts.get("env", {}), jobs),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        ran.append(Ran(step, done.returncode, done.stdout, done.stderr))
        if done.returncode and not step.facts.get("continue-on-error"):
            break
    return ran


def _strings(given: dict[str, str], jobs: Jobs) -> dict[str, str]:
    """Return the variables of a step; the token is the only expression that they hold."""
    token = jobs.environment["GITHUB_TOKEN"]
    found = {name: value.replace("${{ github.token }}", token) for name, value in given.items()}
    assert not any("${{" in value for value in found.values())
    return found
