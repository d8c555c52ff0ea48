"""`triton-index wish sync`."""

from __future__ import annotations

import click

from index.cli.group import Settings


@click.command()
@click.argument("repo", metavar="OWNER/NAME")
@click.option("--full", is_flag=True, help="List every issue, whatever is known.")
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=800,
    show_default=True,
    metavar="N",
    help="Send about N requests at most; the next sync goes on from there.",
)
@click.option("--format", "style", type=click.Choice(["json"]), help="Print the report on stdout.")
@click.pass_obj
def command(settings: Settings, repo: str, full: bool, requests: int, style: str | None) -> int:
    """Follow the issues of a repository.

    New, edited, closed, reopened, transferred and deleted issues are followed; pull requests are
    none. While nothing changed it costs one request, which GitHub does not count with a token.
    Exits with 1 if GitHub could not be asked for all of it.
    """
    from crawler.github.errors import GithubError
    from index.cli.output import emit, note, say_waiting
    from index.cli.progress import counting_progress
    from index.files.location import index_to_write
    from index.show.render import to_json
    from index.store import Store
    from index.wishing import report_of, summary_of, sync_into

    path, seed = index_to_write(settings.db, note)
    try:
        with Store.open_for_writing(path, seed=seed) as store, counting_progress() as progress:
            found = sync_into(
                store,
                repo,
                full=full,
                most_requests=requests,
                on_wait=say_waiting,
                on_progress=progress,
            )
    except GithubError as error:
        note(str(error))
        return 1
    for problem in found.problems:
        note(problem)
    note(f"{summary_of(found)}; index: {path}")
    if style == "json":
        emit(lambda out: out.write(f"{to_json(report_of(found))}\n"))
    return 1 if found.stopped or found.problems else 0
