"""`triton-index api`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings
from index.cli.options import Listing, listing_options

if TYPE_CHECKING:
    from crawler.check.lookup import ApiEntry
    from index.show.api_card import ApiUsers


@click.command()
@click.argument("name", required=False)
@click.option("--new", "new_in", metavar="RELEASE", help="What came with this release.")
@click.option("--gone", "gone_in", metavar="RELEASE", help="What this release no longer has.")
@listing_options()
@click.pass_obj
def command(
    settings: Settings,
    name: str | None,
    new_in: str | None,
    gone_in: str | None,
    listing: Listing,
) -> int:
    """Tell since and until when Triton has a name, and who uses it.

    NAME is a name (tl.dot, triton.ops.matmul), the end of one, a keyword as name(keyword), or a
    pattern with * and ?. One name gets a card, several a table with the counts of kernels and
    sources that use them. Exits with 1 if nothing has that name.
    """
    from index.cli.output import note, print_listing
    from index.show.api_card import api_table, write_card

    entries = _chosen(name, new_in, gone_in)
    if not entries:
        return _nothing(name or new_in or gone_in or "")
    chosen = entries[: listing.limit]
    users = _users(settings, chosen)
    if listing.is_table and not listing.fields and len(chosen) == 1 and name is not None:
        from index.cli.output import emit

        emit(lambda out: write_card(chosen[0], users[0] if users else None, out))
    else:
        table = api_table(chosen, users)
        print_listing(
            table,
            listing,
            record="api",
            columns=table.columns[:7] if listing.is_table else None,
            total=len(entries),
        )
    if len(entries) > len(chosen):
        note(f"{len(entries) - len(chosen)} more; --limit 0 lists all")
    return 0


def _chosen(name: str | None, new_in: str | None, gone_in: str | None) -> list[ApiEntry]:
    from fnmatch import fnmatchcase

    from crawler.check.lookup import changed_in, find_entries, spelled_out

    if new_in is None and gone_in is None:
        return find_entries(name or "*")
    if new_in is not None and gone_in is not None:
        raise click.UsageError("give one of --new and --gone")
    release = _release(new_in or gone_in or "")
    found = changed_in(release, is_new=new_in is not None)
    pattern = "*" if name is None else spelled_out(name)
    return [e for e in found if fnmatchcase(e.name, pattern) or fnmatchcase(e.name, f"*.{pattern}")]


def _release(text: str) -> str:
    from crawler.enrich.api_table import load_table

    known = load_table().releases
    for release in (text, f"{text}.0"):
        if release in known:
            return release
    raise click.UsageError(f"{text}: no known release; those known are {', '.join(known)}")


def _users(settings: Settings, entries: Sequence[ApiEntry]) -> list[ApiUsers]:
    """Return who uses each; nothing where there is no index."""
    from index.cli.output import note
    from index.database import open_index
    from index.errors import StoreError
    from index.files.location import index_to_read
    from index.queries.api_users import fetch_users

    try:
        with open_index(index_to_read(settings.db, note)) as con:
            return fetch_users(con, [entry.name for entry in entries])
    except StoreError as error:
        if settings.db is not None:
            raise
        note(f"who uses it is not known: {error}")
        return []


def _nothing(name: str) -> int:
    from crawler.check.lookup import near_entries
    from index.cli.output import note

    near = near_entries(name)
    meant = f"; did you mean {', '.join(near)}?" if near else ""
    note(f"{name}: no release of Triton has it{meant}")
    return 1
