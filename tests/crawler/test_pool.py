"""The pool of scanning processes: real processes, and files that kill or hold them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from threading import Thread

import pytest

from crawler.pool import (
    BATCH_BYTES,
    BATCH_FILES,
    ScanPool,
    ScanStoppedError,
    ScanTask,
    batches_of,
    default_jobs,
)
from crawler.scan import scan_file
from crawler.scan.result import Parsed, ScanResult, Unscanned, decode_result, to_result

ADD = b"import triton\n\n@triton.jit\ndef add(x):\n    pass\n"
KILLER = b"import triton\ntype X = int\nx = " + b"[']', " * 20_000 + b"1" + b"]" * 20_000
"""Brackets in strings hide from every count how deep the others go; the parser's stack ends."""
SLOW = b"import triton\ntype X = int\nx = a" + b"(0,)" * 40_000
"""A parser that is quadratic in calls of calls takes minutes."""


def task(key: str, data: bytes) -> ScanTask:
    return ScanTask(key, f"{key}.py", data)


def scanned(pool: ScanPool, tasks: Iterator[ScanTask] | list[ScanTask]) -> dict[str, ScanResult]:
    found: dict[str, ScanResult] = {}
    for key, data in pool.scan(tasks):
        result = decode_result(data)
        assert result is not None
        assert key not in found
        found[key] = result
    return found


def test_gives_what_a_scan_gives() -> None:
    tasks = [task(str(i), ADD + b"# %d\n" % i) for i in range(150)]
    with ScanPool(2) as pool:
        found = scanned(pool, iter(tasks))
        again = scanned(pool, tasks[:3])
    assert found == {t.key: to_result(scan_file(t.path, t.data)) for t in tasks}
    assert again == {t.key: found[t.key] for t in tasks[:3]}


def test_nothing_to_scan_starts_nothing() -> None:
    with ScanPool(1) as pool:
        assert scanned(pool, []) == {}
        assert pool._pool is None


def test_a_file_that_kills_its_process_costs_itself_alone() -> None:
    tasks = [task("a", ADD), task("killer", KILLER), task("b", ADD)]
    with ScanPool(2) as pool:
        found = scanned(pool, tasks)
        after = scanned(pool, [task("c", ADD)])
    assert found.pop("killer") == Unscanned("crashed the parser")
    assert {key: type(result) for key, result in {**found, **after}.items()} == {
        "a": Parsed,
        "b": Parsed,
        "c": Parsed,
    }


def test_a_file_that_takes_too_long_costs_itself_alone() -> None:
    with ScanPool(2, batch_seconds=0.5, file_seconds=1) as pool:
        found = scanned(pool, [task("a", ADD), task("slow", SLOW), task("b", ADD)])
    assert found.pop("slow") == Unscanned("took longer than 1 s to scan")
    assert {key: type(result) for key, result in found.items()} == {"a": Parsed, "b": Parsed}


def test_a_file_that_needs_too_much_memory_costs_itself_alone() -> None:
    hungry = ADD + b"x = " + b"[0], " * (1 << 19)
    with ScanPool(1, memory=1 << 29) as pool:
        found = scanned(pool, [task("a", ADD), task("hungry", hungry), task("b", ADD)])
    assert isinstance(found.pop("hungry"), Unscanned)
    assert {key: type(result) for key, result in found.items()} == {"a": Parsed, "b": Parsed}


def test_processes_that_are_killed_from_outside_cost_nothing() -> None:
    with ScanPool(2) as pool:
        for number in range(3):
            found = scanned(pool, [task(f"{number}.{i}", ADD) for i in range(4)])
            assert {type(result) for result in found.values()} == {Parsed}
            for process in multiprocessing.active_children():
                process.kill()
                process.join()


def test_a_pool_that_is_stopped_tells_whoever_waits() -> None:
    """A worker in native code hears no handler of Python's, and is ended all the same."""
    with ScanPool(1, batch_seconds=600) as pool:
        told: list[BaseException] = []

        def wait() -> None:
            try:
                scanned(pool, [task("slow", SLOW)])
            except BaseException as error:
                told.append(error)

        waiting = Thread(target=wait)
        waiting.start()
        while not multiprocessing.active_children():
            waiting.join(0.01)
        pool.stop()
        waiting.join()
        with pytest.raises(ScanStoppedError):
            scanned(pool, [task("a", ADD)])
    assert [type(error) for error in told] == [ScanStoppedError]
    assert multiprocessing.active_children() == []


def test_a_crawl_that_is_given_up_stops_its_processes() -> None:
    pool = ScanPool(1)
    with pytest.raises(KeyboardInterrupt), pool:
        results = pool.scan([task(str(i), ADD) for i in range(500)])
        next(results)
        raise KeyboardInterrupt
    assert pool._pool is not None
    assert not pool._pool.active


def test_what_reading_raises_is_raised() -> None:
    def tasks() -> Iterator[ScanTask]:
        yield task("a", ADD)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"), ScanPool(1) as pool:
        list(pool.scan(tasks()))


def test_batches_are_bounded_in_files_and_bytes() -> None:
    small = [task(str(i), b"x") for i in range(BATCH_FILES + 1)]
    assert [len(batch) for batch in batches_of(small)] == [BATCH_FILES, 1]
    large = [task(str(i), b"x" * BATCH_BYTES) for i in range(3)]
    assert [len(batch) for batch in batches_of(large)] == [1, 1, 1]
    assert list(batches_of([])) == []


def test_there_is_at_least_one_process() -> None:
    assert default_jobs() >= 1
