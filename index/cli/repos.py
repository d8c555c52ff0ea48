"""`triton-index repos`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options

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
    "note",
)


@click.command()
@listing_options()
@click.pass_obj
def command(settings: Settings, listing: Listing) -> None:
    """List the indexed sources.

    With each, how its last crawl ended and how many live kernels it has. What the index lacks of
    the program's list is said first; what the list notes of a source stands beside it.
    """
    from crawler.sources import listed_sources, load_sources
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_repos, with_notes
    from index.queries.lacking import lacking_sentence, list_lacking

    listed = load_sources(listed_sources())
    with open_index(index_to_read(settings.db, note)) as con:
        if lacking := list_lacking(con, listed):
            note(lacking_sentence(lacking, len(listed)))
        notes = {source.name.lower(): source.note for source in listed}
        print_listing(with_notes(list_repos(con), notes), listing, record="repo", columns=SHOWN)
