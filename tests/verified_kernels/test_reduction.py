"""How reductions find their dimensions and blocks, and what they refuse."""

import pytest

torch = pytest.importorskip("torch")

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.reduction import plan_blocks, plan_combine, reduced_view  # noqa: E402


@pytest.mark.parametrize("dim", [None, 0, -1, 1, (0, 1), (1, 2), (0, 2), (2, 0), (-1, 0, 1), ()])
@pytest.mark.parametrize("keepdim", [False, True])
def test_dimensions_mean_what_they_mean_to_pytorch(dim, keepdim):
    x = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5)
    assert torch.equal(vk.sum(x, dim, keepdim), torch.sum(x, dim, keepdim))
    dims = () if dim is None else dim
    assert torch.equal(vk.amax(x, dim, keepdim), torch.amax(x, dims, keepdim))


def test_a_contiguous_reduction_makes_no_copy():
    x = torch.zeros(4, 5, 6, 7)
    for dim in (None, 0, 1, 3, (1, 2)):
        view, _ = reduced_view("sum", x, dim, keepdim=False)
        assert view.data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 10**6, 1), (3, 70_001, 5), (5000, 7, 1), (1, 1, 9)]
)
def test_chunks_cover_every_entry_once(shape):
    view = torch.empty(1, dtype=torch.int8).expand(shape)
    blocks = plan_blocks(view)
    assert blocks.chunk % blocks.block_r == 0
    assert (blocks.splits - 1) * blocks.chunk < shape[1] <= blocks.splits * blocks.chunk
    assert plan_combine(view).splits == 1


def test_long_rows_are_split_and_many_rows_are_not():
    assert plan_blocks(torch.zeros(1, 1 << 20, 1)).splits > 16
    assert plan_blocks(torch.zeros(1).expand(4096, 16384, 1)).splits == 1


def test_no_entries():
    empty = torch.zeros(3, 0)
    assert vk.sum(empty, 1).tolist() == [0.0, 0.0, 0.0]
    assert vk.amax(empty, 0).shape == (0,)
    assert vk.argmin(empty, 0, keepdim=True).shape == (1, 0)
    assert vk.var(empty, 1).isnan().all()
    for op in (vk.amax, vk.amin, vk.argmax, vk.argmin):
        with pytest.raises(ValueError, match=f"{op.__name__}: there is no entry"):
            op(empty, 1)


def test_small_integers_sum_without_overflow():
    x = torch.full((1000,), 127, dtype=torch.int8)
    assert vk.sum(x).item() == 127_000
    assert vk.amin(x).dtype == torch.int8


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: vk.sum(x, 2), IndexError, "sum: dim 2 is out of range"),
        (lambda x: vk.sum(x, (0, -2)), ValueError, "sum: dim .* names a dimension twice"),
        (lambda x: vk.amax(x.requires_grad_()), ValueError, "amax: has no gradient"),
        (lambda x: vk.var(x, method="naive"), ValueError, "var: method is 'naive'"),
    ],
    ids=["dim", "twice", "gradient", "method"],
)
def test_what_cannot_be_done_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(2, 3))
