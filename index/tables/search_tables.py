# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""The tables that search reads, made anew from the kernels whenever those have changed.

All of them are a function of the kernels alone: nothing here is kept up to date by halves, and a
change of these rules takes effect with the next crawl.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.ops import tags_of
from crawler.stages import stage_version
from index.database import read_meta, write_meta
from index.tables.staging import Staging
from index.text import (
    BREAK,
    COMMON_WORDS,
    JOINT,
    LONGEST_TEXT,
    STOP_WORDS,
    asked_words,
    join_terms,
    normalise,
    normalise_phrases,
    phrase_key,
    term,
    words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A part of a kernel that is searched.

    `weight` is what a hit in it is worth; `evening`, 0 to 1, how far a hit counts for less in a
    field longer than the average.
    """

    weight: float
    evening: float


FIELDS = {
    "name": Field(weight=6.0, evening=0.4),
    "ops": Field(weight=5.0, evening=0.0),
    "tags": Field(weight=3.0, evening=0.0),
    "file": Field(weight=3.0, evening=0.4),
    "scope": Field(weight=2.0, evening=0.5),
    "launchers": Field(weight=1.5, evening=0.7),
    "docstring": Field(weight=1.5, evening=0.7),
    "features": Field(weight=1.5, evening=0.0),
    "dtypes": Field(weight=1.5, evening=0.0),
    "repo": Field(weight=1.5, evening=0.2),
    "folders": Field(weight=1.0, evening=0.5),
    "params": Field(weight=0.7, evening=0.7),
    "calls": Field(weight=0.5, evening=0.7),
}

# What a part of a joined word is worth as a word of its own: `norm` finds `rmsnorm`, but later.
PART_SHARE = 0.3

# A word and its dimensions, `conv2d`, which nobody needs to write apart to be two words.
DIMENSIONS = re.compile(r"([a-z]{3,})([1-4]d)")

# Letters that end English words: `heads` is not `head_s`, however often that is written.
_ENDINGS = frozenset("dnrsy")


def search_version() -> str:
    """Return what changes whenever the same kernels may have other words to be found by."""
    return stage_version("index.tables.search_tables", data=("crawler/data/ops.toml",))


def mark_search_stale(con: duckdb.DuckDBPyConnection) -> None:
    """Note, with the change that made it so, that the search tables lag behind the kernels."""
    write_meta(con, "search_version", "stale")


def refresh_search(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Make the search tables anew if kernels or rules changed; needs a transaction around it.

    Most of what changes in a kernel, its code, commit and lines, is nothing that it is found by.
    """
    if read_meta(con, "search_version") == search_version():
        return
    state = _state(con)
    if read_meta(con, "search_state") != state:
        _make_anew(con, staging)
        write_meta(con, "search_state", state)
    write_meta(con, "search_version", search_version())


def _state(con: duckdb.DuckDBPyConnection) -> str:
    """Return what changes whenever anything does that the search tables are made from."""
    parts = [search_version()]
    for query in (_SEARCHED, _SEARCHED_OPERATIONS):
        rows = con.execute(f"SELECT count(*), bit_xor(hash(r)) FROM ({query}) AS r").fetchall()
        parts += map(str, rows[0])
    return " ".join(parts)


def _make_anew(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    kernels = [*con.execute(_SEARCHED).fetchall(), *_operations(con)]
    _break_up(con, staging, kernels)
    terms = _learn_words(con, staging)
    staging.load(
        "documents",
        (
            {"num": num, "id": id, "joined": [_joined(text, terms) for text in (name, *ops)]}
            for num, (id, name, _, _, _, _, ops, *_) in enumerate(kernels)
        ),
        {"num": "INTEGER", "id": "VARCHAR", "joined": "VARCHAR[]"},
    )
    con.execute("DELETE FROM search_documents")
    con.execute("INSERT INTO search_documents FROM documents")
    _name_ops(con, staging, {op for _, _, _, _, _, _, ops, *_ in kernels for op in ops}, terms)
    _build_postings(con, staging)


def _operations(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Yield each operation as a kernel is searched, its kernels in the place of launchers."""
    for *row, ops in con.execute(_SEARCHED_OPERATIONS).fetchall():
        id, name, path, repo, summary, params, kernels = row
        yield id, name, name, path, repo, summary, ops, params, [], kernels, tags_of(ops), [], []


def _joined(name: str, terms: Mapping[str, str]) -> str:
    return join_terms(terms[word] for word in words(name) if word not in COMMON_WORDS)


def _break_up(
    con: duckdb.DuckDBPyConnection, staging: Staging, kernels: Sequence[tuple[Any, ...]]
) -> None:
    """Make `pieces` (num, field, ws: its words, tokens: the same, camel case left joined)."""
    staging.load(
        "texts",
        (
            {"num": num, "field": field, "text": text}
            for num, (_, name, *values) in enumerate(kernels)
            for field, text in _texts(name, *values)
            if text
        ),
        {"num": "INTEGER", "field": "VARCHAR", "text": "VARCHAR"},
    )
    con.execute(_PIECES)


def _texts(
    name: str, qualname: str, path: str, repo: str, docstring: str | None, *lists: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield each searched field of a kernel with its normalised words."""
    folders, _, file = path.rpartition("/")
    yield "name", normalise(name)
    yield "scope", normalise_phrases(qualname.split(".")[:-1])
    yield "file", normalise(file.rpartition(".")[0])
    yield "folders", normalise_phrases(folders.split("/"))
    yield "repo", normalise(repo)
    yield "docstring", normalise(docstring or "")
    for field, values in zip(_LISTS, lists, strict=True):
        # Ids and dotted names: what they end in tells, what they begin with is told elsewhere.
        ends = (value.rpartition("::")[2] for value in values)
        yield field, normalise_phrases(ends)


def _learn_words(con: duckdb.DuckDBPyConnection, staging: Staging) -> dict[str, str]:
    """Fill `search_words`: every word, and every joined spelling of what names hold apart.

    Returns the term of each word.
    """
    con.execute(_COUNTED)
    counts = Counter(dict(con.execute("SELECT word, n FROM counted").fetchall()))
    splits: dict[str, tuple[str, ...]] = {}
    for joined, *parts in con.execute(_WRITTEN_APART).fetchall():
        split = tuple(part for part in parts if part is not None)
        if _is_split(split):
            splits.setdefault(joined, split)
    for word in list(counts):
        if dimensions := DIMENSIONS.fullmatch(word):
            splits[word] = dimensions.groups()
            counts.update(dict.fromkeys(splits[word], counts[word]))
    terms: dict[str, str] = {}

    def compare_by(word: str) -> str:
        if word not in terms:
            parts = splits.get(word)
            terms[word] = JOINT.join(map(compare_by, parts)) if parts else term(word)
        return terms[word]

    staging.load(
        "learned",
        (
            {"word": word, "term": compare_by(word), "n": counts[word]}
            for word in sorted(counts.keys() | splits.keys())
        ),
        {"word": "VARCHAR", "term": "VARCHAR", "n": "INTEGER"},
    )
    con.execute("DELETE FROM search_words")
    con.execute("INSERT INTO search_words FROM learned")
    return terms


def _name_ops(
    con: duckdb.DuckDBPyConnection, staging: Staging, ops: Iterable[str], terms: Mapping[str, str]
) -> None:
    """Fill `search_aliases`: what each op that occurs is called, its own name among it."""
    vocabulary = op_vocabulary()
    rows: dict[str, str] = {}
    for op in sorted(vocabulary.ops.keys() & set(ops)):
        own = JOINT.join(terms[word] for word in words(op))
        for name in (op, *vocabulary.ops[op].other_names):
            asked = asked_words(name)
            # One word for a building block of other ops is a word of every day.
            if len(asked) > 1 or (asked and op not in vocabulary.general):
                rows.setdefault(phrase_key(asked), own)
    staging.load(
        "aliases",
        ({"phrase": phrase, "term": term} for phrase, term in rows.items()),
        {"phrase": "VARCHAR", "term": "VARCHAR"},
    )
    con.execute("DELETE FROM search_aliases")
    con.execute("INSERT INTO search_aliases FROM aliases")


def _is_split(parts: tuple[str, ...]) -> bool:
    """Tell whether words written apart are what their joined spelling means, not an accident."""
    if STOP_WORDS.intersection(parts):
        return False
    single = [part for part in parts if len(part) == 1]
    return not single or (max(map(len, parts)) >= 3 and _ENDINGS.isdisjoint(single))


def _build_postings(con: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Fill `search_postings`: how much each term tells of each kernel."""
    staging.load(
        "fields",
        ({"field": name, **asdict(field)} for name, field in FIELDS.items()),
        {"field": "VARCHAR", "weight": "DOUBLE", "evening": "DOUBLE"},
    )
    con.execute("DELETE FROM search_postings")
    con.execute(_OCCURRENCES)
    con.execute(_POSTINGS)


_LISTS = ("ops", "params", "calls", "launchers", "tags", "features", "dtypes")

_SEARCHED = f"""
SELECT id, name, qualname, path, repo, docstring[:{LONGEST_TEXT}], ops,
    list_transform(params, lambda p: p.name), list_concat(calls, tl_calls), launchers, tags,
    features, dtypes
FROM kernel_rows WHERE removed_at IS NULL ORDER BY id
"""

_SEARCHED_OPERATIONS = f"""
SELECT id, "name", path, repo, summary[:{LONGEST_TEXT}],
    regexp_extract_all(signature, '[A-Za-z_][A-Za-z0-9_]*'), list_concat(forward, backward), ops
FROM operations ORDER BY id
"""

_PIECES = f"""
CREATE OR REPLACE TEMP TABLE pieces AS
SELECT num, field, string_split(replace(text, '{JOINT}', ' '), ' ') AS ws,
    string_split(replace(text, '{JOINT}', ''), ' ') AS tokens
FROM texts
"""

_COUNTED = f"""
CREATE OR REPLACE TEMP TABLE counted AS
SELECT word, count(*) AS n
FROM (
    SELECT unnest(ws) AS word FROM pieces
    UNION ALL
    -- Of camel-case tokens, which are words joined and apart at once.
    SELECT unnest(tokens) FROM pieces WHERE len(tokens) < len(ws)
)
WHERE word <> '{BREAK}' GROUP BY word
"""

# Two or three neighbouring words, where they also occur as one, or where a name holds them.
_WRITTEN_APART = f"""
WITH run AS (
    SELECT field, unnest(list_zip(ws, ws[2:], ws[3:])) AS w FROM pieces
), apart AS (
    SELECT w[1] || w[2] AS joined, w[1] AS a, w[2] AS b, NULL AS c, field FROM run
    UNION ALL
    SELECT w[1] || w[2] || w[3], w[1], w[2], w[3], field FROM run
)
SELECT joined, a, b, c FROM apart
WHERE joined NOT LIKE '%{BREAK}%'
    AND (field = 'name' OR joined IN (SELECT word FROM counted))
GROUP BY joined, a, b, c
ORDER BY joined, count(*) DESC, a, b, c
"""

_OCCURRENCES = f"""
CREATE OR REPLACE TEMP TABLE occurrences AS
WITH run AS (
    SELECT num, field, unnest(list_zip(ws, ws[2:], ws[3:])) AS w FROM pieces
), known AS (
    SELECT num, field, w[1] || w[2] AS two, w[1] || w[2] || w[3] AS three,
        a.term AS a, a.term || '{JOINT}' || b.term AS ab,
        a.term || '{JOINT}' || b.term || '{JOINT}' || c.term AS abc
    FROM run
    JOIN search_words AS a ON a.word = w[1]
    LEFT JOIN search_words AS b ON b.word = w[2]
    LEFT JOIN search_words AS c ON c.word = w[3]
), joint AS (
    SELECT word, term FROM search_words WHERE n > 0
), compound AS (
    SELECT DISTINCT term FROM joint WHERE contains(term, '{JOINT}')
)
SELECT num, field, a AS term, 1.0 AS share FROM known
UNION ALL
SELECT num, field, unnest(string_split(a, '{JOINT}')), {PART_SHARE}
FROM known WHERE contains(a, '{JOINT}')
UNION ALL
SELECT num, field, coalesce(joint.term, compound.term), 1.0
FROM known LEFT JOIN joint ON word = two LEFT JOIN compound ON compound.term = ab
WHERE coalesce(joint.term, compound.term) IS NOT NULL
UNION ALL
SELECT num, field, coalesce(joint.term, compound.term), 1.0
FROM known LEFT JOIN joint ON word = three LEFT JOIN compound ON compound.term = abc
WHERE coalesce(joint.term, compound.term) IS NOT NULL
"""

_POSTINGS = f"""
INSERT INTO search_postings
WITH length AS (
    SELECT num, field, len(list_filter(ws, lambda w: w <> '{BREAK}')) AS n FROM pieces
), average AS (
    SELECT field, avg(n) AS n FROM length GROUP BY field
), hits AS (
    -- An op that another one names too, `rms_norm` beside `modulated_rms_norm`, says no more.
    SELECT num, field, term,
        CASE WHEN field = 'ops' THEN least(sum(share), 1) ELSE sum(share) END AS n
    FROM occurrences GROUP BY num, field, term
)
-- Summed as whole millionths: the order in which threads add must not show.
SELECT term, num, sum(round(
        1e6 * weight * hits.n / (1 - evening + evening * length.n / average.n)
    )::BIGINT) / 1e6 AS weight
FROM hits JOIN length USING (num, field) JOIN average USING (field) JOIN fields USING (field)
GROUP BY term, num ORDER BY term, num
"""
