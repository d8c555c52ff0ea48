"""Which kernel is the backward of which: by autograd functions first, by names second.

A kernel that only the backward pass of an autograd function launches belongs to a kernel that its
forward pass launches. Of several, the likeliest is the one whose values it takes gradients of
(`do` and `dq` speak of `o` and `q`), that bears the same name but for `fwd` and `bwd`, and that
stands nearby. A kernel that both passes launch (a forward one run again) belongs to neither.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crawler.enrich.words import BACKWARD_PASS, FORWARD_PASS, is_gradient_in_backward
from crawler.models import KernelRecord, ParamKind, Role

MAX_RIVALS = 200
"""Forward kernels that are compared for one backward kernel."""

_FILLERS = frozenset({"kernel", "kernels", "triton", "impl", "jit", "fn", "func", "launch", "op"})
_STEPS = frozenset(
    "preprocess preprocessing pre prep prepare process post postprocess reduce reduction partial "
    "final finalize delta merge convert zero init sum fixup combine part stage split".split()
)
_CHORES = frozenset("cumsum fill copy transpose cast quantize quant".split())
_VARIANTS = frozenset("varlen fused npu xpu tiled tiling small large".split())
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CAPITAL_GRADIENT = re.compile(r"dd?[A-Z]\w{0,3}")
_GRADIENT_OF = re.compile(r"d_?([a-z]\w*)|grad_?(\w+)|(\w+)_grad", re.IGNORECASE)
_POINTER = re.compile(r"_?(ptrs?|pointers?|desc)$|^p_", re.IGNORECASE)
_OUTPUTS = frozenset({"o", "y", "out", "output", "outputs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a kernel is to others: their ids, None for none, and why."""

    backward: str | None = None
    forward: str | None = None
    reason: str = ""


_NO_PAIR = Pair()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traits:
    """A kernel as far as pairing needs."""

    kernel: KernelRecord
    words: frozenset[str]
    """Of its name, without those that tell passes, steps and gradients apart."""
    is_backward: bool
    is_forward: bool
    is_step: bool
    letters: frozenset[str]
    """Of what its name says that it computes the gradient of: `h` in `bwd_dh`."""
    params: frozenset[str]
    gradients: frozenset[str]
    """Of what its parameters may hold the gradients."""


def pair_kernels(kernels: Sequence[KernelRecord]) -> list[Pair]:
    """Return what the live kernels of one source are to each other, in their order."""
    traits = {kernel.id: _traits(kernel) for kernel in kernels}
    halves = {half.backward: half for half in _by_passes(traits)}
    for half in _by_names(traits, halves):
        halves.setdefault(half.backward, half)
    pairs = {h.backward: Pair(forward=h.forward, reason=h.reason) for h in halves.values()}
    for half in _main_halves(halves.values(), traits):
        pairs.setdefault(half.forward, Pair(backward=half.backward, reason=half.reason))
    return [pairs.get(kernel.id, _NO_PAIR) for kernel in kernels]


class _Half(NamedTuple):
    """A backward kernel and the forward kernel that it belongs to."""

    backward: str
    forward: str
    reason: str


def _by_passes(traits: Mapping[str, _Traits]) -> Iterator[_Half]:
    """Yield the pairs that autograd functions tell of."""
    forwards: dict[str, list[_Traits]] = defaultdict(list)
    for one in traits.values():
        for name in _passes(one.kernel, "forward"):
            forwards[name].append(one)
        if one.is_forward:
            # Some forward passes are left to the backward one, which runs them first.
            for name in _passes(one.kernel, "backward"):
                if one not in forwards[name]:
                    forwards[name].append(one)
    alone = Counter(name for one in traits.values() for name in _backward_only(one))
    for one in traits.values():
        rivals: dict[str, str] = {}
        for name in _backward_only(one):
            for rival in forwards[name]:
                rivals.setdefault(rival.kernel.id, name)
        found = [traits[id] for id in rivals if id != one.kernel.id]
        best = _likeliest(one, [r for r in found if not r.is_backward] or found)
        is_alone = any(alone[name] == 1 for name in _backward_only(one))
        if best is not None and (is_alone or _is_related(one, best)):
            name = rivals[best.kernel.id].rpartition("::")[2]
            yield _Half(one.kernel.id, best.kernel.id, f"{name} launches both, one in each pass")


def _backward_only(one: _Traits) -> list[str]:
    """Return the autograd functions of whose backward pass alone a kernel is a part."""
    own = set(_passes(one.kernel, "forward"))
    if one.is_forward or (own and not one.is_backward):
        # Run again in the backward pass, as the forward one is.
        return []
    return [name for name in _passes(one.kernel, "backward") if name not in own]


def _passes(kernel: KernelRecord, word: str) -> Iterator[str]:
    return (name.partition(" ")[2] for name in kernel.passes if name.startswith(f"{word} "))


