"""`triton-index stats`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options


@click.command()
@listing_options()
@click.pass_obj
def command(settings: Settings, listing: Listing) -> None:
    """Count what is indexed.

    Totals, then live kernels by dialect, form, role and licence, then those whose compiles
    contradict the range of releases that was inferred.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_stats

    with open_index(index_to_read(settings.db, note)) as con:
        print_listing(list_stats(con), listing, record="count")
