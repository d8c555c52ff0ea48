"""Products and convolutions beside PyTorch: layers, second derivatives, packing, refusals."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch

F = torch.nn.functional


def numbers(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(len(shape)))


CONVOLUTIONS = {
    "as it comes": {},
    "strides": {"stride": (2, 1)},
    "padding": {"padding": (2, 1)},
    "groups and dilation": {"groups": 2, "dilation": (1, 2)},
}


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_second_derivatives_of_a_convolution_are_pytorchs(options):
    x = numbers(1, 2, 5, 6)
    weight = numbers(2, 2 // options.get("groups", 1), 2, 2)
    found = []
    for conv in (vk.conv2d, F.conv2d):
        leaves = [t.clone().requires_grad_() for t in (x, weight)]
        y = conv(*leaves, **options)
        first = torch.autograd.grad(y.pow(3).sum(), leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(g.pow(2).sum() for g in first), leaves))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_results_are_channels_last_where_an_operand_is():
    x, weight = numbers(1, 3, 5, 4, dtype=torch.float32), numbers(4, 3, 2, 2, dtype=torch.float32)
    last = torch.channels_last
    for a, b in (
        (x, weight),
        (x.to(memory_format=last), weight),
        (x, weight.to(memory_format=last)),
    ):
        assert vk.conv2d(a, b).stride() == F.conv2d(a, b).stride()


WRONG = {
    "channels": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 2, 3, 3)),
    "groups": lambda: vk.conv2d(numbers(1, 4, 5, 5), numbers(3, 2, 3, 3), groups=2),
    "window": lambda: vk.conv2d(numbers(1, 3, 2, 5), numbers(4, 3, 3, 3)),
    "same": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 3, 3, 3), stride=2, padding="same"),
    "word": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 3, 3, 3), padding="full"),
    "bias": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 3, 3, 3), numbers(3)),
    "stride": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 3, 3, 3), stride=0),
    "method": lambda: vk.conv2d(numbers(1, 3, 5, 5), numbers(4, 3, 3, 3), method="flat"),
    "group_size": lambda: vk.pack_int4(numbers(4, 64), 48),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match=r"conv2d|pack_int4"):
        call()


def test_packed_weights_are_within_half_a_step():
    weight = numbers(6, 300, dtype=torch.float32)
    packed, scales, zeros = vk.pack_int4(weight, 64)
    again = vk.unpack_int4(packed, scales, zeros, 64, 300)
    step = scales.t().repeat_interleave(64, 1)[:, :300]
    assert ((again - weight).abs() <= 0.5001 * step + 1e-6).all()


def test_layers_are_pytorchs():
    torch.manual_seed(5)
    x = numbers(3, 64, dtype=torch.float16)
    ours, theirs = vk.nn.Linear(64, 5, activation="gelu").half(), torch.nn.Linear(64, 5).half()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), F.gelu(theirs(x)), rtol=2e-3, atol=2e-3)
    packed = vk.nn.Int4Linear(theirs, group_size=16)
    weight = vk.unpack_int4(packed.packed, packed.scales, packed.zeros, 16, 64)
    torch.testing.assert_close(packed(x), x @ weight.t() + theirs.bias, rtol=2e-3, atol=2e-3)
    assert set(packed.state_dict()) == {"packed", "scales", "zeros", "bias"}
    pictures = numbers(1, 2, 5, 5, dtype=torch.float32)
    options = {"stride": 2, "padding": 1, "bias": False}
    conv, twin = vk.nn.Conv2d(2, 3, 3, **options), torch.nn.Conv2d(2, 3, 3, **options)
    conv.load_state_dict(twin.state_dict())
    torch.testing.assert_close(conv(pictures), twin(pictures))
    with pytest.raises(NotImplementedError, match="padding_mode"):
        vk.nn.Conv2d(2, 3, 3, padding_mode="circular")
