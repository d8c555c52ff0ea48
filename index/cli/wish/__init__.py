"""`triton-index wish`, which knows its subcommands as the program knows its commands."""

from __future__ import annotations

from index.cli.group import LateGroup

WISH_COMMANDS = {
    "sync": "Follow the issues of a repository.",
    "list": "List the wishes, the most wanted first.",
    "show": "Show all that is known of one wish.",
    "match": "Hold the wishes against the index.",
    "reply": "Answer wishes with the kernels that may serve them.",
}

command = LateGroup(
    name="wish",
    late=WISH_COMMANDS,
    package="index.cli.wish",
    help="""Follow which kernels people wish for.

    Wishes are issues: `wish sync` reads them, `wish list` ranks them by how many people want them.
    """,
)
