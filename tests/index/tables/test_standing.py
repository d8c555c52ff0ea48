"""The standing of kernels in an index: by what all of it says of each."""

from __future__ import annotations

from pathlib import Path

import duckdb

from crawler.models import KernelRecord
from index.database import open_index
from index.queries.search import search
from index.tables.standing import fetch_standing
from tests.index.samples import column, crawled, kernel, save

BODY = """
@triton.jit
def softmax_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * n + at, mask=at < n, other=-float("inf"))
    x = x - tl.max(x, axis=0)
    e = tl.exp(x)
    tl.store(y_ptr + row * n + at, e / tl.sum(e, axis=0), mask=at < n)
"""


def softmax(repo: str, path: str = "ops/softmax.py") -> KernelRecord:
    calls = ("tl.load", "tl.max", "tl.exp", "tl.sum", "tl.store")
    return kernel("softmax_kernel", repo=repo, path=path, source=BODY, tl_calls=calls)


def test_of_equal_kernels_the_one_of_higher_standing_comes_first(db: Path) -> None:
    save(
        db,
        crawled(softmax("a/lessons", "tutorials/softmax.py")),
        crawled(softmax("b/library")),
    )
    with duckdb.connect(db) as con:
        con.execute("UPDATE kernel_rows SET clone_group = NULL, origin = NULL")
    with open_index(db) as con:
        found = [id.partition(":")[0] for id in search(con, "softmax").ids]
        assert found == ["b/library", "a/lessons"]


def test_what_is_told_of_a_kernel_adds_up_to_its_standing(db: Path) -> None:
    save(db, crawled(softmax("a/lessons", "tutorials/softmax.py")))
    (stored,) = column(db, "SELECT standing FROM kernels")
    with open_index(db) as con:
        reasons = fetch_standing(con, "a/lessons:tutorials/softmax.py::softmax_kernel")
    assert "exercise" in {reason.signal for reason in reasons}
    assert stored == column(db, "SELECT standing FROM kernel_rows")[0]
    assert abs(stored - (0.4 + sum(reason.worth for reason in reasons))) < 0.01
