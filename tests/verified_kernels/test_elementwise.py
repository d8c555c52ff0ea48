"""What the spec's cases leave out of add, sub, mul and fma: promotion, scalars, refusals."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch

PAIRS = [
    (torch.float16, torch.float32),
    (torch.int32, torch.float32),
    (torch.int8, torch.int64),
    (torch.uint8, torch.int8),
    (torch.int64, torch.float16),
]


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
def test_two_dtypes_promote_as_in_pytorch(left, right):
    x = torch.arange(12).reshape(3, 4).to(left)
    y = torch.arange(4).to(right)
    for ours, theirs in ((vk.add, torch.add), (vk.mul, torch.mul)):
        got, want = ours(x, y), theirs(x, y)
        assert got.dtype == want.dtype
        assert torch.equal(got, want)


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
def test_a_tensor_without_dimensions_promotes_as_in_pytorch(left, right):
    for x, y in ((torch.ones(3), torch.ones(())), (torch.ones(()), torch.ones(()))):
        assert vk.add(x.to(left), y.to(right)).dtype == torch.add(x.to(left), y.to(right)).dtype
        assert vk.add(x.to(right), y.to(left)).dtype == torch.add(x.to(right), y.to(left)).dtype


def test_a_number_keeps_its_fp32_digits_beside_fp16():
    x = torch.arange(1, 200, dtype=torch.float16)
    assert torch.equal(vk.mul(x, 0.1), torch.mul(x, 0.1))
    assert torch.equal(vk.add(torch.arange(3), 2), torch.tensor([2, 3, 4]))
    assert torch.equal(vk.add(torch.arange(3), 0.5), torch.tensor([0.5, 1.5, 2.5]))


def test_integers_wrap_around():
    x = torch.tensor([127, -128], dtype=torch.int8)
    one = torch.tensor([1, -1], dtype=torch.int8)
    assert vk.add(x, one).tolist() == [-128, 127]


def test_a_transposed_pair_keeps_its_strides():
    x, y = torch.randn(5, 7).t(), torch.randn(5, 7).t()
    out = vk.sub(x, y)
    assert out.stride() == x.stride()
    assert torch.equal(out, x - y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.ones(2, 3), torch.ones(4)), ValueError, r"add: shapes \[2, 3\], \[4\]"),
        ((torch.ones(2, requires_grad=True), torch.ones(2)), ValueError, "add: has no gradient"),
        ((torch.ones(2), torch.ones(2, device="meta")), ValueError, "add: inputs are on cpu, meta"),
    ],
    ids=["shapes", "gradient", "devices"],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        vk.add(*arguments)
    assert "\n" not in str(caught.value)
