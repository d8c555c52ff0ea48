"""`triton-index repos`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import fields_option, format_option, limit_option

# What a person sees; `location` and the commit are for programs.
SHOWN = (
    "repo",
    "status",
    "kernels",
    "skipped",
    "stars",
    "license",
    "version",
    "last_seen",
    "error",
)


@click.command()
@limit_option()
@format_option
@fields_option
@click.pass_obj
def command(settings: Settings, limit: int | None, style: str, fields: tuple[str, ...]) -> None:
    """List the indexed sources.

    With each, how its last crawl ended and how many live kernels it has. What the index lacks of
    the program's list is said first.
    """
    from crawler.sources import listed_sources, load_sources
    from index.cli.output import note, print_table
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_repos
    from index.queries.lacking import lacking_sentence, list_lacking

    listed = load_sources(listed_sources())
    with open_index(index_to_read(settings.db, note)) as con:
        if lacking := list_lacking(con, listed):
            note(lacking_sentence(lacking, len(listed)))
        print_table(list_repos(con).first(limit), style, columns=SHOWN, fields=fields)
