"""The verified kernels: what each was held to, how fast it is beside its peers, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from markupsafe import Markup

from index.site.folder import SiteFolder
from index.site.kernels import Kernel, Kernels
from index.site.pages import Page, render
from index.site.plots import Rates, rate_plot
from verified_kernels import OPS
from verified_kernels.records import Pass, Record
from verified_kernels.report import Standing, standing_of

OURS = "this kernel"
_RECORD = (
    "kernel case pass dtype device passed max_abs_err rel_rms_err tolerance ms peers bytes flops "
    "gpu torch triton commit plain_ms plain_peers copy_gb_per_s"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One function in one direction: its checks, and over all timed sizes where it stands."""

    name: Pass
    checks: int
    failed: int
    worst_error: Sequence[tuple[str, float]]
    standing: Standing | None
    plots: Sequence[tuple[str, Markup, Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One verified function with its kernels in the index."""

    name: str
    file: str
    kernels: Sequence[Kernel]
    directions: Sequence[Direction]
    machine: str


def write_verified(
    con: duckdb.DuckDBPyConnection, folder: SiteFolder, kernels: Kernels, home: str
) -> None:
    """Write the page of all verified functions; `home` is the project's own repository."""
    records = _records(con)
    by_file: dict[str, list[Kernel]] = {}
    for kernel in kernels.by_repo.get(home, ()):
        if kernel.is_verified and kernel.role == "kernel":
            by_file.setdefault(kernel.path, []).append(kernel)
    names = list(dict.fromkeys(record.kernel for record in records))
    functions = [_function(name, records, by_file) for name in names]
    page = Page(
        address="verified.html",
        title="Verified Triton kernels",
        about="Kernels held to PyTorch in float64, value by value and gradient by gradient, and "
        "timed beside their peers.",
    )
    folder.page(page.address, render("verified.html", page, functions=functions))


def _function(
    name: str, records: Sequence[Record], by_file: Mapping[str, list[Kernel]]
) -> Function:
    own = [record for record in records if record.kernel == name]
    file = f"verified_kernels/ops/{OPS.get(name, name)}.py"
    found = [_direction(p, [r for r in own if r.pass_ == p]) for p in Pass]
    return Function(
        name=name,
        file=file,
        kernels=by_file.get(file, ()),
        directions=[direction for direction in found if direction.checks],
        machine=", ".join(_machines(own)),
    )


def _direction(way: Pass, records: Sequence[Record]) -> Direction:
    worst: dict[str, float] = {}
    for r in records:
        worst[r.dtype] = max(worst.get(r.dtype, 0.0), r.rel_rms_err or 0.0)
    return Direction(
        name=way,
        checks=len(records),
        failed=sum(not r.passed for r in records),
        worst_error=sorted(worst.items()),
        standing=standing_of(records, records[0].kernel, way) if records else None,
        plots=list(_plots(records)),
    )


def _plots(records: Sequence[Record]) -> Iterable[tuple[str, Markup, Sequence[str]]]:
    """Yield for each dtype a plot over its timed sizes, and the providers in it."""
    timed = [r for r in records if r.ms and r.bytes]
    for dtype in dict.fromkeys(r.dtype for r in timed):
        some = [r for r in timed if r.dtype == dtype]
        rows = [Rates(size=r.case, rates=_rates(r)) for r in some]
        copy = next((r.copy_gb_per_s for r in some if r.copy_gb_per_s), None)
        title = f"{some[0].kernel}, {some[0].pass_}, {dtype}: GB/s by size"
        providers = list(dict.fromkeys(name for row in rows for name in row.rates))
        yield dtype, rate_plot(title, rows, copy), providers


def _rates(record: Record) -> dict[str, float]:
    times = {OURS: record.ms, **record.peers}
    return {name: (record.bytes or 0) / ms / 1e6 for name, ms in times.items() if ms}


def _machines(records: Sequence[Record]) -> list[str]:
    said = (f"{r.gpu or 'no GPU'}, torch {r.torch}, Triton {r.triton}" for r in records)
    return list(dict.fromkeys(said))


def _records(con: duckdb.DuckDBPyConnection) -> list[Record]:
    columns = ", ".join(f'"{name}"' for name in _RECORD)
    rows = con.execute(
        f"SELECT {columns} FROM verifications "  # noqa: S608 (names of ours)
        'ORDER BY kernel, "pass" DESC, dtype, bytes, "case"'
    ).fetchall()
    found: list[dict[str, Any]] = [dict(zip(_RECORD, row, strict=True)) for row in rows]
    return [Record(pass_=Pass(each.pop("pass")), **each) for each in found]
