"""Which ops a kernel computes, and why we think so.

What is nearest to the kernel speaks first: its own name, then the functions and classes that
launch it, then its file, then its folder. Where all of these are silent, its parameters and calls,
and at last the first words of its documentation. A specific name is not overruled by what stands
around it; a general one (`copy_kernel`, `_reduce`) gives way where launcher and file agree. What
nothing tells stays unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from crawler.enrich.op_vocabulary import OpVocabulary, Signature, op_vocabulary
from crawler.enrich.words import Reading, backward_words, words_of
from crawler.models import KernelRecord, Role

NAME, NAME_PLAIN = 0.9, 0.7
LAUNCHER, LAUNCHER_PLAIN = 0.65, 0.35
FILE, FILE_PLAIN = 0.5, 0.3
FOLDER, SIGNATURE, WORDS = 0.5, 0.5, 0.4

_SCOPE = re.compile(r"\.<locals>\.|\.")
_POINTER = re.compile(r"^_+|^(?:p|ptr|in|out)_(?=[a-z]{2})|_*(?:ptrs?|pointer|desc|descriptor)$")
# What follows these is beside the point: "applies an activation, optionally fusing dropout".
_CLAUSE_END = re.compile(
    r"\n\s*\n|[.!?;:,(]|\b(?:with|without|optional|optionally|fus\w*|followed|before|after|used?|using"
    r"|for|like|similar|instead|helper|part|from)\b",
    re.IGNORECASE,
)
_FOLDERS_UP = 3


@dataclass(frozen=True, slots=True)
class OpEvidence:
    """An op that a kernel computes. `score` is in (0, 1); `reasons` are for a person to read."""

    op: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Context:
    """A name near the kernel: where it was seen, what it says, how much that weighs."""

    place: str
    name: str
    reading: Reading
    strong: float
    plain: float


@dataclass(slots=True)
class _Case:
    """What speaks for which op."""

    reasons: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def say(self, op: str, weight: float, reason: str) -> None:
        given = self.reasons.setdefault(op, [])
        if all(reason != other for _, other in given):
            given.append((weight, reason))

    def evidence(self) -> Iterator[OpEvidence]:
        for op, given in self.reasons.items():
            doubt = 1.0
            for weight, _ in given:
                doubt *= 1 - weight
            yield OpEvidence(op, round(1 - doubt, 3), tuple(reason for _, reason in given))


def ops_of(kernel: KernelRecord, *, use_path: bool = True) -> tuple[OpEvidence, ...]:
    """Return the ops that the kernel computes, the best supported first; empty when unknown.

    Args:
        kernel: the kernel.
        use_path: also hear what its file and folders are called; off only to measure the rest.
    """
    vocabulary = op_vocabulary()
    case = _Case()
    own = _read(kernel.name)
    if own.aside and not (own.strong and _computes(kernel)):
        return ()
    for phrases, weight in ((own.strong, NAME), (own.plain, NAME_PLAIN)):
        for phrase in phrases:
            case.say(phrase.meaning, weight, f"its name says {phrase.text!r}")
    launchers = tuple(_launchers(kernel))
    paths = tuple(_paths(kernel.path)) if use_path else ()
    if kernel.role is not Role.DEVICE_FUNCTION:
        _hear_context(case, kernel, own, launchers, paths)
        if not case.reasons:
            _look_inside(case, kernel, vocabulary)
    elif own.silent and _computes(kernel):
        _hear_file(case, kernel, paths)
    _imply(case, vocabulary)
    _refine(case, kernel, vocabulary, (*launchers, *paths))
    _imply(case, vocabulary)
    _hide(case, vocabulary)
    return tuple(sorted(case.evidence(), key=lambda found: (-found.score, found.op)))


def tags_of(ops: Iterable[str]) -> tuple[str, ...]:
    """Return the tags of these ops in the order given, each once; unknown ops have none."""
    vocabulary = op_vocabulary()
    known = (vocabulary.ops[op] for op in ops if op in vocabulary.ops)
    return tuple(dict.fromkeys(tag for op in known for tag in op.tags))


def backward_reasons(kernel: KernelRecord) -> tuple[str, ...]:
    """Return what in the kernel's names tells that it computes a gradient; empty when nothing.

    Its own name is heard first; where that is silent, all who launch it must agree.
    """
    own = backward_words(kernel.name)
    if own:
        return tuple(f"its name says {word!r}" for word in own)
    if words_of(kernel.name)[-1:] and {"fwd", "forward"}.intersection(words_of(kernel.name)):
        return ()
    names = [launcher.rpartition("::")[2].rpartition(".")[2] for launcher in kernel.launchers]
    said = [backward_words(name) for name in names]
    if not said or not all(said):
        return ()
    return tuple(
        dict.fromkeys(
            f"its launcher {name} says {words[0]!r}"
            for name, words in zip(names, said, strict=True)
        )
    )


@lru_cache(maxsize=65536)
def _read(name: str) -> Reading:
    return op_vocabulary().book.read(words_of(name))


def _launchers(kernel: KernelRecord) -> Iterator[_Context]:
    """Yield the functions and classes that enclose the kernel, then those that launch it.

    Tests are heard only where nobody else launches it. Of many launchers, those are heard that
    speak of what at least half of them do: `act_backward_kernel` launched by every activation and
    by batch norm is no batch norm.
    """
    for scope in _SCOPE.split(kernel.qualname)[:-1]:
        yield _Context("scope", scope, _read(scope), LAUNCHER, LAUNCHER_PLAIN)
    ids = [launcher.rpartition("::") for launcher in kernel.launchers]
    names = [name for path, _, name in ids if not _is_test_like(path, name)]
    heard = [
        [_Context("launcher", s, _read(s), LAUNCHER, LAUNCHER_PLAIN) for s in _SCOPE.split(name)]
        for name in names or [name for _, _, name in ids]
    ]
    votes = Counter(op for contexts in heard for op in _meanings(contexts))
    for contexts in heard:
        if any(2 * votes[op] >= len(heard) for op in _meanings(contexts)):
            yield from contexts


def _is_test_like(path: str, name: str) -> bool:
    words = {*words_of(path), *words_of(name)}
    return not words.isdisjoint(("test", "tests", "bench", "benchmark", "benchmarks"))


def _paths(path: str) -> Iterator[_Context]:
    """Yield the file's stem, and where that has no word of weight the nearest folder that has."""
    *folders, file = path.split("/")
    stem = file.rpartition(".")[0] or file
    reading = _read(stem)
    yield _Context("file", file, reading, FILE, FILE_PLAIN)
    if reading.strong or reading.plain:
        return
    for folder in folders[: -_FOLDERS_UP - 1 : -1]:
        reading = _read(folder)
        if reading.strong and reading.sole:
            yield _Context("folder", folder, reading, FOLDER, 0.0)
            return


