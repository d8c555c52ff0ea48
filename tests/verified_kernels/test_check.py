"""The check itself: what it accepts, and each thing it must not let pass."""

import dataclasses
import importlib
import math
import sys

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.check import check_case, compare  # noqa: E402
from verified_kernels.guard import GuardedAllocations  # noqa: E402
from verified_kernels.mutants import MutantError, mutated  # noqa: E402
from verified_kernels.ops import conv2d as conv2d_file  # noqa: E402
from verified_kernels.ops import softmax as softmax_file  # noqa: E402
from verified_kernels.spec import Case, Mutant, Tolerance  # noqa: E402

BOUNDS = Tolerance(1e-3, 1e-6, 1e-3)
CASE = Case(id="rows", shape=(4, 70))


def faults(op):
    spec = dataclasses.replace(vk.load_specs()["softmax"], op=op)
    return [
        fault for outcome in check_case(spec, CASE, "float32", "cpu", 0) for fault in outcome.faults
    ]


def test_the_right_answer_has_no_faults():
    assert faults(lambda x, dim=-1: torch.softmax(x, dim)) == []


def test_an_element_that_is_not_written_is_seen():
    def op(x, dim=-1):
        y = torch.empty_like(x)
        y[:, 1:] = torch.softmax(x, dim)[:, 1:]
        return y

    assert any("differ in NaN" in fault for fault in faults(op))


def test_a_write_past_the_end_is_seen():
    def op(x, dim=-1):
        y = torch.empty_like(x)
        if y.storage_offset():  # where there is a band
            y.as_strided((1,), (1,), y.storage_offset() + y.numel())[0] = 1.0
        return y.copy_(torch.softmax(x, dim))

    assert any(fault.startswith("wrote after an output") for fault in faults(op))


def test_an_overwritten_input_is_seen():
    def op(x, dim=-1):
        y = torch.softmax(x, dim)
        x.detach().mul_(2)
        return y

    assert "x was overwritten" in faults(op)


def test_a_result_that_changes_from_run_to_run_is_seen():
    calls = []

    def op(x, dim=-1):
        calls.append(1)
        return torch.softmax(x, dim) * (1 + 1e-7 * len(calls))

    assert "a second run gave other bits" in faults(op)


def test_a_wrong_gradient_is_seen():
    def op(x, dim=-1):
        y = torch.softmax(x, dim)
        return y.detach() + 0 * (y - y.detach())

    assert any(fault.startswith("gradient of x") for fault in faults(op))


def test_another_dtype_is_seen_where_values_are_right():
    spec = vk.load_specs()["softmax"]
    wide = dataclasses.replace(spec, op=lambda x, dim=-1: torch.softmax(x.float(), dim))
    outcomes = check_case(wide, CASE, "float16", "cpu", 0)
    assert "output: dtype float32 where float16 is right" in outcomes[0].faults
    spec = vk.load_specs()["argmax"]
    narrow = dataclasses.replace(spec, op=lambda x, **more: torch.argmax(x, **more).int())
    case = Case(id="rows", shape=(4, 70), params={"dim": 1})
    outcomes = check_case(narrow, case, "float32", "cpu", 0)
    assert "output: dtype int32 where int64 is right" in outcomes[0].faults


def test_shapes_nan_and_infinity_are_compared_before_distance():
    wanted = torch.tensor([1.0, math.nan, math.inf, -math.inf], dtype=torch.float64)
    assert compare("y", wanted.float(), wanted, BOUNDS).fault is None
    for place, value in ((0, math.nan), (1, 1.0), (2, 1e30), (3, math.inf)):
        actual = wanted.float().clone()
        actual[place] = value
        assert compare("y", actual, wanted, BOUNDS).fault is not None
    assert "shape" in compare("y", wanted.float()[:2], wanted, BOUNDS).fault


def test_what_overflows_the_dtype_may_be_infinite():
    wanted = torch.tensor([70000.0], dtype=torch.float64)
    assert compare("y", torch.tensor([math.inf], dtype=torch.float16), wanted, BOUNDS).fault is None


def test_small_errors_everywhere_are_seen_by_their_root_mean_square():
    wanted = torch.ones(1000, dtype=torch.float64)
    bounds = Tolerance(1e-3, 0.0, 1e-4)
    assert "RMS" in compare("y", wanted.float() * (1 + 5e-4), wanted, bounds).fault


def test_exact_means_to_the_bit():
    bounds = Tolerance(0.0, 0.0, 0.0)
    wanted = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert compare("y", wanted.float(), wanted, bounds).fault is None
    assert compare("y", wanted.float() * (1 + 1e-6), wanted, bounds).fault is not None


def test_only_empty_tensors_are_guarded_and_bands_are_reported_on_either_side():
    with GuardedAllocations() as guard:
        y = torch.empty(10)
        torch.ones(3)
    assert y.isnan().all()
    assert guard.damage() == []
    y.as_strided((1,), (1,), y.storage_offset() - 1).zero_()
    assert guard.damage() == ["wrote before an output of 40 bytes"]


@pytest.mark.parametrize("old", ["there is no such line", "import triton"])
def test_a_mutant_whose_edit_does_not_apply_once_is_an_error(old, tmp_path):
    with pytest.raises(MutantError, match="occurs"):
        mutated(softmax_file, Mutant(why="none", old=old, new=""), tmp_path)


def test_a_mutant_may_be_of_a_file_that_the_kernel_file_is_made_of(tmp_path):
    old, new = "tap // S * dilation_h - padding_h", "tap // S * dilation_h"
    copy = mutated(conv2d_file, Mutant(why="none", old=old, new=new), tmp_path)
    kernels = importlib.import_module("mutant_of_conv2d_kernels")
    assert new in (tmp_path / "mutant_of_conv2d_kernels.py").read_text()
    assert sys.modules["mutant_of_conv2d_paths"].weight_kernel is kernels.weight_kernel
    assert copy.SPEC.op is copy.conv2d is not conv2d_file.conv2d


def test_mutant_cases_must_exist():
    spec = vk.load_specs()["softmax"]
    with pytest.raises(ValueError, match="unknown cases"):
        dataclasses.replace(spec, mutants=(Mutant(why="w", old="a", new="b", cases=("no",)),))
