"""`triton-index sql`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import format_option, limit_option


@click.command()
@click.argument("query")
@limit_option()
@format_option
@click.pass_obj
def command(settings: Settings, query: str, limit: int | None, style: str) -> None:
    """Ask the index in SQL, read-only.

    QUERY is one SELECT, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN of DuckDB's SQL. It can write nothing
    and reach neither files nor the network. `DESCRIBE kernels` tells the columns.
    """
    from index.cli.output import note, print_table
    from index.files.location import index_to_read
    from index.queries.sealed import run_sql

    print_table(run_sql(index_to_read(settings.db, note), query, limit=limit), style)
