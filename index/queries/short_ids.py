"""Ids short enough for a terminal, and the kernels that they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import duckdb

ELLIPSIS = "…"
# Of an id that has to be cut, so much of the room is for its beginning.
HEAD_SHARE = 0.3
# Of its end at least so much is left.
SHORTEST_TAIL = 4


def short_ids(con: duckdb.DuckDBPyConnection, ids: Sequence[str], room: int) -> tuple[str, ...]:
    """Return a short id for each of these ids, of at most `room` characters.

    It is the repository's name, the function's and as much of the path as tells it apart from all
    other live kernels; what does not fit has an ellipsis in the middle. `find_kernel` takes them.
    """
    rows = con.execute("SELECT id FROM kernels WHERE removed_at IS NULL").fetchall()
    names = {id.rpartition("::")[2] for id in ids}
    alike = [id for (id,) in rows if id.rpartition("::")[2] in names]
    known = Counter(form for id in alike for form in set(_forms(id)))
    return tuple(
        _cut(
            next((form for form in _forms(id) if known[form] == 1), id),
            room,
            [
                other
                for (other,) in rows
                if other != id and other[-SHORTEST_TAIL:] == id[-SHORTEST_TAIL:]
            ],
        )
        for id in ids
    )


def short_id_condition(wanted: str) -> tuple[str, dict[str, str]]:
    """Return the SQL condition on an id that a short one stands for, and what it binds."""
    plain = wanted.replace("...", ELLIPSIS)
    if ELLIPSIS in plain:
        pattern = plain.translate({ord(char): f"\\{char}" for char in "\\%_"})
        pattern = pattern.replace(ELLIPSIS, "%")
        return "id LIKE '%' || $pattern ESCAPE '\\'", {"pattern": pattern}
    repo, rest = _parted(wanted)
    return (
        "(repo = $repo OR ends_with(repo, '/' || $repo)) AND (ends_with(id, '::' || $rest) "
        "OR ends_with(id, '/' || $rest) OR ends_with(id, ':' || $rest))",
        {"repo": repo, "rest": rest},
    )


def _parted(id: str) -> tuple[str, str]:
    """Return the repository of an id, and what stands behind it."""
    prefix = "pypi:" if id.startswith("pypi:") else ""
    repo, _, rest = id.removeprefix(prefix).partition(":")
    return f"{prefix}{repo}", rest


def _forms(id: str) -> Iterator[str]:
    """Yield the forms of an id, the shortest first and the whole id last."""
    repo, rest = _parted(id)
    name = repo.rpartition("/")[2]
    path, _, qualname = rest.partition("::")
    yield f"{name}:{qualname}"
    folders = path.split("/")
    for start in reversed(range(len(folders))):
        yield f"{name}:{'/'.join(folders[start:])}::{qualname}"
    yield id


def _cut(text: str, room: int, others: Sequence[str]) -> str:
    """Return the text in that many characters, cut where it tells it from the other ids, if any."""
    if len(text) <= room:
        return text
    first = int(room * HEAD_SHARE)
    cuts = [_cut_behind(text, room, head) for head in (*range(first, 0, -1), first + 3, first + 6)]
    return next((cut for cut in cuts if not any(_fits(cut, id) for id in others)), cuts[0])


def _cut_behind(text: str, room: int, head: int) -> str:
    return f"{text[:head]}{ELLIPSIS}{text[len(text) - (room - head - 1) :]}"


def _fits(cut: str, id: str) -> bool:
    head, _, tail = cut.partition(ELLIPSIS)
    return id.endswith(tail) and head in id[: len(id) - len(tail)]