def _hear_context(
    case: _Case,
    kernel: KernelRecord,
    own: Reading,
    launchers: tuple[_Context, ...],
    paths: tuple[_Context, ...],
) -> None:
    """Add what launchers and file say, as far as the kernel's own name lets them speak."""
    general = op_vocabulary().general
    named = set(case.reasons)
    launched = _meanings(launchers)
    agreed = launched & _meanings(paths)
    if named - general:
        heard = named
    elif own.strong:
        heard = named | (agreed - general)
    elif named:
        # `copy_func` launched by `flip` is a flip; `clamp_func_max` launched by `clamp_max` clamps.
        around = launched or {op for op in _meanings(paths) if _may_compute(kernel, op)}
        heard = named & around or _of_one_mind(around, agreed, own) or named
        for op in named - heard:
            del case.reasons[op]
    else:
        strong = _meanings(launchers, strong=True) | agreed
        heard = strong or (_meanings(paths, strong=True) if own.silent else set())
        heard = _of_one_mind({op for op in heard if _may_compute(kernel, op)}, agreed, own)
    for context in (*launchers, *paths):
        for phrases, weight in (
            (context.reading.strong, context.strong),
            (context.reading.plain, context.plain),
        ):
            for phrase in phrases:
                if phrase.meaning in heard and weight:
                    reason = f"its {context.place} {context.name} says {phrase.text!r}"
                    case.say(phrase.meaning, weight, reason)


def _hear_file(case: _Case, kernel: KernelRecord, paths: tuple[_Context, ...]) -> None:
    """Add the one op that the file of a device function without a telling name speaks of."""
    ops = {op for op in _meanings(paths, strong=True) if _may_compute(kernel, op)}
    if len(ops) != 1 or ops & op_vocabulary().general:
        return
    for context in paths:
        for phrase in context.reading.strong:
            if phrase.meaning in ops and context.strong:
                reason = f"its {context.place} {context.name} says {phrase.text!r}"
                case.say(phrase.meaning, context.strong, reason)


