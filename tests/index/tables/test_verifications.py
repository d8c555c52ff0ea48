"""Results of runs of the bundled kernels, in the index and in what is shown."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from index.cli.group import triton_index
from index.errors import VerificationError
from index.store import Store
from index.tables.verifications import HOME, read_verifications
from tests.index.samples import column, crawled, kernel, record, rows, save
from verified_kernels.records import Record, dump

SOFTMAX = "verified_kernels/ops/softmax.py"
SWIGLU = "verified_kernels/ops/swiglu.py"


def imported(db: Path, *records: Record) -> int:
    with Store.open_for_writing(db) as store:
        return store.save_verifications(records)


def verified(db: Path) -> dict[str, str | None]:
    return dict(rows(db, "SELECT path, verified.result FROM kernels"))


def bundled(db: Path) -> None:
    save(
        db,
        crawled(
            kernel("_rows", repo=HOME, path=SOFTMAX),
            kernel("_gate", repo=HOME, path=SWIGLU),
            name=HOME,
        ),
    )


def test_a_kernel_bears_the_result_of_the_functions_of_its_file(db: Path) -> None:
    bundled(db)
    assert imported(db, record(), record("swiglu"), record("geglu", passed=False)) == 2
    assert verified(db) == {SOFTMAX: "passed", SWIGLU: "failed"}
    assert rows(db, f"SELECT verified FROM kernels WHERE path = '{SOFTMAX}'") == [
        ({"result": "passed", "gpu": "NVIDIA H200", "torch": "2.11.0", "triton": "3.6.0"},)
    ]


def test_results_wait_for_the_kernels_and_outlive_crawls(db: Path) -> None:
    assert imported(db, record()) == 0
    bundled(db)
    assert verified(db)[SOFTMAX] == "passed"
    bundled(db)
    assert verified(db)[SOFTMAX] == "passed"


def test_a_kernel_that_serves_several_functions_has_the_ops_that_were_verified(db: Path) -> None:
    path = "verified_kernels/ops/activations.py"
    one = kernel("_forward_kernel", repo=HOME, path=path, source="def _forward_kernel(): pass")
    save(db, crawled(one, kernel("_rows", repo=HOME, path=SOFTMAX), name=HOME))
    imported(db, record("gelu"), record("relu"), record("softmax", passed=False))
    found = dict(rows(db, "SELECT path, ops FROM kernels"))
    assert {"gelu", "relu", "silu", "sigmoid", "tanh"} <= set(found[path])
    reasons = column(db, "SELECT unnest(reasons).reason FROM kernel_rows WHERE path = ?", path)
    assert "gelu: verified as verified_kernels.gelu" in reasons
    assert "softmax: verified as verified_kernels.softmax" not in column(
        db, "SELECT unnest(reasons).reason FROM kernel_rows WHERE path = ?", SOFTMAX
    )


def test_other_repositories_bear_no_result(db: Path) -> None:
    save(db, crawled(kernel("_rows", path=SOFTMAX)))
    assert imported(db, record()) == 0


def test_a_new_run_replaces_that_of_the_same_machine_and_release(db: Path) -> None:
    bundled(db)
    imported(db, record(passed=False), record(case="another"))
    imported(db, record())
    assert column(db, 'SELECT "case" FROM verifications') == ["rows of 127"]
    assert verified(db)[SOFTMAX] == "passed"
    # A GPU says more than the interpreter, however old.
    imported(db, record(passed=False, device="cpu", gpu=None, triton="3.9.0"))
    assert verified(db)[SOFTMAX] == "passed"


def test_the_table_has_the_fields_of_the_record(db: Path) -> None:
    timed = record(ms=0.5, peers={"eager": 1.0}, bytes=10, flops=20, note="n")
    imported(db, timed)
    names = column(db, "SELECT column_name FROM (DESCRIBE verifications)")
    assert names == [*timed.to_json(), "imported_at"]
    assert rows(db, "SELECT ms, peers, bytes, flops FROM verifications") == [
        (0.5, {"eager": 1.0}, 10, 20)
    ]


def test_import_and_search_by_command(db: Path, tmp_path: Path) -> None:
    bundled(db)
    file = tmp_path / "records.json"
    file.write_text(dump([record(), replace(record(), dtype="float32")]))
    run = CliRunner()
    done = run.invoke(
        triton_index, ["--db", str(db), "verify", "import", str(file)], standalone_mode=False
    )
    assert (done.return_value, done.exception) == (0, None)
    found = run.invoke(triton_index, ["--db", str(db), "search", "--verified", "--format", "json"])
    assert [k["path"] for k in json.loads(found.stdout)] == [SOFTMAX]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list"),
        ("[]", "no record"),
        ("{}", "no list"),
        ("[3]", "no list"),
        ('[{"kernel": "softmax"}]', "missing"),
        (dump([record("no_such")]), "no_such"),
        (dump([record()]).replace('"cuda"', "7"), "Expected `str`"),
        (dump([record()]).replace('"cuda"', '"tpu"'), "device"),
        (dump([record()]).replace('"forward"', '"sideward"'), r"at `\$.pass`"),
        (dump([record(bytes=-1)]), "bytes"),
        (dump([record(flops=10**30)]), "flops"),
        (dump([record(gpu="H\x00200")]), "gpu"),
        (dump([record(note="x" * 10_000_000)]), "note"),
        (dump([record(max_abs_err=1e308)]), "softmax, rows of 127: passed with errors of 1e\\+308"),
        (dump([record(max_abs_err=0.0, rel_rms_err=1e308)]), "passed with errors"),
        (dump([record(max_abs_err=9.0, rel_rms_err=9.0)]), "passed with errors of 9"),
        (dump([record(max_abs_err=9.0, rel_rms_err=9.0, tolerance=0.0)]), "passed with errors"),
        (dump([record(max_abs_err=2.0, tolerance=1e308)]), "tolerance of 1e\\+308, which is none"),
        (dump([record(commit="javascript:alert(1)")]), "commit"),
        (dump([record(peers={"eager": -1.0})]), "peers"),
        (dump([record()]).replace('"kernel"', '"colonel"'), "unknown colonel"),
        ("\ud800".encode("utf-8", "surrogatepass"), "name a file"),
    ],
)
def test_other_files_are_refused_in_one_line(text: str | bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(VerificationError, match=words) as caught:
        read_verifications(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"max_abs_err": 21770.0, "rel_rms_err": 1e-5}, id="of large values"),
        pytest.param({"max_abs_err": 1e-9, "rel_rms_err": 100.0}, id="of values near nothing"),
        pytest.param({"max_abs_err": None, "rel_rms_err": None, "tolerance": 0.0}, id="of none"),
        pytest.param({"max_abs_err": 1e308, "rel_rms_err": 1e308, "passed": False}, id="failed"),
    ],
)
def test_errors_that_can_be_are_taken(facts: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(dump([record(**facts)]))
    assert len(read_verifications(file)) == 1


def test_a_pipe_is_no_file_of_records(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(VerificationError, match="no file; name a file of `verify --out`"):
        read_verifications(pipe)
