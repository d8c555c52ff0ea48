"""`triton-index tags`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import fields_option, format_option, limit_option


@click.command()
@limit_option()
@format_option
@fields_option
@click.pass_obj
def command(settings: Settings, limit: int | None, style: str, fields: tuple[str, ...]) -> None:
    """List the tags and how many kernels carry them.

    The most used come first.
    """
    from index.cli.output import note, print_table
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.catalog import list_tags

    with open_index(index_to_read(settings.db, note)) as con:
        print_table(list_tags(con).first(limit), style, fields=fields)
