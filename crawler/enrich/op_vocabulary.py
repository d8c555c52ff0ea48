"""The vocabulary of ops, as `crawler/data/ops.toml` has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from crawler.enrich.words import Phrase, PhraseBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """An op of the vocabulary. `tags` begin with its category; `aten` names are `aten::...`."""

    name: str
    category: str
    tags: tuple[str, ...]
    aliases: tuple[str, ...]
    aten: tuple[str, ...]
    implies: tuple[str, ...]
    hides: tuple[str, ...]
    when: tuple[tuple[str, frozenset[str]], ...]
    calls: frozenset[str]
    vague: bool

    @property
    def other_names(self) -> tuple[str, ...]:
        """What else it is called: its aliases and the operators of PyTorch that it stands for."""
        aten = (name.removeprefix("aten::").strip("_") for name in self.aten)
        names = dict.fromkeys((*self.aliases, *aten))
        return tuple(name for name in names if name != self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Parameters and calls that give an op away: one of each group must be there."""

    op: str
    params: tuple[frozenset[str], ...]
    calls: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpVocabulary:
    """All ops by name, the phrases that name them, and the signatures."""

    ops: Mapping[str, Op]
    book: PhraseBook
    general: frozenset[str]
    """Ops that are building blocks of others."""
    refinements: Mapping[str, tuple[tuple[str, frozenset[str]], ...]]
    """Op -> (the op it becomes, the words one of which must stand beside it)."""
    signatures: tuple[Signature, ...]

    def with_implied(self, name: str) -> tuple[str, ...]:
        """Return the op and all that hold wherever it holds, nearest first."""
        found = [name]
        for op in found:
            found.extend(other for other in self.ops[op].implies if other not in found)
        return tuple(found)


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    aliases: tuple[str, ...] = ()
    aten: tuple[str, ...] = ()
    when: dict[str, tuple[str, ...]] = {}
    implies: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    vague: bool = False


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    op: str
    params: tuple[str, ...]
    calls: tuple[str, ...]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    general: tuple[str, ...]
    plain: tuple[str, ...]
    companions: tuple[str, ...]
    noise: tuple[str, ...]
    aside: tuple[str, ...]
    signatures: tuple[_Signature, ...]
    ops: dict[str, dict[str, _Entry]]
    other_names: dict[str, tuple[str, ...]] = {}


_BLAS = "blas"
_TYPES = ("s", "d", "c", "z", "h", "bf", "cs", "zd")
"""The letters with which BLAS tells types apart: real and complex, single, double and half."""
_ROUTINES = {
    "matmul": ("gemm", "gemmex"),
    "gemv": ("gemv",),
    "batched_matmul": ("gemmbatched", "gemmstridedbatched"),
    "gram_matrix": ("syrk", "herk"),
    "solve_triangular": ("trsm",),
    "outer": ("ger", "geru", "gerc"),
    "dot_product": ("dot", "dotu", "dotc"),
    "vector_norm": ("nrm2",),
    "sparse_matmul": ("spmm", "sddmm"),
}
"""Routines of BLAS that ops of PyTorch stand for."""


@cache
def op_vocabulary() -> OpVocabulary:
    """Return the vocabulary that the package carries; it is read once."""
    text = resources.files("crawler").joinpath("data", "ops.toml").read_text(encoding="utf-8")
    return parse_op_vocabulary(tomllib.loads(text))


def parse_op_vocabulary(data: Mapping[str, Any]) -> OpVocabulary:
    """Return the vocabulary that parsed TOML describes.

    Raises:
        ValueError: an entry is malformed, names an unknown op, or takes another op's phrase.
    """
    file = msgspec.convert(data, _File)
    ops: dict[str, Op] = {}
    for category, entries in file.ops.items():
        for name, entry in entries.items():
            if name in ops:
                raise ValueError(f"the op {name} is in the vocabulary twice")
            ops[name] = _op(name, category, entry, file.other_names.get(name, ()))
    _check_names(ops, file.signatures)
    if strangers := sorted(file.other_names.keys() - ops.keys()):
        raise ValueError(f"other names are given to {strangers[0]}, which is no op")
    refinements: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for op in ops.values():
        for base, words in op.when:
            refinements.setdefault(base, []).append((op.name, words))
    return OpVocabulary(
        ops=ops,
        book=_book(ops, file),
        general=frozenset(
            op.name for op in ops.values() if op.vague or op.category in file.general
        ),
        refinements={base: tuple(found) for base, found in refinements.items()},
        signatures=tuple(
            Signature(op=s.op, params=_groups(s.params), calls=_groups(s.calls))
            for s in file.signatures
        ),
    )


def _op(name: str, category: str, entry: _Entry, other_names: tuple[str, ...]) -> Op:
    return Op(
        name=name,
        category=category,
        tags=tuple(dict.fromkeys((category, *entry.tags))),
        aliases=tuple(dict.fromkeys((*entry.aliases, *other_names))),
        aten=tuple(f"aten::{aten}" for aten in entry.aten),
        implies=entry.implies,
        hides=entry.hides,
        when=tuple((base, frozenset(words)) for base, words in entry.when.items()),
        calls=frozenset(entry.calls),
        vague=entry.vague,
    )


def _check_names(ops: Mapping[str, Op], signatures: tuple[_Signature, ...]) -> None:
    for op in ops.values():
        for other in (*op.implies, *op.hides, *(base for base, _ in op.when)):
            if other not in ops:
                raise ValueError(f"the op {op.name} refers to {other}, which is no op")
    for signature in signatures:
        if signature.op not in ops:
            raise ValueError(f"a signature refers to {signature.op}, which is no op")


def _book(ops: Mapping[str, Op], file: _File) -> PhraseBook:
    book = PhraseBook(frozenset(file.noise), frozenset(file.aside))
    plain, companions = {*file.plain, *file.companions}, frozenset(file.companions)
    taken: set[str] = set()
    for op in ops.values():
        for text in (op.name, *op.other_names):
            words = text.replace("_", " ")
            taken.add(words)
            book.add(Phrase(op.name, words, words in plain, words in companions))
    for op in ops.values():
        routines = [op.name, *op.aliases] if op.category == _BLAS else _ROUTINES.get(op.name, ())
        for routine in routines:
            for name in (f"{letter}{routine}" for letter in _TYPES if " " not in routine):
                if name not in taken:
                    book.add(Phrase(op.name, name))
    return book


def _groups(alternatives: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(group.split("|")) for group in alternatives)
