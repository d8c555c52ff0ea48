"""What is known of names of Triton's, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from crawler.check.lookup import ApiEntry
from index.table import Table

_COLUMNS = (
    "name",
    "since",
    "until",
    "kernels",
    "repos",
    "instead",
    "example",
    "releases",
    "replaced",
    "keywords",
    "calls",
    "source",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUsers:
    """How many live kernels and sources use a name, and the id of one that is worth reading.

    All are None where the index does not hold enough of its kernels to tell.
    """

    kernels: int | None
    repos: int | None
    example: str | None


def api_table(entries: Sequence[ApiEntry], users: Sequence[ApiUsers]) -> Table:
    """Return the entries as rows; counts are null where no index is at hand."""
    rows = []
    for index, entry in enumerate(entries):
        user = users[index] if users else None
        known = {
            "name": entry.name,
            "since": entry.since,
            "until": entry.until,
            "kernels": user.kernels if user is not None else None,
            "repos": user.repos if user is not None else None,
            "instead": entry.instead,
            "example": user.example if user is not None else None,
            "releases": entry.releases,
            "replaced": list(entry.replaced),
            "keywords": [{"name": name, "releases": when} for name, when in entry.keywords],
            "calls": [{"releases": when, "parameters": text} for when, text in entry.calls],
            "source": entry.source,
        }
        rows.append(tuple(known[column] for column in _COLUMNS))
    return Table(columns=_COLUMNS, rows=tuple(rows))


def write_card(entry: ApiEntry, users: ApiUsers | None, out: TextIO) -> None:
    """Write all that is known of one name."""
    out.write(f"{entry.name}\n")
    lines: list[tuple[str, str]] = [("releases", entry.releases)]
    if entry.instead is not None:
        lines.append(("instead", entry.instead))
    if entry.source is not None:
        lines.append(("source", entry.source))
    if entry.replaced:
        lines.append(("replaced", ", ".join(entry.replaced)))
    if users is not None and users.kernels is not None:
        lines.append(("used by", f"{users.kernels} kernels of {users.repos} sources"))
        if users.example is not None:
            lines.append(("example", users.example))
    for label, text in lines:
        out.write(f"  {label:<10}{text}\n")
    for title, pairs in (("keywords", entry.keywords), ("parameters", entry.calls)):
        width = max((len(first) for first, _ in pairs), default=0)
        for place, (first, second) in enumerate(pairs):
            label = title if place == 0 else ""
            out.write(f"  {label:<12}{first:<{width}}  {second}\n")
