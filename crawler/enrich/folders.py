"""The folders that a file stands in, by its path in its repository. Pure."""

from __future__ import annotations

from collections.abc import Iterator


def folders_above(path: str) -> Iterator[str]:
    """Yield the folder of a file, then each one above it, last the root (`""`).

    It ends for any text: each step is shorter than the one before.
    """
    while path:
        path = path.rpartition("/")[0]
        yield path
