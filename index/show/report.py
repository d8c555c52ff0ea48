"""A check's answer with what every format needs to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crawler.check.findings import Checked, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A check's answer with what is needed to show it.

    `line_of` gives the source line of a finding, `is_error` whether it fails the check.
    """

    checked: Checked
    line_of: Callable[[Finding], str]
    is_error: Callable[[Finding], bool]
