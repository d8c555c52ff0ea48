"""The words of wishes, as `wishlist/data/wishes.toml` has them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TypeVar

import msgspec

from wishlist.models import Pass

M = TypeVar("M", bound=str)


class Field(StrEnum):
    """A field of the form, in the order of the form."""

    OPERATION = "operation"
    REFERENCE = "reference"
    PASSES = "passes"
    DTYPES = "dtypes"
    SHAPES = "shapes"
    HARDWARE = "hardware"
    WHY = "why"
    HELP = "help"


class LabelKind(StrEnum):
    """What a label makes of an issue: a wish, one in some state, or something else."""

    WISH = "wish"
    CLAIMED = "claimed"
    IN_PROGRESS = "in_progress"
    DECLINED = "declined"
    FULFILLED = "fulfilled"
    DUPLICATE = "duplicate"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class WishVocabulary:
    """Labels of the fields, and what other words stand for; keys are as `fold` makes them."""

    labels: Mapping[Field, str]
    headings: Mapping[str, Field]
    passes: Mapping[str, tuple[Pass, ...]]
    hardware: Mapping[str, str]
    families: tuple[str, ...]
    features: Mapping[str, str]
    issue_labels: Mapping[str, LabelKind]
    asking: frozenset[str]
    small: frozenset[str]
    """Words that tell no kernel from another, those of `asking`, `details` and `purposes` too."""
    details: frozenset[str]
    purposes: frozenset[str]
    steps: Mapping[str, frozenset[str]]
    """Category of ops -> words of kernels that are a step beside one, `any` for all of them."""

    def steps_of(self, categories: Iterable[str]) -> frozenset[str]:
        """Return the words of steps beside ops of these categories."""
        known = (self.steps.get(category, frozenset()) for category in ("any", *categories))
        return frozenset().union(*known)


class _FieldEntry(msgspec.Struct, forbid_unknown_fields=True):
    label: str
    aliases: tuple[str, ...]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    asking: tuple[str, ...]
    small: tuple[str, ...]
    details: tuple[str, ...]
    purposes: tuple[str, ...]
    steps: dict[str, tuple[str, ...]]
    fields: dict[Field, _FieldEntry]
    passes: dict[str, tuple[str, ...]]
    hardware: dict[str, tuple[str, ...]]
    features: dict[str, tuple[str, ...]]
    labels: dict[LabelKind, tuple[str, ...]]


_MARKS = re.compile(r"[^\w+']+")


def fold(text: str) -> str:
    """Return the text as headings and labels are compared: lower case, words parted by blanks."""
    plain = (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    return " ".join(_MARKS.sub(" ", plain.replace("_", " ")).split())


@cache
def wish_vocabulary() -> WishVocabulary:
    """Return the vocabulary that the package carries; it is read once."""
    text = resources.files("wishlist").joinpath("data", "wishes.toml").read_text(encoding="utf-8")
    file = msgspec.convert(tomllib.loads(text), _File)
    passes = {"forward": (Pass.FORWARD,), "backward": (Pass.BACKWARD,), "both": tuple(Pass)}
    return WishVocabulary(
        labels={field: file.fields[field].label for field in Field},
        headings=_inverse(
            {field: (entry.label, *entry.aliases) for field, entry in file.fields.items()}
        ),
        passes={word: passes[name] for word, name in _inverse(file.passes).items()},
        hardware=_inverse({name: (name, *words) for name, words in file.hardware.items()}),
        families=tuple(file.hardware),
        features=_inverse(file.features),
        issue_labels=_inverse(file.labels),
        asking=frozenset(file.asking),
        small=frozenset((*file.asking, *file.small, *file.details, *file.purposes)),
        details=frozenset(file.details),
        purposes=frozenset(file.purposes),
        steps={category: frozenset(words) for category, words in file.steps.items()},
    )


def _inverse(entries: Mapping[M, Iterable[str]]) -> dict[str, M]:
    """Return what each word stands for.

    Raises:
        ValueError: a word stands for two things.
    """
    found: dict[str, M] = {}
    for meaning, words in entries.items():
        for word in map(fold, words):
            if found.setdefault(word, meaning) != meaning:
                raise ValueError(f"{word!r} stands for both {found[word]} and {meaning}")
    return found


def label_kinds(labels: Iterable[str]) -> frozenset[LabelKind]:
    """Return what these labels make of an issue; `status: in progress` is `in progress`."""
    known = wish_vocabulary().issue_labels
    found = (
        known.get(fold(label)) or known.get(fold(re.split(r"[:/]", label)[-1])) for label in labels
    )
    return frozenset(kind for kind in found if kind is not None)
