"""How well a kernel serves a wish, and why. Pure.

A score is a product: how much of what the wish asks for the kernel computes, times what each
shortcoming leaves of it. Of the score of a kernel that computes all of it, one that lacks the
backward pass keeps `NO_BACKWARD`, so that it is `partly` what was wished for and never `exists`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crawler.enrich.dtypes import dtype_of_word
from crawler.enrich.op_vocabulary import op_vocabulary
from crawler.enrich.words import words_of
from crawler.models import Role
from wishlist.asking import HEAD, Asking, Word, asking, most_specific, op_weights, stems
from wishlist.candidates import PLAIN_DTYPES, Candidate, is_permissive
from wishlist.models import EXISTS_SCORE, Pass, Wish, WishMatch
from wishlist.vocabulary import wish_vocabulary

# A kernel of a more general op than the one asked for: attention for paged attention.
GENERAL_OP = 0.5
# A kernel whose own name says nothing, or something else than what it is launched for.
SILENT_NAME, OTHER_NAME = 0.97, 0.9
# One whose name says that it prepares or supports what is wished for, and does not compute it.
HELPER = 0.7
# Each op, and each word of its name, that nobody asked for.
EXTRA_OP, MOST_EXTRA_OPS = 0.93, 3
EXTRA_WORD, MOST_EXTRA_WORDS = 0.985, 6
# Words alone, where no op speaks for it, cannot be as sure.
WORDS_ALONE = 0.85
# What is left of a score where something that was asked for is missing ...
NO_BACKWARD, NO_FORWARD, OTHER_DIRECTION = 0.6, 0.5, 0.9
NO_DTYPE, OTHER_DTYPE, NO_FEATURE = 0.65, 0.85, 0.85
# ... and where a kernel is of less use than others.
DEVICE_FUNCTION, UNKNOWN_ROLE, OLD_TRITON, NOT_PERMISSIVE, NOT_VERIFIED = 0.7, 0.95, 0.9, 0.97, 0.99
# Matches below this tell nothing.
LEAST_SCORE = 0.2
MOST_MATCHES = 5

_FORMATS = frozenset({"fp8", "fp4", "int8", "int4"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """One thing that was looked at: the share of the score that it leaves, and words for it."""

    share: float
    words: str | None = None


def match(wish: Wish, candidates: Iterable[Candidate]) -> tuple[WishMatch, ...]:
    """Return the kernels that serve the wish best, at most `MOST_MATCHES`, copies left out.

    Of equal ones, those that come first among the candidates go first. Of several ops that no
    kernel computes together each has its best kernel among the first.
    """
    asked = asking(wish)
    judged = [(candidate, judge(asked, candidate)) for candidate in candidates]
    good = [(c, found) for c, found in judged if found.score >= LEAST_SCORE]
    good.sort(key=lambda pair: -pair[1].score)
    return _for_each_op(asked, list(_without_copies(good)))[:MOST_MATCHES]


def _for_each_op(
    asked: Asking, found: Sequence[tuple[Candidate, WishMatch]]
) -> tuple[WishMatch, ...]:
    """Return the matches in order, but for the best of each op before the second best of any."""
    if not found or found[0][1].score >= EXISTS_SCORE:
        return tuple(match for _, match in found)
    firsts: list[WishMatch] = []
    for op in asked.ops:
        best = next((match for candidate, match in found if op in candidate.ops), None)
        if best is not None and best not in firsts:
            firsts.append(best)
    firsts.sort(key=lambda match: -match.score)
    return (*firsts, *(match for _, match in found if match not in firsts))


def judge(asked: Asking, candidate: Candidate) -> WishMatch:
    """Return how well one kernel serves what is asked for."""
    score = 1.0
    reasons: list[str] = []
    for judgement in _judgements(asked, candidate):
        score *= judgement.share
        reasons += [judgement.words] if judgement.words else []
    return WishMatch(id=candidate.id, score=round(score, 3), reason="; ".join(reasons))


def _judgements(asked: Asking, candidate: Candidate) -> Iterator[_Judgement]:
    yield _of_what(asked, candidate)
    yield _of_passes(asked, candidate)
    yield from _of_dtypes(asked, candidate)
    yield from _of_features(asked, candidate)
    yield _of_name(asked, candidate)
    yield _of_step(asked, candidate)
    yield _of_role(candidate)
    yield _of_license(candidate)
    yield _of_triton(candidate)
    yield (
        _Judgement(share=1.0, words="verified")
        if candidate.is_verified
        else _Judgement(share=NOT_VERIFIED)
    )


def _of_what(asked: Asking, candidate: Candidate) -> _Judgement:
    """Judge what the kernel computes, by its ops or, where these say less, by its words."""
    said = _words_of(candidate)
    words = (*asked.op_words, *asked.words)
    # An op that no word names stands in the body or in the reference.
    named = _weight(asked.op_words) or HEAD
    with_rest = named + _weight(asked.words, said)
    by_ops = _share_of_ops(asked, candidate) * with_rest / (named + _weight(asked.words))
    by_words = WORDS_ALONE * _weight(words, said) / (_weight(words) or HEAD)
    if asked.ops and by_ops >= by_words:
        computed = sorted(set(candidate.ops).intersection(_wider(asked.ops)))
        shown, rest = ", ".join(computed) or "nothing asked for", asked.words
        others = [op for op in asked.ops if op not in _wider(candidate.ops)]
        shown += f", no {' or '.join(others)}" if computed and others else ""
    else:
        shown, rest = f"by its words: {' '.join(w.text for w in words if w.stem in said)}", words
    missing = [word.text for word in rest if word.weight >= HEAD and word.stem not in said]
    least = f", nothing of {' or '.join(missing[:3])}" if missing else ""
    return _Judgement(share=max(by_ops, by_words), words=f"{shown}{least}")


def _weight(words: Iterable[Word], said: frozenset[str] | None = None) -> float:
    """Return what the words weigh together, or those of them that are said."""
    return sum(word.weight for word in words if said is None or word.stem in said)


def _share_of_ops(asked: Asking, candidate: Candidate) -> float:
    """Return how much of the ops asked for the kernel computes, less for each that nobody asked."""
    if not asked.ops:
        return 0.0
    own = set(candidate.ops)
    weights = op_weights(asked.ops)
    hits = sum(
        weight * (1.0 if op in own else GENERAL_OP if own.intersection(_wider([op])) else 0.0)
        for op, weight in weights.items()
    )
    extra = len(set(most_specific(candidate.ops)).difference(_wider(asked.ops)))
    return hits / sum(weights.values()) * EXTRA_OP ** min(extra, MOST_EXTRA_OPS)


def _of_passes(asked: Asking, candidate: Candidate) -> _Judgement:
    here = candidate.passes
    words = {
        frozenset(Pass): "forward and backward",
        frozenset({Pass.FORWARD}): "forward only",
        frozenset({Pass.BACKWARD}): "backward only",
    }[here]
    missing = asked.passes - here
    if Pass.BACKWARD in missing:
        return _Judgement(share=NO_BACKWARD, words=f"{words}, no backward")
    if Pass.FORWARD in missing:
        return _Judgement(share=NO_FORWARD, words=f"{words}, no forward")
    # The kernel beside it is what was meant; it is a candidate itself.
    first = Pass.FORWARD if Pass.FORWARD in asked.passes else Pass.BACKWARD
    return _Judgement(share=1.0 if candidate.direction is first else OTHER_DIRECTION, words=words)


def _of_dtypes(asked: Asking, candidate: Candidate) -> Iterator[_Judgement]:
    """Judge each format that takes a kernel of its own; plain floats every kernel takes."""
    own = {*candidate.dtypes, *candidate.features, *_formats(candidate)}
    for dtype in asked.dtypes:
        if dtype in PLAIN_DTYPES:
            continue
        names = {dtype, dtype.replace("float", "fp")}
        if own.isdisjoint(names):
            yield _Judgement(share=NO_DTYPE, words=f"{dtype} missing")
        else:
            yield _Judgement(share=1.0, words=dtype)
    if not PLAIN_DTYPES.issuperset(asked.dtypes):
        place = candidate.id.partition(":")[2]
        for other in sorted(_named_formats(place).difference(asked.dtypes, PLAIN_DTYPES)):
            yield _Judgement(share=OTHER_DTYPE, words=f"for {other}")


def _named_formats(place: str) -> set[str]:
    words = (word for part in re.split(r"\W+", place) for word in words_of(part))
    return {dtype for word in words if (dtype := dtype_of_word(word))}


def _formats(candidate: Candidate) -> Iterator[str]:
    for op in candidate.ops:
        yield from op.split("_")


def _of_features(asked: Asking, candidate: Candidate) -> Iterator[_Judgement]:
    for feature in asked.features:
        if feature in _FORMATS and asked.dtypes:
            continue
        if feature in candidate.features:
            yield _Judgement(share=1.0, words=feature.replace("_", " "))
        else:
            yield _Judgement(share=NO_FEATURE, words=f"no {feature.replace('_', ' ')}")


def _of_name(asked: Asking, candidate: Candidate) -> _Judgement:
    """Judge by what its name says beyond the wish, or if it does not say what is wished for."""
    naming = _naming(candidate.name)
    # An add and norm is a norm, too; a name that says an op of another kind says something else.
    is_named = any(not set(asked.ops).isdisjoint(_wider([op])) for op, _ in naming)
    wider = _wider(asked.ops)
    is_other = bool(naming and asked.ops) and not any(op in wider for op, _ in naming)
    said = stems(candidate.name).difference(*(own for op, own in naming if op in asked.ops))
    named = {word.stem for word in asked.op_words or asked.words}
    joined = "".join(word.text for word in asked.op_words)
    extra = [
        word
        for word in said.difference(named, (word.stem for word in asked.words))
        if word not in joined
    ]
    share = EXTRA_WORD ** min(len(extra), MOST_EXTRA_WORDS)
    if is_named:
        return _Judgement(share=share)
    if not said:
        return _Judgement(share=share * SILENT_NAME)
    says_it = not said.isdisjoint(named) or any(word in joined for word in said)
    says_it = says_it and not is_other
    return _Judgement(share=share if says_it else share * OTHER_NAME)


@lru_cache(maxsize=65536)
def _naming(name: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the ops that a name says, each with the stems of the words that say it."""
    reading = op_vocabulary().book.read(words_of(name))
    phrases = reading.strong or reading.plain
    return tuple((phrase.meaning, stems(phrase.text)) for phrase in phrases)


