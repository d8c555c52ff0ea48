"""`triton-index export`."""

from __future__ import annotations

from pathlib import Path

import click

from index.cli.group import Settings


@click.command()
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--facts", is_flag=True, help="Leave out source text, docstrings and summaries.")
@click.pass_obj
def command(settings: Settings, dest: Path, facts: bool) -> None:
    """Write the kernels to a file.

    DEST ends in .parquet, .json, .jsonl, .csv or .md, which decides the format. Each kernel has
    the fields of `show` and its source text; removed kernels are included. Markdown is a page of
    the live ones.
    """
    from index.cli.output import note
    from index.database import open_index
    from index.export import export_kernels
    from index.location import index_to_read

    with open_index(index_to_read(settings.db, note)) as con:
        count = export_kernels(con, dest, facts_only=facts)
    note(f"{count} kernels written to {dest}")
