# ruff: noqa: S608 (statements are put together from names of our own; values are bound)
"""Ranked search: which kernels answer a question, the likeliest first.

A kernel's score is BM25 over the fields of `index.tables.search_tables`, summed over what the
question asks for, times what speaks for the kernel itself. It is found when it has more than half
of what is asked (all of one or two things); where few have, less will do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import duckdb

from crawler.enrich.hardware import backend_names, hardware_asked
from index.queries.filters import Filters, condition
from index.queries.spelling import suggest
from index.queries.wording import Concept, Wording, understand
from index.text import asked_words, join_terms, term

BACKWARD = term("bwd")
# Fewer answers than these are too few to insist on most of what is asked.
ENOUGH = 5
# How slowly further hits of one term stop counting.
SATURATION = 2.0
# What it is worth to have all parts of a joined word, but not side by side.
APART_SHARE = 0.5
# What it is worth to have them besides, in other words: `cross_entropy` where `linear cross
# entropy` is asked for and found.
BESIDE_SHARE = 0.1
# What it is worth to have the words of another name of an op, where it has several.
OTHER_NAME_SHARE = 0.8
# What it is worth to have exactly the name, or else to compute exactly the op, that is asked for.
EXACT_NAME = 1.3
EXACT_OP = 1.3
# What a kernel is worth beside one that differs from it in nothing else.
DEVICE_FUNCTION_SHARE = 0.7
UNKNOWN_ROLE_SHARE = 0.9
BACKWARD_SHARE = 0.9
TEST_SHARE = 0.5
GENERATED_SHARE = 0.7
# Of a fork or a collection of copies: what is found there is mostly found elsewhere.
COPIER_SHARE = 0.7
# What a kernel of no standing is worth beside one of the highest.
STANDING_FLOOR = 0.65
# For a backend that was not asked for. Where none was, that is any but the commonest.
FOREIGN_SHARE = 0.3
COMMON_BACKEND = "nvidia"
# Of a group of copies the original is shown, unless another answers so much better that the
# original has this share of its score or less.
ORIGIN_SHARE = 0.6
# Where no original can be told the most trusted is; nobody is trusted less than this. A package
# stands behind the repository that it is built from.
LEAST_STANDING = 0.05


# What it is worth to be launched by an operation that answers, beside answering by its own words;
# and how many of the kernels of one are found by it.
OPERATION_SHARE = 0.9
MOST_LIFTED = 2


# Among the first three there is one of a source, among the first five two, among the first ten
# three, where others answer nearly as well, which is with this share of the score; of more than
# three others are put before whatever they score. So many are looked at to find them.
OF_ONE_SOURCE = ((3, 1), (5, 2), (10, 3))
SEEN_FIRST, MOST_OF_ONE_SOURCE = OF_ONE_SOURCE[-1]
NEARLY = 0.85
LOOKED_AT = 100
_SOURCE = re.compile(r"(?:pypi:)?[^:]*")


class Kind(StrEnum):
    """What is asked for; without one, kernels, found by the words of their operations too."""

    KERNEL = "kernel"
    OPERATION = "operation"


class Sort(StrEnum):
    """The order of what is found."""

    RELEVANCE = "relevance"
    STARS = "stars"
    RECENT = "recent"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The ids of the kernels that answer, in order.

    Of words that nobody wrote: what is near those that were left out (`unknown`), and what others
    were taken for (`read_as`).
    """

    ids: tuple[str, ...]
    unknown: tuple[tuple[str, tuple[str, ...]], ...] = ()
    read_as: tuple[tuple[str, str], ...] = ()
    is_partial: bool = False
    """Whether no kernel has most of what is asked for: these have some of it."""


