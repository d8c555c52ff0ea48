"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

# What DuckDB can count to; more stands for all as well.
_MOST = sys.maxsize

format_option: Decorator = click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "jsonl", "csv", "md"]),
    default="table",
    show_default=True,
    help="How to print it.",
)


def limit_option(default: int | None = None) -> Decorator:
    """Return the option `--limit N`; 0 stands for no limit."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=default or 0,
        show_default=default is not None,
        callback=lambda ctx, param, value: value if 0 < value <= _MOST else None,
        metavar="N",
        help="Print at most N; 0 for all.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How a listing is printed: in which format, how many rows (None: all) and which fields.

    `has_envelope`: JSON is one object that says what the rows are and how many there are.
    """

    style: str
    limit: int | None
    fields: tuple[str, ...]
    has_envelope: bool

    @property
    def is_table(self) -> bool:
        """Whether a terminal's reader is to see it."""
        return self.style == "table"

    @property
    def is_for_people(self) -> bool:
        """Whether people are to read it, who want less than programs; named fields are exact."""
        return self.style in ("table", "md") and not self.fields


def listing_options(default_limit: int | None = None) -> Decorator:
    """Return the options of every listing command, handed to it as one `listing`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--fields",
            metavar="A,B",
            default="",
            callback=lambda ctx, param, value: tuple(
                filter(None, map(str.strip, value.split(",")))
            ),
            help="Print these fields alone, in this order.",
        )
        @click.option(
            "--envelope",
            is_flag=True,
            help="JSON as one object: schema, version, total, limit, items.",
        )
        @format_option
        @limit_option(default_limit)
        @wraps(command)
        def with_listing(
            *args: Any,
            limit: int | None,
            style: str,
            fields: tuple[str, ...],
            envelope: bool,
            **more: Any,
        ) -> Any:
            if envelope and style != "json":
                raise click.UsageError("--envelope is for --format json")
            listing = Listing(style=style, limit=limit, fields=fields, has_envelope=envelope)
            return command(*args, listing=listing, **more)

        return with_listing

    return decorate
