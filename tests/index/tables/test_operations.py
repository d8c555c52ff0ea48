"""Operations in the index: written with their source, searched, shown, bundled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from crawler.models import OperationKind, OperationRecord, RepoStatus
from index.database import open_index
from index.files.bundle import load_bundle, write_bundle
from index.queries.filters import Filters
from index.queries.lookup import show_kernel
from index.queries.operations import fetch_operations, find_operations
from index.queries.search import Kind, search
from tests.index.samples import FIRST_COMMIT, REPO, crawled, kernel, save


def operation(name: str, *forward: str, backward: tuple[str, ...] = ()) -> OperationRecord:
    """Return an operation of `ops/api.py` that launches these kernels of `ops/add.py`."""
    path = "ops/api.py"
    return OperationRecord(
        id=f"{REPO}:{path}::{name}",
        repo=REPO,
        path=path,
        name=name,
        kind=OperationKind.FUNCTION,
        start_line=1,
        end_line=2,
        commit=FIRST_COMMIT,
        permalink="https://example.org",
        signature="(x)",
        summary="What it does.",
        doc_chars=13,
        forward=tuple(f"{REPO}:ops/add.py::{kernel}" for kernel in forward),
        backward=tuple(f"{REPO}:ops/add.py::{kernel}" for kernel in backward),
        is_differentiable=bool(backward),
    )


@pytest.fixture
def stored(db: Path) -> Path:
    kernels = [kernel(name) for name in ("ce_kernel", "ce_grad", "softmax_kernel")]
    operations = (
        operation("fused_linear_cross_entropy", "ce_kernel", backward=("ce_grad",)),
        operation("softmax", "softmax_kernel"),
    )
    save(db, crawled(*kernels, operations=operations))
    return db


def ids(db: Path, query: str, **more: object) -> list[str]:
    with open_index(db) as con:
        found = search(con, query, **more)  # type: ignore[arg-type]
    return [id.rpartition("::")[2] for id in found.ids]


def test_a_kernel_is_found_by_the_words_of_what_runs_it(stored: Path) -> None:
    assert ids(stored, "fused linear cross entropy") == ["ce_kernel"]
    assert ids(stored, "fused linear cross entropy", kind=Kind.KERNEL) == []
    found = ids(stored, "fused linear cross entropy", kind=Kind.OPERATION)
    assert found == ["fused_linear_cross_entropy"]


def test_an_operation_passes_the_filters_of_which_a_kernel_of_its_does(stored: Path) -> None:
    assert ids(stored, "", kind=Kind.OPERATION, filters=Filters(roles=("pointwise",))) == []
    asked = Filters(roles=("kernel",))
    found = set(ids(stored, "", kind=Kind.OPERATION, filters=asked))
    assert found == {"fused_linear_cross_entropy", "softmax"}


def test_each_of_the_two_leads_to_the_other(stored: Path) -> None:
    with open_index(stored) as con:
        (id,) = find_operations(con, "fused_linear_cross_entropy")
        (shown,) = fetch_operations(con, [id]).records()
        assert shown["forward"] == [f"{REPO}:ops/add.py::ce_kernel"]
        assert shown["backward"] == [f"{REPO}:ops/add.py::ce_grad"]
        assert "fused_linear_cross_entropy" in shown["ops"]
        for kernel_id in (*shown["forward"], *shown["backward"]):
            (record,) = show_kernel(con, kernel_id).records()
            assert record["operations"] == [id]


def test_what_is_gone_goes_with_its_source(stored: Path) -> None:
    save(stored, crawled(kernel("ce_kernel"), operations=(operation("renamed", "ce_kernel"),)))
    with open_index(stored) as con:
        assert con.execute("SELECT name FROM operations").fetchall() == [("renamed",)]
    save(stored, replace(crawled(), status=RepoStatus.GONE))
    with open_index(stored) as con:
        assert con.execute("SELECT name FROM operations").fetchall() == []


def test_a_bundle_carries_their_facts_and_one_without_them_still_opens(
    stored: Path, tmp_path: Path
) -> None:
    folder, scratch = tmp_path / "bundle", tmp_path / "scratch"
    with duckdb.connect(stored) as con:
        write_bundle(con, scratch, folder)
    for has_operations in (True, False):
        if not has_operations:
            (folder / "operations.parquet").unlink()
        other = tmp_path / f"{has_operations}.duckdb"
        from index.database import connect_for_writing, migrate

        with connect_for_writing(other, reach=(scratch, *folder.iterdir())) as con:
            migrate(con, since=0)
            load_bundle(con, scratch, folder)
            rows = con.execute("SELECT name, summary, doc_chars FROM operations ORDER BY 1")
            expected = [("fused_linear_cross_entropy", None, 13), ("softmax", None, 13)]
            assert rows.fetchall() == (expected if has_operations else [])
