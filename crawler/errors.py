"""What goes wrong in a crawl. Every message says what, where, and what to do next."""

from __future__ import annotations


class TritonIndexError(Exception):
    """Base of every error a caller must expect; its text is one line for a person to read.

    What the message quotes from outside, such as a path, is escaped where it cannot be shown.
    """

    requests = 0
    """How many requests to GitHub were spent before it."""

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        shown = (
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
        )
        return "".join(shown)


class SourceError(TritonIndexError):
    """A source word or an entry of `sources.toml` names nothing that can be scanned."""


class SnapshotError(TritonIndexError):
    """The content of a source cannot be reached or read."""


class EmptySnapshotError(SnapshotError):
    """The repository exists and has no commit yet, so there is nothing to read."""
