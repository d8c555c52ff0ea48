"""What a person sees of a run: a line a kernel, and the timings beside the peers'."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from verified_kernels.records import Pass, Record, dump

PLAIN_WIDTH = 160


def show(records: Sequence[Record]) -> None:
    """Prints the summary and, where there are any, the timings on stdout."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    print_summary(records, console)
    print_timings(records, console)


def write(records: Sequence[Record], *, out: Path | None, plots: Path | None) -> None:
    """Writes the records as JSON and the timings as SVGs, where a place is given."""
    if out is not None:
        out.write_text(dump(records), encoding="utf-8")
    if plots is not None:
        from verified_kernels.plot import plot_throughput

        plot_throughput(records, plots)


def results_table(records: Sequence[Record]) -> list[str]:
    """Lines of a Markdown table: each function at its largest timed size, beside copy and peers."""
    lines = [
        "| function | size | forward: of the copy | over the best peer "
        "| backward: of the copy | over the best peer |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    largest: dict[str, Record] = {}
    for record in records:
        held = largest.get(record.kernel)
        if record.ms is not None and (held is None or (record.bytes or 0) > (held.bytes or 0)):
            largest[record.kernel] = record
    for kernel, chosen in largest.items():
        cells = [f"`{kernel}`", f"{chosen.case}, {chosen.dtype}"]
        for direction in Pass:
            same = (r for r in records if r.ms is not None and r.kernel == kernel)
            found = [
                r
                for r in same
                if (r.case, r.dtype, r.pass_) == (chosen.case, chosen.dtype, direction)
            ]
            cells += _shares(found[0]) if found else ["", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _shares(record: Record) -> list[str]:
    """The share of the copy's rate, and how many times as fast as the best peer."""
    assert record.ms is not None
    rate = (record.bytes or 0) / record.ms / 1e6
    copy, best = record.copy_gb_per_s, min(record.peers.values(), default=None)
    return [f"{rate / copy:.2f}" if copy else "", f"{best / record.ms:.2f}" if best else ""]


def print_summary(records: Sequence[Record], console: Console) -> None:
    """One row a kernel and direction: cases passed, and the largest relative error by dtype."""
    table = Table("kernel", "pass", "cases", "failed", "largest relative RMS error")
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.kernel, record.pass_), []).append(record)
    for (kernel, direction), group in groups.items():
        failed = sum(not r.passed for r in group)
        worst: dict[str, float] = {}
        for record in group:
            if record.rel_rms_err is not None:
                worst[record.dtype] = max(worst.get(record.dtype, 0.0), record.rel_rms_err)
        errors = ", ".join(f"{dtype} {error:.1e}" for dtype, error in worst.items())
        table.add_row(kernel, direction, str(len(group)), str(failed or ""), errors)
    console.print(table)


def print_timings(records: Sequence[Record], console: Console) -> None:
    """One row a timed case: time under a graph, rate, share of the copy's rate, and the peers."""
    timed = [r for r in records if r.ms is not None]
    if not timed:
        return
    peers = list(dict.fromkeys(name for r in timed for name in r.peers))
    table = Table(
        "kernel",
        "case",
        "dtype",
        "ms",
        "GB/s",
        "of copy",
        *peers,
        "of best",
        "plain ms",
        title="medians under a CUDA graph, L2 flushed",
    )
    for r in timed:
        assert r.ms is not None
        rate = (r.bytes or 0) / r.ms / 1e6
        share = f"{rate / r.copy_gb_per_s:.2f}" if r.copy_gb_per_s else ""
        best = min(r.peers.values(), default=None)
        table.add_row(
            f"{r.kernel} {r.pass_}",
            r.case,
            r.dtype,
            f"{r.ms:.4f}",
            f"{rate:.0f}",
            share,
            *(f"{r.peers[name]:.4f}" if name in r.peers else "" for name in peers),
            f"{best / r.ms:.2f}" if best else "",
            f"{r.plain_ms:.4f}" if r.plain_ms else "",
        )
    console.print(table)
