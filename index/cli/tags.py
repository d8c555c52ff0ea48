"""`triton-index tags`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options


@click.command()
@listing_options()
@click.pass_obj
def command(settings: Settings, listing: Listing) -> None:
    """List the tags and how many kernels carry them.

    The most used come first.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_tags

    with open_index(index_to_read(settings.db, note)) as con:
        print_listing(list_tags(con), listing, record="tag")