def _by_names(traits: Mapping[str, _Traits], known: Container[str]) -> Iterator[_Half]:
    """Yield the pairs that names tell of, in one file or else in one folder."""
    places: dict[tuple[str, bool], list[_Traits]] = defaultdict(list)
    for one in traits.values():
        if not one.is_backward:
            for place in _places(one.kernel):
                places[place].append(one)
    for one in traits.values():
        if not one.is_backward or one.kernel.id in known:
            continue
        for place in _places(one.kernel):
            rivals = [rival for rival in places[place] if _is_named_as(one, rival)]
            best = _likeliest(one, rivals)
            if best is not None:
                reason = f"{one.kernel.name} is named as the backward of {best.kernel.name}"
                yield _Half(one.kernel.id, best.kernel.id, reason)
                break


def _places(kernel: KernelRecord) -> tuple[tuple[str, bool], ...]:
    """Return where the other half may stand, the nearest first; a part matches no whole."""
    is_part = kernel.role is Role.DEVICE_FUNCTION
    return (kernel.path, is_part), (kernel.path.rpartition("/")[0] + "/", is_part)


def _is_named_as(one: _Traits, rival: _Traits) -> bool:
    """Tell whether two names differ in their pass, step and gradients alone."""
    return one.words == rival.words and (rival.is_forward or bool(one.words))


def _main_halves(halves: Iterable[_Half], traits: Mapping[str, _Traits]) -> Iterator[_Half]:
    """Yield, for each forward kernel, the pair with its main backward kernel."""
    by_forward: dict[str, list[_Half]] = defaultdict(list)
    for half in halves:
        by_forward[half.forward].append(half)
    for forward, found in by_forward.items():
        yield max(found, key=lambda h: (_weight(traits[h.backward], traits[forward]), h.backward))


def _weight(backward: _Traits, forward: _Traits) -> tuple[bool, bool, float, int, int]:
    """Return what to compare the backward kernels of one forward kernel by; the most wins."""
    return (
        backward.kernel.path == forward.kernel.path,
        not backward.is_step,
        _likeness(backward.words, forward.words),
        len(backward.gradients & forward.params),
        len(backward.kernel.source),
    )


def _likeliest(one: _Traits, rivals: Sequence[_Traits]) -> _Traits | None:
    """Return the forward kernel that a backward kernel most likely belongs to."""
    return max(
        rivals[:MAX_RIVALS],
        key=lambda rival: (_score(one, rival), len(rival.kernel.source), rival.kernel.id),
        default=None,
    )


def _score(one: _Traits, rival: _Traits) -> float:
    here, there = one.kernel.path, rival.kernel.path
    near = 1.0 if here == there else 0.5 * (here.rpartition("/")[0] == there.rpartition("/")[0])
    is_namesake = bool(one.words) and one.words == rival.words
    # `bwd_kernel_dh` goes with `fwd_kernel_h`.
    is_named_gradient = not one.letters.isdisjoint(rival.words - one.words)
    shared = _likeness(one.params, rival.params)
    return (
        3 * _likeness(one.words, rival.words)
        + 2 * _share_of_gradients(one, rival)
        + shared
        + near
        + 1.5 * is_namesake
        + 1.5 * is_named_gradient
        + 0.5 * (one.is_backward and rival.is_forward)
        - (rival.is_step or not _CHORES.isdisjoint(rival.words - one.words))
    )


def _share_of_gradients(one: _Traits, rival: _Traits) -> float:
    """Return the part of the gradients a kernel handles that are of another's values, 0 to 1."""
    return len(one.gradients & rival.params) / len(one.gradients) if one.gradients else 0.0


def _is_related(one: _Traits, rival: _Traits) -> bool:
    """Tell whether a kernel of the backward pass has to do with one of the forward pass."""
    if one.is_backward and (not one.words or (one.words & rival.words) - _VARIANTS):
        return True
    share = _share_of_gradients(one, rival)
    return share >= 1 / 3 or (share > 0 and not one.is_backward) or bool(one.gradients & _OUTPUTS)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the shared part of two sets, 0 to 1."""
    return len(one & other) / len(one | other) if one or other else 1.0


def _traits(kernel: KernelRecord) -> _Traits:
    words = list(_words(kernel.name))
    is_backward = not BACKWARD_PASS.isdisjoint(words) and FORWARD_PASS.isdisjoint(words)
    gradients = {w for w in words if is_backward and is_gradient_in_backward(w)}
    given = (p.name for p in kernel.params if p.kind is not ParamKind.CONSTEXPR)
    params = {_POINTER.sub("", name).lower() for name in given}
    of = (_GRADIENT_OF.fullmatch(param) for param in params)
    return _Traits(
        kernel=kernel,
        words=frozenset(
            _singular(w)
            for w in set(words) - BACKWARD_PASS - FORWARD_PASS - _FILLERS - _STEPS - gradients
        ),
        is_backward=is_backward,
        is_forward=not FORWARD_PASS.isdisjoint(words) and BACKWARD_PASS.isdisjoint(words),
        is_step=not _STEPS.isdisjoint(words),
        letters=frozenset("".join(gradients)) - {"d"},
        params=frozenset(params),
        gradients=frozenset(m[1] or m[2] or m[3] for m in of if m is not None),
    )


def _words(name: str) -> Iterator[str]:
    """Yield the words of a name in lower case; `dW2` is one."""
    for part in name.split("_"):
        written = [part] if _CAPITAL_GRADIENT.fullmatch(part) else _WORD.findall(part)
        yield from (word.lower() for word in written)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
