"""Comments that silence findings: `# triton-index: ignore[rule]`, `# triton-index: ignore`."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"#\s*triton-index:\s*ignore(?:\[([\w\s,-]*)\])?")


def ignored_rules(line: str) -> frozenset[str] | None:
    """Return the rules that a line silences: `*` for all, None where it has no such comment."""
    match = _COMMENT.search(line)
    if match is None:
        return None
    listed = match[1]
    if listed is None:
        return frozenset("*")
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def is_ignored(rule: str, line: str) -> bool:
    """Tell whether a line silences a rule."""
    rules = ignored_rules(line)
    return rules is not None and not rules.isdisjoint((rule, "*"))
