"""Transpose: both methods agree with PyTorch in every dtype, and refusals."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch

DTYPES = [torch.int8, torch.uint8, torch.int16, torch.int64, torch.float16, torch.float32]


@pytest.mark.parametrize("method", ["tiled", "naive"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_width_of_entry(method, dtype):
    x = torch.arange(130 * 67).reshape(130, 67).to(dtype)
    y = vk.transpose(x, method)
    assert y.is_contiguous()
    assert torch.equal(y, x.T)


@pytest.mark.parametrize(
    ("x", "method", "error", "message"),
    [
        (torch.zeros(3), "tiled", ValueError, "x has 1 dimensions"),
        (torch.zeros(3, 3), "fast", ValueError, "method is 'fast'"),
        (torch.zeros(3, 3, requires_grad=True), "tiled", ValueError, "has no gradient"),
    ],
    ids=["one dimension", "method", "gradient"],
)
def test_what_cannot_be_done_is_refused(x, method, error, message):
    with pytest.raises(error, match=message):
        vk.transpose(x, method)
