"""One use of Triton's -> what it needs: names, keywords, places of arguments, results, constants.

Each need tells the releases that meet it and why the others do not, so that a range, and a finding
at a line, come from the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crawler.enrich.api_table import ApiSymbol, load_table
from crawler.enrich.dialects import dialect_of
from crawler.enrich.guards import alternatives, live_in
from crawler.models import ApiUse, UseKind

DEAD_NAMES_ALLOWED_SINCE = "3.5.0"
"""From this release on, a branch that is not taken may name what does not exist.

Before it, every dotted name in a kernel's body is looked up when the kernel is hashed, so a branch
inside the body saves a keyword from being judged and not a name. A branch around the definition
always saves both.
"""
PLAIN_GLOBALS_UNTIL = "2.3.1"
"""The last release whose kernels may read a constant that is no `tl.constexpr(...)`."""
ANNOTATED_GLOBALS_UNTIL = "3.2.0"
"""The last one that takes `STEP: tl.constexpr = 4` for a constexpr."""
SHORT_RESULTS_UNTIL = "3.2.0"
"""The last one in which one result may be unpacked into several names; the others stay unbound."""
ANNOTATED_POINTERS_SINCE = "2.1.0"
"""Before it, any annotation made a parameter a constexpr, which no pointer can be."""

_LANGUAGES = ("triton.language.", "triton.experimental.gluon.language.")
_SINGLE_RESULTS = frozenset(
    "abs arange argmax argmin atomic_add atomic_and atomic_cas atomic_max atomic_min atomic_or "
    "atomic_xchg atomic_xor broadcast_to cast cdiv ceil clamp cos cumprod cumsum dot dot_scaled "
    "erf exp exp2 expand_dims fdiv flip floor fma full gather histogram interleave join load log "
    "log2 max max_contiguous maximum min minimum multiple_of num_programs permute program_id rand "
    "randint randn ravel reshape rsqrt sigmoid sin softmax sort sqrt sum trans view where xor_sum "
    "zeros zeros_like".split()
)
_WITH_INDICES = frozenset({"max", "min"})
_TENSORS = frozenset({"acc"})
_TEXTS = frozenset({"cache_modifier", "fp_downcast_rounding", "input_precision", "padding_option"})
_FLAGS = frozenset({"allow_tf32", "bitcast", "ieee_rounding", "volatile"})
_NUMBERS = frozenset({"max_num_imprecise_acc"})


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a kernel needs.

    `releases` are those in which it is no hindrance, a set of `ApiTable`'s. `symbol` is what is
    needed: a dotted name, `name(keyword)`, or a constant's name. `dialect` is whose a name is that
    no release has, where that is known.
    """

    releases: int
    symbol: str
    reason: str = ""
    dialect: str | None = None
    places: tuple[tuple[int, int], ...] = ()


@lru_cache(maxsize=65536)
def needs_of(use: ApiUse, around: int = 0) -> tuple[Need, ...]:
    """Return what one use needs: its name, and each keyword and argument on its own.

    `around` is how many of its guards stand around the definition that it is in.
    """
    return tuple(_needs(use, around))


def _needs(use: ApiUse, around: int) -> Iterator[Need]:
    table = load_table()
    live = live_in(use.guards)
    elsewhere = table.all & ~live
    if use.kind in _BY_RULE or use.kind is UseKind.OPEN_PARAMETERS:
        allowed, reason = _by_rule(use.kind)
        yield Need(allowed | elsewhere, use.name, reason, places=use.places)
        return
    names = alternatives(use.guards) or (use.name,)
    if not all(name.startswith("triton.") for name in names):
        return  # the same expression may stand for something that is not Triton's
    known = _known(names)
    if not known:
        if live and not any(_may_be_anything(name) for name in names):
            yield _of_no_release(use, live, _unseen(use, around, elsewhere))
        return
    releases = 0
    for _, symbol in known:
        releases |= symbol.releases
    full = known[0][0]
    yield Need(releases | _unseen(use, around, elsewhere), full, places=use.places)
    if full in names and use.is_call:
        yield from _of_call(use, full, [symbol for _, symbol in known], elsewhere)


def _known(names: Sequence[str]) -> list[tuple[str, ApiSymbol]]:
    """Return what the table knows of the names: of those that it knows whole, else of all."""
    found = [each for each in map(load_table().find, names) if each is not None]
    return [(full, symbol) for full, symbol in found if full in names] or found


def _unseen(use: ApiUse, around: int, elsewhere: int) -> int:
    """Return the releases that do not look the name up, as its branches go."""
    table = load_table()
    if use.kind is not UseKind.NAME:
        return elsewhere
    outside = ~live_in(use.guards[:around])
    return elsewhere & (outside | table.since(DEAD_NAMES_ALLOWED_SINCE))


def _may_be_anything(name: str) -> bool:
    """Tell whether the table does not list such names: secret ones, and those of compiled code."""
    return any(part.startswith("_") for part in name.split("."))


