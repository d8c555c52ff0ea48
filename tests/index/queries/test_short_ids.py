from __future__ import annotations

from pathlib import Path

import pytest

from index.cli import main
from index.database import open_index
from index.plain_text import display_width
from index.queries.lookup import find_kernel
from index.queries.short_ids import short_ids
from tests.index.samples import crawled, kernel, save

# Each id, and the short one that tells it apart.
KERNELS = {
    "acme/kernels:ops/add.py::add_kernel": "kernels:add_kernel",
    "acme/kernels:ops/norm.py::fwd": "kernels:ops/norm.py::fwd",
    "acme/kernels:old/norm.py::fwd": "kernels:old/norm.py::fwd",
    "acme/kernels:ops/softmax.py::fwd": "kernels:softmax.py::fwd",
    "acme/kernels:ops/make.py::make.<locals>.fwd": "kernels:make.<locals>.fwd",
    "other/kernels:a.py::gelu": "other/kernels:a.py::gelu",
    "third/kernels:a.py::gelu": "third/kernels:a.py::gelu",
    "pypi:dist:pkg/k.py::fwd": "pypi:dist:fwd",
}


@pytest.fixture
def library(db: Path) -> Path:
    sources: dict[str, list[tuple[str, str]]] = {}
    for id in KERNELS:
        place, _, qualname = id.partition("::")
        repo, _, path = place.rpartition(":")
        sources.setdefault(repo, []).append((qualname, path))
    save(
        db,
        *(
            crawled(*(kernel(name, repo=repo, path=path) for name, path in found))
            for repo, found in sources.items()
        ),
    )
    return db


def test_a_short_id_is_as_much_as_tells_a_kernel_apart_and_leads_back_to_it(library: Path) -> None:
    with open_index(library) as con:
        assert short_ids(con, list(KERNELS), 80) == tuple(KERNELS.values())
        assert [find_kernel(con, short).id for short in KERNELS.values()] == list(KERNELS)


def test_what_does_not_fit_has_an_ellipsis_and_leads_back_too(library: Path) -> None:
    with open_index(library) as con:
        found = short_ids(con, list(KERNELS), 20)
        assert all(len(short) <= 20 for short in found)
        assert found[2].count("…") == 1
        assert [find_kernel(con, short).id for short in found] == list(KERNELS)
        assert find_kernel(con, "kern...add_kernel").id == "acme/kernels:ops/add.py::add_kernel"
        # A sign for anything in SQL is none here.
        assert find_kernel(con, "kern…%").id is None


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_a_search_fits_the_terminal(
    library: Path,
    width: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["--db", str(library), "search", "--copies"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "ops", "license", "triton", "ok"]
    assert len(lines) == len(KERNELS)
    assert all(display_width(line) <= width for line in (head, *lines))
    assert {line.split()[0] for line in lines} <= set(KERNELS.values())


def test_an_order_by_stars_that_nobody_counted_says_so(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--db", str(library), "search", "--sort", "stars"]) == 0
    assert capsys.readouterr().err == (
        "no stars are known of these, so they come by relevance; a crawl of GitHub counts them\n"
    )
