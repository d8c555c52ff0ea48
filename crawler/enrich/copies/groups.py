"""The fingerprints of all kernels -> groups of copies. Pure.

Copies are equal after renaming. Near copies were changed a little: a mask, a cast, an argument. Two
kernels that share nearly all of their text may yet compute different things, and a wrong pair is
worse than a missed one, so near copies must agree in more than text: in what they do to values
(`value_ops`), in the ops that are known of them, and in their name, or where that differs in much
more text. Every pair of a group must agree so, and all must be like the one in its middle, so that
no chain of small steps leads from one operator to another.

What takes a line or two is written alike by people who never saw each other's code: short functions
are copies only if they do several things to values, or stand in one repository under one name.

Where one project has taken over a folder of another (`twins`), what stands in the same place of
both is a near copy unless it does other things to values, however short or changed it is.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from crawler.enrich.copies.fingerprint import Fingerprint, similarity
from crawler.enrich.copies.twins import Place, twins
from crawler.enrich.copies.value_ops import ValueOps
from crawler.enrich.words import words_of

MIN_SIZE = 30
"""Tokens (without brackets) of a function that tells by itself; a vector add has fifty."""
MIN_STEPS = 4
"""Different things that a shorter function must do to values."""
NEAR_SIZE = 40
ALIKE_NAMED = 0.7
"""Shared text of near copies of one name that say what they do."""
ALIKE_FLOW, FLOW_SIZE = 0.8, 8
"""Shared flow of near copies that find their values in memory in another way: projects rewrite
block pointers as masks and back, which leaves a fifth of the text and all of the flow. A short
flow must be the same, and the op known."""
SHORT_FLOW = 3
ALIKE = 0.9
"""Shared text of near copies that have other names, or are too plain, or differ by an option."""
TELLING_STEPS = 2
MOST_LARGER = 1.6
"""How much longer the text of a near copy may be."""
RICH_STEPS, RICH_SIZE = 4, 80
LONG_SIZE, LONG_ALIKE = 150, 0.8
LONG_STEPS, SHARED_STEPS = 10, 0.8
"""Long kernels of one name in two projects that share this much of their text, and of at least so
many steps this share, are versions of one: a scale more or a cap less came with time."""
MAX_CALLED = 64
"""Functions behind a kernel that are looked at; real ones call a dozen."""
MAX_DEPTH = 16

_FILLERS = frozenset("kernel kernels kern triton tl fn func function impl jit".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Copyable:
    """A kernel as far as telling its copies needs; `calls` are ids as in its record."""

    id: str
    repo: str
    path: str
    qualname: str
    ops: tuple[str, ...]
    calls: tuple[str, ...]
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """The last part of its qualname."""
        return self.qualname.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyGroup:
    """Kernels that are copies of each other; `codes` tells which are equal after renaming."""

    members: tuple[Copyable, ...]
    codes: Mapping[str, str]
    """Of each id, its code with all that it calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    """Kernels that are equal after renaming."""

    code: str
    members: tuple[Copyable, ...]
    steps: ValueOps
    words: frozenset[tuple[str, ...]]
    """Their names, without what every name has."""
    places: frozenset[tuple[str, str]]
    """Their qualnames, with the file and its folder."""
    ops: frozenset[str]
    repos: frozenset[str]

    @property
    def print(self) -> Fingerprint:
        return self.members[0].fingerprint


def group_copies(kernels: Sequence[Copyable]) -> Iterator[CopyGroup]:
    """Yield the groups of two kernels and more, whatever the order of the kernels."""
    ordered = sorted(kernels, key=lambda kernel: kernel.id)
    linked = _Linked(ordered)
    found: dict[tuple[str, ...], list[Copyable]] = defaultdict(list)
    for kernel in ordered:
        found[_key(kernel, linked.code(kernel))].append(kernel)
    codes = [_code(code, members, linked) for (code, *_), members in found.items()]
    for cluster in _clusters(codes, _twins(codes)):
        members = tuple(kernel for code in cluster for kernel in code.members)
        if len(members) > 1:
            yield CopyGroup(members=members, codes={k.id: linked.code(k) for k in members})


