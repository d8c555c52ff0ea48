"""`triton-index gaps`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options

SHOWN = ("kind", "operator", "score", "architectures", "people", "first_task")


@click.command()
@click.option("--unverified", is_flag=True, help="Those too that lack nothing but verification.")
@listing_options(30)
@click.pass_obj
def command(settings: Settings, unverified: bool, listing: Listing) -> None:
    """List the operators that people need and no indexed kernel serves.

    The greatest gap comes first: need (wishes with their votes, and in how many model
    architectures the operator occurs) times absence. The kind says what is absent: nothing exists,
    no backward, none permissive (by its licence), none current (for the present Triton), or not
    verified, which is shown on request. Operators for which nobody writes a kernel by hand are
    left out.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.gaps import list_gaps
    from index.queries.wishes import load_wishes

    with open_index(index_to_read(settings.db, note)) as con:
        gaps = list_gaps(con, load_wishes(con), unverified=unverified)
    print_listing(gaps, listing, record="gap", columns=SHOWN)
