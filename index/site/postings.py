"""Which kernels and operations have each word, in shards that a search asks for as it needs them.

A first visit takes only what it asks for, whatever the size of the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import duckdb

from index.site.scripts import packed, varints

# A shard is closed when it has this many postings.
POSTINGS_A_SHARD = 30_000
# What comes before a name written together, which only exact matches look for.
NAME_MARK = "="

Posting = tuple[int, int]
"""The number of a document, and what the word tells of it in millionths."""


def posting_shards(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield each shard with the first of its words; words are in the order of UTF-16.

    Under `=name` are the documents whose name is this, written together (1), and those that compute
    an op of this name (2).
    """
    shard: dict[str, list[Posting]] = {}
    size = 0
    for word, postings in _in_order(con):
        if size > POSTINGS_A_SHARD:
            yield next(iter(shard)), _shard(shard)
            shard, size = {}, 0
        shard[word] = postings
        size += len(postings)
    if shard:
        yield next(iter(shard)), _shard(shard)


def _in_order(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, list[Posting]]]:
    rows = con.execute(_POSTINGS, {"mark": NAME_MARK}).fetchall()
    rows.sort(key=lambda row: (row[0].encode("utf-16-be", "surrogatepass"), row[1]))
    for word, found in groupby(rows, key=lambda row: row[0]):
        yield word, [(num, weight) for _, num, weight in found]


def _shard(words: dict[str, list[Posting]]) -> dict[str, object]:
    often = Counter(weight for postings in words.values() for _, weight in postings)
    weights = [weight for weight, _ in often.most_common()]
    code = {weight: n for n, weight in enumerate(weights)}
    data = bytearray()
    sizes = []
    for postings in words.values():
        before = 0
        numbers: list[int] = []
        for num, weight in postings:
            numbers += (num - before, code[weight])
            before = num
        sizes.append(len(postings))
        data += varints(numbers)
    return {
        "words": " ".join(words),
        "sizes": sizes,
        "weights": weights,
        "postings": packed(data),
    }


_POSTINGS = """
SELECT term, num, round(weight::DOUBLE * 1e6)::INTEGER FROM search_postings
UNION ALL
SELECT $mark || joined[1], num, 1 FROM search_documents
UNION ALL
SELECT $mark || "name", num, 2
FROM (SELECT num, joined[1] AS own, unnest(list_distinct(joined[2:])) AS "name"
    FROM search_documents)
WHERE "name" <> own
"""
