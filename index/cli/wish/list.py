"""`triton-index wish list`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options

# What a person sees of each wish.
SHOWN = ("number", "priority", "status", "votes", "answer", "ops", "title")

_NOTHING = "no wishes yet; `triton-index wish sync OWNER/NAME` fetches them from issues"


@click.command()
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(["open", "claimed", "in_progress", "fulfilled", "declined", "duplicate"]),
    help="Has this status.",
)
@click.option("--op", "ops", multiple=True, help="Is for this op.")
@listing_options()
@click.pass_obj
def command(
    settings: Settings,
    statuses: tuple[str, ...],
    ops: tuple[str, ...],
    listing: Listing,
) -> None:
    """List the wishes, the most wanted first.

    Priority is the number of people who want it, who asked included, and the years it has waited,
    at most one; half of that if somebody is at work on it, and 0 once it is settled. The answer
    tells what the index has: the kernel exists, exists partly, or is missing. As md it is a board
    for a page.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.wishes import BOARD, RECORD, list_wishes, load_wishes

    with open_index(index_to_read(settings.db, note)) as con:
        wishes = load_wishes(con)
    chosen = [
        wish
        for wish in wishes
        if (not statuses or wish.status in statuses) and (not ops or {*ops} & {*wish.ops})
    ]
    if not chosen:
        asked = [*(f"status {status}" for status in statuses), *(f"op {op}" for op in ops)]
        note(f"none of {len(wishes)} wishes has {' or '.join(asked)}" if wishes else _NOTHING)
        if listing.is_table:
            return
    shown = RECORD if listing.fields else {"table": SHOWN, "md": BOARD}.get(listing.style, RECORD)
    print_listing(list_wishes(chosen, shown), listing, record="wish", columns=shown)
