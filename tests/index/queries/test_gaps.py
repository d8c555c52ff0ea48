from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from index.cli import main
from index.database import open_index
from index.queries.gaps import GAP_COLUMNS, list_gaps
from tests.index.samples import crawled, kernel, save


def gaps_json(
    db: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> list[dict[str, object]]:
    assert main(["--db", str(db), "gaps", "--format", "json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


def test_an_empty_index_misses_what_every_model_calls(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(db, crawled())
    first = gaps_json(db, capsys, "--limit", "5")
    assert len(first) == 5
    assert tuple(first[0]) == GAP_COLUMNS
    assert {"matmul", "sum"} <= {row["operator"] for row in first}
    assert all(row["missing"][0] in ("no kernel", "no backward") for row in first)  # type: ignore[index]


def test_a_kernel_and_its_backward_shrink_the_gap(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(db, crawled(kernel("matmul_kernel", path="matmul.py")))
    before = {row["operator"]: row for row in gaps_json(db, capsys, "--unverified")}
    save(
        db,
        crawled(
            kernel("matmul_kernel", path="matmul.py"),
            kernel("layer_norm_fwd_kernel", path="norm.py"),
            kernel("layer_norm_bwd_kernel", path="norm.py"),
        ),
    )
    after = {row["operator"]: row for row in gaps_json(db, capsys, "--unverified")}
    assert before["layer_norm"]["forward"] == before["layer_norm"]["backward"] == 0
    # They are known to be a pair, so each stands for both directions.
    assert after["layer_norm"]["forward"] == after["layer_norm"]["backward"] == 2
    assert after["layer_norm"]["score"] < before["layer_norm"]["score"]  # type: ignore[operator]
    assert "acme/kernels:norm.py::layer_norm_fwd_kernel" in after["layer_norm"]["best"]  # type: ignore[operator]


def test_removed_kernels_and_tests_fill_no_gap(db: Path) -> None:
    save(db, crawled(kernel("softmax_kernel", path="tests/test_softmax.py")))
    save(db, crawled(kernel("cumsum_kernel", path="scan.py")))
    save(db, crawled(kernel("add_kernel")))
    with open_index(db) as con:
        found = {row["operator"]: row for row in list_gaps(con, ()).records()}
    assert found["softmax"]["forward"] == found["cumsum"]["forward"] == 0


def test_people_see_the_gaps_as_a_table(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(db, crawled())
    assert main(["--db", str(db), "gaps", "--limit", "1"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["kind", "operator", "score"]
    assert row.startswith("nothing exists")


def test_gaps_that_lack_nothing_but_verification_are_shown_on_request(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = (
        kernel("layer_norm_fwd_kernel", path="norm.py"),
        kernel("layer_norm_bwd_kernel", path="norm.py"),
    )
    save(db, crawled(*pair))
    with duckdb.connect(db) as con:
        con.execute("UPDATE kernel_rows SET license = 'MIT'")
    shown = {row["operator"]: row["kind"] for row in gaps_json(db, capsys, "--limit", "0")}
    assert "layer_norm" not in shown
    assert "not verified" not in shown.values()
    every = gaps_json(db, capsys, "--limit", "0", "--unverified")
    kinds = {row["operator"]: row["kind"] for row in every}
    assert kinds["layer_norm"] == "not verified"
    assert kinds["matmul"] == "nothing exists"
