"""A kernel as far as it matters to a wish."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crawler.models import Role
from wishlist.models import Pass

PERMISSIVE = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSL-1.0 CC0-1.0 ISC MIT MIT-0 "
    "NCSA PSF-2.0 Unlicense WTFPL Zlib".split()
)
"""Licences (SPDX) that ask for no more than that they are passed on."""

PLAIN_DTYPES = frozenset({"float64", "float32", "float16", "bfloat16"})
"""Floats that a kernel without a word about them handles like any other."""

_EXCEPTION = re.compile(r" WITH [\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A kernel that may serve a wish: what it computes, and what else the wish may ask for.

    `passes` are the directions that it computes, `partner` the one that a kernel beside it does.
    `dtypes` are those that it names; most kernels name none and take whatever floats they get.
    `group` tells copies of one kernel, of which `origin` is likely the first.
    """

    id: str
    name: str
    role: Role
    ops: tuple[str, ...]
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    launchers: tuple[str, ...] = ()
    summary: str | None = None
    direction: Pass = Pass.FORWARD
    has_partner: bool = False
    """Whether a kernel for the other direction stands beside it."""
    license: str | None = None
    triton_min: str | None = None
    triton_max: str | None = None
    is_verified: bool = False
    stars: int | None = None
    group: str | None = None
    origin: str | None = None

    @property
    def passes(self) -> frozenset[Pass]:
        """The directions that are computed by it and what stands beside it."""
        return frozenset(Pass) if self.has_partner else frozenset({self.direction})


def is_permissive(expression: str | None) -> bool:
    """Tell whether an SPDX expression lets anybody use the code in anything; unknown: no."""
    if not expression:
        return False
    choices = _EXCEPTION.sub("", expression).replace("(", "").replace(")", "").split(" OR ")
    return any(PERMISSIVE.issuperset(choice.split(" AND ")) for choice in choices)
