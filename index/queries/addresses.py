"""Kernels by the addresses of their lines, as people copy them from a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import duckdb

_LINES = r"(?:\?[^#]*)?(?:#L(?P<first>\d{1,7})(?:C\d+)?(?:-L(?P<last>\d{1,7})(?:C\d+)?)?)?"
_ADDRESS = re.compile(
    rf"(?:https?://)?(?:www\.)?github\.com/(?P<repo>[\w.-]+/[\w.-]+)/(?:blob|blame|raw)/(?P<rest>[^#?]+){_LINES}",
    re.IGNORECASE,
)
_STORED = re.compile(
    rf"(?P<repo>pypi:[\w.-]+(?===)|local/[^@#?:]+(?=@))(?:==|@)(?P<rest>[^#?/]+/[^#?]+){_LINES}"
)
"""How the permalinks of packages and folders begin, which have no address on the web."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Lines of a source; `rest` is a branch, tag, commit or version and the path; lines from 1.

    Where a branch ends and the path begins is not told: its name may have slashes.
    """

    repo: str
    rest: str
    lines: tuple[int, int] | None


def read_address(text: str) -> Address | None:
    """Return the lines that a permalink, or any address of a file on GitHub, leads to."""
    found = _ADDRESS.fullmatch(text.strip()) or _STORED.fullmatch(text.strip())
    if found is None:
        return None
    first, last = found["first"], found["last"]
    lines = (int(first), int(last or first)) if first else None
    return Address(repo=found["repo"], rest=unquote(found["rest"]), lines=lines)


def find_at(con: duckdb.DuckDBPyConnection, address: Address) -> tuple[str, ...]:
    """Return the live kernels at these lines, of several those that share the most of them.

    Without lines it is all kernels of the file. So it is where no kernel has any of the lines and
    they are those of another commit than the indexed one: they may have moved.
    """
    rows = con.execute(
        "SELECT id, start_line, end_line, commit FROM kernels WHERE removed_at IS NULL "
        "AND lower(repo) = lower($repo) AND ends_with($rest, '/' || path) "
        # The longest path: what stands before it is the branch.
        "QUALIFY len(path) = max(len(path)) OVER () ORDER BY id",
        {"repo": address.repo, "rest": address.rest},
    ).fetchall()
    ids = tuple(id for id, *_ in rows)
    if address.lines is None:
        return ids
    first, last = address.lines
    shared = {id: min(last, end) - max(first, start) + 1 for id, start, end, _ in rows}
    is_same = any(address.rest.startswith(f"{commit}/") for *_, commit in rows)
    best = max(shared.values(), default=0)
    if best > 0:
        return tuple(id for id in ids if shared[id] == best)
    return () if is_same else ids
