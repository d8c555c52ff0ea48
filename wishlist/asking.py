"""What a wish asks for, taken apart so that it can be compared: ops, and the words beside them.

A person writes "Rotated ROI align for oriented detection": the op is roi_align, `rotated` decides
whether a kernel of that op will do, and what follows `for` says where it is needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.words import Phrase, words_of
from wishlist.models import Pass, Wish
from wishlist.opening import without_namespaces, without_opening
from wishlist.vocabulary import wish_vocabulary

# How a kernel runs and what it handles are compared as passes, dtypes and hardware.
_ELSEWHERE = re.compile(
    r"(?:fwd|forward|bwd|backward|backprop|backwards?|gradients?|training|inference|autograd|grads?"
    r"|b?f(?:p|loat)?\d+\w*|bfloat16|u?int\d+|i8|s8|e[45]m[23]\w*|half|mx?fp\d|nvfp4|nf4|tf32"
    r"|precision|dtypes?|bits?|w\d+a\d+|quantized"
    r"|amd|rocm|mi\d+x?|hip|cuda|nvidia|hopper|blackwell|ampere|ada|sm_?\d+a?|[abhlv]\d{2,3}0?s?"
    r"|rtx|gfx\d+\w*|gpus?|cpu|xpu|intel|npu|ascend|\d+[a-ce-z]?)"
)
HEAD, DETAIL, PURPOSE = 1.0, 0.4, 0.1
# A word that stands before the name of an op says which one: the rotated of "rotated RoI align".
MODIFIER = 1.45
# What a word of little weight in names (`jagged`, `batched`) is worth beside others.
NOISE_SHARE = 0.3
# What an op of everyday arithmetic is worth beside one that is not.
GENERAL_SHARE = 0.2
LONGEST = 300
MOST_OPS = 6
LONGEST_PHRASE = 6
_MARKS = frozenset("([,;:")
_PIECE = re.compile(r"[(\[,;:]|[\w./+'-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a wish that the vocabulary of ops does not explain: its stem and its weight."""

    text: str
    stem: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a wish asks for: `op_words` are those that name its ops, `words` the rest of weight.

    Who says nothing of passes asks for the forward one.
    """

    ops: tuple[str, ...]
    words: tuple[Word, ...]
    op_words: tuple[Word, ...]
    passes: frozenset[Pass]
    dtypes: tuple[str, ...]
    features: tuple[str, ...]


@lru_cache(maxsize=4096)
def asking(wish: Wish) -> Asking:
    """Return what the wish asks for: by its ops, and by the words of its operation or title."""
    text = without_opening(without_namespaces((wish.operation or wish.title)[:LONGEST]))
    words = list(_weighed(text))
    naming = _naming(words)
    explained = {place for places in naming for place in places}
    for before in {places.start - 1 for places in naming} - explained:
        if before >= 0 and words[before].weight == HEAD:
            words[before] = replace(words[before], weight=MODIFIER)
    return Asking(
        ops=most_specific(wish.ops)[:MOST_OPS],
        words=_once(word for n, word in enumerate(words) if n not in explained and word.weight),
        op_words=_once(replace(words[n], weight=HEAD) for n in sorted(explained)),
        passes=frozenset(wish.passes or (Pass.FORWARD,)),
        dtypes=wish.dtypes,
        features=wish.features,
    )


def most_specific(ops: Iterable[str]) -> tuple[str, ...]:
    """Return the ops without those that others of them imply."""
    known = tuple(dict.fromkeys(op for op in ops if op in op_vocabulary().ops))
    implied = {other for op in known for other in op_vocabulary().with_implied(op)[1:]}
    return tuple(op for op in known if op not in implied)


def op_weights(ops: Iterable[str]) -> dict[str, float]:
    """Return what each op weighs: a building block (the add of a fused norm) little."""
    known = tuple(ops)
    general = op_vocabulary().general
    if general.issuperset(known):
        return dict.fromkeys(known, 1.0)
    return {op: GENERAL_SHARE if op in general else 1.0 for op in known}


def stems(text: str) -> frozenset[str]:
    """Return what the words of names or prose are compared by, words without weight left out."""
    return frozenset(stem(word) for word in words_of(text) if _share(word))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return what an English word is compared by."""
    return _stemmer()(word)


