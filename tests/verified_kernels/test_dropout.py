"""Dropout's masks: Philox's published words, the share that is kept, what a mask depends on."""

import math

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.ops.dropout import philox_reference  # noqa: E402


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        (7, [0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48]),
        (10, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ],
)
def test_philox_gives_the_published_words_for_zero(rounds, words):
    # From the known-answer tests of Random123: philox4x32, counter 0, key 0.
    counter = torch.zeros(1, dtype=torch.int64)
    assert [int(word) for word in philox_reference(0, counter, rounds)] == words


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_kept_share_is_that_of_a_fair_coin(p):
    n = 200_000
    kept = (vk.dropout(torch.ones(n), p, seed=7) != 0).sum().item()
    assert abs(kept - n * (1 - p)) < 5 * math.sqrt(n * p * (1 - p))


def test_neighbours_are_independent():
    kept = vk.dropout(torch.ones(200_000), 0.5, seed=3) != 0
    for distance in (1, 2, 1024, 4096):
        both = (kept[distance:] & kept[:-distance]).float().mean().item()
        assert abs(both - 0.25) < 0.006


def test_the_mask_depends_on_seed_and_place_alone():
    x = torch.ones(37, 130)
    mask = vk.dropout(x, 0.5, seed=11) != 0
    assert torch.equal(vk.dropout(x.half(), 0.5, seed=11) != 0, mask)
    assert torch.equal(vk.dropout(torch.ones(130, 37).t(), 0.5, seed=11) != 0, mask)
    assert not torch.equal(vk.dropout(x, 0.5, seed=12) != 0, mask)


def test_the_gradient_has_the_mask_of_the_output():
    x = torch.ones(5000, requires_grad=True)
    y = vk.dropout(x, 0.4, seed=2**40)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(dx, y.detach())


@pytest.mark.parametrize(
    ("p", "seed", "message"),
    [
        (1.5, 0, "p is 1.5"),
        (math.nan, 0, "p is nan"),
        (0.5, -1, "seed is -1"),
        (0.5, 2**63, "seed"),
    ],
)
def test_bad_arguments_are_refused(p, seed, message):
    with pytest.raises(ValueError, match=message):
        vk.dropout(torch.ones(3), p, seed)
