"""A list of findings that are known and let be, so that old code can take up the check.

A finding is known again by what it says and by the text of its line, not by the line's number.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from crawler.check.findings import Finding
from crawler.errors import TritonIndexError

_VERSION = 1
Key = tuple[str, str, str, str, str]
LineOf = Callable[[Finding], str]


class BaselineError(TritonIndexError):
    """A file holds no baseline."""


def to_baseline(findings: Iterable[Finding], line_of: LineOf) -> str:
    """Return the text of a baseline with all these findings; equal findings give equal text."""
    counts = Counter(_key(finding, line_of) for finding in findings)
    names = ("path", "rule", "name", "kernel", "code")
    rows = [dict(zip(names, key, strict=True)) | {"count": n} for key, n in sorted(counts.items())]
    return json.dumps({"version": _VERSION, "findings": rows}, indent=1) + "\n"


def read_baseline(text: str, source: str) -> Counter[Key]:
    """Return how often each finding is known.

    Raises:
        BaselineError: The text is none of `to_baseline`.
    """
    try:
        data = json.loads(text)
        if data["version"] != _VERSION:
            raise BaselineError(f"{source}: of another version; write it anew")
        return Counter(
            {
                (r["path"], r["rule"], r["name"], r["kernel"], r["code"]): int(r["count"])
                for r in data["findings"]
            }
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = "no baseline; make one with --write-baseline"
        raise BaselineError(f"{source}: {why}") from error


def without_known(
    findings: Iterable[Finding], known: Counter[Key], line_of: LineOf
) -> Iterator[Finding]:
    """Yield the findings that are not known, or stand more often than they are known to."""
    left = Counter(known)
    for finding in findings:
        key = _key(finding, line_of)
        if left[key] > 0:
            left[key] -= 1
        else:
            yield finding


def _key(finding: Finding, line_of: LineOf) -> Key:
    name = finding.name or ""
    return (finding.path, finding.rule, name, finding.kernel or "", line_of(finding).strip())
