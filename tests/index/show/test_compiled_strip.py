"""The strip of releases on a kernel's card."""

from __future__ import annotations

from typing import Any

from index.show.compiled_strip import compiled_strip, disagrees


def record(
    *compiled: tuple[str, str, str], first: str | None = None, last: str | None = None
) -> Any:
    keys = ("triton", "target", "outcome")
    return {
        "triton_min": first,
        "triton_max": last,
        "compiled": [dict(zip(keys, each, strict=True)) for each in compiled],
    }


def strip(found: Any) -> dict[str, dict[str, str]]:
    """Return the marks by target and release."""
    head, *lines, _ = compiled_strip(found)
    releases = head.split()
    parted = (line.split() for line in lines)
    return {target: dict(zip(releases, marks, strict=True)) for target, *marks in parted}


def test_marks_each_release_by_target() -> None:
    found = record(
        ("3.2.0", "cuda:90", "failed"),
        ("3.9.0", "cuda:90", "compiled"),
        ("3.6.0", "hip:gfx942", "not_extractable"),
        ("3.9.0", "hip:gfx942", "crashed"),
        first="3.2.0",
    )
    marks = strip(found)
    assert marks["cuda:90"]["3.2"] == "no"
    assert marks["cuda:90"]["3.9"] == "yes"
    assert marks["cuda:90"]["3.6"] == "-"
    assert marks["cuda:90"]["3.0"] == "name"
    assert marks["hip:gfx942"]["3.6"] == "apart"
    assert marks["hip:gfx942"]["3.9"] == "ended"
    assert "yes: compiles" in compiled_strip(found)[-1]
    assert "took too long" not in compiled_strip(found)[-1]


def test_evidence_goes_before_what_is_inferred() -> None:
    found = record(("3.2.0", "cuda:90", "compiled"), first="3.4.0")
    assert strip(found)["cuda:90"]["3.2"] == "yes"
    assert list(disagrees(found)) == [("3.2.0", "compiles outside the range")]


def test_a_failure_contradicts_the_range_only_where_the_kernel_compiles_elsewhere() -> None:
    alone = record(("3.9.0", "cuda:90", "failed"), first="3.0.0")
    assert list(disagrees(alone)) == []
    beside = record(("3.9.0", "cuda:90", "failed"), ("3.6.0", "cuda:90", "compiled"), first="3.0.0")
    assert list(disagrees(beside)) == [("3.9.0", "fails inside the range")]


def test_an_unknown_range_contradicts_nothing() -> None:
    found = record(("3.9.0", "cuda:90", "compiled"))
    assert list(disagrees(found)) == []
    assert strip(found)["cuda:90"]["3.0"] == "-"
