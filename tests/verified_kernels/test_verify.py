"""The runner: its processes, its records, its command line; and what importing costs."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

import verified_kernels as vk
from verified_kernels.records import Pass, Record, dump, load
from verified_kernels.verify import VerifyError, main, verify

FIELDS = (
    "kernel case pass dtype device passed max_abs_err rel_rms_err tolerance ms peers bytes flops "
    "gpu torch triton commit"
).split()


def record(**more):
    values = {
        "kernel": "softmax",
        "case": "rows",
        "pass_": Pass.FORWARD,
        "dtype": "float32",
        "device": "cpu",
        "passed": True,
        "max_abs_err": 1e-7,
        "rel_rms_err": 1e-8,
        "tolerance": 1.3e-6,
    }
    return Record(**values | more)


def test_importing_the_package_imports_neither_torch_nor_the_other_packages():
    code = (
        "import sys, verified_kernels, verified_kernels.verify; "
        "heavy = {'torch', 'triton', 'numpy', 'crawler', 'index', 'wishlist'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ops_are_functions_even_after_their_files_were_imported():

    assert callable(vk.softmax)
    assert callable(vk.layer_norm)
    assert set(vk.OPS) <= set(dir(vk))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = vk.nonsense


def test_records_survive_json_and_hold_the_agreed_fields_first():
    records = [
        record(),
        record(pass_=Pass.BACKWARD, passed=False, note="wrong", peers={"eager": 1.0}),
    ]
    text = dump(records)
    assert load(text) == records
    assert list(json.loads(text)[0])[: len(FIELDS)] == FIELDS


@pytest.mark.parametrize("text", ["{}", "[{}]", '[{"kernel": "softmax", "pass": "sideways"}]'])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError, match=r"record|Pass"):
        load(text)


def test_a_process_past_its_limit_is_a_failed_record():
    found = verify(["transpose"], device="cpu", seconds=0.2)
    assert not found.passed
    assert "passed its limit" in found.records[-1].note


def test_an_unknown_kernel_and_a_missing_gpu_are_one_clear_line():
    with pytest.raises(VerifyError, match="no verified kernel is called sofmax"):
        verify(["sofmax"])
    with pytest.raises(VerifyError, match="--device cuda"):
        verify(["softmax"], device="cpu", bench=True)


def test_the_command_line_writes_records_and_its_exit_code_tells(tmp_path):
    out = tmp_path / "records.json"
    result = CliRunner().invoke(main, ["sigmoid", "--seeds", "1", "--out", str(out)])
    assert result.exit_code == 0
    assert "sigmoid" in result.stdout
    assert all(r.passed and r.kernel == "sigmoid" for r in load(out.read_text()))
    assert CliRunner().invoke(main, ["sofmax"]).exit_code == 2
