"""A few cases and mutants of every kernel, on the interpreter; `verify --device cpu` runs all."""

import pytest

torch = pytest.importorskip("torch")

import sys  # noqa: E402 - after the check that there is a PyTorch

import verified_kernels as vk  # noqa: E402
from verified_kernels.check import check_case  # noqa: E402
from verified_kernels.mutants import survives  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SPECS = vk.load_specs()
CASES = 4
SMALL = 2_000  # entries


def some_cases(spec):
    """The first few small cases that differ in layout or in kind of values."""
    chosen = {}
    for case in spec.cases:
        # A convolution's shape has the picture first, then channels out and the taps.
        sizes = case.shape[:4] if spec.name == "conv2d" else case.shape
        if not case.gpu_only and torch.Size(sizes).numel() <= SMALL and len(case.shape) > 1:
            chosen.setdefault((case.layout, case.values), case)
    return list(chosen.values())[:CASES]


@pytest.mark.parametrize("name", SPECS)
def test_cases_pass_against_float64(name):
    spec = SPECS[name]
    cases = some_cases(spec)
    assert len(cases) == CASES
    for case in cases:
        dtype = spec.dtypes_of(case, interpreted=True)[0]
        outcomes = check_case(spec, case, dtype, "cpu", seed=3)
        assert [fault for outcome in outcomes for fault in outcome.faults] == [], case.id


@pytest.mark.parametrize("name", SPECS)
def test_a_mutant_is_rejected(name):
    spec = SPECS[name]
    # Those that store past an end can end the process; `verify --mutants` gives each its own.
    mutant = next(m for m in spec.mutants if m.cases and "past" not in m.why)
    assert not survives(sys.modules[spec.op.__module__], spec, mutant, "cpu")
