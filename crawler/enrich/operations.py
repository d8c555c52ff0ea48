"""Which ops an operation computes: by its own name, else by the kernels that it launches. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.words import words_of

MAX_OPS = 6
"""Ops that are taken over from kernels; what launches kernels for more is no one operation."""


def operation_ops(name: str, of_kernels: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the ops of an operation, those that its name says first.

    `of_kernels` are the ops of its forward kernels, the nearest first.
    """
    reading = op_vocabulary().book.read(words_of(name))
    named = [phrase.meaning for phrase in (*reading.strong, *reading.plain)]
    vocabulary = op_vocabulary()
    known = [op for said in named for op in (said, *vocabulary.with_implied(said))]
    if known:
        return tuple(dict.fromkeys(known))
    computed = tuple(dict.fromkeys(op for ops in of_kernels for op in ops))
    return computed if len(computed) <= MAX_OPS else ()
