"""Throughput over size as SVG: one file a kernel and direction, each provider a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from verified_kernels.records import Record


def plot_throughput(records: Sequence[Record], folder: Path) -> list[Path]:
    """The files written. Needs matplotlib, which the extra `kernels` brings.

    Only forward and backward of ops with two timed sizes or more are drawn.
    """
    import matplotlib as mpl

    mpl.use("svg")
    # A fixed salt keeps the ids, and so the file, the same from run to run.
    mpl.rcParams["svg.hashsalt"] = "triton-index"
    # Text stays text, in one font: a third of the size.
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["font.sans-serif"] = ["DejaVu Sans"]
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record.ms is not None:
            groups.setdefault((record.kernel, record.pass_, record.dtype), []).append(record)
    written = []
    for (kernel, direction, dtype), group in groups.items():
        if len(group) < 2:
            continue
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name in dict.fromkeys(name for r in group for name in ("this kernel", *r.peers)):
            # A size that a peer was not timed at leaves a gap.
            rates = [_rate(r, name) for r in group]
            axes.plot([r.case for r in group], rates, marker="o", label=name)
        if group[0].copy_gb_per_s:
            axes.axhline(group[0].copy_gb_per_s, color="grey", linestyle=":", label="copy")
        axes.set(
            title=f"{kernel}, {direction}, {dtype}, {group[0].gpu}",
            xlabel="size",
            ylabel="GB/s, each tensor once",
            ylim=(0, None),
        )
        axes.tick_params(axis="x", labelrotation=90 if len(group) > 6 else 0)
        axes.legend()
        path = folder / f"{kernel}_{direction}_{dtype}.svg"
        figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        pyplot.close(figure)
        written.append(path)
    return written


def _rate(record: Record, name: str) -> float:
    ms = record.ms if name == "this kernel" else record.peers.get(name)
    return (record.bytes or 0) / ms / 1e6 if ms else math.nan