def _weighed(text: str) -> Iterator[Word]:
    """Yield the words in order; those of details and purposes weigh less, many nothing at all."""
    vocabulary = wish_vocabulary()
    weight, has_begun = HEAD, False
    for piece in _PIECE.findall(_plain(text)):
        said = piece.lower()
        if has_begun and said in vocabulary.purposes:
            weight = PURPOSE
        elif has_begun and (said in vocabulary.details or said in _MARKS):
            weight = min(weight, DETAIL)
        for word in _words(piece):
            share = _share(word)
            has_begun = has_begun or share == 1.0
            yield Word(text=word, stem=stem(word), weight=round(weight * share, 3))


def _plain(text: str) -> str:
    """Return the text in plain letters, `Lovász` as `Lovasz`."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _words(piece: str) -> tuple[str, ...]:
    """Return the words of a piece; a token that is one word in spite of its capitals stays whole.

    So does one that they part into crumbs (RoI), or that the vocabulary has as it is (SwiGLU).
    """
    words: list[str] = []
    for part in re.split(r"[^\w]+|_", piece.replace("'", "")):
        pieces = words_of(part)
        has_crumbs = len(pieces) > 1 and min(map(len, pieces)) <= 2
        is_one = has_crumbs or _phrase((part.lower(),)) is not None
        words += [part.lower()] if is_one else pieces
    # top-k, split-k
    joined = [
        f"{words[n - 1]}{word}" if len(word) == 1 and n and "-" in piece else word
        for n, word in enumerate(words)
        if not (n + 1 < len(words) and len(words[n + 1]) == 1 and "-" in piece)
    ]
    return tuple(joined)


def _share(word: str) -> float:
    if word in wish_vocabulary().small or _ELSEWHERE.fullmatch(word):
        return 0.0
    return NOISE_SHARE if word in op_vocabulary().book.noise else 1.0


def _naming(words: Sequence[Word]) -> list[range]:
    """Return the places of the words that name ops.

    Words of every day (`max`, `where`) name an op only where nothing else does, and then not
    after `for`.
    """
    found = list(_phrases(words))
    strong = [places for phrase, places in found if not phrase.plain]
    in_head = (places for _, places in found if all(words[n].weight == HEAD for n in places))
    return strong or list(in_head)


def _phrases(words: Sequence[Word]) -> Iterator[tuple[Phrase, range]]:
    """Yield the phrases of the vocabulary, the longest at each place."""
    start = 0
    while start < len(words):
        for size in range(min(LONGEST_PHRASE, len(words) - start), 0, -1):
            texts = tuple(word.text for word in words[start : start + size])
            phrase = _phrase(texts)
            if phrase is not None:
                yield phrase, range(start, start + size)
                start += size - 1
                break
        start += 1


@lru_cache(maxsize=65536)
def _phrase(texts: tuple[str, ...]) -> Phrase | None:
    """Return the phrase that these words are, None if they are none or more than one."""
    joined = "".join(texts)
    spellings = {joined, joined.removesuffix("s"), joined.rstrip("0123456789")}
    for read in (texts, (*texts[:-1], texts[-1].removesuffix("s"))):
        reading = op_vocabulary().book.read(read)
        for phrase in (*reading.strong, *reading.plain):
            if len(texts) == 1 or phrase.text.replace(" ", "") in spellings:
                return phrase
    return None


def _once(words: Iterable[Word]) -> tuple[Word, ...]:
    """Return the words without repetitions, each with the most that it weighs."""
    best: dict[str, Word] = {}
    for word in words:
        if word.stem not in best or best[word.stem].weight < word.weight:
            best[word.stem] = word
    return tuple(best.values())


@cache
def _stemmer() -> Callable[[str], str]:
    # By its module: `snowballstemmer.stemmer()` hands out a compiled one, of another version,
    # wherever one is installed.
    from snowballstemmer.english_stemmer import EnglishStemmer  # type: ignore[import-untyped]

    stem_word: Callable[[str], str] = EnglishStemmer().stemWord
    return stem_word
