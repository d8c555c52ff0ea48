"""Rope: that it is a rotation, that relative positions are all that counts, and its refusals."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch


def angles(n_seq, half):
    frequency = 100.0 ** (-torch.arange(half) / half)
    return torch.outer(torch.arange(n_seq).float(), frequency)


def test_lengths_stay_and_the_gradient_turns_back():
    x = torch.randn(2, 3, 7, 16, requires_grad=True)
    angle = angles(7, 8)
    y = vk.rope(x, angle.cos(), angle.sin())
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))
    (back,) = torch.autograd.grad(y, x, y.detach())
    torch.testing.assert_close(back, x.detach())


def test_products_depend_on_the_distance_of_positions():
    angle = angles(9, 8)
    q, k = torch.randn(16).expand(9, 16), torch.randn(16).expand(9, 16)
    scores = vk.rope(q, angle.cos(), angle.sin()) @ vk.rope(k, angle.cos(), angle.sin()).T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1])


def test_the_strides_of_x_are_kept():
    x = torch.randn(2, 5, 3, 16).transpose(1, 2)
    angle = angles(5, 8)
    assert vk.rope(x, angle.cos(), angle.sin()).stride() == x.stride()


@pytest.mark.parametrize(
    ("x", "cos", "message"),
    [
        ((2, 5, 15), (5, 15), "an even head_dim"),
        ((2, 5, 16), (4, 16), r"cos is \[4, 16\]"),
        ((2, 5, 16), (5, 4), r"cos is \[5, 4\]"),
        ((2, 5, 16), (3, 5, 16), r"cos is \[3, 5, 16\]"),
        ((5, 16), (1, 5, 16), r"cos is \[1, 5, 16\]"),
        ((16,), (16,), "an even head_dim"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_refused(x, cos, message):
    with pytest.raises(ValueError, match=message):
        vk.rope(torch.zeros(x), torch.zeros(cos), torch.zeros(cos))


def test_angles_that_want_a_gradient_are_refused():
    cos = torch.zeros(5, 16, requires_grad=True)
    with pytest.raises(ValueError, match="detach them"):
        vk.rope(torch.zeros(5, 16), cos, cos)
