"""How long the scanner takes, beside plain `ast.parse` over the same files in the same run.

    python benchmarks/scan.py                      # the packages of `make demo`
    python benchmarks/scan.py owner/name=PATH ...  # any SOURCE that `crawl` takes
    python benchmarks/scan.py --check ...          # also hold all facts to a libcst parse

Both sides get the same batches in the same number of fresh processes, and rounds alternate, so the
ratio holds while the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from crawler.models import ScanSkip
from crawler.pool import ScanTask, batches_of, scan_batch
from crawler.scan import link_snapshot, scan_file
from crawler.snapshot import open_snapshot
from crawler.snapshot.select import is_source
from crawler.sources import parse_source

DEMO = ("pypi:flag-gems", "pypi:fla-core", "pypi:liger-kernel", "pypi:conch-triton-kernels")
Batch = Sequence[ScanTask]


def candidates(words: Sequence[str]) -> Iterator[ScanTask]:
    """Yield the Python files that mention both triton and jit."""
    for word in words:
        snapshot = open_snapshot(parse_source(word))
        wanted = [e for e in snapshot.entries() if is_source(e.path) and e.path.endswith(".py")]
        for entry, data in snapshot.read(wanted):
            if isinstance(data, bytes) and b"triton" in data and b"jit" in data:
                yield ScanTask(f"{snapshot.repo}:{entry.path}", entry.path, data)
        snapshot.close()


def parse_batch(tasks: Batch) -> int:
    """Parse each file with Python's own parser and drop the tree."""
    parsed = 0
    for task in tasks:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(task.data)
            parsed += 1
        except (SyntaxError, ValueError):
            continue
    return parsed


def timed(work: Callable[[Batch], object], batches: Sequence[Batch], processes: int) -> float:
    """Return the seconds that `processes` warm processes take over all batches."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        list(pool.map(work, [batches[0][:1]] * processes))
        started = time.perf_counter()
        list(pool.map(work, batches))
        return time.perf_counter() - started


def check(task: ScanTask) -> str | None:
    """Return the key of a file whose facts differ from those of a whole-file libcst parse."""
    fast = scan_file(task.path, task.data)
    whole = scan_file(task.path, task.data, whole_with_libcst=True)
    if isinstance(fast, ScanSkip) or isinstance(whole, ScanSkip):
        return None if isinstance(fast, ScanSkip) is isinstance(whole, ScanSkip) else task.key
    same = fast == whole and link_snapshot({task.path: fast}) == link_snapshot({task.path: whole})
    return None if same else task.key


def main() -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="*", default=DEMO)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    tasks = list(candidates(options.source))
    batches = list(batches_of(tasks))
    size = sum(len(task.data) for task in tasks) / 1e6
    print(f"{len(tasks)} files, {size:.1f} MB, {options.processes} processes")
    ratios = []
    for _ in range(options.rounds):
        plain = timed(parse_batch, batches, options.processes)
        ours = timed(scan_batch, batches, options.processes)
        ratios.append(ours / plain)
        print(f"ast.parse {plain:6.2f} s   scan {ours:6.2f} s   ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} (goal: at most 2.5)")
    if not options.check:
        return 0
    with ProcessPoolExecutor(options.processes) as pool:
        different = [key for key in pool.map(check, tasks, chunksize=16) if key is not None]
    print(f"{len(tasks) - len(different)} of {len(tasks)} files equal a whole-file libcst parse")
    print(*different, sep="\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
