"""What goes wrong in a crawl. Every message says what, where, and what to do next."""

from __future__ import annotations


class TritonIndexError(Exception):
    """Base of every error a caller must expect; its text is one line for a person to read."""


class SourceError(TritonIndexError):
    """A source word or an entry of `sources.toml` names nothing that can be scanned."""


class SnapshotError(TritonIndexError):
    """The content of a source cannot be reached or read."""


class EmptySnapshotError(SnapshotError):
    """The repository exists and has no commit yet, so there is nothing to read."""
