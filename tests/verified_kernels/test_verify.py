"""The runner: its processes, its records, its command line; and what importing costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

import verified_kernels as vk
from verified_kernels.records import Pass, Record, dump, load
from verified_kernels.report import standing_of, verdict
from verified_kernels.verify import Options, VerifyError, check_candidate, main, verify

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
    found = verify(["transpose"], Options(seconds=0.2))
    assert not found.passed
    assert "passed its limit" in found.records[-1].note


CANDIDATES = """
import os, subprocess, sys, time
import torch

def right(x, dim=-1):
    return torch.softmax(x, dim)

def renamed(values, dim=-1):
    print("a line of its own, and {not json}")
    return torch.softmax(values, dim)

def wide(x, dim=-1):
    return torch.softmax(x.float(), dim)

def short(x, dim=-1):
    return torch.softmax(x, dim)[..., :-1]

def none(x, dim=-1):
    pass

def cut(x, dim=-1):
    return torch.softmax(x.detach(), dim)

def overwrites(x, dim=-1):
    y = torch.softmax(x, dim)
    x.detach().zero_()
    return y

def dies(x, dim=-1):
    os._exit(7)

def raises(x, dim=-1):
    raise ValueError("no such thing")

def hangs(x, dim=-1):
    # A grandchild that holds the streams and outlives its parent.
    sleeper = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", sleeper])
    with open(os.environ["CHILD_FILE"], "w") as file:
        file.write(str(child.pid))
    time.sleep(600)

constant = 1
"""


@pytest.fixture
def candidates(tmp_path):
    path = tmp_path / "candidates.py"
    path.write_text(CANDIDATES)
    return path


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("wide", "x [127]: output: dtype float32 where float16 is right"),
        ("short", "shape [126] where [127] is right"),
        ("none", "a result is a NoneType, not a tensor"),
        ("cut", "the output takes no gradient"),
        ("overwrites", "x was overwritten"),
        ("raises", "ValueError: no such thing"),
        ("dies", "ended with 7"),
    ],
)
def test_a_candidate_is_told_in_words_where_it_is_wrong(candidates, function, said):
    found = check_candidate("softmax", f"{candidates}:{function}", seeds=1)
    assert not found.passed
    lines = verdict(found.records, "mine")
    assert any(said in record.note for record in found.records if not record.passed)
    assert lines[-1].startswith("mine, held to softmax: ")


@pytest.mark.parametrize("function", ["right", "renamed"])
def test_a_right_candidate_passes_whatever_its_parameter_is_called(candidates, function):
    found = check_candidate("softmax", f"{candidates}:{function}", seeds=1)
    assert found.passed
    assert len(found.records) > 20


def test_gradients_can_be_left_out(candidates):
    found = check_candidate("softmax", f"{candidates}:cut", seeds=1, forward=True)
    assert found.passed
    assert {r.pass_ for r in found.records} == {Pass.FORWARD}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{}:missing", "has no function missing"),
        ("{}:constant", "is a int, not a function"),
        ("{}", "give FILE.py:FUNCTION"),
        ("nowhere.py:right", "there is no such file"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_one_line(candidates, told, said):
    with pytest.raises(VerifyError, match=said):
        check_candidate("softmax", told.format(candidates))


def test_what_a_candidate_started_ends_with_its_process(candidates, tmp_path, monkeypatch):
    child_file = tmp_path / "child"
    monkeypatch.setenv("CHILD_FILE", str(child_file))
    # Long enough for the file to be written on a busy machine; the limit is what ends it.
    found = check_candidate("softmax", f"{candidates}:hangs", seconds=15)
    assert "passed its limit" in found.records[-1].note
    assert "in one entry" in found.records[-1].note
    child = Path("/proc") / child_file.read_text()
    # Killed; whoever inherited it may not have reaped it yet.
    assert not child.exists() or "Z" in (child / "stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": 0}, "--seeds 0"),
        ({"jobs": 0}, "--jobs 0"),
        ({"seconds": 0.0}, "--seconds 0"),
        ({"check": False}, "nothing is to be run"),
    ],
)
def test_a_run_that_would_run_nothing_is_refused(options, said):
    with pytest.raises(VerifyError, match=said):
        verify(["transpose"], Options(**options))


def test_an_unknown_kernel_and_a_missing_gpu_are_one_clear_line():
    with pytest.raises(VerifyError, match="no verified kernel is called sofmax"):
        verify(["sofmax"])
    with pytest.raises(VerifyError, match="--device cuda"):
        verify(["softmax"], Options(bench=True))


def test_the_command_line_writes_records_and_its_exit_code_tells(tmp_path):
    out = tmp_path / "records.json"
    result = CliRunner().invoke(main, ["sigmoid", "--seeds", "1", "--out", str(out)])
    assert result.exit_code == 0
    assert "sigmoid" in result.stdout
    assert all(r.passed and r.kernel == "sigmoid" for r in load(out.read_text()))
    assert CliRunner().invoke(main, ["sofmax"]).exit_code == 2


def test_the_standing_is_the_geometric_mean_and_the_worst_size():
    timed = {"bytes": 1 << 27, "copy_gb_per_s": 1000.0}
    records = [
        record(case="fast", ms=0.2, peers={"eager": 0.8, "compile": 0.4}, **timed),
        record(
            case="slow",
            ms=0.4,
            peers={"eager": 0.2},
            plain_ms=2.0,
            plain_peers={"eager": 1.0},
            **timed,
        ),
        record(case="small", ms=0.1, peers={"eager": 0.1}, bytes=100, copy_gb_per_s=1000.0),
        record(case="not timed"),
    ]
    standing = standing_of(records, "softmax", Pass.FORWARD)
    assert standing.sizes == 3
    # Of the large ones 2**27 bytes in 0.2 and in 0.4 ms, of 1,000 GB/s.
    assert standing.copy == pytest.approx((0.671089 * 0.335544) ** 0.5, rel=1e-5)
    assert standing.worst_copy[1] == "slow, float32"
    # Twice, half and once as fast as the best of the peers.
    assert standing.peer == pytest.approx(1.0)
    assert standing.worst_peer == (pytest.approx(0.5), "slow, float32")
    assert standing.worst_plain == (pytest.approx(0.5), "slow, float32")
    assert standing_of(records, "softmax", Pass.BACKWARD) is None
