# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The copies among all kernels of the index, worked out anew when anything they hang on changed.

Fingerprints are kept with the text that they were made of, so that only new texts cost anything.
Which kernels are copies, and of which, follows from all of them together.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import duckdb

from crawler.enrich.copies.credits import CreditBook, Credits, read_credits
from crawler.enrich.copies.fingerprint import (
    FINGERPRINT_VERSION,
    Fingerprint,
    callee_names,
    definition_text,
    fingerprint_of,
)
from crawler.enrich.copies.groups import Copyable, CopyGroup, group_copies
from crawler.enrich.copies.origin import Origin, Standing, find_origin
from crawler.enrich.copies.relation import Relation, relation_of
from crawler.enrich.copies.value_ops import ValueOps
from crawler.sources import listed_sources, load_sources
from index.database import read_meta, write_meta
from index.tables.staging import Staging

COPIES_VERSION = "4"
"""Raise it with every change of the rules by which kernels are grouped or an origin is chosen."""

_STATE = "copies_state"

MANY_FILES = 10
"""Files with kernels that came into a repository at one moment: an import, or a squash."""


def refresh_copies(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Bring the copies up to date; needs a transaction around it."""
    _refresh_fingerprints(con, staging)
    state = _state(con)
    if read_meta(con, _STATE) == state:
        return
    standings = _standings(con)
    groups = list(group_copies(_copyables(con)))
    staging.load("copies", (row for g in groups for row in _rows(g, standings)), _COPY_TYPES)
    con.execute(_APPLY)
    con.execute(_APPLY_NONE)
    con.execute(
        "UPDATE fingerprints SET whole = c.whole FROM copies AS c WHERE c.id = fingerprints.id"
    )
    write_meta(con, _STATE, state)


def unpack_sketch(data: bytes) -> Sequence[int]:
    """Return the numbers that a stored sketch holds."""
    return struct.unpack(f"<{len(data) // 4}I", data)


def _refresh_fingerprints(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Make the fingerprints that are missing, or were made of another text or by other rules."""
    con.execute(
        "DELETE FROM fingerprints WHERE id NOT IN "
        "(SELECT id FROM kernel_rows WHERE removed_at IS NULL)"
    )
    stale = con.execute(_STALE, [FINGERPRINT_VERSION]).fetchall()
    if not stale:
        return
    staging.load("fresh", _fresh(stale), _FINGERPRINT_TYPES)
    con.execute("DELETE FROM fingerprints WHERE id IN (SELECT id FROM fresh)")
    con.execute(_INSERT, [FINGERPRINT_VERSION])


def _fresh(stale: Sequence[tuple[Any, ...]]) -> Iterator[dict[str, object]]:
    made: dict[tuple[str, frozenset[str]], Fingerprint | None] = {}
    for id, text_id, source, head_lines, calls in stale:
        text, names = definition_text(source, head_lines), callee_names(calls)
        # The same text stands in many repositories.
        if (text, names) not in made:
            made[text, names] = fingerprint_of(text, names)
        found = made[text, names]
        row: dict[str, object] = {"id": id, "text": text_id}
        if found is not None:
            row |= {
                "code": found.code,
                "callees": found.callees,
                "size": found.size,
                "steps": sorted(found.steps.always),
                "optional_steps": sorted(found.steps.optional),
                "sketch": _pack(found.sketch),
                "flow": _pack(found.flow),
            }
        yield row


def _pack(numbers: Sequence[int]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}I", *numbers)).decode("ascii")


def _state(con: duckdb.DuckDBPyConnection) -> str:
    """Return what changes whenever anything does that copies and origins are told by."""
    parts = [COPIES_VERSION, FINGERPRINT_VERSION]
    for query in _STATES:
        parts += (str(value) for (value,) in con.execute(query).fetchall())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _copyables(con: duckdb.DuckDBPyConnection) -> list[Copyable]:
    return [
        Copyable(
            id=id,
            repo=repo,
            path=path,
            qualname=qualname,
            ops=tuple(ops),
            calls=tuple(calls),
            fingerprint=_fingerprint(*print_),
        )
        for id, repo, path, qualname, ops, calls, *print_ in con.execute(_COPYABLES).fetchall()
    ]


def _fingerprint(
    code: str,
    callees: Sequence[str],
    size: int,
    steps: Sequence[str],
    optional_steps: Sequence[str],
    sketch: bytes,
    flow: bytes,
) -> Fingerprint:
    return Fingerprint(
        code=code,
        callees=tuple(callees),
        size=size,
        steps=ValueOps(always=frozenset(steps), optional=frozenset(optional_steps)),
        sketch=unpack_sketch(sketch),
        flow=unpack_sketch(flow),
    )


def _standings(con: duckdb.DuckDBPyConnection) -> Mapping[str, Standing]:
    """Return what is known of each live kernel that speaks for or against its being an original."""
    repos = con.execute("SELECT name, marks, fork_of, former_names FROM repos").fetchall()
    marks = {name: frozenset(found) for name, found, *_ in repos}
    forks = {name: fork_of for name, _, fork_of, _ in repos}
    former = _former_names({name: former for name, *_, former in repos})
    heads = con.execute("SELECT repo, path, text FROM documents WHERE kind = 'head' ORDER BY ALL")
    copiers = {name for name, found in marks.items() if found}
    book = CreditBook(heads.fetchall(), copiers, marks)
    rows = con.execute(_STANDINGS).fetchall()
    return {
        id: Standing(
            id=id,
            repo=repo,
            path=path,
            marks=marks.get(repo, frozenset()),
            fork_of=forks.get(repo),
            former=former.get(repo, ()),
            is_test=bool(is_test),
            is_generated=bool(is_generated),
            stars=stars,
            first_commit_at=dated[0],
            is_imported=bool(dated[1]),
            source=book.source(repo, path, former.get(repo, ())),
            credits=_credits(book.of(repo, path), docstring),
            home=book.home(repo, path),
            credited=max(book.credited(repo), book.credited(forks.get(repo) or repo)),
        )
        for id, repo, path, is_test, is_generated, stars, docstring, *dated in rows
    }


def _former_names(indexed: Mapping[str, Sequence[str] | None]) -> Mapping[str, tuple[str, ...]]:
    """Return the names that repositories had, by the index and by the list of sources."""
    listed = {source.name: source.formerly for source in load_sources(listed_sources())}
    return {name: (*(former or ()), *listed.get(name, ())) for name, former in indexed.items()}


def _credits(of_file: Credits, docstring: str | None) -> Credits:
    own = read_credits(docstring or "")
    return Credits(repos=of_file.repos | own.repos, sentences=(*of_file.sentences, *own.sentences))


def _rows(group: CopyGroup, standings: Mapping[str, Standing]) -> Iterator[dict[str, object]]:
    """Yield what is to be written of each member of a group.

    Those of which nothing proves that they are copies have no origin.
    """
    relations = _relations(group, standings)
    copied = [member for member in group.members if member.id in relations]
    origin = find_origin([standings[member.id] for member in copied or group.members])
    # Its number follows its origin, so that it stays while other members come and go.
    first = origin.id or min(member.id for member in group.members)
    number = hashlib.sha256(first.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    for member in group.members:
        others = relations.get(member.id, {})
        has_origin = bool(others) and (member.id == origin.id or origin.id in others)
        yield {
            "id": member.id,
            "clone_group": number,
            "n_copies": len(others),
            "origin": origin.id if has_origin else None,
            "whole": group.codes[member.id],
            "reason": _reason(member.id, origin, others),
        }


def _relations(
    group: CopyGroup, standings: Mapping[str, Standing]
) -> Mapping[str, Mapping[str, Relation]]:
    """Return, of each member that is proven a copy of another, what it is to which."""
    found: dict[str, dict[str, Relation]] = defaultdict(dict)
    for one, other in combinations(group.members, 2):
        mine, theirs = standings[one.id], standings[other.id]
        relation = relation_of(
            one.fingerprint,
            other.fingerprint,
            is_equal=group.codes[one.id] == group.codes[other.id],
            is_credited=mine.owes(theirs) or theirs.owes(mine),
        )
        if relation is not Relation.SAME_COMPUTATION:
            found[one.id][other.id] = found[other.id][one.id] = relation
    return found


def _reason(id: str, origin: Origin, others: Mapping[str, Relation]) -> str:
    """Return what is true of one member: whose copy it is, or why that cannot be told."""
    if not others:
        return "others compute the same, nothing proves a copy"
    copies = "1 copy" if len(others) == 1 else f"{len(others)} copies"
    if origin.id is None:
        return f"has {copies}, the original cannot be told: {origin.reason}"
    if id == origin.id:
        return f"likely the original of {copies}: {origin.reason}"
    match others.get(origin.id):
        case Relation.COPY:
            return f"equal after renaming to {origin.id}, likely the original"
        case Relation.NEAR_COPY:
            return f"another version of {origin.id}, likely the original"
    return f"has {copies}; computes the same as {origin.id}, nothing proves a copy of that"


_FINGERPRINT_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "code": "VARCHAR",
    "callees": "VARCHAR[]",
    "size": "INTEGER",
    "steps": "VARCHAR[]",
    "optional_steps": "VARCHAR[]",
    "sketch": "VARCHAR",
    "flow": "VARCHAR",
}

_COPY_TYPES = {
    "id": "VARCHAR",
    "clone_group": "VARCHAR",
    "n_copies": "INTEGER",
    "origin": "VARCHAR",
    "whole": "VARCHAR",
    "reason": "VARCHAR",
}

_STALE = """
SELECT k.id, k.text_id, k.source, k.def_line - k.start_line, k.calls
FROM (
    SELECT *, md5(source || array_to_string(calls, ' ')) AS text_id
    FROM kernel_rows WHERE removed_at IS NULL AND source IS NOT NULL
) AS k
LEFT JOIN fingerprints AS f ON f.id = k.id
WHERE f.version IS DISTINCT FROM ? OR f.text IS DISTINCT FROM k.text_id
ORDER BY k.id
"""

_INSERT = """
INSERT INTO fingerprints
SELECT id, text, ? AS version, code, callees, size, steps, optional_steps, from_base64(sketch),
    from_base64(flow), NULL
FROM fresh ORDER BY id
"""

_COPYABLES = """
SELECT id, k.repo, k.path, k.qualname, k.ops, k.calls, f.code, f.callees, f.size, f.steps,
    f.optional_steps, f.sketch, f.flow
FROM fingerprints AS f JOIN kernel_rows AS k USING (id)
WHERE f.code IS NOT NULL AND k.removed_at IS NULL
"""

_STANDINGS = f"""
WITH imports AS (
    SELECT repo, first_commit_at FROM file_history WHERE first_commit_at IS NOT NULL
    GROUP BY ALL HAVING count(*) >= {MANY_FILES}
)
SELECT k.id, k.repo, k.path, k.is_test, k.is_generated, k.stars, k.docstring, h.first_commit_at,
    h.first_commit_at IS NOT NULL AND (h.repo, h.first_commit_at) IN (FROM imports) AS is_imported
FROM kernels AS k LEFT JOIN file_history AS h ON h.repo = k.repo AND h.path = k.path
WHERE k.removed_at IS NULL
"""

_STATES = (
    "SELECT bit_xor(hash(id, repo, path, qualname, ops, calls, docstring, is_test, is_generated)) "
    "FROM kernel_rows WHERE removed_at IS NULL",
    "SELECT bit_xor(hash(id, text)) FROM fingerprints",
    "SELECT bit_xor(hash(name, marks, fork_of, former_names, stars)) FROM repos",
    "SELECT bit_xor(hash(repo, path, text)) FROM documents WHERE kind = 'head'",
    "SELECT bit_xor(hash(repo, path, first_commit_at)) FROM file_history",
)

# Of kernels that came with the package only facts are known: what those say of their copies stays.
_MAY_CHANGE = """(k.source IS NOT NULL AND (k.clone_group IS NULL OR k.clone_group NOT IN (
    SELECT clone_group FROM kernel_rows
    WHERE source IS NULL AND removed_at IS NULL AND clone_group IS NOT NULL
)))"""

_WITHOUT_ORIGIN = "list_filter(coalesce(k.reasons, []), lambda r: r.field <> 'origin')"

# What differs and nothing else: a second crawl of the same writes no row.
_APPLY = f"""
UPDATE kernel_rows AS k
SET clone_group = c.clone_group, n_copies = c.n_copies, origin = c.origin,
    reasons = list_append({_WITHOUT_ORIGIN}, row('origin', c.reason))
FROM copies AS c
WHERE c.id = k.id AND k.removed_at IS NULL AND {_MAY_CHANGE} AND (
    (k.clone_group, k.n_copies, k.origin) IS DISTINCT FROM (c.clone_group, c.n_copies, c.origin)
    OR NOT list_contains(list_transform(k.reasons, lambda r: r.reason), c.reason)
)
"""

_APPLY_NONE = f"""
UPDATE kernel_rows AS k
SET clone_group = NULL, n_copies = CASE WHEN k.removed_at IS NULL THEN 0 END, origin = NULL,
    reasons = {_WITHOUT_ORIGIN}
WHERE (k.removed_at IS NOT NULL OR (k.id NOT IN (SELECT id FROM copies) AND {_MAY_CHANGE}))
    AND (k.clone_group IS NOT NULL OR k.origin IS NOT NULL
        OR k.n_copies IS DISTINCT FROM CASE WHEN k.removed_at IS NULL THEN 0 END)
"""
