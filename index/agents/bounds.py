"""Answers made safe for a program that reads them: text of others bounded and plain, few tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from index.plain_text import one_line, printable

CHARACTERS_A_TOKEN = 3.0
"""Fewer than any tokenizer was seen to take for names, addresses and code, so that bounds hold."""
MOST_TOKENS = 8_000
USUAL_TOKENS = 1_500
LONGEST_TEXT = 300
"""Characters of a sentence, name or list entry that others wrote."""


class AgentError(Exception):
    """What a call asks for cannot be answered; the message says how to ask instead."""


def plain(value: object, longest: int = LONGEST_TEXT) -> Any:
    """Return a value as JSON has it, each text on one line, without controls, and cut."""
    if isinstance(value, str):
        text = one_line(value)
        return text if len(text) <= longest else f"{text[: longest - 1]}…"
    if isinstance(value, Mapping):
        return {str(key): plain(each, longest) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(each, longest) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return plain(str(value), longest)


def plain_code(text: str) -> str:
    """Return code with what would steer a terminal or a reader spelled out, its lines kept."""
    return printable(text)


def tokens(value: object) -> int:
    """Return a bound on how many tokens a value takes as JSON."""
    return int(len(json.dumps(value, ensure_ascii=False, default=str)) / CHARACTERS_A_TOKEN) + 1


def fitting(items: Sequence[dict[str, Any]], budget: int) -> list[dict[str, Any]]:
    """Return as many of the items as the budget of tokens takes, at least one."""
    kept: list[dict[str, Any]] = []
    spent = 0
    for item in items:
        spent += tokens(item)
        if kept and spent > budget:
            break
        kept.append(item)
    return kept


def start_of(cursor: str | None) -> int:
    """Return the place in a list that a cursor stands for.

    Raises:
        AgentError: it is no cursor of ours.
    """
    if cursor is None:
        return 0
    if not cursor.isdecimal() or len(cursor) > 9:
        raise AgentError(f"cursor {cursor[:40]!r} is none of ours; pass next_cursor as it came")
    return int(cursor)
