"""What every spec owes: tolerances beside PyTorch's, mutants, gradients, sizes, peers."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.spec import TOLERANCES, Layout, Values  # noqa: E402

DIFFERENTIABLE = {
    *("relu", "gelu", "silu", "sigmoid", "tanh", "softmax", "layer_norm", "rms_norm"),
    *("dropout", "swiglu", "geglu", "rope", "cross_entropy"),
    *("matmul", "linear", "grouped_matmul", "attention", "attention_varlen"),
    *("matmul_int4", "conv2d"),
}
# torch.testing.assert_close, whose figures PyTorch's own tests use.
PYTORCH_RTOL = {"float32": 1.3e-6, "float16": 1e-3, "bfloat16": 1.6e-2}
SPECS = vk.load_specs()


def test_every_op_has_a_spec_of_its_name_and_no_other():
    assert set(SPECS) == set(vk.OPS)


@pytest.mark.parametrize("name", SPECS)
def test_three_mutants_or_more_each_with_a_reason(name):
    mutants = SPECS[name].mutants
    assert len(mutants) >= 3
    assert all(m.why and m.old != m.new for m in mutants)


@pytest.mark.parametrize("name", SPECS)
def test_gradients_are_checked_where_the_op_has_them(name):
    assert bool(SPECS[name].grads) == (name in DIFFERENTIABLE)


@pytest.mark.parametrize("name", SPECS)
def test_cases_hold_odd_sizes_layouts_special_values_and_large_offsets(name):
    cases = SPECS[name].cases
    sizes = {n for case in cases for n in case.shape}
    # Rotary embeddings have even heads, pictures of 129 channels cost the interpreter minutes; all
    # others meet a power of two and its neighbours.
    odd = {"rope": {1, 3, 5}, "conv2d": {1, 3, 37, 64, 72}}
    assert odd.get(name, {1, 127, 128, 129}) <= sizes
    assert {case.layout for case in cases} >= {Layout.STRIDED, Layout.TRANSPOSED, Layout.MISALIGNED}
    assert any(case.values is Values.SPECIAL for case in cases)
    assert any(0 in case.shape for case in cases)
    assert any(largest(name, case) >= 2**31 for case in cases if case.gpu_only)


def largest(name, case):
    """Entries of the largest tensor, which for decoding is the cache."""
    entries = torch.Size(case.shape).numel()
    return entries * max(case.params["lens"]) if name == "decode_attention" else entries


def test_no_relative_tolerance_is_wider_than_pytorchs():
    assert all(bounds.rtol <= PYTORCH_RTOL[dtype] for (_, dtype), bounds in TOLERANCES.items())


@pytest.mark.parametrize("name", SPECS)
def test_timed_sizes_cost_something_and_have_a_peer(name):
    spec = SPECS[name]
    assert spec.bench
    for case in spec.bench:
        cost = spec.cost(case, 2)
        assert cost.forward_bytes > 0
        assert (cost.backward_bytes > 0) == bool(spec.grads)
