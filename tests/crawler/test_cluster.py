from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from crawler import cluster
from crawler.cluster import SourceTask, crawl_beside, crawl_on
from crawler.models import CrawledRepo, RepoStatus, SourceKind, SourceRepo

KERNEL = "import triton\n\n@triton.jit\ndef {name}(x_ptr):\n    pass\n"


def task(name: str, **more: Any) -> SourceTask:
    source = SourceRepo(name=name, kind=SourceKind.GITHUB)
    return SourceTask(source=source, known=None, facts={}, files={}, full=False, **more)


def crawled(source: SourceRepo, error: str | None = None) -> CrawledRepo:
    status = RepoStatus.FAILED if error else RepoStatus.EMPTY
    return CrawledRepo(
        name=source.name, location=source.name, status=status, scanner_version="1", error=error
    )


# As Dask calls what a task ends with whose workers were lost too often.
KilledWorker = type("KilledWorker", (Exception,), {})


class Faulty(Executor):
    """Ends calls as told, one outcome after another for each source; then as it should."""

    def __init__(self, outcomes: Mapping[str, list[BaseException]]) -> None:
        self.outcomes = outcomes
        self.begun: list[str] = []
        self.most = 0
        self.open = 0

    def width(self) -> int:
        return 2

    @property
    def executor(self) -> Executor:
        return self

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        source = args[0].source
        self.begun.append(source.name)
        self.open += 1
        self.most = max(self.most, self.open)
        future: Future[Any] = Future()
        waiting = self.outcomes.get(source.name)
        if waiting:
            future.set_exception(waiting.pop(0))
        else:
            future.set_result(pickle.dumps(crawled(source)))
        return future


def results(faulty: Faulty, *names: str) -> Iterator[CrawledRepo]:
    found = crawl_on(faulty, map(task, names), failed=crawled, on_wait=lambda why, seconds: None)
    for each in found:
        faulty.open -= 1
        yield each


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param([KilledWorker("w")] * 9, id="workers that are killed"),
        pytest.param([OSError("connection"), CancelledError()], id="connections that break"),
        pytest.param([ValueError("odd")], id="a fault that passes"),
    ],
)
def test_a_loss_costs_its_own_source_another_try(losses: list[BaseException]) -> None:
    faulty = Faulty({"a/b": list(losses)})
    found = {repo.name: repo.status for repo in results(faulty, "a/a", "a/b", "a/c")}
    assert found == dict.fromkeys(["a/a", "a/b", "a/c"], RepoStatus.EMPTY)
    assert [faulty.begun.count(name) for name in ("a/a", "a/b", "a/c")] == [1, len(losses) + 1, 1]


@pytest.mark.parametrize(
    "losses", [[KilledWorker("w\nx")] * 50, [ModuleNotFoundError("No module named 'crawler'")] * 9]
)
def test_what_ends_every_worker_is_given_up(losses: list[BaseException]) -> None:
    faulty = Faulty({"a/b": losses})
    found = {repo.name: repo for repo in results(faulty, "a/a", "a/b")}
    assert found["a/a"].status is RepoStatus.EMPTY
    error = found["a/b"].error
    assert error is not None and type(losses[0]).__name__ in error and "run again" in error
    assert "\n" not in error


def test_no_more_is_under_way_than_fits() -> None:
    faulty = Faulty({})
    assert len(list(results(faulty, *(f"a/{n}" for n in range(50))))) == 50
    assert faulty.most <= 4


def test_a_source_is_crawled_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "k.py").write_text(KERNEL.format(name="add"))
    source = SourceRepo(name="local/x", kind=SourceKind.FOLDER, path=tmp_path)
    asked = SourceTask(source=source, known=None, facts={}, files={}, full=False)
    found = pickle.loads(crawl_beside(asked))
    assert [kernel.id for kernel in found.kernels] == ["local/x:k.py::add"]
    facts = {scan.blob: scan.facts for scan in found.scans}
    again = SourceTask(source=source, known=None, facts=facts, files={}, full=False)
    assert pickle.loads(crawl_beside(again)).files_parsed == 0


def test_a_worker_of_another_version_is_told() -> None:
    answer = pickle.loads(crawl_beside(task("a/b", scanner="another")))
    assert answer.startswith("a/b: the worker has another version of triton-index")


def test_a_process_that_is_ended_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CHILD", "import os; os._exit(9)")
    with pytest.raises(OSError, match="a/b: its process on the worker was ended"):
        crawl_beside(task("a/b"))


def test_a_process_ends_with_its_worker() -> None:
    with subprocess.Popen(
        [cluster.sys.executable, "-c", cluster._CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) != 0
