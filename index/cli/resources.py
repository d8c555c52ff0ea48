"""`triton-index resources`."""

from __future__ import annotations

import click

from index.cli.options import Listing, listing_options
from index.learning.resources import Kind


@click.command()
@click.argument("query", nargs=-1)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in Kind]),
    help="Of this kind; again for another.",
)
@click.option(
    "--stage", type=click.IntRange(1, 5), help="That help with this stage of the learning path."
)
@listing_options()
def command(
    query: tuple[str, ...], kinds: tuple[str, ...], stage: int | None, listing: Listing
) -> int:
    """List articles, papers, videos, tools and people to learn Triton from.

    With QUERY, those that have its words, the likeliest first. Exits with 1 if there are none.
    """
    from index.cli.output import print_listing
    from index.learning.resources import as_table, find_resources, load_resources

    listed = [one for one in load_resources() if stage in (None, one.stage)]
    found = find_resources(listed, " ".join(query), [Kind(kind) for kind in kinds])
    # The address is what a person came for: it stands before the note.
    print_listing(
        as_table(found), listing, record="resource", columns=("kind", "title", "url", "note")
    )
    return 0 if found else 1
