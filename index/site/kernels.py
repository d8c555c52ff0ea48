"""Every live kernel once, as the pages of ops and sources read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any

import duckdb

from crawler.enrich.license_class import LicenseClass, license_class
from crawler.enrich.standing import Reason
from index.queries.filters import known_releases
from index.tables.standing import fetch_all_standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What the pages show of a kernel among others; `is_original`: no known copy is older."""

    id: str
    repo: str
    path: str
    name: str
    role: str
    ops: tuple[str, ...]
    dtypes: tuple[str, ...]
    license: str | None
    stars: int | None
    standing: float
    triton_min: str | None
    triton_max: str | None
    n_copies: int
    clone_group: str | None
    is_original: bool
    is_test: bool
    is_generated: bool
    is_backward: bool
    has_backward: bool
    is_verified: bool
    permalink: str
    compiled: tuple[tuple[str, str, str], ...]
    first_seen: datetime

    @property
    def is_permissive(self) -> bool:
        """Tell whether its licence lets one use it in whatever one makes."""
        return bool(self.license) and license_class(str(self.license)) is LicenseClass.PERMISSIVE

    def outcome(self, release: str) -> str | None:
        """Return what compiling it with a release gave: the best of all targets, None: untried."""
        found = {outcome for triton, _, outcome in self.compiled if triton == release}
        return next(
            (o for o in ("compiled", "failed", "crashed", "unknown", *found) if o in found), None
        )


# A crash, or guesses that were no good, say nothing sure of the release.
_SURE = {"compiled": "yes", "failed": "no"}


@dataclass(frozen=True)
class Kernels:
    """All live kernels by id in order, the releases of Triton, and what speaks for each kernel."""

    all: tuple[Kernel, ...]
    releases: tuple[str, ...]
    standing: Mapping[str, tuple[Reason, ...]]

    @cached_property
    def by_op(self) -> Mapping[str, Sequence[Kernel]]:
        """The kernels that compute each op, tests left out."""
        return _grouped((op, k) for k in self.all if not k.is_test for op in k.ops)

    @cached_property
    def by_repo(self) -> Mapping[str, Sequence[Kernel]]:
        """The kernels of each source."""
        return _grouped((k.repo, k) for k in self.all)

    def best(self, kernels: Iterable[Kernel], op: str | None = None) -> list[Kernel]:
        """Return one kernel of each group of copies, the most to be trusted first.

        Launched ones go before others, and those that compute `op` before all else first.
        """
        first: dict[str, Kernel] = {}
        for kernel in sorted(kernels, key=lambda k: (-self._worth(k, op), k.id)):
            first.setdefault(kernel.clone_group or kernel.id, kernel)
        return list(first.values())

    def reasons(self, kernel: Kernel) -> tuple[str, ...]:
        """Return in a word or two each what speaks for a kernel, as people ask for it."""
        signals = {reason.signal for reason in self.standing.get(kernel.id, ())}
        newest = self.releases[-1] if self.releases else ""
        said = {
            "verified": kernel.is_verified,
            "original": kernel.is_original,
            "documented": "documented" in signals,
            "permissive": kernel.is_permissive,
            f"compiles on {newest}": kernel.outcome(newest) == "compiled",
            f"copied {kernel.n_copies} times": kernel.n_copies > 2 and kernel.is_original,
            "has a backward": kernel.has_backward,
            "backward": kernel.is_backward,
            "generated": kernel.is_generated,
        }
        return tuple(word for word, holds in said.items() if holds)

    def marks(self, kernel: Kernel) -> list[str]:
        """Return for each release `yes` or `no` (compiled), `has` or `lacks` (names), `unknown`."""
        return [self._mark(kernel, n, release) for n, release in enumerate(self.releases)]

    def _mark(self, kernel: Kernel, place: int, release: str) -> str:
        outcome = kernel.outcome(release)
        if outcome in _SURE:
            return _SURE[outcome]
        if kernel.triton_min is None:
            return "unknown"
        newest = kernel.triton_max
        last = len(self.releases) - 1 if newest is None else self.releases.index(newest)
        return "has" if self.releases.index(kernel.triton_min) <= place <= last else "lacks"

    def _worth(self, kernel: Kernel, op: str | None) -> float:
        worth = kernel.standing + (1 if kernel.is_verified else 0)
        worth += 0.1 if kernel.is_original else 0
        worth -= 0.5 if kernel.role != "kernel" else 0
        worth -= 0.12 if kernel.is_backward else 0
        return worth - (0.15 if op is not None and kernel.ops[:1] != (op,) else 0)


def range_text(triton_min: str | None, triton_max: str | None) -> str:
    """Return a range of releases in words."""
    if triton_min is None:
        return "not known"
    first = triton_min.removesuffix(".0")
    if triton_max is None:
        return f"{first} and later"
    last = triton_max.removesuffix(".0")
    return first if first == last else f"{first} to {last}"


def read_kernels(con: duckdb.DuckDBPyConnection) -> Kernels:
    """Return every live kernel of an index."""
    rows = con.execute(_KERNELS).fetchall()
    names = [field.name for field in fields(Kernel)]
    return Kernels(
        all=tuple(Kernel(**dict(zip(names, map(_tuples, row), strict=True))) for row in rows),
        releases=tuple(known_releases(con)),
        standing=fetch_all_standing(con),
    )


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _grouped(pairs: Iterable[tuple[str, Kernel]]) -> Mapping[str, Sequence[Kernel]]:
    found: dict[str, list[Kernel]] = {}
    for key, kernel in pairs:
        found.setdefault(key, []).append(kernel)
    return dict(_in_order(found))


def _in_order(found: Mapping[str, list[Kernel]]) -> Iterator[tuple[str, list[Kernel]]]:
    for key in sorted(found, key=lambda text: (text.lower(), text)):
        yield key, found[key]


_KERNELS = """
SELECT id, repo, path, name, role, ops, dtypes, license, stars, standing, triton_min, triton_max,
    coalesce(n_copies, 0), clone_group,
    coalesce(origin = id, clone_group IS NULL), coalesce(is_test, FALSE),
    coalesce(is_generated, FALSE),
    forward IS NOT NULL OR regexp_matches(lower(name), 'bwd|backward'),
    backward IS NOT NULL, coalesce(verified.result = 'passed', FALSE), permalink,
    list_transform(compiled, lambda c: [c.triton, c.target, c.outcome]), first_seen
FROM kernels WHERE removed_at IS NULL ORDER BY id
"""
