"""Results of compiling as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

from index.compiling.results import CompileFacts, CompileResult
from index.table import Table

COLUMNS = (
    "id",
    "triton",
    "target",
    "outcome",
    "reason",
    "assumptions",
    "facts",
    "seconds",
    "source_sha",
)
_FACTS = tuple(field.name for field in fields(CompileFacts))


def results_table(results: Sequence[CompileResult], *, flat: bool = False) -> Table:
    """Return the results as rows; `flat` gives each fact a column of its own, for people."""
    if not flat:
        rows = [asdict(result) for result in results]
        return Table(columns=COLUMNS, rows=tuple(tuple(row[c] for c in COLUMNS) for row in rows))
    columns = (*COLUMNS[:5], *_FACTS)
    return Table(columns=columns, rows=tuple(_flat(result) for result in results))


def _flat(result: CompileResult) -> tuple[object, ...]:
    facts = asdict(result.facts) if result.facts is not None else {}
    plain = (result.id, result.triton, result.target, result.outcome.value, result.reason)
    return (*plain, *(_shown(facts.get(name)) for name in _FACTS))


def _shown(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
