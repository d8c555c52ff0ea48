"""Timings on the terminal and as SVG."""

import io

import pytest
from rich.console import Console

from verified_kernels.records import Pass, Record
from verified_kernels.report import print_summary, print_timings


def timed(case, ms, **peers):
    return Record(
        kernel="softmax",
        case=case,
        pass_=Pass.FORWARD,
        dtype="bfloat16",
        device="cuda",
        passed=True,
        max_abs_err=1e-3,
        rel_rms_err=2e-3,
        tolerance=7.9e-3,
        ms=ms,
        peers=peers,
        bytes=10**9,
        copy_gb_per_s=4000.0,
    )


RECORDS = [timed("small", 0.5, eager=1.0, compile=0.6), timed("large", 0.25, eager=1.0)]


def test_tables_show_rate_share_and_ratio_to_the_best_peer():
    console = Console(record=True, width=150, file=io.StringIO())
    print_timings(RECORDS, console)
    print_summary(RECORDS, console)
    text = console.export_text()
    assert "2000" in text  # GB/s of the first
    assert "1.20" in text  # 0.6 ms over 0.5 ms
    assert "1.00" in text  # of the copy, the second
    assert "2.0e-03" in text


def test_plots_draw_every_provider_and_do_not_change_from_run_to_run(tmp_path):
    pytest.importorskip("matplotlib")
    from verified_kernels.plot import plot_throughput

    (first,) = plot_throughput(RECORDS, tmp_path / "a")
    (second,) = plot_throughput(RECORDS, tmp_path / "b")
    assert first.read_text() == second.read_text()
    assert first.name == "softmax_forward_bfloat16.svg"
    assert plot_throughput(RECORDS[:1], tmp_path / "c") == []
