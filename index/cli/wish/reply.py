"""`triton-index wish reply`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from index.cli.group import Settings

if TYPE_CHECKING:
    from wishlist.reply import Reply


@click.command()
@click.argument("wanted", metavar="[N]...", nargs=-1)
@click.option(
    "--dry-run/--post",
    default=True,
    show_default="dry run",
    help="Print what would be written, or write it.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Write at most N comments.",
)
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def command(
    settings: Settings, wanted: tuple[str, ...], dry_run: bool, limit: int, style: str
) -> int:
    """Answer wishes with the kernels that may serve them.

    A wish has one comment, which is edited as the index changes and never repeated. Without N,
    those of all open wishes, the most wanted first. Nothing is written without --post, which
    needs GITHUB_TOKEN.
    """
    from index.cli.output import note

    replies = _planned(settings, wanted, limit)
    if dry_run:
        _print(replies, style)
        note(f"{len(replies)} to write; nothing is written without --post")
        return 0
    done = _post(settings, replies)
    _print(done, style)
    note(f"{len(done)} of {len(replies)} written")
    return 0 if len(done) == len(replies) else 1


def _planned(settings: Settings, wanted: tuple[str, ...], limit: int) -> tuple[Reply, ...]:
    from index.cli.output import note
    from index.database import open_index
    from index.errors import QueryError
    from index.files.location import index_to_read
    from index.queries.wishes import find_wishes, load_wishes
    from index.replying import planned_replies

    with open_index(index_to_read(settings.db, note)) as con:
        wishes = load_wishes(con)
        if wanted:
            found = [find_wishes(wishes, word) for word in wanted]
            for word, named in zip(wanted, found, strict=True):
                if not named:
                    raise QueryError(f"{word}: no such wish; `triton-index wish list` shows them")
                if len(named) > 1:
                    raise QueryError(f"{word}: {len(named)} wishes have that number; name one")
            wishes = tuple(dict.fromkeys(wish for named in found for wish in named))
        return planned_replies(con, wishes, limit=limit)


def _post(settings: Settings, replies: Sequence[Reply]) -> list[Reply]:
    """Write the replies up to the first that GitHub does not take; return those written."""
    from crawler.github.errors import GithubError
    from index.cli.output import note, say_waiting
    from index.files.location import index_to_write
    from index.replying import post_replies
    from index.store import Store

    path, seed = index_to_write(settings.db, note)
    done: list[Reply] = []
    with Store.open_for_writing(path, seed=seed) as store:
        try:
            for reply in post_replies(store, replies, on_wait=say_waiting):
                done.append(reply)  # noqa: PERF402 - those before an error are kept
        except GithubError as error:
            note(str(error))
    return done


def _print(replies: Sequence[Reply], style: str) -> None:
    from index.cli.output import emit
    from index.plain_text import one_line, printable
    from index.show.render import to_json

    records = [
        {
            "number": reply.wish.number,
            "url": reply.wish.url,
            "action": "edit" if reply.known else "new",
            "body": reply.body,
        }
        for reply in replies
    ]
    if style == "json":
        emit(lambda out: out.write(f"{to_json(records)}\n"))
        return
    heads = (one_line(f"{record['url']} ({record['action']})") for record in records)
    bodies = (printable(str(record["body"])) for record in records)
    texts = [f"{head}\n\n{body}\n" for head, body in zip(heads, bodies, strict=True)]
    emit(lambda out: out.writelines(texts))
