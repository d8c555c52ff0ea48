"""`triton-index similar`."""

from __future__ import annotations

from pathlib import Path

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options

# What a person sees of each copy.
SHOWN = ("id", "relation", "similarity", "license", "stars")
SHOWN_OF_CODE = ("function", *SHOWN)


@click.command()
@click.argument("id", required=False)
@click.option("--code", metavar="FILE", help="Of the jit functions in this file; - for stdin.")
@click.option("--why", is_flag=True, help="Show why the original is said to be one, too.")
@listing_options(20)
@click.pass_obj
def command(
    settings: Settings,
    id: str | None,
    code: str | None,
    why: bool,
    listing: Listing,
) -> int:
    """List the copies of one kernel, the likely original first.

    A copy is equal after renaming (similarity 1), a near copy nearly so; of others the text proves
    no more than that they do the same computation. ID may be the end of one, as for show. With
    --code it is told which indexed kernels your own file's are copies of, where they are from and
    under which licence; the file is read, never run. Exits with 1 if there are no copies, or no
    such kernel.
    """
    if (id is None) == (code is None):
        raise click.UsageError("give either an ID or --code FILE")
    if code is not None:
        return _of_code(settings, code, listing)
    return _of_kernel(settings, id or "", why, listing)


def _of_code(settings: Settings, code: str, listing: Listing) -> int:
    from index.checking import STDIN, read_inputs
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.same_code import find_same_code

    if code != STDIN and not Path(code).is_file():
        raise click.UsageError(f"{code}: no such file")
    files = read_inputs([code]).files
    with open_index(index_to_read(settings.db, note)) as con:
        same = find_same_code(con, files)
    if same.rows or not listing.is_table:
        columns = (*SHOWN_OF_CODE, *(["permalink"] if listing.style == "md" else []))
        print_listing(same, listing, record="same_code", columns=columns)
    if not same.rows:
        note(f"{code}: no indexed kernel is a copy of what it holds")
    return 0 if same.rows else 1


def _of_kernel(settings: Settings, id: str, why: bool, listing: Listing) -> int:
    from index.cli.output import note, print_listing
    from index.cli.show import no_kernel, note_copies
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.lookup import find_kernel
    from index.queries.similar import similar_kernels

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_kernel(con, id)
        if found.id is None:
            return no_kernel(id, found.others, is_ambiguous=found.is_ambiguous)
        copies = similar_kernels(con, found.id)
    note_copies(id, found)
    if copies.rows or not listing.is_table:
        columns = (
            *SHOWN,
            *(["why"] if why else []),
            *(["permalink"] if listing.style == "md" else []),
        )
        print_listing(copies, listing, record="copy", columns=columns)
    if not copies.rows:
        note(f"{found.id}: no other kernel in the index is a copy of it")
    return 0 if copies.rows else 1
