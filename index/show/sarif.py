"""What a check found as SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, TextIO
from urllib.parse import quote

from crawler.check.findings import Finding
from crawler.check.rules import RULES
from index.show.report import Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_sarif(report: Report, out: TextIO) -> None:
    """Write one run with its rules and results."""
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.summary},
            "defaultConfiguration": {"enabled": rule.is_default},
        }
        for rule in RULES
    ]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "triton-index", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(report, finding) for finding in report.checked.findings],
            }
        ],
    }
    json.dump(log, out, indent=2)
    out.write("\n")


def _result(report: Report, finding: Finding) -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": max(finding.end_column, 1),
    }
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(finding.file)},
            "region": region,
        }
    }
    names = {
        "name": finding.kernel,
        "fullyQualifiedName": f"{finding.path}::{finding.kernel}",
        "kind": "function",
    }
    if finding.kernel is not None:
        location["logicalLocations"] = [names]
    properties = {
        "name": finding.name,
        "since": finding.since,
        "until": finding.until,
        "instead": finding.instead,
        "dialect": finding.dialect,
        "cell": finding.cell,
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": next(i for i, rule in enumerate(RULES) if rule.id == finding.rule),
        "level": "error" if report.is_error(finding) else "warning",
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"triton-index/v1": _fingerprint(report, finding)},
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _fingerprint(report: Report, finding: Finding) -> str:
    """Return what a finding is known by when lines above it come and go."""
    parts = (finding.path, finding.rule, finding.name or "", report.line_of(finding).strip())
    return sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