def _key(kernel: Copyable, code: str) -> tuple[str, ...]:
    """Return what equal kernels share: the code, or for short ones also repository and name.

    A short one whose name says nothing has no equal.
    """
    print_ = kernel.fingerprint
    n_steps = len(print_.steps.always | print_.steps.optional)
    if print_.size >= MIN_SIZE or (print_.size >= MIN_SIZE // 2 and n_steps >= MIN_STEPS):
        return (code,)
    if not _name_words(kernel.name):
        return (code, kernel.id)
    return (code, kernel.repo, kernel.name)


def _code(code: str, members: Sequence[Copyable], linked: _Linked) -> _Code:
    return _Code(
        code=code,
        members=tuple(members),
        steps=linked.steps(members[0]),
        words=frozenset(_name_words(kernel.name) for kernel in members),
        places=frozenset((_file_in_folder(kernel.path), kernel.qualname) for kernel in members),
        ops=frozenset(op for kernel in members for op in kernel.ops),
        repos=frozenset(kernel.repo for kernel in members),
    )


def _file_in_folder(path: str) -> str:
    """Return the last two parts of a path."""
    return "/".join(path.split("/")[-2:])


def _name_words(name: str) -> tuple[str, ...]:
    return tuple(word for word in words_of(name) if word not in _FILLERS)


class _Linked:
    """Kernels with what they call, as far as it is in the same source."""

    def __init__(self, kernels: Sequence[Copyable]) -> None:
        self._places: dict[tuple[str, str], list[Copyable]] = defaultdict(list)
        for kernel in kernels:
            self._places[kernel.repo, f"{kernel.path}::{kernel.qualname}"].append(kernel)
        self._codes: dict[str, str] = {}

    def code(self, kernel: Copyable, depth: int = 0) -> str:
        """Return the code of a kernel with that of all functions that it calls."""
        known = self._codes.get(kernel.id)
        if known is not None:
            return known
        own = kernel.fingerprint.code
        if not kernel.fingerprint.callees or depth > MAX_DEPTH:
            return own
        # Functions that call themselves end here.
        self._codes[kernel.id] = own
        parts = [own]
        for name in kernel.fingerprint.callees:
            called = {self.code(each, depth + 1) for each in self._called(kernel, name)}
            parts.append("|".join(sorted(called)) or name)
        self._codes[kernel.id] = code = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
        return code

    def steps(self, kernel: Copyable) -> ValueOps:
        """Return what a kernel and all that it calls do to values."""
        always: set[str] = set()
        optional: set[str] = set()
        seen: set[str] = set()
        waiting = [kernel]
        while waiting and len(seen) < MAX_CALLED:
            each = waiting.pop()
            if each.id not in seen:
                seen.add(each.id)
                always |= each.fingerprint.steps.always
                optional |= each.fingerprint.steps.optional
                for name in each.fingerprint.callees:
                    waiting.extend(self._called(each, name))
        return ValueOps(always=frozenset(always), optional=frozenset(optional - always))

    def _called(self, kernel: Copyable, name: str) -> Iterator[Copyable]:
        for call in kernel.calls:
            if call.rpartition("::")[2].rpartition(".")[2] == name:
                yield from self._places.get((kernel.repo, call), ())


def _twins(codes: Sequence[_Code]) -> Iterator[tuple[_Code, _Code]]:
    """Yield the pairs of codes, of which kernels stand in the same place of two sources."""
    by_id = {kernel.id: code for code in codes for kernel in code.members}
    places = [
        Place(
            id=kernel.id,
            repo=kernel.repo,
            path=kernel.path,
            qualname=kernel.qualname,
            code=code.code if code.print.size >= MIN_SIZE else None,
        )
        for code in codes
        for kernel in code.members
    ]
    for one, other in twins(places):
        if by_id[one] is not by_id[other]:
            yield by_id[one], by_id[other]


def _clusters(
    codes: Sequence[_Code], twins: Iterable[tuple[_Code, _Code]]
) -> Iterator[list[_Code]]:
    """Yield the codes in groups of near copies, each around the one that most kernels have."""
    near: dict[str, dict[str, float]] = defaultdict(dict)
    by_code = {_identity(code): code for code in codes}
    found = [(one, other, _likeness(one, other)) for one, other in _candidates(codes)]
    # Whatever their texts share; as of all near copies, it is asked below whether they agree.
    found += ((a, b, similarity(a.print.sketch, b.print.sketch)) for a, b in twins)
    for one, other, alike in found:
        if alike is not None:
            near[_identity(one)][_identity(other)] = alike
            near[_identity(other)][_identity(one)] = alike
    taken: set[str] = set()
    for key in sorted(by_code, key=lambda key: (-len(by_code[key].members), -len(near[key]), key)):
        if key in taken:
            continue
        cluster = [by_code[key]]
        taken.add(key)
        for name in sorted(near[key], key=lambda name: (-near[key][name], name)):
            candidate = by_code[name]
            if name not in taken and all(_agree(candidate, each) for each in cluster):
                cluster.append(candidate)
                taken.add(name)
        yield cluster


def _identity(code: _Code) -> str:
    """Return a key that is the same in every run; short functions share codes, not ids."""
    return f"{code.code} {code.members[0].id}"


def _candidates(codes: Sequence[_Code]) -> Iterator[tuple[_Code, _Code]]:
    """Yield the pairs that may be near copies: of one name, or of the same ops and steps."""
    buckets: dict[object, list[_Code]] = defaultdict(list)
    for code in codes:
        if code.print.size < NEAR_SIZE:
            continue
        for words in code.words:
            buckets[words].append(code)
        if code.ops and len(code.steps.always) >= RICH_STEPS and code.print.size >= RICH_SIZE:
            buckets[code.ops, code.steps].append(code)
    seen: set[tuple[str, str]] = set()
    for bucket in buckets.values():
        bucket.sort(key=lambda code: code.print.size)
        for place, small in enumerate(bucket):
            for large in bucket[place + 1 :]:
                if small.print.size < large.print.size / MOST_LARGER:
                    break
                pair = (_identity(small), _identity(large))
                if pair not in seen:
                    seen.add(pair)
                    yield small, large


def _likeness(one: _Code, other: _Code) -> float | None:
    """Return the shared part of two near copies' text, None if they are none."""
    if not _agree(one, other):
        return None
    if _is_version(one, other):
        return similarity(one.print.sketch, other.print.sketch)
    needed = ALIKE_NAMED if _say_what_they_do(one, other) else ALIKE
    alike = similarity(one.print.sketch, other.print.sketch)
    if alike >= needed:
        return alike
    if not _say_what_they_do(one, other):
        return None
    flow = similarity(one.print.flow, other.print.flow)
    is_long = len(one.print.flow) >= FLOW_SIZE and flow >= ALIKE_FLOW
    is_known = len(one.print.flow) >= SHORT_FLOW and flow == 1 and one.ops == other.ops and one.ops
    return alike if is_long or is_known else None


def _say_what_they_do(one: _Code, other: _Code) -> bool:
    """Tell whether names and steps leave little doubt that two kernels compute the same.

    Few steps need more: to be of one op, and in files of one name.
    """
    if not any(one.words & other.words) or one.steps != other.steps:
        return False
    return len(one.steps.always | one.steps.optional) >= TELLING_STEPS or (
        bool(one.ops) and one.ops == other.ops and not one.places.isdisjoint(other.places)
    )


def _agree(one: _Code, other: _Code) -> bool:
    """Tell whether nothing speaks against two kernels computing the same.

    They must do the same to values. One may do more than the other, but only if asked (with its
    options off it is the other), or where both are long and all else is alike.
    """
    if one.ops and other.ops and one.ops != other.ops:
        # One project's variants have their own words for what they add; a copy elsewhere may stand
        # in a file that tells less.
        is_one_project = len(one.repos | other.repos) == 1 and one.places.isdisjoint(other.places)
        if is_one_project or one.ops.isdisjoint(other.ops):
            return False
    if not (one.steps.always or one.steps.optional) and not (one.ops & other.ops):
        # They only move data, and where from and where to is all that they differ in.
        return False
    if not any(one.words & other.words):
        # Two names in one project are two things, though they share a template.
        is_elsewhere = one.repos.isdisjoint(other.repos)
        if not (is_elsewhere and one.ops and one.ops == other.ops):
            return False
    return (
        _is_option(one.steps, other.steps)
        or _is_option(other.steps, one.steps)
        or _is_version(one, other)
    )


def _is_version(one: _Code, other: _Code) -> bool:
    """Tell whether two are long kernels of one name that only a few of many steps tell apart."""
    steps = (one.steps.always | one.steps.optional, other.steps.always | other.steps.optional)
    shared, every = steps[0] & steps[1], steps[0] | steps[1]
    return (
        min(one.print.size, other.print.size) >= LONG_SIZE
        and len(shared) >= LONG_STEPS
        and len(shared) >= SHARED_STEPS * len(every)
        and any(one.words & other.words)
        and one.repos.isdisjoint(other.repos)
        and similarity(one.print.sketch, other.print.sketch) >= LONG_ALIKE
    )


def _is_option(less: ValueOps, more: ValueOps) -> bool:
    """Tell whether one does what the other does, and more only under an `if`."""
    few, many = less.always | less.optional, more.always | more.optional
    return few <= many and many - few <= more.optional
