"""`triton-index wish match`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from index.cli.group import Settings
from index.cli.options import format_option

if TYPE_CHECKING:
    from index.matching import MatchedWish

_NOTHING = "no open wish; `triton-index wish sync OWNER/NAME` fetches them"
_NO_SUCH = "no such wish; `triton-index wish list` shows them"
SHOWN = ("number", "answer", "title", "id", "score", "reason", "alike")


@click.command()
@click.argument("wanted", metavar="[N]", required=False)
@format_option
@click.pass_obj
def command(settings: Settings, wanted: str | None, style: str) -> int:
    """Hold the wishes against the index.

    Every wish that is not settled, or wish N (a number, or owner/name#N), gets the kernels that
    serve it best, with a score from 0 to 1 and the reason, and the wishes that ask for the same.
    What is found is stored for `wish list` and `wish show`. That a kernel now exists for a wish
    that had none is said once. Exits with 1 if there is no such wish.
    """
    from index.cli.output import note, print_table
    from index.cli.progress import counting_progress
    from index.database import open_index
    from index.files.location import index_to_read, index_to_write
    from index.matching import list_matches, match_wishes
    from index.queries.wishes import find_wishes, load_wishes
    from index.store import Store

    with open_index(index_to_read(settings.db, note)) as con:
        wishes = load_wishes(con)
        if wanted is None:
            chosen = tuple(wish for wish in wishes if not wish.status.is_settled)
        else:
            chosen = find_wishes(wishes, wanted)
        matched = []
        with counting_progress() as tell:
            for found in match_wishes(con, chosen, all_wishes=wishes):
                matched.append(found)
                tell(len(matched), len(chosen))
    if not matched:
        note(_NOTHING if wanted is None else f"{wanted}: {_NO_SUCH}")
        return 1 if wanted else 0
    path, seed = index_to_write(settings.db, note)
    with Store.open_for_writing(path, seed=seed) as store:
        store.save_matches(matched)
    print_table(list_matches(matched), style, columns=SHOWN)
    _say_news(matched)
    return 0


def _say_news(matched: list[MatchedWish]) -> None:
    from index.cli.output import note

    for wish in matched:
        if wish.is_news:
            best = wish.matches[0]
            note(f"new: {wish.repo}#{wish.number} is served by {best.id} ({best.reason})")
