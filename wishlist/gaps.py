"""What people need and no indexed kernel serves, ranked. Pure.

The score of an op and a direction is need times absence, both from 0 to 1, and that of a gap is
the greater of its two directions'.

Need: 1 - (1 - share) (1 - asked). `share` is the share of the traced architectures that call the
operator, if more than one does; `asked` is people / (people + `HALF_ASKED`), where the people are
those who asked in open wishes and those who voted for these.

Absence: 1 where no kernel of that direction is indexed. Else 1 - worth of the worthiest, where a
kernel's worth is the product of what is left by each flaw: a licence that is not permissive or not
known, no support of the newest Triton, no verification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from crawler.models import Role
from wishlist.asking import most_specific, stems
from wishlist.candidates import Candidate, is_permissive
from wishlist.census import Census, Occurrence, variants_in
from wishlist.models import Pass, Wish

# What a single architecture calls, the others do without.
FEWEST_ARCHITECTURES = 2
# So many people who ask are worth half as much as every model would be.
HALF_ASKED = 5
# What is left of a kernel's worth by each flaw.
NOT_PERMISSIVE, NOT_PRESENT, NOT_VERIFIED = 0.5, 0.5, 0.97
MOST_BEST = 3
_OTHER_FUNCTIONS = frozenset({"aa", "exact"})


class GapKind(StrEnum):
    """What a gap lacks, told of its worse direction by the worthiest kernel that there is."""

    NOTHING = "nothing exists"
    NO_FORWARD = "no forward"
    NO_BACKWARD = "no backward"
    NOT_PERMISSIVE = "none permissive"
    NOT_PRESENT = "none current"
    NEITHER = "none permissive and current"
    NOT_VERIFIED = "not verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Who needs an op in one direction: architectures that call it, wishes, people who ask.

    `operators` are the aten operators that stand for it, the commonest first; `among` names some
    architectures that call this one.
    """

    architectures: int = 0
    calls: int = 0
    among: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    wishes: tuple[int, ...] = ()
    people: int = 0
    need: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The kernels that the index has for an op in one direction, and how many have no flaw.

    `best` are the ids of the worthiest.
    """

    kernels: int = 0
    permissive: int = 0
    present: int = 0
    verified: int = 0
    best: tuple[str, ...] = ()
    absence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An op that people need and the index does not serve; `direction` is the worse one."""

    operator: str
    op: str
    score: float
    direction: Pass
    demand: Mapping[Pass, Demand]
    supply: Mapping[Pass, Supply]


def rank_gaps(
    census: Census, wishes: Iterable[Wish], kernels: Iterable[Candidate]
) -> tuple[Gap, ...]:
    """Return the gaps, the worst first; equal ones by what calls them most, then by name."""
    demands = demand_for(census, wishes)
    serving = _by_op(kernels)
    gaps = []
    for op, operator in sorted({(op, operator) for op, operator, _ in demands}):
        demand = {each: demands.get((op, operator, each), Demand()) for each in Pass}
        supply = {
            each: supply_of(operator, serving.get((op, each), ()), direction=each) for each in Pass
        }
        worst = max(Pass, key=lambda each: demand[each].need * supply[each].absence)
        score = demand[worst].need * supply[worst].absence
        if score > 0:
            gaps.append(
                Gap(
                    operator=operator,
                    op=op,
                    score=round(score, 4),
                    direction=worst,
                    demand=demand,
                    supply=supply,
                )
            )
    return tuple(sorted(gaps, key=_order))


def _order(gap: Gap) -> tuple[float, int, str]:
    return (-gap.score, -sum(demand.calls for demand in gap.demand.values()), gap.operator)


def demand_for(census: Census, wishes: Iterable[Wish]) -> dict[tuple[str, str, Pass], Demand]:
    """Return who needs what: by op, by operator of that op, and by direction."""
    occurring: dict[tuple[str, str, Pass], list[Occurrence]] = {}
    for each in census.occurrences:
        occurring.setdefault((each.op, each.operator, each.direction), []).append(each)
    asking: dict[tuple[str, str, Pass], list[Wish]] = {}
    for wish in wishes:
        if not wish.status.is_settled:
            for op in most_specific(wish.ops):
                for direction in wish.passes or (Pass.FORWARD,):
                    asking.setdefault((op, op, direction), []).append(wish)
    return {
        key: _demand(census, occurring.get(key, ()), asking.get(key, ()))
        for key in occurring.keys() | asking.keys()
    }


def _demand(census: Census, occurring: Sequence[Occurrence], asking: Sequence[Wish]) -> Demand:
    """Return the demand; of several operators of one op, the architectures of the commonest count.

    Which of them the rarer ones share with it is not known.
    """
    if max((each.architectures for each in occurring), default=0) < FEWEST_ARCHITECTURES:
        occurring = ()
    ordered = sorted(occurring, key=lambda each: (-each.architectures, each.aten))
    architectures = ordered[0].architectures if ordered else 0
    people = sum(1 + wish.votes for wish in asking)
    share = architectures / census.architectures if census.architectures else 0.0
    asked = people / (people + HALF_ASKED)
    return Demand(
        architectures=architectures,
        calls=sum(each.calls for each in ordered),
        among=ordered[0].among if ordered else (),
        operators=tuple(each.aten.removeprefix("aten::") for each in ordered),
        wishes=tuple(wish.number for wish in asking),
        people=people,
        need=1 - (1 - share) * (1 - asked),
    )


