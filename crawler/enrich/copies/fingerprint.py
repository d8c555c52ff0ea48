"""What tells copies of a kernel: its code after renaming, what it does to values, what it is like.

The code of a function that it calls is no part of its own, so that a fingerprint follows from one
text alone and can be kept as long as that text stands. `copies` puts both together.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from heapq import nsmallest
from zlib import crc32

from crawler.enrich.api_table import load_table
from crawler.enrich.copies.code_tokens import tokens_of
from crawler.enrich.copies.value_ops import ValueOps, value_ops
from crawler.scan.parse import MAX_SOURCE_BYTES, parse_newer_grammar

FINGERPRINT_VERSION = "1"
"""Raise it whenever the same text would get another fingerprint."""

SHINGLE = 4
"""Tokens in a row that are compared as one; fewer are found in any kernel."""

SKETCH_SIZE = 256
"""Shingles that are kept. Kernels of up to about 300 tokens are compared whole; of longer ones
these are a sample that tells the shared part to within 3% (one standard deviation)."""

_BRACKETS = frozenset("()]")
_LANGUAGES = frozenset(
    "triton.language triton.language.standard triton.language.math"
    " triton.experimental.gluon.language".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One function, as far as it can be told from its own text.

    `code` is equal for two functions that are equal after renaming, except for what they call:
    `callees`, in the order of their first use. `size` counts tokens without brackets. `sketch`
    holds the smallest hashes of its shingles, `flow` those of its steps with their operands, both
    ascending.
    """

    code: str
    callees: tuple[str, ...]
    size: int
    steps: ValueOps
    sketch: Sequence[int]
    flow: Sequence[int]


def fingerprint_of(text: str, callees: Collection[str] = ()) -> Fingerprint | None:
    """Return the fingerprint of a function, None where its text is none.

    Args:
        text: its definition; decorators before it do not matter.
        callees: the names of the functions that it calls and that have fingerprints of their own.
    """
    function = _parse(text)
    if function is None:
        return None
    try:
        tokens = tokens_of(function, callees)
        steps = value_ops(function, callees)
    except RecursionError:
        return None
    near = [token for token in tokens.near if token not in _BRACKETS]
    exact = "\x1f".join(tokens.exact).encode("utf-8", "backslashreplace")
    return Fingerprint(
        code=hashlib.sha256(exact).hexdigest()[:16],
        callees=tuple(tokens.callees),
        size=len(near),
        steps=steps,
        sketch=_sketch(near),
        flow=_smallest(map(_number, _counted(steps.flow))),
    )


def definition_text(source: str, decorator_lines: int) -> str:
    """Return the source of a kernel without the lines of its decorators."""
    return source.split("\n", decorator_lines)[-1]


def callee_names(calls: Iterable[str]) -> frozenset[str]:
    """Return the names of what a kernel calls, by the ids in its `calls`.

    Names that Triton itself offers are left out: they mean the same everywhere, also where a
    project (or Triton's own repository) defines them.
    """
    names = (call.rpartition("::")[2].rpartition(".")[2] for call in calls)
    return frozenset(names) - _offered_names()


@cache
def _offered_names() -> frozenset[str]:
    rows = load_table().modules()
    return frozenset(name for module, name, _ in rows if name and module in _LANGUAGES)


def _parse(text: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    # A method or an inner function stands to the right.
    text = f"if 1:\n{text}" if text[:1].isspace() else text
    if len(text) > MAX_SOURCE_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            # Invalid escapes in other people's strings are not ours to report.
            warnings.simplefilter("ignore")
            tree: ast.Module | None = ast.parse(text)
    except (SyntaxError, ValueError):
        tree = parse_newer_grammar(text)
    except (RecursionError, MemoryError):
        return None
    body = tree.body if tree is not None else []
    if body and isinstance(body[0], ast.If):
        body = body[0].body
    first = body[0] if body else None
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _sketch(tokens: Sequence[str]) -> Sequence[int]:
    """Return the smallest hashes of the shingles; the second of a kind counts apart."""
    numbers = [_number(token) for token in tokens]
    seen: Counter[int] = Counter()
    found = []
    for a, b, c, d in zip(numbers, numbers[1:], numbers[2:], numbers[3:], strict=False):
        shingle = a * 0x9E3779B1 + b * 0x85EBCA77 + c * 0xC2B2AE3D + d * 0x27D4EB2F
        seen[shingle] += 1
        mixed = (shingle ^ (shingle >> 29)) * 0xBF58476D1CE4E5B9 + seen[shingle]
        found.append((mixed * 0x94D049BB133111EB >> 31) & 0xFFFFFFFF)
    return _smallest(found)


def _smallest(hashes: Iterable[int]) -> Sequence[int]:
    return array("I", nsmallest(SKETCH_SIZE, set(hashes)))


def _counted(words: Iterable[str]) -> Iterator[str]:
    """Yield each word with how often it was there before: the second of a kind counts apart."""
    seen: Counter[str] = Counter()
    for word in words:
        yield f"{word} {seen[word]}"
        seen[word] += 1


@lru_cache(maxsize=65536)
def _number(token: str) -> int:
    return crc32(token.encode("utf-8", "backslashreplace"))


def similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the share of two sketches' shingles that both kernels have, 0 to 1 (Jaccard)."""
    first, second = set(one), set(other)
    if max(len(first), len(second)) >= SKETCH_SIZE:
        # Only the smallest of both together are a fair sample of both.
        sample = set(nsmallest(SKETCH_SIZE, first | second))
        return len(sample & first & second) / max(1, len(sample))
    return len(first & second) / max(1, len(first | second))