def _of_step(asked: Asking, candidate: Candidate) -> _Judgement:
    """Judge whether the kernel is only a step beside what is wished for: a gate, a preparation."""
    wanted = {word.text for word in (*asked.op_words, *asked.words) if word.weight >= HEAD}
    # The gating of "sigmoid gating delta rule" is part of the op's own name.
    naming = op_vocabulary().book.read(words_of(candidate.name))
    for phrase in (*naming.strong, *naming.plain):
        wanted.update(phrase.text.split() if phrase.meaning in asked.ops else ())
    steps = wish_vocabulary().steps_of(op_vocabulary().ops[op].category for op in asked.ops)
    said = (word for word in words_of(candidate.name) if word in steps)
    found = next((word for word in said if word not in wanted), None)
    if found is None:
        return _Judgement(share=1.0)
    return _Judgement(share=HELPER, words=f"a step beside it ({found})")


def _of_role(candidate: Candidate) -> _Judgement:
    if candidate.role is Role.DEVICE_FUNCTION:
        return _Judgement(share=DEVICE_FUNCTION, words="a device function")
    return _Judgement(share=UNKNOWN_ROLE if candidate.role is Role.UNKNOWN else 1.0)


def _of_license(candidate: Candidate) -> _Judgement:
    words = candidate.license or "licence unknown"
    return _Judgement(
        share=1.0 if is_permissive(candidate.license) else NOT_PERMISSIVE, words=words
    )


