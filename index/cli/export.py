"""`triton-index export`."""

from __future__ import annotations

from pathlib import Path

import click

from index.cli.group import Settings


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--facts", is_flag=True, help="Leave out source text, docstrings and summaries.")
@click.option("--wishes", is_flag=True, help="Write the wish-list instead of the kernels.")
@click.pass_obj
def command(settings: Settings, dest: Path, facts: bool, wishes: bool) -> None:
    """Write the kernels to a file.

    DEST ends in .parquet, .json, .jsonl, .csv or .md, which decides the format. Each kernel has
    the fields of `show` and its source text; removed kernels are included. Markdown is a page of
    the live ones by op, the most trusted of each. Of the wish-list, Markdown is a board of the
    wishes that are not settled; there is no .parquet of it.
    """
    from index.cli.output import note
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.export import draft_of, export_kernels
    from index.queries.wishes import export_wishes

    with open_index(index_to_read(settings.db, note), reach=(draft_of(dest),)) as con:
        if wishes:
            count, what = export_wishes(con, dest), "wishes"
        else:
            count, what = export_kernels(con, dest, facts_only=facts), "kernels"
    note(f"{count} {what} written to {dest}")
