"""The learning path as a table: an exercise a row."""

from __future__ import annotations

from index.learning.plan import load_exercises, load_stages
from index.table import Table


def as_table() -> Table:
    """Return every exercise with its stage and what `learn check` holds answers to."""
    stages = {stage.number: stage for stage in load_stages()}
    rows = tuple(
        (
            one.id,
            one.title,
            list(one.functions),
            stages[one.stage].title,
            stages[one.stage].weeks,
            bool(one.functions),
            list(one.tasks),
        )
        for one in load_exercises()
    )
    columns = ("exercise", "title", "functions", "stage", "weeks", "is_checked", "tasks")
    return Table(columns=columns, rows=rows)
