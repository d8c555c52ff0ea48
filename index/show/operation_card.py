"""One operation on a page of the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from index.plain_text import one_line
from index.show.render import cell_text

_LABEL = 14
_FACTS = {
    "ops": "ops",
    "forward": "forward",
    "backward": "backward",
    "differentiable": "is_differentiable",
    "licence": "license",
    "stars": "stars",
}


def operation_card(record: Mapping[str, Any]) -> str:
    """Return all that is known of an operation as lines for a person."""
    lines = [one_line(f"{record['name']}{record['signature']}"), one_line(record["id"]), ""]
    if record["summary"]:
        lines += [f"    {one_line(record['summary'])}", ""]
    place = f"{one_line(record['path'])}, lines {record['start_line']}-{record['end_line']}"
    lines += _labelled("kind", [record["kind"]])
    lines += _labelled("place", [place, one_line(record["permalink"])])
    if record["doc_chars"]:
        lines += _labelled("documented", [f"{record['doc_chars']} characters"])
    for label, column in _FACTS.items():
        value = record[column]
        values = (
            [one_line(each) for each in value] if isinstance(value, list) else [cell_text(value)]
        )
        if column == "ops":
            values = [cell_text(each) for each in (value if isinstance(value, list) else [value])]
        if column == "ops":
            values = [", ".join(values)]
        lines += _labelled(label, [each for each in values if each])
    return "\n".join(lines) + "\n"


def _labelled(label: str, values: Sequence[str]) -> list[str]:
    heads = (label, *[""] * (len(values) - 1))
    return [f"{head:<{_LABEL}}{value}" for head, value in zip(heads, values, strict=False)]
