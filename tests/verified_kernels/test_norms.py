"""Layer norm, RMS norm, softmax, cross entropy and the modules: agreement and refusals."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch

# The interpreter's numpy warns of what happens in masked lanes, which nobody reads.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")

X = torch.zeros(4, 6)
W = torch.ones(6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: vk.layer_norm(X, torch.ones(5)), ValueError, "must end in it"),
        (lambda: vk.layer_norm(X, W, torch.ones(5)), ValueError, "must be alike"),
        (lambda: vk.layer_norm(X, normalized_shape=(4,)), ValueError, "must end in it"),
        (lambda: vk.rms_norm(X, W, torch.zeros(3, 6)), ValueError, "must be alike"),
        (lambda: vk.softmax(X, 2), IndexError, "out of range"),
        (lambda: vk.cross_entropy(X, torch.zeros(5).long()), ValueError, "target has shape"),
        (lambda: vk.cross_entropy(X[:, :0], torch.zeros(4).long()), ValueError, "no classes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_target_out_of_range_shows_as_nan():
    assert vk.cross_entropy(torch.randn(3, 5), torch.tensor([0, 7, 1])).isnan()


def test_a_residual_that_is_the_input_counts_twice():
    x = torch.randn(3, 6, requires_grad=True)
    y, h = vk.rms_norm(x, W, x)
    torch.testing.assert_close(h, 2 * x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    twin = x.detach().clone().requires_grad_()
    expected = torch.nn.functional.rms_norm(2 * twin, (6,), W, 1e-6).sum()
    torch.testing.assert_close(grad, torch.autograd.grad(expected, twin)[0])


def test_a_frozen_weight_gets_no_gradient():
    x = torch.randn(3, 6, requires_grad=True)
    vk.layer_norm(x, W, None).sum().backward()
    assert W.grad is None
    assert x.grad is not None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (vk.nn.LayerNorm(6), torch.nn.LayerNorm(6)),
        (vk.nn.LayerNorm(6, bias=False), torch.nn.LayerNorm(6, bias=False)),
        (vk.nn.LayerNorm((4, 6), 1e-3, False), torch.nn.LayerNorm((4, 6), 1e-3, False)),
        (vk.nn.RMSNorm(6), torch.nn.RMSNorm(6)),
        (vk.nn.RMSNorm(6, 1e-3, False), torch.nn.RMSNorm(6, 1e-3, False)),
        (vk.nn.Softmax(0), torch.nn.Softmax(0)),
        (vk.nn.ReLU(), torch.nn.ReLU()),
        (vk.nn.GELU("tanh"), torch.nn.GELU("tanh")),
        (vk.nn.SiLU(), torch.nn.SiLU()),
        (vk.nn.Sigmoid(), torch.nn.Sigmoid()),
        (vk.nn.Tanh(), torch.nn.Tanh()),
        (vk.nn.Dropout(0.3).eval(), torch.nn.Dropout(0.3).eval()),
    ],
    ids=lambda module: type(module).__name__,
)
def test_modules_agree_with_pytorchs_and_share_its_state(ours, theirs):
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 6)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_loss_module_ignores_as_told():
    logits, target = torch.randn(4, 6), torch.tensor([1, 2, 0, 5])
    expected = torch.nn.functional.cross_entropy(logits, target, ignore_index=2)
    torch.testing.assert_close(vk.nn.CrossEntropyLoss(ignore_index=2)(logits, target), expected)


@pytest.mark.parametrize(("block", "act"), [("SwiGLU", "silu"), ("GEGLU", "gelu")])
def test_gated_blocks_follow_their_formula(block, act):
    module = getattr(vk.nn, block)(6, 10)
    x = torch.randn(3, 6)
    gate = getattr(torch.nn.functional, act)(module.gate(x))
    torch.testing.assert_close(module(x), module.down(gate * module.up(x)))


def test_dropout_follows_the_random_state_and_only_while_training():
    module, x = vk.nn.Dropout(0.5), torch.ones(1000)
    torch.manual_seed(0)
    first = module(x)
    assert not torch.equal(module(x), first)
    torch.manual_seed(0)
    assert torch.equal(module(x), first)
    assert set(first.unique().tolist()) == {0.0, 2.0}
