"""The log that `-v` shows on stderr: each stage, request and call of git, with its time."""

from __future__ import annotations

import logging

from index.plain_text import one_line

# Libraries say what they have to say as warnings; these are told of step by step.
OWN = ("crawler", "index", "wishlist")


class _OneLine(logging.Formatter):
    """Writes a record on one line, harmless for a terminal: names in it may come from anywhere."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def show_log() -> None:
    """Show what this program logs on stderr, until it ends."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(name)s: %(message)s"))
    for name in OWN:
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(logging.DEBUG)
        log.propagate = False
