"""SPDX expressions and what they ask of whoever passes code on."""

from __future__ import annotations

import pytest

from crawler.enrich.license_class import is_in_class, license_class

CASES = [
    ("MIT", "permissive"),
    ("Apache-2.0 WITH LLVM-exception", "permissive"),
    ("MIT OR GPL-3.0-only", "permissive"),
    ("(MIT OR Apache-2.0) AND GPL-2.0-only", "copyleft"),
    ("MIT OR Apache-2.0 AND GPL-3.0-only", "permissive"),
    ("(MIT AND LGPL-3.0-or-later) OR GPL-3.0-only", "weak-copyleft"),
    ("LGPL-2.1+", "weak-copyleft"),
    ("MPL-2.0", "weak-copyleft"),
    ("GPL-2.0-only WITH Classpath-exception-2.0", "weak-copyleft"),
    ("AGPL-3.0-only", "copyleft"),
    ("mit and ( bsd-3-clause )", "permissive"),
    ("MIT OR LicenseRef-Own", "permissive"),
    # Not open, not known, or no expression at all.
    ("MIT AND LicenseRef-Own", None),
    ("LicenseRef-NVIDIA-Proprietary", None),
    ("CC-BY-NC-4.0", None),
    ("SSPL-1.0", None),
    ("(MIT", None),
    ("MIT)", None),
    ("MIT AND", None),
    ("AND MIT", None),
    ("MIT Apache-2.0", None),
    ("", None),
    ("(" * 1000 + "MIT" + ")" * 1000, None),
]


@pytest.mark.parametrize(("expression", "expected"), CASES)
def test_of_alternatives_the_mildest_counts_and_of_what_holds_together_the_strictest(
    expression: str, expected: str | None
) -> None:
    found = license_class(expression)
    assert (found and found.word) == expected
    assert is_in_class(expression, "any-open") == (expected is not None)
    assert is_in_class(expression, "permissive") == (expected == "permissive")
