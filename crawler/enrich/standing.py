"""What tells a kernel that others trust from an exercise: signals -> a number, with reasons. Pure.

Nobody's opinion enters: each signal is a fact that the index holds, and each earns its place in
`benchmarks/standing.py`, which ranks without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_PLAIN = 0.4
"""Of a kernel of which nothing speaks for it or against it."""

# A folder, file or source that says that it holds lessons, trials, or copies.
_EXERCISE = re.compile(
    r"(?:^|[/_.:-])(?:tutorials?|puzzles?|lectures?|lessons?|exercises?|examples?|demos?|playground"
    r"|scratch|homework|solutions?|learn|skills?|experiments?|experimental\w*|prototypes?|poc|toy"
    r"|naive|debug|archived?|deprecated|legacy|research|bench(?:marks?)?|perf-kernels)(?=$|[/_.:-])"
    r"|\.ipynb",
    re.IGNORECASE,
)
_LEARNING = frozenset(("learning", "benchmarks", "tools"))
_LIBRARY = frozenset(("libraries", "training", "attention", "linear-attention", "moe"))
# Calls that compute nothing: memory, addresses, shapes, loops.
_MOVES = frozenset(
    "tl.load tl.store tl.program_id tl.num_programs tl.arange tl.cdiv tl.make_block_ptr tl.advance "
    "tl.full tl.zeros tl.zeros_like tl.broadcast_to tl.expand_dims tl.reshape tl.static_range "
    "tl.range tl.constexpr tl.multiple_of tl.max_contiguous tl.assume tl.static_assert "
    "tl.device_print tl.static_print tl.pointer_type tl.cast tl.debug_barrier".split()
)
# Ops that are to move things, so that a kernel for them does what it is for.
_MOVING = re.compile(
    r"copy|cat|transpose|permute|gather|scatter|index|fill|cache|pad|embedding|memset"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known of a kernel that bears on its standing; the counts leave out collections."""

    path: str
    tl_calls: Collection[str] = ()
    ops: Collection[str] = ()
    n_params: int = 0
    copiers: int = 0
    """Other sources that have copies of it, where it is likely the original."""
    source_copiers: int = 0
    """Other sources that have copies of anything of its source."""
    is_copy: bool = False
    group: str | None = None
    """That of its source in the list."""
    is_collection: bool = False
    """Whether its source is marked as mostly copies, or as written by a program."""
    is_fork: bool = False
    has_gradient: bool = False
    is_public: bool = False
    """Whether a public function or module runs it."""
    is_documented: bool = False
    is_verified: bool = False
    is_compiled: bool = False
    """On the newest release that was tried."""
    is_tested: bool = False
    is_test: bool = False
    is_generated: bool = False
    n_authors: int = 0
    stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One signal of a kernel: what it adds to its standing, and a sentence for a person."""

    signal: str
    worth: float
    text: str


def standing_of(reasons: Collection[Reason]) -> float:
    """Return the standing that signals come to: from 0 to 1, two digits after the point."""
    return round(min(1.0, max(0.0, _PLAIN + sum(reason.worth for reason in reasons))), 2)


def standing_reasons(signals: Signals) -> tuple[Reason, ...]:
    """Return the signals that speak for or against a kernel, the weightiest first."""
    found = [Reason(signal=s, worth=round(w, 3), text=t) for s, w, t in _found(signals)]
    return tuple(sorted(found, key=lambda reason: (-abs(reason.worth), reason.signal)))


def is_trivial(signals: Signals) -> bool:
    """Tell whether a kernel only moves what it is given, though it is not for moving things."""
    if not signals.tl_calls or any(_MOVING.search(op) for op in signals.ops):
        return False
    return _MOVES.issuperset(signals.tl_calls) and len(signals.tl_calls) <= 6


def _found(signals: Signals) -> Iterator[tuple[str, float, str]]:
    if signals.copiers:
        worth = 0.12 * min(1.0, math.log2(1 + signals.copiers) / 3)
        yield "copied", worth, f"{signals.copiers} other sources have copies of it"
    if signals.source_copiers:
        worth = 0.22 * min(1.0, math.log2(1 + signals.source_copiers) / 4)
        yield "source", worth, f"{signals.source_copiers} other sources copy from its source"
    if signals.stars:
        worth = 0.12 * min(1.0, math.log10(1 + signals.stars) / 4.5)
        yield "stars", worth, f"its source has {signals.stars:,} stars"
    if signals.n_authors > 1:
        worth = 0.08 * min(1.0, math.log2(signals.n_authors) / 3)
        yield "authors", worth, f"{signals.n_authors} people wrote its file"
    for signal, holds, worth, text in (
        ("library", signals.group in _LIBRARY, 0.08, "its source is a library of such kernels"),
        ("gradient", signals.has_gradient, 0.1, "it has a backward kernel, or is one"),
        ("public", signals.is_public, 0.08, "a public function or module runs it"),
        ("documented", signals.is_documented, 0.03, "what runs it is documented"),
        ("verified", signals.is_verified, 0.2, "it passed verification"),
        ("compiled", signals.is_compiled, 0.05, "it compiles on the newest release"),
        ("tested", signals.is_tested, 0.05, "tests launch it"),
        ("learning", signals.group in _LEARNING, -0.25, "its source is for learning or measuring"),
        ("exercise", _is_exercise(signals.path), -0.2, "its place says lesson, trial or example"),
        ("collection", signals.is_collection, -0.25, "its source is a collection"),
        ("fork", signals.is_fork, -0.15, "its source is a fork"),
        ("copy", signals.is_copy, -0.08, "it is likely a copy"),
        ("generated", signals.is_generated, -0.3, "a machine wrote it"),
        ("test", signals.is_test, -0.2, "it is part of a test"),
        ("trivial", is_trivial(signals), -0.2, "it computes nothing"),
    ):
        if holds:
            yield signal, worth, text


def _is_exercise(path: str) -> bool:
    return _EXERCISE.search(path) is not None
