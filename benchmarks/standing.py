"""What each signal of a kernel's standing is worth: the answers without it.

    python benchmarks/standing.py                    # the bundled index
    python benchmarks/standing.py --db index.duckdb  # one of your own

Prints for all signals, then without each, how many of the single words of `benchmarks/words.py`
name enough of the best, how many of the best are named in all, and the mean reciprocal rank of the
questions that are not held out. A signal without which nothing is worse is to go.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import duckdb

from benchmarks.questions import ask, load_questions, mean_reciprocal_rank
from benchmarks.words import ENOUGH, ask_words, load_words
from index.database import connect_for_writing
from index.files.location import index_to_read
from index.tables.staging import Staging
from index.tables.standing import fill_standing

SIGNALS = (
    "copied source stars authors library gradient public documented verified compiled tested "
    "learning exercise collection fork copy generated test trivial"
).split()


def measure(con: duckdb.DuckDBPyConnection, *, with_questions: bool) -> str:
    """Return the measures of an index as a line."""
    words = list(ask_words(con, load_words()))
    done = sum(word.named >= ENOUGH for word in words)
    line = f"{done:3} words, {sum(word.named for word in words):3} named"
    if not with_questions:
        return line
    tuned_by = [question for question in load_questions() if not question.is_held_out]
    return f"{line}, reciprocal rank {mean_reciprocal_rank(list(ask(con, tuned_by))):.3f}"


def main() -> int:
    """Measure with all signals and without each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--db", type=Path, help="an index of your own")
    parser.add_argument("--words", action="store_true", help="ask the single words alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy, scratch = Path(folder) / "copy.duckdb", Path(folder) / "scratch"
        shutil.copyfile(index_to_read(options.db, print), copy)
        with connect_for_writing(copy, reach=(scratch,)) as con:
            staging = Staging(con, scratch)
            for without in ((), *((signal,) for signal in SIGNALS), SIGNALS):
                fill_standing(con, staging, without=without)
                name = "all signals" if not without else f"without {', '.join(without)}"
                measured = measure(con, with_questions=not options.words)
                print(f"{measured}  {name if len(without) < 2 else 'none'}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
