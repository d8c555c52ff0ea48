"""Words that nobody wrote, and those of the index that they are slips of."""

from __future__ import annotations

import duckdb

# How alike (Jaro-Winkler, 0 to 1) a word must be to be offered for one that nobody wrote.
NEAR_ENOUGH = 0.85
MOST_OFFERED = 3
# Letters of a word in which a slip can be told from another word, and of one that may hold two.
SHORTEST_SLIP = 5
LONG_WORD = 8


def suggest(con: duckdb.DuckDBPyConnection, word: str) -> list[str]:
    """Return the words of the index that are spelled most like this one, the likeliest first."""
    return [near for near, _, _ in _alike(con, word)][:MOST_OFFERED]


def meant_word(con: duckdb.DuckDBPyConnection, word: str) -> str | None:
    """Return the word that one which nobody wrote is a slip of, None if that is not plain."""
    if len(word) < SHORTEST_SLIP:
        return None
    allowed = 1 if len(word) < LONG_WORD else 2
    common = [(n, near) for near, distance, n in _alike(con, word) if distance <= allowed]
    return max(common)[1] if common else None


def _alike(con: duckdb.DuckDBPyConnection, word: str) -> list[tuple[str, int, int]]:
    """Return the words that are the fewest slips away: word, slips, how often it occurs."""
    rows = con.execute(
        """
        SELECT word, damerau_levenshtein(word, $word) AS distance, n FROM search_words
        WHERE len(word) > 2 AND jaro_winkler_similarity(word, $word) >= $near
            AND distance <= greatest(1, len($word) // 3)
        ORDER BY distance, jaro_winkler_similarity(word, $word) DESC, n DESC, word
        """,
        {"word": word, "near": NEAR_ENOUGH},
    ).fetchall()
    return [(near, distance, n) for near, distance, n in rows if distance == rows[0][1]]
