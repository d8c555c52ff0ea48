"""What the strips of releases on the page say of a kernel."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from index.site.kernels import Kernel, Kernels

RELEASES = ("3.6.0", "3.8.0", "3.9.0")


def kernel(**known: Any) -> Kernel:
    blank = {field.name: None for field in fields(Kernel) if field.default is MISSING}
    return Kernel(**{**blank, **known})


@pytest.mark.parametrize(
    ("compiled", "mark"),
    [
        ((("3.9.0", "cuda:90", "compiled"),), "yes"),
        ((("3.9.0", "cuda:90", "failed"), ("3.9.0", "hip:gfx942", "compiled")), "yes"),
        ((("3.9.0", "cuda:90", "failed"),), "no"),
        ((("3.9.0", "cuda:90", "crashed"),), "has"),
        ((("3.9.0", "cuda:90", "not_extractable"),), "has"),
        ((), "has"),
    ],
)
def test_a_release_is_marked_by_what_is_sure(
    compiled: tuple[tuple[str, str, str], ...], mark: str
) -> None:
    found = kernel(triton_min="3.8.0", triton_max=None, compiled=compiled)
    marks = Kernels(all=(), releases=RELEASES, standing={}).marks(found)
    assert marks == ["lacks", "has", mark]
