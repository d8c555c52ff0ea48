"""`triton-index similar`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import format_option, limit_option

# What a person sees of each copy.
SHOWN = ("id", "relation", "similarity", "license", "stars")


@click.command()
@click.argument("id")
@click.option("--why", is_flag=True, help="Show why the original is said to be one, too.")
@limit_option(default=20)
@format_option
@click.pass_obj
def command(settings: Settings, id: str, why: bool, limit: int | None, style: str) -> int:
    """List the copies of one kernel, the likely original first.

    A copy is equal after renaming (similarity 1), a near copy nearly so; of others the text proves
    no more than that they do the same computation. ID may be the end of one, as for show. Exits
    with 1 if the kernel has no copies or there is none such.
    """
    from index.cli.output import note, print_table
    from index.cli.show import no_kernel, note_copies
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.lookup import find_kernel
    from index.queries.similar import similar_kernels

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_kernel(con, id)
        if found.id is None:
            return no_kernel(id, found.others, is_ambiguous=found.is_ambiguous)
        copies = similar_kernels(con, found.id, limit)
    note_copies(id, found)
    if copies.rows or style != "table":
        columns = (*SHOWN, *(["why"] if why else []), *(["permalink"] if style == "md" else []))
        print_table(copies, style, columns=columns)
    if not copies.rows:
        note(f"{found.id}: no other kernel in the index is a copy of it")
    return 0 if copies.rows else 1
