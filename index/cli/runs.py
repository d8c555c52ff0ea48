"""`triton-index runs`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options


@click.command()
@click.option(
    "--changes",
    "run",
    metavar="[RUN]",
    is_flag=False,
    flag_value="",
    help="List the kernels that this run changed; without RUN, the latest.",
)
@listing_options()
@click.pass_obj
def command(settings: Settings, run: str | None, listing: Listing) -> None:
    """List the crawls, or what one of them changed.

    The latest crawl comes first. A change is added, changed, moved (or renamed), removed or
    returned. RUN is an id or the beginning of one.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_changes, list_runs

    with open_index(index_to_read(settings.db, note)) as con:
        table = list_runs(con) if run is None else list_changes(con, run)
        print_listing(table, listing, record="run" if run is None else "change")
