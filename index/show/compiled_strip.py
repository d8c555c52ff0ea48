"""Releases of Triton side by side: which a kernel compiles with, by kind of GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from packaging.version import Version

from crawler.enrich.api_table import load_table
from index.plain_text import one_line

YES, NO, ENDED, LATE, APART = "yes", "no", "ended", "late", "apart"
MISSING, UNTRIED = "name", "-"
_MARKS = {
    "compiled": YES,
    "failed": NO,
    "crashed": ENDED,
    "timeout": LATE,
    "not_extractable": APART,
}
LEGEND = {
    YES: "compiles",
    NO: "does not compile",
    ENDED: "the compiler crashed",
    LATE: "took too long",
    APART: "cannot be had as one file",
    MISSING: "the release lacks a name that it uses",
    UNTRIED: "not tried",
}
_FIRST = Version("3.0")


def compiled_strip(record: Mapping[str, Any]) -> list[str]:
    """Return a line of releases, one for each target, and one that explains the marks in them.

    Evidence goes before what is inferred: a release that lacks a name is told from the range of
    releases, unless it was tried.
    """
    known = {(c["triton"], c["target"]): c["outcome"] for c in record["compiled"]}
    releases = sorted({*_releases(), *(release for release, _ in known)}, key=Version)
    targets = sorted({target for _, target in known})
    widths = [max(len(_short(release)), 5) for release in releases]
    head = " ".join(f"{_short(r):<{w}}" for r, w in zip(releases, widths, strict=True))
    label = max(map(len, targets))
    lines = [f"{'':<{label}}  {head}".rstrip()]
    used: dict[str, None] = {}
    for target in targets:
        marks = [_mark(record, release, known.get((release, target))) for release in releases]
        used |= dict.fromkeys(marks)
        row = " ".join(f"{mark:<{width}}" for mark, width in zip(marks, widths, strict=True))
        lines.append(one_line(f"{target:<{label}}  {row}".rstrip()))
    lines.append("; ".join(f"{mark}: {LEGEND[mark]}" for mark in LEGEND if mark in used))
    return lines


def disagrees(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield releases where compiling says something else than the inferred range, and what.

    A kernel that compiles with no release says more of what was assumed than of its range.
    """
    compiles_somewhere = any(c["outcome"] == "compiled" for c in record["compiled"])
    for release in sorted({c["triton"] for c in record["compiled"]}, key=Version):
        outcomes = {c["outcome"] for c in record["compiled"] if c["triton"] == release}
        within = is_within(record, release)
        if "compiled" in outcomes and within is False:
            yield release, "compiles outside the range"
        elif outcomes == {"failed"} and within and compiles_somewhere:
            yield release, "fails inside the range"


def is_within(record: Mapping[str, Any], release: str) -> bool | None:
    """Tell whether a release lies in the inferred range; None where there is none."""
    if record["triton_min"] is None:
        return None
    version, newest = Version(release), record["triton_max"]
    return Version(record["triton_min"]) <= version and (
        newest is None or version <= Version(newest)
    )


def _mark(record: Mapping[str, Any], release: str, outcome: str | None) -> str:
    if outcome is not None:
        return _MARKS.get(outcome, NO)
    return MISSING if is_within(record, release) is False else UNTRIED


@cache
def _releases() -> tuple[str, ...]:
    return tuple(r for r in load_table().releases if Version(r) >= _FIRST)


def _short(release: str) -> str:
    return release.removesuffix(".0")
