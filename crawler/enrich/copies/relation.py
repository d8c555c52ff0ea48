"""What two kernels of one group are to each other: a copy, a near copy, or only the same. Pure.

Kernels of a group compute the same. That one was copied from the other is claimed where their text
proves it: short functions are written alike by people who never saw each other's code, and of two
that share half of their text each may well have been written by itself.
"""

from __future__ import annotations

from enum import StrEnum

from crawler.enrich.copies.fingerprint import Fingerprint, similarity
from crawler.enrich.copies.groups import ALIKE_NAMED

COPY_SIZE, TELLING_SIZE, TELLING_STEPS = 60, 40, 4
"""Tokens of a function that, equal after renaming, was copied (a vector add has fifty); fewer tell
where it does that many different things to values."""
NEAR_SIZE = 100
"""Tokens of the shorter of two that share nearly all of their text by more than chance."""
SHORT_ALIKE = 0.75
"""What shorter ones must share, down to the sizes of copies."""


class Relation(StrEnum):
    """How much the texts of two kernels that compute the same prove."""

    COPY = "copy"
    NEAR_COPY = "near copy"
    SAME_COMPUTATION = "same computation"


def relation_of(
    one: Fingerprint, other: Fingerprint, *, is_equal: bool, is_credited: bool = False
) -> Relation:
    """Return the relation of two kernels of a group.

    Args:
        one: the one.
        other: the other.
        is_equal: whether they are equal after renaming, with all that they call.
        is_credited: whether the file of one says that it is from the other's source, which proves
            what the text alone does not.
    """
    is_telling = _is_telling(one) and _is_telling(other)
    if is_equal and is_telling:
        return Relation.COPY
    alike = similarity(one.sketch, other.sketch)
    is_long = min(one.size, other.size) >= NEAR_SIZE
    if is_telling and alike >= (ALIKE_NAMED if is_long else SHORT_ALIKE):
        return Relation.NEAR_COPY
    return Relation.NEAR_COPY if is_credited else Relation.SAME_COMPUTATION


def _is_telling(print_: Fingerprint) -> bool:
    """Tell whether a function is such that nobody would write it alike."""
    n_steps = len(print_.steps.always | print_.steps.optional)
    return print_.size >= COPY_SIZE or (print_.size >= TELLING_SIZE and n_steps >= TELLING_STEPS)
