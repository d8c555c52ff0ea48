"""Answers to wishes: planned from what the index holds, written, and remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import duckdb

from crawler.errors import SourceError
from index.queries.wishes import load_wishes
from index.store import Store
from index.wishing import github_client
from wishlist.models import Wish
from wishlist.reply import Comment, Reply, plan_replies


def planned_replies(
    con: duckdb.DuckDBPyConnection, wishes: Sequence[Wish] | None = None, *, limit: int | None
) -> tuple[Reply, ...]:
    """Return what is to be written to these wishes, by default to all."""
    chosen = load_wishes(con) if wishes is None else wishes
    written = {
        (repo, number): Comment(id=id, body=body)
        for repo, number, id, body in con.execute(
            "SELECT repo, number, comment_id, body FROM wish_replies"
        ).fetchall()
    }
    named = sorted({match.id for wish in chosen for match in wish.matches})
    live = con.execute(
        "SELECT id, permalink FROM kernels "
        "WHERE removed_at IS NULL AND id IN (SELECT unnest(?::VARCHAR[]))",
        [named],
    ).fetchall()
    return plan_replies(chosen, written, dict(live), limit=limit)


def post_replies(
    store: Store, replies: Sequence[Reply], *, on_wait: Callable[[str, float], None]
) -> Iterator[Reply]:
    """Write the replies and yield each that was written, after it was remembered.

    Raises:
        SourceError: there is no token.
        GithubError: GitHub refuses one; those before it are written and remembered.
    """
    from wishlist.posting import Poster

    if not os.environ.get("GITHUB_TOKEN", "").strip():
        raise SourceError("GitHub takes comments only with a token; set GITHUB_TOKEN")
    with github_client(os.environ, on_wait=on_wait) as client:
        poster = Poster(client)
        for reply in replies:
            comment = poster.post(reply)
            store.save_reply(reply.wish.repo, reply.wish.number, comment, datetime.now(UTC))
            yield reply
