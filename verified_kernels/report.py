"""What a person sees of a run: a line a kernel, and the timings beside the peers'.

`python -m verified_kernels.report FILE.json...` shows what several runs found as one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from verified_kernels.records import Pass, Record, dump, load

PLAIN_WIDTH = 200
MOST_FAILURES = 10
# Bytes from which on the bandwidth of memory is what bounds a kernel, and not its start.
LARGE = 64 << 20


def show(records: Sequence[Record], *, candidate: str | None = None) -> None:
    """Prints the summary and, where there are any, the timings on stdout."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if candidate is None:
        print_summary(records, console)
    else:
        for line in verdict(records, candidate):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    print_timings(records, console)
    print_means(records, console)


def verdict(records: Sequence[Record], candidate: str) -> list[str]:
    """What a candidate was found to be: a line a failed check, the first few, then the count."""
    failed = [r for r in records if not r.passed]
    lines = [f"FAILED {r.case}, {r.dtype}, {r.pass_}: {r.note}" for r in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        lines.append(f"and {len(failed) - MOST_FAILURES} more failed")
    names = ", ".join(dict.fromkeys(r.kernel for r in records))
    passed = f"{len(records) - len(failed)} of {len(records)} checks passed"
    return [*lines, f"{candidate}, held to {names}: {passed}"]


def merged(parts: Sequence[Sequence[Record]]) -> list[Record]:
    """The records of several runs; of two alike the later counts."""
    found: dict[tuple[str, ...], Record] = {}
    for records in parts:
        for r in records:
            key = (r.kernel, r.case, r.pass_, r.dtype, r.device, r.gpu or "")
            # A check of the same case says less than a check with times.
            if r.ms is not None or key not in found or found[key].ms is None:
                found[key] = r
    return list(found.values())


def write(records: Sequence[Record], *, out: Path | None, plots: Path | None) -> None:
    """Writes the records as JSON and the timings as SVGs, where a place is given."""
    if out is not None:
        out.write_text(dump(records), encoding="utf-8")
    if plots is not None:
        from verified_kernels.plot import plot_throughput

        plot_throughput(records, plots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one direction of a function stands over all timed sizes: mean and worst size.

    Shares of the copy's rate are over the sizes that move `LARGE` bytes or more; ratios over the
    best peer are over all, under a CUDA graph and as plain calls. Means are geometric.
    """

    sizes: int
    copy: float | None
    worst_copy: tuple[float, str] | None
    peer: float | None
    worst_peer: tuple[float, str] | None
    plain: float | None
    worst_plain: tuple[float, str] | None


def standing_of(records: Sequence[Record], kernel: str, direction: Pass) -> Standing | None:
    """The standing over the timed records of one direction, None where there are none."""
    timed = [r for r in records if r.ms is not None and (r.kernel, r.pass_) == (kernel, direction)]
    if not timed:
        return None
    copies = [(share, _size(r)) for r in timed if (share := _copy_share(r)) and _is_large(r)]
    peers = [(ratio, _size(r)) for r in timed if (ratio := _over_best(r.ms, r.peers))]
    plain = [(ratio, _size(r)) for r in timed if (ratio := _over_best(r.plain_ms, r.plain_peers))]
    return Standing(
        sizes=len(timed),
        copy=_mean(copies),
        worst_copy=min(copies, default=None),
        peer=_mean(peers),
        worst_peer=min(peers, default=None),
        plain=_mean(plain),
        worst_plain=min(plain, default=None),
    )


def _size(record: Record) -> str:
    return f"{record.case}, {record.dtype}"


def _is_large(record: Record) -> bool:
    return (record.bytes or 0) >= LARGE


def _copy_share(record: Record) -> float | None:
    if not (record.ms and record.copy_gb_per_s and record.bytes):
        return None
    return record.bytes / record.ms / 1e6 / record.copy_gb_per_s


def _over_best(ms: float | None, peers: Mapping[str, float]) -> float | None:
    """How many times as fast as the best peer."""
    best = min(peers.values(), default=None)
    return best / ms if best and ms else None


def _mean(values: Sequence[tuple[float, str]]) -> float | None:
    if not values:
        return None
    return math.exp(sum(math.log(value) for value, _ in values) / len(values))


def _directions(records: Sequence[Record]) -> list[tuple[str, Pass, Standing]]:
    kernels = dict.fromkeys(r.kernel for r in records if r.ms is not None)
    found = [(k, p, standing_of(records, k, p)) for k in kernels for p in Pass]
    return [(kernel, direction, s) for kernel, direction, s in found if s is not None]


def results_table(records: Sequence[Record]) -> list[str]:
    """Lines of a Markdown table: each function and direction, geometric mean and worst size."""
    lines = [
        "| function | pass | sizes | of the copy | worst | over the best peer | worst "
        "| plain calls | worst |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kernel, direction, s in _directions(records):
        cells = [f"`{kernel}`", direction, str(s.sizes), *_cells(s)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cells(s: Standing) -> list[str]:
    cells = []
    for mean, worst in ((s.copy, s.worst_copy), (s.peer, s.worst_peer), (s.plain, s.worst_plain)):
        cells.append("" if mean is None else f"{mean:.2f}")
        cells.append("" if worst is None else f"{worst[0]:.2f} ({worst[1]})")
    return cells


def print_means(records: Sequence[Record], console: Console) -> None:
    """One row a function and direction: geometric means and worst sizes."""
    rows = _directions(records)
    if not rows:
        return
    table = Table(
        *("function", "sizes", "of copy", "worst", "over best peer", "worst", "plain", "worst"),
        title="geometric mean and worst size; of the copy from 64 MiB on",
    )
    for kernel, direction, s in rows:
        table.add_row(f"{kernel} {direction}", str(s.sizes), *_cells(s))
    console.print(table)


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
        "plain of best",
        title="medians under a CUDA graph, and of plain calls; L2 flushed",
    )
    for r in timed:
        assert r.ms is not None
        rate = (r.bytes or 0) / r.ms / 1e6
        share = f"{rate / r.copy_gb_per_s:.2f}" if r.copy_gb_per_s else ""
        over = _over_best(r.ms, r.peers)
        plain = _over_best(r.plain_ms, r.plain_peers)
        table.add_row(
            f"{r.kernel} {r.pass_}",
            r.case,
            r.dtype,
            f"{r.ms:.4f}",
            f"{rate:.0f}",
            share,
            *(f"{r.peers[name]:.4f}" if name in r.peers else "" for name in peers),
            f"{over:.2f}" if over else "",
            f"{r.plain_ms:.4f}" if r.plain_ms else "",
            f"{plain:.2f}" if plain else "",
        )
    console.print(table)


def main() -> None:
    """Shows, and with --out and --plots writes, the records of the files given."""
    parser = argparse.ArgumentParser(prog="python -m verified_kernels.report")
    parser.add_argument("files", nargs="+", type=Path, help="records that verify --out wrote")
    parser.add_argument("--out", type=Path, help="the records of all files as JSON")
    parser.add_argument("--plots", type=Path, help="SVGs of timings")
    options = parser.parse_args()
    try:
        parts = [load(file.read_text(encoding="utf-8")) for file in options.files]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    records = merged(parts)
    write(records, out=options.out, plots=options.plots)
    show(records)


if __name__ == "__main__":
    main()