def _of_no_release(use: ApiUse, live: int, unseen: int) -> Need:
    table = load_table()
    if use.guards and live == table.all:
        # Under a condition on the device or the like, which a release may never meet.
        unseen |= table.since(DEAD_NAMES_ALLOWED_SINCE)
    return Need(unseen, use.name, "no release has it", dialect_of(use.name), use.places)


def _of_call(
    use: ApiUse, full: str, symbols: Sequence[ApiSymbol], elsewhere: int
) -> Iterator[Need]:
    """Yield what the arguments and the result of a call need."""
    table = load_table()
    for keyword in use.keywords:
        taken = _any(symbol.with_keyword(keyword) for symbol in symbols)
        symbol = f"{full}({keyword})"
        reason = "" if taken else "no release takes it"
        # The name may be missing for its own reason; a keyword is judged where the name is.
        absent = table.all & ~_any(symbol.releases for symbol in symbols)
        allowed = taken | elsewhere | (absent if taken else 0)
        yield Need(allowed, symbol, reason, places=use.places)
    if use.args is not None:
        yield from _of_places(use, use.args, full, symbols, elsewhere)
    if use.unpacked > 1 and _gives_one(use, full):
        until = table.until(SHORT_RESULTS_UNTIL)
        reason = f"its one result is unpacked into {use.unpacked} names"
        yield Need(until | elsewhere, f"{full}()", reason, places=use.places)


def _of_places(
    use: ApiUse, args: Sequence[str], full: str, symbols: Sequence[ApiSymbol], elsewhere: int
) -> Iterator[Need]:
    """Yield what the positional arguments need: room for each, of the right kind, and all."""
    table = load_table()
    absent = table.all & ~_any(symbol.releases for symbol in symbols)
    spread = "*" in args or "**" in args
    n_given = next((i for i, arg in enumerate(args) if arg.startswith("*")), len(args))
    room = _any(symbol.with_places(n_given) for symbol in symbols) | absent
    if room != table.all:
        reason = f"{n_given} arguments by position"
        yield Need(room | elsewhere, f"{full}({reason})", reason, places=use.places)
    for index, given in enumerate(args[:n_given]):
        fits = _any(_fitting(symbol, index, given) for symbol in symbols) | absent
        if fits != table.all:
            reason = f"argument {index + 1} by position is {_article(given)}"
            yield Need(fits | elsewhere, f"{full}({reason})", reason, places=use.places)
    if not spread:
        enough = absent
        missing: str | None = None
        for symbol in symbols:
            found, lacking = symbol.without(n_given, use.keywords)
            enough |= found
            missing = missing or lacking
        if enough != table.all:
            reason = f"without {missing}"
            yield Need(enough | elsewhere, f"{full}({reason})", reason, places=use.places)


def _fitting(symbol: ApiSymbol, index: int, given: str) -> int:
    """Return the releases whose parameter at a place can take what is given there."""
    refused = 0
    for releases, name in symbol.places(index):
        if _is_refused(name, given):
            refused |= releases
    return symbol.releases & ~refused


def _is_refused(parameter: str, given: str) -> bool:
    if given in ("True", "False"):
        return parameter in _TENSORS | _TEXTS | _NUMBERS
    if given == "tensor":
        return parameter in _FLAGS | _TEXTS | _NUMBERS
    if given == "text":
        return parameter in _TENSORS | _FLAGS | _NUMBERS
    return given == "constexpr" and parameter in _TENSORS


def _article(given: str) -> str:
    return given if given in ("True", "False", "text") else f"a {given}"


def _gives_one(use: ApiUse, full: str) -> bool:
    """Tell whether a function gives one value, whatever it is asked for."""
    head, _, name = full.rpartition(".")
    if f"{head}." not in _LANGUAGES or name not in _SINGLE_RESULTS:
        return False
    if name in _WITH_INDICES:
        return "return_indices" not in use.keywords and not any(
            arg.startswith("*") or index > 1 for index, arg in enumerate(use.args or ())
        )
    return True


def _by_rule(kind: UseKind) -> tuple[int, str]:
    table = load_table()
    if kind is UseKind.ANNOTATED_POINTER:
        since = table.since(ANNOTATED_POINTERS_SINCE)
        return since, "an annotated pointer is taken for a constexpr"
    if kind is UseKind.OPEN_PARAMETERS:
        return 0, "no release since 2.0 fills open parameters"
    last = _BY_RULE[kind]
    return table.until(last), f"a constant that is no tl.constexpr(...) can be read up to {last}"


_BY_RULE: Mapping[UseKind, str] = {
    UseKind.PLAIN_GLOBAL: PLAIN_GLOBALS_UNTIL,
    UseKind.ANNOTATED_GLOBAL: ANNOTATED_GLOBALS_UNTIL,
    UseKind.ANNOTATED_POINTER: ANNOTATED_POINTERS_SINCE,
}


def _any(sets: Iterator[int] | Sequence[int]) -> int:
    found = 0
    for each in sets:
        found |= each
    return found