def search(
    con: duckdb.DuckDBPyConnection,
    query: str,
    *,
    filters: Filters | None = None,
    sort: Sort = Sort.RELEVANCE,
    limit: int | None = None,
    copies: bool = False,
    kind: Kind | None = None,
) -> Found:
    """Return the kernels that answer the query; an empty one asks for all that pass the filters.

    A kernel stands for the operations that it is the first or second kernel of: it is found by
    their words too, unless the kind is `KERNEL`. With the kind `OPERATION` these are found
    themselves; those pass the filters of which a forward kernel does.

    Of kernels that are copies of each other only one is among them, the original where it answers
    too, unless `copies` are asked for. Equal ones come in the order of their stars, then of their
    ids.

    Raises:
        QueryError: a filter is malformed.
    """
    where, values = condition(con, filters or Filters())
    asks_operations = kind is Kind.OPERATION
    one_each = _ONE_OF_EACH_OPERATION if asks_operations else "" if copies else _ONE_OF_EACH_GROUP
    if one_each is _ONE_OF_EACH_GROUP:
        values |= {"origin_share": ORIGIN_SHARE, "least_standing": LEAST_STANDING}
        one_each += _ONE_FOR_EACH_OPERATION if query.strip() and kind is None else ""
    is_mixed = bool(query.strip()) and sort is Sort.RELEVANCE and not (filters and filters.repos)
    order = f"{one_each} ORDER BY {_ORDERS[sort]} LIMIT $limit"
    values |= {"limit": max(limit, LOOKED_AT) if is_mixed and limit else limit}
    if not query.strip():
        everything = _ALL_OPERATIONS if asks_operations else _ALL
        rows = con.execute(f"{everything} WHERE {where} {order}", values).fetchall()
        return Found(ids=tuple(id for (id,) in rows))
    wording = understand(con, query)
    chosen = _CHOSEN[kind]
    statement = f"{_MATCHED} {chosen} WHERE {where} AND matched >= $required {order}"
    values |= _bindings(wording) | {"foreign": _foreign(query, filters or Filters())}
    values |= {} if kind else {"operation_share": OPERATION_SHARE}
    asked = sum(not concept.is_common for concept in wording.concepts) or len(wording.concepts)
    rows, most_have = [], 0
    # In any other order than by relevance, what answers less would not come last.
    enough = min(ENOUGH, limit or ENOUGH) if sort is Sort.RELEVANCE else 1
    for required in range(asked // 2 + 1, 0, -1):
        rows = con.execute(statement, values | {"required": required}).fetchall()
        most_have += len(rows) if required == asked // 2 + 1 else 0
        if len(rows) >= enough:
            break
    unknown = tuple((word, tuple(suggest(con, word))) for word in wording.unknown)
    ids = (_mixed(rows) if is_mixed else [id for id, _ in rows])[:limit]
    return Found(
        ids=tuple(ids),
        unknown=unknown,
        read_as=wording.read_as,
        is_partial=bool(rows) and not most_have,
    )


def _mixed(rows: Sequence[tuple[str, float]]) -> list[str]:
    """Return the ids of rows (id, score), the best first, with few of one source at the head.

    What waits for others of its source to be seen fewer gives way to what answers nearly as well;
    the last of the limits holds wherever anything else answers.
    """
    waiting = list(rows)
    first: list[str] = []
    taken: Counter[str] = Counter()
    while waiting and len(first) < SEEN_FIRST:
        most = next(most for place, most in OF_ONE_SOURCE if len(first) < place)
        best = waiting[0][1]
        chosen = next(
            (
                n
                for n, (id, score) in enumerate(waiting)
                if taken[_source(id)] < most
                and (score >= NEARLY * best or taken[_source(waiting[0][0])] >= MOST_OF_ONE_SOURCE)
            ),
            0,
        )
        id, _ = waiting.pop(chosen)
        taken[_source(id)] += 1
        first.append(id)
    return [*first, *(id for id, _ in waiting)]


def _source(id: str) -> str:
    found = _SOURCE.match(id)
    return found[0] if found else id


def _bindings(wording: Wording) -> dict[str, object]:
    """Return the values of `_MATCHED`: one entry for each term that is looked for."""
    all_common = all(concept.is_common for concept in wording.concepts)
    wanted = [
        {
            "n": n,
            "term": term,
            "parts": parts,
            "share": _share(concept),
            "counts": all_common or not concept.is_common,
        }
        for n, concept in enumerate(wording.concepts)
        for term, parts in ((concept.term, 0), *((p, len(concept.parts)) for p in concept.parts))
    ]
    terms = {each["term"] for each in wanted}
    return {
        "wanted": wanted,
        "backward": BACKWARD,
        "joined": join_terms(c.term for c in wording.concepts if not c.is_common),
        "saturation": SATURATION,
        "beside_share": BESIDE_SHARE,
        "exact_name": EXACT_NAME,
        "exact_op": EXACT_OP,
        "device_function_share": DEVICE_FUNCTION_SHARE,
        "unknown_role_share": UNKNOWN_ROLE_SHARE,
        # Who does not say which pass wants to see the forward one first.
        "backward_share": 1.0 if BACKWARD in terms else BACKWARD_SHARE,
        "standing_floor": STANDING_FLOOR,
        "test_share": TEST_SHARE,
        "generated_share": GENERATED_SHARE,
        "copier_share": COPIER_SHARE,
        "foreign_share": FOREIGN_SHARE,
    }


def _foreign(query: str, filters: Filters) -> list[str]:
    """Return the backends that neither the words nor a filter ask for."""
    asked = {*hardware_asked(set(asked_words(query))), *map(str.lower, filters.hardware)}
    wanted = asked.intersection(backend_names()) or {COMMON_BACKEND}
    return [name for name in backend_names() if name not in wanted]


def _share(concept: Concept) -> float:
    """Return what the parts of a concept are worth beside all of it in one."""
    if not concept.literal:
        return APART_SHARE
    return 1.0 if len(concept.literal) == 1 else OTHER_NAME_SHARE


_ORDERS = {
    Sort.RELEVANCE: "score DESC, k.standing DESC, k.stars DESC NULLS LAST, k.id",
    Sort.STARS: "k.stars DESC NULLS LAST, score DESC, k.id",
    Sort.RECENT: "k.first_seen DESC, score DESC, k.stars DESC NULLS LAST, k.id",
    Sort.NAME: "lower(k.name), k.name, k.stars DESC NULLS LAST, k.id",
}

_ONE_OF_EACH_GROUP = """
QUALIFY row_number() OVER (
    PARTITION BY coalesce(k.clone_group, k.id)
    ORDER BY score
        * CASE WHEN k.id = k.origin THEN 1 / $origin_share ELSE 1 END
        * CASE WHEN k.origin IS NULL THEN greatest(k.standing, $least_standing) ELSE 1 END
        * CASE WHEN starts_with(k.repo, 'pypi:') THEN $origin_share ELSE 1 END DESC,
        k.id = k.origin DESC, starts_with(k.repo, 'pypi:'), k.standing DESC,
        k.stars DESC NULLS LAST, k.id
) = 1
"""

# Of the kernels of one operation, or of one launcher, the one that answers best stands for all.
_ONE_FOR_EACH_OPERATION = """
AND row_number() OVER (
    PARTITION BY coalesce(k.operations[1], k.repo || k.launchers[1], k.id) ORDER BY score DESC, k.id
) = 1
"""

_ONE_OF_EACH_OPERATION = """
QUALIFY row_number() OVER (PARTITION BY k.operation ORDER BY score DESC, k.id) = 1
"""

_ALL = """
SELECT k.id FROM (SELECT *, CASE role
    WHEN 'device_function' THEN 0 WHEN 'unknown' THEN 1 ELSE 2 END AS score FROM kernels) AS k
"""

# Scores are whole millionths: the order in which threads add must not show.
_MATCHED = """
WITH wanted AS (
    SELECT unnest($wanted::STRUCT(n INTEGER, term VARCHAR, parts INTEGER, share FLOAT,
        counts BOOLEAN)[],
        recursive := true)
), posting AS (
    SELECT * FROM search_postings WHERE term IN (SELECT term FROM wanted)
), rarity AS (
    SELECT term, ln(1 + (total - count(*) + 0.5) / (count(*) + 0.5)) AS rarity
    FROM posting, (SELECT count(*) AS total FROM search_documents)
    GROUP BY term, total
), hit AS (
    SELECT w.n, w.parts, w.share, w.counts, p.num,
        (1e6 * rarity * p.weight * (1 + $saturation) / (p.weight + $saturation))::BIGINT AS score
    FROM wanted AS w JOIN posting AS p USING (term) JOIN rarity USING (term)
), concept AS (
    SELECT n, counts, num, greatest(
        max(score) FILTER (parts = 0)
            + coalesce(($beside_share * sum(score) FILTER (parts > 0))::BIGINT, 0),
        CASE WHEN count(*) FILTER (parts > 0) = max(parts)
            THEN (max(share) * sum(score) FILTER (parts > 0))::BIGINT END
    ) AS score
    FROM hit GROUP BY n, counts, num
), kernel AS (
    SELECT num, sum(score) AS score, count(*) FILTER (counts) AS matched
    FROM concept WHERE score IS NOT NULL GROUP BY num
), found AS (
    SELECT d.id, matched, score
        * CASE WHEN d.joined[1] = $joined THEN $exact_name
            WHEN list_contains(d.joined, $joined) THEN $exact_op ELSE 1 END
        * CASE WHEN contains(d.joined[1], $backward) THEN $backward_share ELSE 1 END AS score
    FROM kernel JOIN search_documents AS d USING (num)
)
"""

# What a kernel is worth beside others that answer as well.
_WORTH = """
    ($standing_floor + (1 - $standing_floor) * standing)
    * CASE role WHEN 'device_function' THEN $device_function_share
        WHEN 'unknown' THEN $unknown_role_share ELSE 1 END
    * CASE WHEN is_test THEN $test_share ELSE 1 END
    * CASE WHEN is_generated THEN $generated_share ELSE 1 END
    * CASE WHEN list_has_any(hardware, $foreign) THEN $foreign_share ELSE 1 END
    * CASE WHEN kernels.repo IN (SELECT name FROM repos WHERE len(marks) > 0)
        THEN $copier_share ELSE 1 END
"""

_OWN_WORDS = f"""
SELECT k.id, score FROM (
    SELECT kernels.*, matched, score * {_WORTH} AS score FROM found JOIN kernels USING (id)
) AS k
"""

_OPERATIONS_WORDS = f"""
SELECT k.id, score FROM (
    SELECT kernels.*, matched, score * {_WORTH} AS score
    FROM (
        SELECT id, max(score) AS score, max(matched) AS matched
        FROM (
            FROM found SELECT id, score, matched
            UNION ALL
            SELECT unnest(forward[:{MOST_LIFTED}]),
                $operation_share * least(1, {MOST_LIFTED} / len(forward)) * score, matched
            FROM found JOIN operations USING (id)
        ) GROUP BY id
    ) JOIN kernels USING (id)
) AS k
"""

_SCORED_OPERATIONS = f"""
SELECT k.operation, score FROM (
    SELECT kernels.*, o.operation, matched, score * {_WORTH} AS score
    FROM (
        SELECT operations.id AS operation, score, matched, unnest(forward) AS id
        FROM found JOIN operations USING (id)
    ) AS o JOIN kernels ON kernels.id = o.id
) AS k
"""

_ALL_OPERATIONS = """
SELECT k.operation FROM (
    SELECT kernels.*, o.operation, 0 AS score
    FROM (SELECT id AS operation, unnest(forward) AS id FROM operations) AS o
    JOIN kernels ON kernels.id = o.id
) AS k
"""

_CHOSEN = {
    None: _OPERATIONS_WORDS,
    Kind.KERNEL: _OWN_WORDS,
    Kind.OPERATION: _SCORED_OPERATIONS,
}
