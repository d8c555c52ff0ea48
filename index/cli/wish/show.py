"""`triton-index wish show`."""

from __future__ import annotations

import click

from index.cli.group import Settings
from index.cli.options import format_option


@click.command()
@click.argument("wanted", metavar="N")
@format_option
@click.pass_obj
def command(settings: Settings, wanted: str, style: str) -> int:
    """Show all that is known of one wish.

    N is its number, or owner/name#N. As JSON it is one object. Exits with 1 if there is no such
    wish.
    """
    from index.cli.output import emit, note, print_table
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.wishes import DETAILS, find_wishes, gone_reason, list_wishes, load_wishes
    from index.show.render import to_json
    from index.show.wish_card import wish_card

    with open_index(index_to_read(settings.db, note)) as con:
        found = find_wishes(load_wishes(con), wanted)
        gone = gone_reason(con, wanted)
    if len(found) != 1:
        for wish in found:
            note(f"- {wish.repo}#{wish.number}")
        why = f"is gone: {gone}" if gone else "no such wish; `triton-index wish list` shows them"
        note(f"{wanted}: {f'{len(found)} wishes have that number; name one' if found else why}")
        return 2 if found else 1
    table = list_wishes(found, DETAILS)
    if style == "json":
        emit(lambda out: out.write(f"{to_json(next(table.records()))}\n"))
    elif style == "table":
        emit(lambda out: out.write(wish_card(found[0])))
    else:
        print_table(table, style)
    return 0
