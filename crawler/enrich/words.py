"""Names as words: `LigerRMSNormFunction` and `_rms_norm_fwd_kernel1` both speak of an rms norm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

_CHUNK = re.compile(r"[A-Za-z0-9]+")
# rms|Norm, RMS|Norm, KV|Cache; a number stays with what stands before it: conv2d, Fp8, MLAv2.
# The capitals before a lone plural s belong together: FFTs.
_CAMEL = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z][A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))"
    r"|(?<=[a-z])(?=[A-Z]$)"
)
_GRADIENT = re.compile(r"d[A-Z][A-Za-z]{0,2}")
_JOINED = {("split", "k"): "splitk", ("stream", "k"): "streamk"}
_COUNTER = re.compile(r"[a-z]{0,2}\d+[a-z]?")
BACKWARD_PASS = frozenset({"bwd", "backward", "backwards", "bw", "backprop", "grad", "gradient"})
FORWARD_PASS = frozenset({"fwd", "forward", "fw"})
# Every value with its own d, as in dq, dkdv and dwdb: dual, doc, dock, dgx and dcu are words.
# `do` and `dc` by themselves say too many other things.
_GRADIENTS = re.compile(r"(?:d(?:qkv|kv|qk|gamma|beta|bias|weight|[qkvxywbzuhag])){1,4}")
_GRADS = re.compile(r"[dw]?grads?(?:[1-3]d)?")
# Where the name says already that it goes backward, any values after a d are gradients.
_GRADIENTS_BACKWARD = re.compile(r"(?:d[qkvxwbhoyzagucspri]{1,5}\d?){1,3}")
_NO_GRADIENTS = frozenset(
    "dag dab dada drop div dis diag disp dir dig dra dia dual doc dock dgx dcu dao".split()
)
MAX_NAME = 200
"""Longer names come from machines; only their beginning is read."""


@lru_cache(maxsize=65536)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of an identifier or file stem, in lower case and order."""
    words: list[str] = []
    for chunk in _CHUNK.findall(name[:MAX_NAME]):
        if _GRADIENT.fullmatch(chunk):
            words.append(chunk.lower())
        else:
            words.extend(part.lower() for part in _CAMEL.split(chunk))
    return tuple(_join(words))


def _join(words: list[str]) -> Iterator[str]:
    position = 0
    while position < len(words):
        pair = _JOINED.get((words[position], words[position + 1] if words[position + 1 :] else ""))
        yield pair or words[position]
        position += 2 if pair else 1


def backward_words(name: str) -> tuple[str, ...]:
    """Return the words of a name that tell of a gradient: bwd, backward, grad, dq, dkdv, dx."""
    return tuple(word for word in words_of(name) if _is_backward(word))


def _is_backward(word: str) -> bool:
    if word in _NO_GRADIENTS:
        return False
    return (
        word in BACKWARD_PASS
        or _GRADS.fullmatch(word) is not None
        or _GRADIENTS.fullmatch(word) is not None
    )


def is_gradient_in_backward(word: str) -> bool:
    """Tell whether a word is of gradients (dq, do, dsink), in a name that says so elsewhere."""
    return _GRADIENTS_BACKWARD.fullmatch(word) is not None and word not in _NO_GRADIENTS


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase found in a name: what it stands for, and the words of the vocabulary that said it.

    A plain phrase is a word of every day, which names something only where nothing else does. One
    that is a companion too also counts beside a strong phrase: the quant of `rms_norm_quant`.
    """

    meaning: str
    text: str
    plain: bool = False
    companion: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a name says.

    `strong` phrases count wherever they stand; `plain` ones are left out where the name has other
    words of weight. `silent`: it has no word of weight at all. `aside`: a word tells that the
    kernel only prepares something (metadata, offsets).
    """

    strong: tuple[Phrase, ...] = ()
    plain: tuple[Phrase, ...] = ()
    sole: bool = True
    silent: bool = True
    aside: bool = False


@dataclass(slots=True)
class PhraseBook:
    """Finds phrases in names, the longest first; each word serves one phrase."""

    noise: frozenset[str]
    aside: frozenset[str] = frozenset()
    _by_first: dict[str, list[tuple[tuple[str, ...], Phrase]]] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def add(self, phrase: Phrase) -> None:
        """Take up a phrase with every way to write it: rms norm, rmsnorm.

        Raises:
            ValueError: the phrase already means something else.
        """
        words = tuple(phrase.text.split())
        if len(words) == 1 and words[0] in self.noise:
            return
        for spelling in _spellings(words):
            known = self._by_first.setdefault(spelling[0], [])
            taken = next((other for key, other in known if key == spelling), None)
            if taken is not None and taken.meaning != phrase.meaning:
                raise ValueError(
                    f"the phrase {phrase.text!r} means both {taken.meaning} and {phrase.meaning}"
                )
            if taken is None:
                known.append((spelling, phrase))
                known.sort(key=lambda item: -len(item[0]))
                self._known.update(spelling)

    def phrases(self) -> tuple[Phrase, ...]:
        """Return all phrases, each once."""
        known = (phrase for found in self._by_first.values() for _, phrase in found)
        return tuple(dict.fromkeys(known))

    def read(self, words: Iterable[str]) -> Reading:
        """Return what these words say."""
        known = tuple(self._normal(word) for word in words)
        found: list[Phrase] = []
        rest: list[str] = []
        position = 0
        while position < len(known):
            match = self._at(known, position)
            if match is None:
                rest.append(known[position])
                position += 1
            else:
                found.append(match[1])
                position += len(match[0])
        weighty = any(word not in self.noise and not _COUNTER.fullmatch(word) for word in rest)
        strong = [phrase for phrase in found if not phrase.plain]
        if strong:
            strong = [phrase for phrase in found if not phrase.plain or phrase.companion]
        plain = [] if strong or weighty else found
        return Reading(
            strong=tuple(dict.fromkeys(strong)),
            plain=tuple(dict.fromkeys(plain)),
            sole=not weighty,
            silent=not weighty and not found,
            aside=not self.aside.isdisjoint(rest),
        )

    def _at(self, words: tuple[str, ...], position: int) -> tuple[tuple[str, ...], Phrase] | None:
        for spelling, phrase in self._by_first.get(words[position], ()):
            if words[position : position + len(spelling)] == spelling:
                return spelling, phrase
        return None

    def _normal(self, word: str) -> str:
        if word in self._known or word in self.noise:
            return word
        bare = word.rstrip("0123456789")
        return bare if bare in self._known or bare in self.noise else word


def _spellings(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words with every choice of neighbours written as one."""
    if len(words) > 5:
        yield words
        return
    for joints in range(1 << (len(words) - 1)):
        spelling = [words[0]]
        for index, word in enumerate(words[1:]):
            if joints >> index & 1:
                spelling[-1] += word
            else:
                spelling.append(word)
        yield tuple(spelling)
