"""One kernel on a page of the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from index.plain_text import one_line, printable
from index.show.compiled_strip import compiled_strip
from index.show.render import cell_text

_LABEL = 14
# Configs of an autotuner that a person reads before asking for JSON.
_MOST_CONFIGS = 8


def kernel_card(record: Mapping[str, Any], reasons: Sequence[str] = ()) -> str:
    """Return all that is known of a kernel as lines for a person; unknown facts are left out.

    `reasons` tell why what was inferred is said.
    """
    lines = [one_line(record["name"]), one_line(record["id"]), ""]
    prose = record["docstring"] or record["summary"]
    if prose:
        lines += [*(f"    {line}".rstrip() for line in printable(prose).split("\n")), ""]
    for label, values in (*_facts(record), *([("why", reasons)] if reasons else ())):
        heads = (label, *[""] * (len(values) - 1))
        lines += (f"{head:<{_LABEL}}{value}" for head, value in zip(heads, values, strict=True))
    return "\n".join(lines) + "\n"


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    yield "kind", [f"{record['role']} ({record['dialect']}, by {record['form']})"]
    place = f"lines {record['start_line']}-{record['end_line']}"
    if record["cell"] is not None:
        place = f"cell {record['cell']}, {place}"
    yield "place", [f"{one_line(record['path'])}, {place}", one_line(record["permalink"])]
    if record["params"]:
        yield "parameters", [_parameter(param) for param in record["params"]]
    if record["autotune"] is not None:
        yield "autotune", _autotune(record["autotune"])
    if record["compiled"]:
        yield "compiled", compiled_strip(record)
    for label, column in _PLAIN_FACTS.items():
        text = cell_text(record[column])
        if text:
            yield label, [text]


def _parameter(param: Mapping[str, Any]) -> str:
    default = "" if param["default"] is None else f" = {param['default']}"
    kind = "" if param["kind"] == "unknown" else f": {param['kind']}"
    return one_line(f"{param['name']}{kind}{default}")


def _autotune(autotune: Mapping[str, Any]) -> list[str]:
    count, configs = autotune["n_configs"], autotune["configs"]
    key = f", by {', '.join(autotune['key'])}" if autotune["key"] else ""
    number = "configs made at run time" if count is None else f"{count} configs"
    lines = [one_line(f"{number}{key}")]
    for config in configs[:_MOST_CONFIGS]:
        values = {**config["kwargs"], **config["options"]}
        lines.append(one_line(", ".join(f"{name}={value}" for name, value in values.items())))
    if len(configs) > _MOST_CONFIGS:
        lines.append(f"and {len(configs) - _MOST_CONFIGS} more with --format json")
    return lines


_PLAIN_FACTS = {
    "ops": "ops",
    "tags": "tags",
    "features": "features",
    "dtypes": "dtypes",
    "hardware": "hardware",
    "triton from": "triton_min",
    "triton to": "triton_max",
    "declared": "triton_declared",
    "licence": "license",
    "authors": "authors",
    "stars": "stars",
    "test": "is_test",
    "generated": "is_generated",
    "launched by": "launchers",
    "run by": "operations",
    "usage": "usage",
    "backward": "backward",
    "forward": "forward",
    "copies": "n_copies",
    "origin": "origin",
    "verified": "verified",
    "hazards": "hazards",
    "standing": "standing",
    "heuristics": "heuristics",
    "decorators": "decorators",
    "calls": "tl_calls",
    "first seen": "first_seen",
    "last seen": "last_seen",
    "removed": "removed_at",
}
