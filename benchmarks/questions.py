"""How well search answers the questions of tests/data/questions.toml.

    python benchmarks/questions.py                    # the bundled index
    python benchmarks/questions.py --db index.duckdb  # one of your own
    python benchmarks/questions.py --show             # what came first where it went wrong

Goals: a right kernel among the first five for 90% of the questions, and a mean reciprocal rank of
0.75. Where rules are changed, look at the questions that are not held out, and at nothing else.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from index.database import open_index
from index.files.location import index_to_read
from index.queries.filters import Filters
from index.queries.search import search

QUESTIONS = Path(__file__).parents[1] / "tests" / "data" / "questions.toml"
FIRST = 5
# Beyond this rank nobody looks: its reciprocal counts as 0.
LAST = 20
GOAL_HITS = 0.9
GOAL_RECIPROCAL = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and patterns of the ids that answer it (`*`: any characters)."""

    ask: str
    who: str
    answers: tuple[str, ...]
    filters: Filters = field(default_factory=Filters)

    @property
    def is_held_out(self) -> bool:
        """Tell whether rules may not be tuned by it: a third, whatever else is on the list."""
        return zlib.crc32(self.ask.encode()) % 3 == 0

    def is_right(self) -> Callable[[str], bool]:
        """Return what tells of an id whether that kernel answers the question."""
        pattern = pattern_of(self.answers)
        return lambda id: pattern.fullmatch(id) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search gave: the ids in order, and the rank of the first right one (None: none)."""

    question: Question
    ids: tuple[str, ...]
    rank: int | None


def pattern_of(answers: Iterable[str]) -> re.Pattern[str]:
    """Return what matches the ids that answers stand for; letters' case is nothing to them."""
    parts = (".*".join(map(re.escape, answer.split("*"))) for answer in answers)
    return re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE | re.DOTALL)


def load_questions(path: Path = QUESTIONS) -> tuple[Question, ...]:
    """Return the questions of a list, in its order."""
    tables: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["question"]
    return tuple(
        Question(
            ask=table["ask"],
            who=table["who"],
            answers=tuple(table["answers"]),
            filters=Filters(**{name: _value(v) for name, v in table.get("filters", {}).items()}),
        )
        for table in tables
    )


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def ask(con: duckdb.DuckDBPyConnection, questions: Sequence[Question]) -> Iterator[Answer]:
    """Yield what search answers to each question; one row stands for a whole group of copies."""
    rows = con.execute("SELECT id, clone_group FROM kernels WHERE clone_group IS NOT NULL")
    group_of: dict[str, str] = dict(rows.fetchall())
    groups: dict[str, list[str]] = {}
    for id, group in group_of.items():
        groups.setdefault(group, []).append(id)
    for question in questions:
        ids = search(con, question.ask, filters=question.filters, limit=LAST).ids
        is_right = question.is_right()
        copies = ([id, *groups.get(group_of.get(id, ""), ())] for id in ids)
        rank = next((n for n, same in enumerate(copies, start=1) if any(map(is_right, same))), None)
        yield Answer(question=question, ids=ids, rank=rank)


def share_among_first(answers: Sequence[Answer]) -> float:
    """Return the share of questions with a right kernel among the first five."""
    return sum(a.rank is not None and a.rank <= FIRST for a in answers) / len(answers)


def mean_reciprocal_rank(answers: Sequence[Answer]) -> float:
    """Return the mean of 1 / rank of the first right kernel, 0 where there is none."""
    return sum(1 / a.rank for a in answers if a.rank is not None) / len(answers)


def count_right(con: duckdb.DuckDBPyConnection, question: Question) -> int:
    """Return how many live kernels answer a question: many make it an easy one."""
    is_right = question.is_right()
    rows = con.execute("SELECT id FROM kernels WHERE removed_at IS NULL").fetchall()
    return sum(is_right(id) for (id,) in rows)


def main() -> int:
    """Ask the questions and print both measures, for those tuned by and those held out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--db", type=Path, help="an index of your own")
    parser.add_argument("--show", action="store_true", help="show those not answered first")
    parser.add_argument("--count", action="store_true", help="count the right ones of each")
    options = parser.parse_args()
    questions = load_questions()
    with open_index(index_to_read(options.db, print)) as con:
        if options.count:
            for question in questions:
                print(f"{count_right(con, question):6,}  {question.ask}")
            return 0
        answers = list(ask(con, questions))
    if options.show:
        _show([a for a in answers if not a.question.is_held_out and a.rank != 1])
    parts = {
        "tuned by": [a for a in answers if not a.question.is_held_out],
        "held out": [a for a in answers if a.question.is_held_out],
        "all": answers,
    }
    for name, some in parts.items():
        print(
            f"{name:<9}{len(some):4} questions: first five {share_among_first(some):6.1%}, "
            f"reciprocal rank {mean_reciprocal_rank(some):.3f}"
        )
    done = share_among_first(answers) >= GOAL_HITS
    return 0 if done and mean_reciprocal_rank(answers) >= GOAL_RECIPROCAL else 1


def _show(answers: Sequence[Answer]) -> None:
    for answer in answers:
        print(f"{answer.rank or '-':>2}  {answer.question.ask}")
        for id in answer.ids[:FIRST]:
            print(f"      {id}")


if __name__ == "__main__":
    sys.exit(main())
