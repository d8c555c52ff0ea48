"""What people need and the index has not, as a table."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from index.queries.candidates import fetch_serving
from index.table import Table
from wishlist.census import model_census
from wishlist.gaps import Gap, GapKind, first_task, kind_of, missing, rank_gaps
from wishlist.models import Pass, Wish

GAP_COLUMNS = (
    "kind", "operator", "op", "score", "missing", "architectures", "calls", "wishes", "people",
    "forward", "backward", "permissive", "present", "verified", "best", "first_task",
)  # fmt: skip


def list_gaps(
    con: duckdb.DuckDBPyConnection, wishes: Iterable[Wish], *, unverified: bool = False
) -> Table:
    """Return the operators that people need and no indexed kernel serves, the worst first.

    Those that lack nothing but verification are among them only if `unverified` is asked for.
    `forward` and `backward` are the kernels there are; `permissive`, `present` and `verified` how
    many of those of the worse direction have such a licence, work with the newest Triton known,
    and are verified.
    """
    gaps = rank_gaps(model_census(), wishes, fetch_serving(con))
    shown = (gap for gap in gaps if unverified or kind_of(gap) is not GapKind.NOT_VERIFIED)
    return Table(columns=GAP_COLUMNS, rows=tuple(map(_row, shown)))


def _row(gap: Gap) -> tuple[object, ...]:
    demand, supply = gap.demand.values(), gap.supply[gap.direction]
    return (
        kind_of(gap).value,
        gap.operator,
        gap.op,
        gap.score,
        list(missing(gap)),
        max(each.architectures for each in demand),
        sum(each.calls for each in demand),
        sorted({number for each in demand for number in each.wishes}),
        max(each.people for each in demand),
        gap.supply[Pass.FORWARD].kernels,
        gap.supply[Pass.BACKWARD].kernels,
        supply.permissive,
        supply.present,
        supply.verified,
        list(supply.best or gap.supply[Pass.FORWARD].best),
        first_task(gap),
    )
