"""What a check found, on paper: one function for each format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from crawler.check.findings import Finding
from index.plain_text import one_line, printable
from index.show.render import plain_markdown
from index.show.report import Report

_MOST_SHOWN = 160
"""Characters of a source line that are shown."""

_FIELDS = (
    "path",
    "line",
    "column",
    "end_line",
    "rule",
    "message",
    "name",
    "since",
    "until",
    "instead",
    "kernel",
    "dialect",
)


def write_table(report: Report, out: TextIO) -> None:
    """Write each finding with its source line and a caret under the place."""
    for finding in report.checked.findings:
        mark = "error" if report.is_error(finding) else "note"
        place = f"{finding.path}:{finding.line}:{finding.column}"
        out.write(f"{printable(place)}: {mark}[{finding.rule}]: {printable(finding.message)}\n")
        text = report.line_of(finding)
        shown = text[:_MOST_SHOWN].expandtabs(1)
        if shown.strip():
            is_one = finding.end_line == finding.line
            end = finding.end_column if is_one else len(shown) + 1
            width = max(1, min(end, len(shown) + 1) - finding.column)
            number = str(finding.line)
            out.write(f"  {number} | {printable(shown)}\n")
            if finding.column <= len(shown):
                gap = " " * (finding.column - 1)
                out.write(f"  {' ' * len(number)} | {gap}{'^' * width}\n")


def write_json(report: Report, out: TextIO) -> None:
    """Write one object: kernels, findings, and the range of all code together."""
    checked = report.checked
    kernels = [
        {
            "path": kernel.path,
            "qualname": kernel.qualname,
            "line": kernel.line,
            "triton_min": kernel.triton_min,
            "triton_max": kernel.triton_max,
        }
        for kernel in checked.kernels
    ]
    answer = {
        "kernels": kernels,
        "findings": [to_record(finding) for finding in checked.findings],
        "triton_min": checked.triton_min,
        "triton_max": checked.triton_max,
    }
    json.dump(answer, out, indent=2)
    out.write("\n")


def write_jsonl(report: Report, out: TextIO) -> None:
    """Write one finding a line."""
    for finding in report.checked.findings:
        out.write(f"{json.dumps(to_record(finding))}\n")


def write_markdown(report: Report, out: TextIO) -> None:
    """Write the findings as a table."""
    out.write("| place | rule | finding |\n| --- | --- | --- |\n")
    for finding in report.checked.findings:
        place = f"{_cell(finding.path)}:{finding.line}"
        out.write(f"| {place} | {finding.rule} | {_cell(finding.message)} |\n")


def write_github(report: Report, out: TextIO) -> None:
    """Write the findings as commands that GitHub shows at the lines of a change."""
    for finding in report.checked.findings:
        level = "error" if report.is_error(finding) else "warning"
        places = {
            "file": finding.file,
            "line": finding.line,
            "endLine": finding.end_line,
            "col": finding.column,
            "title": f"triton-index {finding.rule}",
        }
        if finding.end_line == finding.line:
            places["endColumn"] = max(finding.end_column - 1, finding.column)
        words = ",".join(f"{name}={_property(str(value))}" for name, value in places.items())
        out.write(f"::{level} {words}::{_data(finding.message)}\n")


def write_sarif(report: Report, out: TextIO) -> None:
    """Write a log in SARIF 2.1.0."""
    from index.show.sarif import write_sarif as write

    write(report, out)


def to_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as programs get it."""
    return {name: getattr(finding, name) for name in _FIELDS}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    return plain_markdown(one_line(text))


WRITERS: Mapping[str, Callable[[Report, TextIO], None]] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "md": write_markdown,
    "github": write_github,
    "sarif": write_sarif,
}
