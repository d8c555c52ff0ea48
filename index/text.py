"""Words of identifiers and prose, as search compares them. Pure.

An identifier falls apart where its writer joined it: `rms_norm_fwd`, `RMSNormFwd` and
`rms norm fwd` are the same three words. That `rmsnorm` is two of them can be read nowhere; it is
learned from those who wrote them apart (see `index.tables.search_tables`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

# Longer prose says nothing more of a kernel, and this bounds what a hostile file costs.
LONGEST_TEXT = 4_000
LONGEST_WORD = 40

# Stands between phrases, so that the last word of one and the first of the next are no pair.
BREAK = "|"
# Stands between the words of one camel-case token, which is also a joined spelling of them.
JOINT = "+"

# Short and inflected forms that stemming does not bring together, and what they stand for.
SHORT_FORMS = {
    "attn": "attention",
    "bwd": "backward",
    "conv": "convolution",
    "dequant": "dequantize",
    "dequantization": "dequantize",
    "fwd": "forward",
    "idx": "index",
    "indices": "index",
    "matrices": "matrix",
    "normalisation": "norm",
    "normalise": "norm",
    "normalization": "norm",
    "normalize": "norm",
    "normalized": "norm",
    "ptr": "pointer",
    "quant": "quantize",
    "quantisation": "quantize",
    "quantization": "quantize",
    "reduction": "reduce",
    "vec": "vector",
}

_STOP = (
    "a about an and any are as at be beginner beginners by can do does each find for from get "
    "have how i in into is it its like me my need newcomer newcomers novice novices of on one "
    "or our over show some such than that the their them then there these they this to use uses "
    "using via want we what when where which who with write you your"
)
_COMMON = (
    "code efficient example fast function functions gpu implementation impl jit kernel kernels "
    "op operation operator ops optimized python pytorch torch triton"
)
# Words of a question that say nothing of a kernel.
STOP_WORDS = frozenset(_STOP.split())
# Words that nearly every kernel has somewhere: welcome in a question, required of no answer.
COMMON_WORDS = frozenset(_COMMON.split())

_TOKEN = re.compile(r"[^\W_]+")
# The capitals before a lone plural s belong together: GEMMs, fused MLPs.
_CAMEL = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))"
)
_ACRONYMS = re.compile(r"([A-Z]{2,}\d?)s")
_NO_VOWEL = re.compile(r"[b-df-hj-np-tv-xz\d]{3,}s")


def normalise(text: str) -> str:
    """Return the words of a text, lower case, with a blank between.

    Parts of a camel-case token are joined by `+`: `RMSNorm of x_ptr` gives `rms+norm of x ptr`.
    """
    return " ".join(map(_split_token, _TOKEN.findall(text[:LONGEST_TEXT])))


def normalise_phrases(phrases: Iterable[str]) -> str:
    """Return the words of several texts, kept apart from each other by `|`."""
    return f" {BREAK} ".join(filter(None, map(_normalise_again, phrases)))


@lru_cache(maxsize=100_000)
def _normalise_again(phrase: str) -> str:
    """Return what `normalise` does; phrases are names that many kernels share."""
    return normalise(phrase)


def words(text: str) -> list[str]:
    """Return the words of a text, camel-case tokens taken apart."""
    return normalise(text).replace(JOINT, " ").split()


def asked_words(text: str) -> list[str]:
    """Return the words of a question that say something, or all where none does."""
    found = words(text)
    return [word for word in found if word not in STOP_WORDS] or found


def phrase_key(phrase: Iterable[str]) -> str:
    """Return what all spellings of a phrase have in common, given its words."""
    return "".join(term(word) for word in phrase)


@lru_cache(maxsize=100_000)
def term(word: str) -> str:
    """Return what a word is compared by: its stem, its short form written out."""
    plain = word if word in SHORT_FORMS else word.removesuffix("s")
    if _NO_VOWEL.fullmatch(word):
        return SHORT_FORMS.get(
            plain, plain
        )  # which the stemmer, without a vowel to go by, would leave as it is
    return _stem()(SHORT_FORMS.get(plain, word))


def join_terms(terms: Iterable[str]) -> str:
    """Return terms written together, as names are compared with what is asked for."""
    return "".join(terms).replace(JOINT, "")


@lru_cache(maxsize=100_000)
def _split_token(token: str) -> str:
    acronym = _ACRONYMS.fullmatch(token)
    token = acronym[1] if acronym else token
    return _CAMEL.sub(JOINT, token).lower()[:LONGEST_WORD].rstrip(JOINT)


@cache
def _stem() -> Callable[[str], str]:
    # By its module: `snowballstemmer.stemmer()` hands out a compiled one, of another version,
    # wherever one is installed.
    from snowballstemmer.english_stemmer import EnglishStemmer  # type: ignore[import-untyped]

    stem: Callable[[str], str] = EnglishStemmer().stemWord
    return stem