def _of_triton(candidate: Candidate) -> _Judgement:
    if candidate.triton_max:
        words = f"Triton {candidate.triton_min or ''} to {candidate.triton_max}".replace("  ", " ")
        return _Judgement(share=OLD_TRITON, words=words)
    since = f"Triton {candidate.triton_min}+" if candidate.triton_min else None
    return _Judgement(share=1.0, words=since)


def _wider(ops: Iterable[str]) -> tuple[str, ...]:
    """Return the ops and all that hold wherever they do."""
    return tuple(other for op in ops for other in op_vocabulary().with_implied(op))


def _words_of(candidate: Candidate) -> frozenset[str]:
    """Return the words of its name, place, launchers, ops, tags and features."""
    path = candidate.id.rpartition("::")[0].rpartition(":")[2]
    launchers = (launcher.rpartition("::")[2] for launcher in candidate.launchers)
    texts = (
        candidate.id.rpartition("::")[2],
        path,
        *launchers,
        *candidate.ops,
        *candidate.tags,
        *candidate.features,
        *(phrase for phrase, of in wish_vocabulary().features.items() if of in candidate.features),
        candidate.summary or "",
    )
    return frozenset().union(*map(stems, texts))


def _without_copies(
    found: Sequence[tuple[Candidate, WishMatch]],
) -> Iterator[tuple[Candidate, WishMatch]]:
    """Yield one kernel of each group of copies: the original where it is as good as any."""
    best: dict[str, list[tuple[Candidate, WishMatch]]] = {}
    for candidate, judged in found:
        best.setdefault(candidate.group or candidate.id, []).append((candidate, judged))
    for copies in best.values():
        top = copies[0][1].score
        originals = (c for c in copies if c[0].origin in (None, c[0].id) and c[1].score == top)
        yield next(originals, copies[0])
