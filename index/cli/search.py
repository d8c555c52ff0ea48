"""`triton-index search`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from index.cli.group import Settings
from index.cli.options import Decorator, Listing, listing_options

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from index.queries.filter_values import UnknownValue
    from index.queries.search import Found
    from index.table import Table

# What a person sees of each kernel, as far as it is known.
SHOWN = (
    "id", "role", "ops", "license", "triton_min", "triton_max", "stars", "n_copies", "verified",
    "summary",
)  # fmt: skip

SHOWN_OPERATION = ("id", "kind", "signature", "ops", "is_differentiable", "license", "summary")


def _many(name: str, target: str, text: str, **more: Any) -> Decorator:
    return click.option(name, target, multiple=True, help=text, **more)


@click.command()
@click.argument("words", metavar="[QUERY]", nargs=-1)
@_many("--tag", "tags", "Has this tag.")
@_many("--op", "ops", "Computes this op.")
@_many("--repo", "repos", "Is from this source: owner/name, or the name alone.")
@_many(
    "--license",
    "licenses",
    "Has this licence (SPDX), or one of this class: permissive, weak-copyleft, copyleft, any-open.",
)
@_many(
    "--role",
    "roles",
    "Has this role.",
    type=click.Choice(["kernel", "device_function", "pointwise", "unknown"]),
)
@_many("--dialect", "dialects", "Is written in this.", type=click.Choice(["triton", "gluon"]))
@_many(
    "--hardware",
    "hardware",
    "Is for this backend (nvidia, amd, ascend ...), asks for this architecture (sm_90, gfx942), "
    "or runs on any.",
)
@_many("--dtype", "dtypes", "Handles this dtype.")
@_many("--feature", "features", "Uses this feature.")
@click.option("--triton", metavar="VERSION", help="Has all it uses in this release of Triton.")
@click.option("--verified", is_flag=True, help="Passed verification.")
@click.option("--compiled", metavar="VERSION", help="Was compiled with this release of Triton.")
@click.option("--target", metavar="T", help="Was compiled for this GPU: cuda:90, hip:gfx942.")
@click.option("--has-backward", is_flag=True, help="Has a backward kernel.")
@click.option("--include-tests", is_flag=True, help="Tests too.")
@click.option(
    "--copies", is_flag=True, help="All copies of a kernel, not just the likely original."
)
@click.option(
    "--kind",
    type=click.Choice(["kernel", "operation"]),
    help="Only kernels by their own words, or the public functions and modules that run them; "
    "without it kernels, found by the words of what runs them too.",
)
@click.option(
    "--sort",
    type=click.Choice(["relevance", "stars", "recent", "name"]),
    default="relevance",
    show_default=True,
)
@listing_options(20)
@click.pass_obj
def command(
    settings: Settings,
    /,
    words: tuple[str, ...],
    sort: str,
    kind: str | None,
    listing: Listing,
    copies: bool,
    **filters: Any,
) -> int:
    """Find kernels, the likeliest first.

    QUERY is made of words, or of a name in any spelling: rmsnorm, rms_norm and "RMS norm" are the
    same. Without it, every kernel that passes the filters is found. Of --op, --tag, --feature and
    --dtype a kernel must have all that are given; of the others, one. What is not known of a
    kernel does not pass. A terminal gets short ids, which show takes, with ops, licence, range of
    Triton releases and whether verified (ok). Exits with 1 if nothing is found.
    """
    from index.cli.output import note, print_listing
    from index.database import open_index
    from index.files.location import index_to_read
    from index.queries.filter_values import read_filters
    from index.queries.filters import Filters
    from index.queries.search import Kind, Sort, search

    with open_index(index_to_read(settings.db, note)) as con:
        chosen, unknown = read_filters(con, Filters(**filters))
        found = search(
            con,
            " ".join(words),
            filters=chosen,
            sort=Sort(sort),
            # Who is told how many there are has them all looked for.
            limit=None if listing.has_envelope else listing.limit,
            copies=copies,
            kind=Kind(kind) if kind else None,
        )
        ids = found.ids[: listing.limit]
        table, shown = _table(con, ids, listing, is_of_operations=kind == Kind.OPERATION)
        has_stars = sort != Sort.STARS or kind == Kind.OPERATION or _has_stars(con, ids)
    if ids or not listing.is_table:
        record = "operation" if kind == Kind.OPERATION else "kernel"
        print_listing(table, listing, record=record, columns=shown, total=len(found.ids))
    if found.ids and not has_stars:
        note(
            "no stars are known of these, so they come by relevance; a crawl of GitHub counts them"
        )
    _explain(found, unknown, has_filters=chosen != Filters(include_tests=chosen.include_tests))
    return 0 if found.ids else 1


def _table(
    con: DuckDBPyConnection, ids: Sequence[str], listing: Listing, *, is_of_operations: bool
) -> tuple[Table, tuple[str, ...]]:
    """Return what was found, and the columns of it that people see."""
    from index.cli.output import output_width
    from index.queries.kernels import KERNEL_COLUMNS, fetch_kernels
    from index.queries.operations import OPERATION_COLUMNS, fetch_operations
    from index.queries.short_ids import short_ids
    from index.show.search_table import FIT_COLUMNS, room_for_id, search_table

    if is_of_operations:
        shown = SHOWN_OPERATION if listing.is_for_people else OPERATION_COLUMNS
        return fetch_operations(con, ids, shown), shown
    people = SHOWN if listing.is_table else (*SHOWN, "permalink")
    shown = people if listing.is_for_people else KERNEL_COLUMNS
    table = fetch_kernels(con, ids, shown)
    width = output_width() if listing.is_table and listing.is_for_people else None
    if width is None:
        return table, shown
    names = short_ids(con, ids, room_for_id(width))
    return search_table(table, names, width), FIT_COLUMNS


def _has_stars(con: DuckDBPyConnection, ids: Sequence[str]) -> bool:
    from index.queries.kernels import fetch_kernels

    return any(stars is not None for stars in fetch_kernels(con, ids, ["stars"]).column("stars"))


def _explain(found: Found, values: tuple[UnknownValue, ...], *, has_filters: bool) -> None:
    """Say on stderr what occurs nowhere and what is near it, or that nothing fits."""
    from index.cli.output import note

    for word, meant in found.read_as:
        note(f"no kernel has the word {word!r}; searched for {meant!r}")
    unknown = [("word", word, near) for word, near in found.unknown]
    unknown += [(each.kind, each.value, each.near) for each in values]
    for kind, value, near in unknown:
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        note(f"no kernel has the {kind} {value!r}{hint}")
    if found.is_partial:
        note("no kernel has most of these words; those shown have some")
    if not found.ids and not unknown:
        note("nothing found" + ("; try fewer filters" if has_filters else "; try other words"))