def _by_op(kernels: Iterable[Candidate]) -> dict[tuple[str, Pass], list[Candidate]]:
    """Return the kernels that compute each op in each direction.

    A device function serves nobody by itself, and a kernel also stands for its other direction
    where it is known to have one.
    """
    serving: dict[tuple[str, Pass], list[Candidate]] = {}
    for kernel in kernels:
        if kernel.role is not Role.DEVICE_FUNCTION:
            for op in kernel.ops:
                for direction in kernel.passes:
                    serving.setdefault((op, direction), []).append(kernel)
    return serving


def supply_of(operator: str, kernels: Iterable[Candidate], *, direction: Pass) -> Supply:
    """Return what there is for an operator among the kernels of its op in one direction."""
    ranked = sorted(
        (kernel for kernel in kernels if _is_for(operator, kernel)),
        key=lambda k: (-_worth(k), k.direction is not direction, *_plainness(operator, k), k.id),
    )
    return Supply(
        kernels=len(ranked),
        permissive=sum(is_permissive(kernel.license) for kernel in ranked),
        present=sum(kernel.triton_max is None for kernel in ranked),
        verified=sum(kernel.is_verified for kernel in ranked),
        best=tuple(kernel.id for kernel in ranked[:MOST_BEST]),
        absence=1 - _worth(ranked[0]) if ranked else 1.0,
    )


def _is_for(operator: str, kernel: Candidate) -> bool:
    """Tell whether a kernel of the right op is none of another of the op's variants.

    Dimensions that it does not speak of it may well have; `aa` and `exact` are other functions.
    """
    wanted = variants_in(operator)
    if not wanted:
        return True
    place = kernel.id.partition(":")[2]
    said = variants_in(" ".join((place, *kernel.launchers)))
    dims = said - _OTHER_FUNCTIONS
    return said & _OTHER_FUNCTIONS == wanted & _OTHER_FUNCTIONS and (
        not dims or wanted - _OTHER_FUNCTIONS <= dims
    )


def _plainness(operator: str, kernel: Candidate) -> tuple[bool, int, int, int]:
    """Return what sorts originals first, then what does and says the least besides the operator."""
    is_copy = kernel.origin not in (None, kernel.id)
    others = stems(kernel.name) - stems(operator)
    return is_copy, len(kernel.ops), len(others), -(kernel.stars or 0)


def _worth(kernel: Candidate) -> float:
    worth = 1.0 if is_permissive(kernel.license) else NOT_PERMISSIVE
    worth *= 1.0 if kernel.triton_max is None else NOT_PRESENT
    return worth if kernel.is_verified else worth * NOT_VERIFIED


def kind_of(gap: Gap) -> GapKind:
    """Return what kind of gap it is.

    Kernels that are permissive and others that are current make no kernel that is both.
    """
    supply = gap.supply[gap.direction]
    if not supply.kernels:
        if not any(each.kernels for each in gap.supply.values()):
            return GapKind.NOTHING
        return GapKind.NO_FORWARD if gap.direction is Pass.FORWARD else GapKind.NO_BACKWARD
    if 1 - supply.absence > NOT_PERMISSIVE:
        return GapKind.NOT_VERIFIED
    if bool(supply.permissive) == bool(supply.present):
        return GapKind.NEITHER
    return GapKind.NOT_PRESENT if supply.permissive else GapKind.NOT_PERMISSIVE


def missing(gap: Gap) -> tuple[str, ...]:
    """Return what is missing, in plain words, the worse direction first."""
    directions = sorted(Pass, key=lambda each: each is not gap.direction)
    return tuple(word for each in directions for word in _missing(gap, each))


def _missing(gap: Gap, direction: Pass) -> Iterator[str]:
    supply, demand = gap.supply[direction], gap.demand[direction]
    if not demand.need:
        return
    if not supply.kernels:
        yield "no kernel" if direction is Pass.FORWARD else "no backward"
        return
    what = f"{direction} kernel"
    if not supply.permissive:
        yield f"no {what} with a permissive licence"
    if not supply.present:
        yield f"no {what} for the present Triton"
    if not supply.verified:
        yield f"no verified {what}"


def first_task(gap: Gap) -> str:
    """Return a task to begin with, in one sentence."""
    supply, demand = gap.supply[gap.direction], gap.demand[gap.direction]
    called = demand.operators[0] if demand.operators else gap.op
    tried = f"; try it on {demand.among[0]}" if demand.among else ""
    other = gap.supply[Pass.FORWARD].best
    if not supply.kernels and gap.direction is Pass.BACKWARD and other:
        return f"write {called} beside {other[0]}, its gradients against autograd's{tried}"
    if not supply.kernels:
        direction = "forward kernel" if gap.demand[Pass.BACKWARD].need else "kernel"
        return f"write a {direction} for {called} against PyTorch's own{tried}"
    if not supply.present:
        return f"bring {supply.best[0]} to the present Triton{tried}"
    if not supply.permissive:
        return f"ask for a licence of {supply.best[0]}, or write {called} anew{tried}"
    return f"verify {supply.best[0]} against PyTorch's {called}{tried}"
