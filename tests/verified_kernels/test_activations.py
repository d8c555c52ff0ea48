"""Activations and gated units: digits at the ends, strides, refusals, second derivatives."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "silu"])
def test_digits_are_kept_far_out_and_near_zero(name):
    ends = torch.logspace(-30, 1.9, 400)
    x = torch.cat((ends, -ends))
    truth = getattr(torch.nn.functional, name)(x.double())
    # Relative to each entry, though most are tiny: no difference of near equals anywhere. Far out
    # the exponent itself, about 60, is known to half a unit in its last place: 1.9e-6.
    torch.testing.assert_close(getattr(vk, name)(x).double(), truth, rtol=2e-6, atol=1e-38)


def test_the_slope_of_tanh_keeps_its_digits():
    x = torch.linspace(-20, 20, 401, requires_grad=True)
    (slope,) = torch.autograd.grad(vk.tanh(x).sum(), x)
    truth = 1 / torch.cosh(x.detach().double()) ** 2
    torch.testing.assert_close(slope.double(), truth, rtol=3e-6, atol=0)


def test_channels_last_stays_channels_last():
    x = torch.randn(2, 5, 3, 4).to(memory_format=torch.channels_last).requires_grad_()
    y = vk.relu(x)
    assert y.stride() == x.stride()
    (dx,) = torch.autograd.grad(y, x, torch.ones(2, 5, 3, 4))
    assert torch.equal(dx, (x > 0).float())


@pytest.mark.parametrize("op", [vk.gelu, lambda x, approximate: vk.geglu(x, x, approximate)])
def test_an_unknown_approximation_is_refused(op):
    with pytest.raises(ValueError, match="approximate is 'fast'"):
        op(torch.zeros(3), approximate="fast")


def test_a_gate_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"swiglu: gate is \[3\] and up \[1\]"):
        vk.swiglu(torch.zeros(3), torch.zeros(1))
