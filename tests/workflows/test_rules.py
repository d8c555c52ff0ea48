"""What every workflow keeps to, besides what zizmor and actionlint look for."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from index.automation.__main__ import automation
from index.cli.group import triton_index
from tests.workflows.files import ROOT, WORKFLOWS, Step, all_steps, read, steps

RUNS = [step for step in all_steps() if step.run]
USES = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")
WRITES = re.compile(r"\w+: write\b")
# Who may write what. A right more is a change here too, for a reviewer to see.
MAY_WRITE = {
    ("crawl.yml", "publish"): {"contents", "issues"},
    ("crawl.yml", "heartbeat"): {"actions"},
    ("pages.yml", "deploy"): {"id-token", "pages"},
    ("release.yml", "publish"): {"id-token"},
    ("wishes.yml", "wishes"): {"issues"},
}
HOSTILE_TRIGGERS = {"pull_request_target", "workflow_run", "issue_comment", "discussion"}

by_name = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
by_run = pytest.mark.parametrize("step", RUNS, ids=lambda step: step.name)


@by_name
def test_actions_are_pinned_by_commit_with_their_release(path: Path) -> None:
    text = path.read_text()
    assert len(USES.findall(text)) == text.count("uses:")


def test_an_action_is_pinned_to_one_commit_everywhere() -> None:
    pins = {pin for path in WORKFLOWS for pin in USES.findall(path.read_text())}
    assert len(pins) == len({action for action, *_ in pins})


@by_name
def test_rights_are_given_job_by_job(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        writes = {right for right, level in job["permissions"].items() if level != "read"}
        assert writes == MAY_WRITE.get((path.name, name), set()), name


@by_name
def test_every_job_ends_and_keeps_no_credentials(path: Path) -> None:
    workflow = read(path)
    assert workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 150, name
    for step in steps(path):
        if "actions/checkout@" in step.facts.get("uses", ""):
            assert step.facts["with"]["persist-credentials"] is False, step.name


@by_name
def test_no_workflow_runs_what_others_wrote_with_our_rights(path: Path) -> None:
    workflow = read(path)
    triggers = set(workflow[True])
    assert not triggers & HOSTILE_TRIGGERS
    if "pull_request" in triggers:
        assert not WRITES.search(path.read_text()), "a pull request gets a token that may write"
        assert "self-hosted" not in path.read_text()
    if "self-hosted" in path.read_text():
        assert triggers == {"schedule", "push", "workflow_dispatch"}
        assert workflow[True]["push"]["branches"] == ["main"]


def test_no_job_that_may_write_restores_a_cache() -> None:
    for path in WORKFLOWS:
        for step in steps(path):
            is_cached = "cache" in step.facts.get("with", {}) or "cache@" in str(step.facts)
            assert not is_cached or path.name == "ci.yml", step.name


@by_run
def test_a_step_is_one_command_with_nothing_expanded_into_it(step: Step) -> None:
    assert "${{" not in step.run
    assert "\n" not in step.run.strip()
    assert not re.search(r"[;&|<>`]|\$\(", step.run), "more than one command"
    variables = re.findall(r"\$\w+", step.run)
    assert all(f'"{name}' in step.run or f"/{name}" in step.run for name in variables)


@by_run
def test_the_command_of_a_step_exists_and_takes_these_words(step: Step) -> None:
    words = shlex.split(step.run)
    if words[0] == "make":
        run = ("make", "--dry-run", "--always-make", *words[1:])
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif words[0] == ".venv/bin/triton-index":
        parse(triton_index, words[1:])
    else:
        assert words[:3] == [".venv/bin/python", "-m", "index.automation"]
        parse(automation, words[3:])


def parse(command: click.Command, words: list[str]) -> None:
    """Fail unless a command line takes these words; nothing of it is carried out."""
    context = command.make_context("program", list(words))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert found is not None, name
        command, context = found, found.make_context(name, rest, parent=context)
