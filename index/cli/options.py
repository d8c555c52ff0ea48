"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
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

fields_option: Decorator = click.option(
    "--fields",
    metavar="A,B",
    default="",
    callback=lambda ctx, param, value: tuple(filter(None, map(str.strip, value.split(",")))),
    help="Print these fields alone, in this order.",
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
