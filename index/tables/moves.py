"""Which of the kernels that appeared in a repository are ones that vanished from it. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

# Shared part of two sources' words from which on, under one qualname, they are one kernel.
NEARLY_EQUAL = 0.8
# A body this short (characters, without blanks) is too common to be told by itself.
TELLING_LENGTH = 60
# Comparing word by word is for stragglers; a repository turned inside out stays affordable.
MAX_COMPARISONS = 5_000
# Characters of a body.
LONGEST_COMPARED = 20_000

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A kernel as far as telling it apart needs."""

    id: str
    path: str
    qualname: str
    name: str
    source: str


def match_moves(vanished: Sequence[Sighting], appeared: Sequence[Sighting]) -> dict[str, str]:
    """Return `{new id: old id}` of the kernels that moved to another file or got another name.

    Surest first: same qualname and body; same file and body (renamed); a telling body that
    nothing else shares (moved and renamed); same qualname and nearly the same source. Each
    kernel is used once, whatever the order of the arguments.
    """
    lost = sorted(vanished, key=lambda kernel: kernel.id)
    found = sorted(appeared, key=lambda kernel: kernel.id)
    bodies = {kernel.id: _body(kernel) for kernel in (*lost, *found)}

    def telling_body(kernel: Sighting) -> Hashable:
        body = bodies[kernel.id]
        return body if len(body.replace(" ", "")) >= TELLING_LENGTH else None

    rules: tuple[Callable[[Sequence[Sighting], Sequence[Sighting]], dict[str, str]], ...] = (
        lambda old, new: _pair(old, new, lambda kernel: (kernel.qualname, bodies[kernel.id])),
        lambda old, new: _pair(old, new, lambda kernel: (kernel.path, bodies[kernel.id])),
        lambda old, new: _pair(old, new, telling_body, only_unique=True),
        lambda old, new: _pair_nearly_equal(old, new, bodies),
    )
    moves: dict[str, str] = {}
    for rule in rules:
        moves |= rule(lost, found)
        taken = set(moves.values())
        lost = [kernel for kernel in lost if kernel.id not in taken]
        found = [kernel for kernel in found if kernel.id not in moves]
    return moves


def _pair(
    lost: Sequence[Sighting],
    found: Sequence[Sighting],
    trait: Callable[[Sighting], Hashable],
    *,
    only_unique: bool = False,
) -> dict[str, str]:
    """Pair kernels that share a trait (None: none), the most alike paths first."""
    old, new = _grouped(lost, trait), _grouped(found, trait)
    moves: dict[str, str] = {}
    for shared in (old.keys() & new.keys()) - {None}:
        if only_unique and not len(old[shared]) == len(new[shared]) == 1:
            continue
        candidates = list(old[shared])
        for kernel in new[shared][: len(candidates)]:
            origin = max(candidates, key=lambda k: _common_end(k.path, kernel.path))
            candidates.remove(origin)
            moves[kernel.id] = origin.id
    return moves


def _pair_nearly_equal(
    lost: Sequence[Sighting], found: Sequence[Sighting], bodies: Mapping[str, str]
) -> dict[str, str]:
    """Pair kernels of one qualname whose sources share most of their words."""
    words = lru_cache(maxsize=None)(lambda id: Counter(bodies[id][:LONGEST_COMPARED].split()))
    by_qualname = _grouped(lost, lambda kernel: kernel.qualname)
    moves: dict[str, str] = {}
    comparisons = 0
    for kernel in found:
        candidates = by_qualname.get(kernel.qualname, [])
        comparisons += len(candidates)
        if comparisons > MAX_COMPARISONS:
            break
        likeness = {k.id: _likeness(words(k.id), words(kernel.id)) for k in candidates}
        best = max(candidates, key=lambda k: likeness[k.id], default=None)
        if best is not None and likeness[best.id] >= NEARLY_EQUAL:
            candidates.remove(best)
            moves[kernel.id] = best.id
    return moves


def _body(kernel: Sighting) -> str:
    """Return the source with its own name blanked and its spacing evened."""
    return " ".join("_" if w == kernel.name else w for w in _WORD.findall(kernel.source))


def _grouped(
    kernels: Iterable[Sighting], trait: Callable[[Sighting], Hashable]
) -> dict[Hashable, list[Sighting]]:
    groups: dict[Hashable, list[Sighting]] = defaultdict(list)
    for kernel in kernels:
        groups[trait(kernel)].append(kernel)
    return groups


def _common_end(one: str, other: str) -> int:
    """Return how many of the last parts of two paths are the same."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the shared part of two texts' words, 0 to 1."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())