def _computes(kernel: KernelRecord) -> bool:
    """Tell whether a kernel multiplies tiles, or exponentiates and sums: more than indices."""
    calls = {call.rpartition(".")[2] for call in kernel.tl_calls}
    return "dot" in calls or (bool(calls & {"exp", "exp2"}) and bool(calls & {"sum", "max"}))


def _of_one_mind(ops: set[str], agreed: set[str], own: Reading) -> set[str]:
    """Return the ops of the context that are the kernel's own, none where that is open.

    A launcher that speaks of several ops may have a kernel for each. What the file says too is
    taken; of several such, only where the kernel's name says nothing that would tell it apart.
    """
    if len(ops) <= 1:
        return ops
    both = ops & agreed
    return both if len(both) <= 1 or own.silent else set()


def _meanings(contexts: Iterable[_Context], *, strong: bool = False) -> set[str]:
    """Return the ops that these names speak of; `strong` leaves out what is said in plain words."""
    found: set[str] = set()
    for context in contexts:
        found.update(phrase.meaning for phrase in context.reading.strong)
        if not strong:
            found.update(phrase.meaning for phrase in context.reading.plain)
    return found


def _may_compute(kernel: KernelRecord, op: str) -> bool:
    calls = op_vocabulary().ops[op].calls
    return not calls or bool(kernel.calls) or not calls.isdisjoint(kernel.tl_calls)


def _look_inside(case: _Case, kernel: KernelRecord, vocabulary: OpVocabulary) -> None:
    """Add what parameters and calls, or else the documentation, tell of a kernel without a name."""
    params = {_POINTER.sub("", param.name.lower()) for param in kernel.params}
    for signature in vocabulary.signatures:
        if _has(signature, params, set(kernel.tl_calls)):
            names = ", ".join(sorted(set().union(*signature.params) & params))
            case.say(signature.op, SIGNATURE, f"it takes {names}")
            return
    said = {phrase.meaning: phrase for phrase in _first_clause(kernel.docstring).strong}
    if len(said) == 1:
        (phrase,) = said.values()
        if phrase.meaning not in vocabulary.general and _may_compute(kernel, phrase.meaning):
            case.say(phrase.meaning, WORDS, f"its documentation says {phrase.text!r}")


def _has(signature: Signature, params: set[str], calls: set[str]) -> bool:
    return not any(group.isdisjoint(params) for group in signature.params) and not any(
        group.isdisjoint(calls) for group in signature.calls
    )


def _first_clause(docstring: str | None) -> Reading:
    if not docstring:
        return Reading()
    first = _CLAUSE_END.split(docstring.strip(), maxsplit=1)[0]
    return op_vocabulary().book.read(words_of(first))


def _refine(
    case: _Case, kernel: KernelRecord, vocabulary: OpVocabulary, contexts: tuple[_Context, ...]
) -> None:
    """Turn `attention` beside `decode` into decode attention, and the like."""
    for base in tuple(case.reasons):
        options = vocabulary.refinements.get(base, ())
        if not options:
            continue
        words = set(words_of(kernel.name))
        for context in contexts:
            said = (phrase.meaning for phrase in (*context.reading.strong, *context.reading.plain))
            if any(base in vocabulary.with_implied(op) for op in said):
                words.update(words_of(context.name))
        score = max(weight for weight, _ in case.reasons[base])
        for op, beside in options:
            for word in sorted(beside & words)[:1]:
                case.say(op, score, f"{base} beside {word!r}")


def _hide(case: _Case, vocabulary: OpVocabulary) -> None:
    """Drop what only says how another op is done: the tanh of `gelu_tanh`."""
    for op in tuple(case.reasons):
        for other in vocabulary.ops[op].hides:
            case.reasons.pop(other, None)
    for op in tuple(case.reasons):
        if vocabulary.ops[op].vague and len(case.reasons) > 1:
            del case.reasons[op]


def _imply(case: _Case, vocabulary: OpVocabulary) -> None:
    for op in tuple(case.reasons):
        score = max(weight for weight, _ in case.reasons[op])
        for other in vocabulary.with_implied(op)[1:]:
            if other not in case.reasons:
                case.say(other, score, f"{op} is one")
