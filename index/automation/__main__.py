"""`python -m index.automation`: one command a step of a workflow."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crawler.errors import TritonIndexError
from index.cli.output import note

if TYPE_CHECKING:
    from crawler.models import SourceRepo

_folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_sources = click.option(
    "--sources",
    "listed",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TRITON_INDEX_SOURCES",
    show_envvar=True,
    help="The list of sources.  [default: the project's]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def automation(debug: bool) -> None:
    """Run a step of a workflow; GitHub Actions' variables say for which repository."""


@automation.command()
@_folder
@_sources
@click.option("--minutes", type=click.FloatRange(min=0), default=90.0, show_default=True)
@click.option("--requests", type=click.IntRange(min=0), default=800, show_default=True)
def crawl(folder: Path, listed: Path | None, minutes: float, requests: int) -> None:
    """Crawl into FOLDER, from where the last published index left off.

    What does not fit into the minutes and the requests to GitHub is left for the next run.
    """
    from index.automation.actions import read_job
    from index.automation.crawling import crawl_from_published

    job = read_job(os.environ)
    sources = _load(listed)
    text = crawl_from_published(job, folder, sources, minutes=minutes, requests=requests)
    job.summarise(text)


@automation.command()
@_folder
@_sources
@click.option("--accept", is_flag=True, help="Publish whatever the checks say.")
def publish(folder: Path, listed: Path | None, accept: bool) -> int:
    """Publish the index in FOLDER if it is sound; else say in the one issue why not."""
    from index.automation.actions import read_job
    from index.automation.notifying import notify
    from index.automation.publication import Publication, Verdict
    from index.automation.publishing import publish as publish_index
    from index.automation.summary import publication_summary

    job = read_job(os.environ)
    try:
        now = datetime.now(UTC)
        done = publish_index(job, folder, _load(listed), now=now, accept=accept)
    except TritonIndexError as error:
        done = Publication(verdict=Verdict.REFUSED, tag=None, reasons=(str(error),))
    job.summarise(publication_summary(done))
    for line in (f"{done.verdict}: {done.tag or 'no release'}", *done.reasons, *done.notes):
        note(line)
    notify(job, done)
    return 1 if done.verdict is Verdict.REFUSED else 0


@automation.command("compile")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--triton", "release", required=True)
@click.option("--targets", required=True, help="Parted by commas.")
@click.option("--minutes", type=click.FloatRange(min=0), default=75.0, show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), default=4, show_default=True)
def compile_due(out: Path, release: str, targets: str, minutes: float, jobs: int) -> None:
    """Compile the kernels of the published index that are due, and write what came of it to OUT.

    The newest go first, then the most copied; what does not fit into the minutes is left.
    """
    from index.automation.actions import read_job
    from index.automation.compiling import compile_slice

    job = read_job(os.environ)
    wanted = targets.split(",")
    job.summarise(compile_slice(job, out, release, wanted, minutes=minutes, at_once=jobs))


@automation.command()
@click.argument("workflows", nargs=-1, required=True)
def heartbeat(workflows: tuple[str, ...]) -> None:
    """Keep the schedules of these workflow files on.

    GitHub turns them off in a public repository after 60 days without a commit. Enabling a
    workflow that is on starts the 60 days anew; it needs no commit and no right on the contents.
    A workflow that a person turned off stays off.
    """
    from crawler.github.workflows import keep_schedule
    from index.automation.actions import read_job

    job = read_job(os.environ)
    with job.client() as client:
        for workflow in workflows:
            note(f"{workflow}: {keep_schedule(client, job.repo, workflow)}")


@automation.command("last-run")
@click.argument("workflow")
def last_run(workflow: str) -> None:
    """Hand on, as `run-id`, the last run of a workflow file that came to its end on this branch.

    Verifications that failed are results too.
    """
    from crawler.github.workflows import find_last_run
    from index.automation.actions import read_job

    job = read_job(os.environ)
    with job.client() as client:
        run = find_last_run(client, job.repo, workflow, branch=job.branch)
    note(f"{workflow}: " + ("no run that came to its end" if run is None else f"run {run}"))
    job.put_out("run-id", "" if run is None else str(run))


def _load(listed: Path | None) -> tuple[SourceRepo, ...]:
    from crawler.sources import listed_sources, load_sources

    return load_sources(listed or listed_sources())


if __name__ == "__main__":
    from index.cli import run_command

    sys.exit(run_command(automation, program="python -m index.automation"))
