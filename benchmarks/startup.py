"""How long the command line takes from start to end, beside processes that do the least possible.

    python benchmarks/startup.py                    # an index of 10,000 made-up kernels
    python benchmarks/startup.py --db index.duckdb  # one of your own

Every round runs each process once, so the differences hold while the machine's speed drifts. Goals:
help within 100 ms of bare Python, a whole search within twice a process that imports duckdb, opens
the index and counts its rows.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crawler.models import (
    CrawledRepo,
    Dialect,
    Form,
    KernelRecord,
    Param,
    ParamKind,
    RepoStatus,
    Role,
)
from index.store import Store

KERNELS = 10_000
KERNELS_IN_A_SOURCE = 500
HELP_GOAL_MS = 100.0
SEARCH_GOAL = 2.0

OPS = (
    "rms_norm layer_norm softmax log_softmax flash_attn decode_attn matmul gemm fused_moe swiglu "
    "geglu gelu silu rope cross_entropy dropout topk cumsum argmax embedding conv2d int4_matmul "
    "fp8_gemm quantize dequantize rotary scatter gather histogram sort mamba_scan delta_rule"
).split()
PASSES = ("fwd", "bwd", "forward", "backward", "bwd_dq", "bwd_dkv", "kernel", "fwd_kernel", "inner")
WORDS = (
    "computes the gradient of each row in blocks with online accumulation over tiles and stores "
    "result tensor stride pointer mask scale bias weight head sequence batch expert token"
).split()


def made_up_kernels(chance: random.Random) -> Iterator[KernelRecord]:
    """Yield kernels with names, prose, parameters and code of about the usual size."""
    for n in range(KERNELS):
        op, what = chance.choice(OPS), chance.choice(PASSES)
        repo, path = f"owner{n // KERNELS_IN_A_SOURCE}/kernels", f"src/ops/{op}_{n % 97}.py"
        name = f"_{op}_{what}"
        prose = " ".join(chance.choices(WORDS, k=30)) if chance.random() < 0.4 else None
        params = tuple(
            Param(name=f"{chance.choice(WORDS)}_{suffix}", kind=ParamKind.UNKNOWN)
            for suffix in ("ptr", "stride", "size", "BLOCK_M", "BLOCK_N", "q", "k", "v")
        )
        code = "\n".join(f"    {' '.join(chance.choices(WORDS, k=6))}" for _ in range(50))
        yield KernelRecord(
            id=f"{repo}:{path}::{name}#{n}",
            repo=repo,
            path=path,
            cell=None,
            qualname=name,
            name=name,
            dialect=Dialect.TRITON,
            form=Form.DECORATOR,
            role=chance.choice((Role.KERNEL, Role.KERNEL, Role.DEVICE_FUNCTION)),
            start_line=1,
            def_line=2,
            end_line=52,
            commit="0" * 40,
            permalink=f"https://github.com/{repo}/blob/{'0' * 40}/{path}#L1-L52",
            summary=prose,
            docstring=prose,
            params=params,
            autotune=None,
            heuristics=(),
            decorators=("triton.jit",),
            tl_calls=("tl.load", "tl.store", "tl.program_id", "tl.arange"),
            launchers=(f"{path}::{op}",),
            calls=(),
            uses=(),
            usage=None,
            passes=(),
            source=f"@triton.jit\ndef {name}():\n{code}\n",
        )


def build_index(path: Path) -> None:
    """Make an index of made-up kernels, always the same."""
    kernels = made_up_kernels(random.Random(1))
    with Store.open_for_writing(path) as store:
        run = store.begin_run()
        for repo, found in itertools.groupby(kernels, key=lambda kernel: kernel.repo):
            crawled = CrawledRepo(
                name=repo,
                location=repo,
                status=RepoStatus.UPDATED,
                scanner_version="made up",
                commit="0" * 40,
                kernels=tuple(found),
            )
            store.save(crawled, run)
        store.finish_run(run, ())


def processes(db: Path, query: str) -> dict[str, list[str]]:
    """Return the command of each process to time."""
    count = (
        "import sys, duckdb; "
        "print(duckdb.connect(sys.argv[1], read_only=True)"
        ".execute('SELECT count(*) FROM kernels').fetchall())"
    )
    index = [sys.executable, "-m", "index"]
    return {
        "python": [sys.executable, "-c", "pass"],
        "help": [*index, "--help"],
        "count": [sys.executable, "-c", count, str(db)],
        "search": [*index, "--db", str(db), "search", query],
        "search --format json": [*index, "--db", str(db), "search", query, "--format", "json"],
    }


def timed(command: list[str]) -> float:
    """Return the milliseconds that a process takes, from start to end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Time the processes and print the median of each, and the goals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--db", type=Path, help="an index of your own")
    parser.add_argument("--query", default="rmsnorm backward")
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        db = options.db or Path(folder) / "index.duckdb"
        if options.db is None:
            build_index(db)
        commands = processes(db, options.query)
        for command in commands.values():
            timed(command)
        rounds = [{name: timed(c) for name, c in commands.items()} for _ in range(options.rounds)]
    median = {name: statistics.median(r[name] for r in rounds) for name in commands}
    for name, value in median.items():
        print(f"{name:<22}{value:7.1f} ms  (least {min(r[name] for r in rounds):.1f})")
    extra = statistics.median(r["help"] - r["python"] for r in rounds)
    ratio = statistics.median(r["search"] / r["count"] for r in rounds)
    print(f"help over bare Python: {extra:.1f} ms (goal: at most {HELP_GOAL_MS:.0f})")
    print(f"search over count: {ratio:.2f} times (goal: at most {SEARCH_GOAL:.0f})")


if __name__ == "__main__":
    main()
