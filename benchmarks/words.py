"""How well search answers the single words of tests/data/words.toml.

    python benchmarks/words.py                    # the bundled index
    python benchmarks/words.py --db index.duckdb  # one of your own
    python benchmarks/words.py --show             # what came first where fewer than two came

Goal: of 34 of the 40 words at least two of the three kernels that an expert names are among the
first three answers, each by an answer of its own.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import duckdb

from benchmarks.questions import pattern_of
from index.database import open_index
from index.files.location import index_to_read
from index.queries.search import search

WORDS = Path(__file__).parents[1] / "tests" / "data" / "words.toml"
FIRST = 3
ENOUGH = 2
GOAL = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is typed, and of each of the best the patterns of its ids."""

    ask: str
    best: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The first ids that a word found, and how many of the best are among the first three."""

    word: Word
    ids: tuple[str, ...]
    named: int


def load_words(path: Path = WORDS) -> tuple[Word, ...]:
    """Return the words of the list, in its order."""
    return tuple(
        Word(ask=word["ask"], best=tuple(tuple(each["id"].split("|")) for each in word["best"]))
        for word in tomllib.loads(path.read_text(encoding="utf-8"))["word"]
    )


def ask_words(con: duckdb.DuckDBPyConnection, words: Sequence[Word]) -> Iterator[Answered]:
    """Yield what search answers to each word; a copy stands for all of its group."""
    groups: dict[str, list[str]] = {}
    for group, id in con.execute(
        "SELECT clone_group, id FROM kernels WHERE clone_group IS NOT NULL"
    ).fetchall():
        groups.setdefault(group, []).append(id)
    of = {id: group for group, ids in groups.items() for id in ids}
    for word in words:
        ids = search(con, word.ask, limit=5).ids
        same = [[id, *groups.get(of.get(id, ""), ())] for id in ids[:FIRST]]
        yield Answered(word=word, ids=ids, named=_named(word, same))


def _named(word: Word, answers: Sequence[Sequence[str]]) -> int:
    """Return how many of the best are found, no two of them by one answer."""
    patterns = [pattern_of(ids) for ids in word.best]
    hits = [[any(map(p.fullmatch, ids)) for ids in answers] for p in patterns]
    orders = permutations(range(len(answers)))
    return max(sum(hit[n] for hit, n in zip(hits, order, strict=False)) for order in orders)


def main() -> int:
    """Ask the words and print for how many enough of the best came first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--db", type=Path, help="an index of your own")
    parser.add_argument("--show", action="store_true", help="show those not answered well")
    options = parser.parse_args()
    with open_index(index_to_read(options.db, print)) as con:
        answers = list(ask_words(con, load_words()))
    done = sum(answer.named >= ENOUGH for answer in answers)
    for answer in answers if options.show else ():
        if answer.named < ENOUGH:
            print(f"{answer.named}  {answer.word.ask}")
            print("".join(f"      {id}\n" for id in answer.ids), end="")
    print(
        f"{len(answers)} words: of {done} at least {ENOUGH} of the best are among the first three"
    )
    return 0 if done >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
