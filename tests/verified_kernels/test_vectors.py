"""How many entries go at a time: what sizes, strides and addresses allow."""

import pytest

torch = pytest.importorskip("torch")

from verified_kernels.vectors import (  # noqa: E402 - after the check that there is a PyTorch
    common_vector,
    flat_vectors,
    row_vectors,
)

BF16 = torch.bfloat16


def tensor(offset=0, dtype=BF16):
    """A vector that begins so many entries after a multiple of 16 bytes."""
    room = torch.zeros(128, dtype=dtype)
    place = -room.data_ptr() % 16 // room.element_size()
    return room[place + offset : place + offset + 64]


@pytest.mark.parametrize(
    ("n_cols", "strides", "wanted", "why"),
    [
        (64, [64, 64], (8, False), "all is a multiple of the vector"),
        (5000, [5000, 5000], (8, False), "8 divides it, though 16 does not"),
        (5001, [5001, 5001], (8, True), "rows lie alike, whatever their length"),
        (5001, [5009, 5001], (8, True), "strides that differ by a multiple of a vector"),
        (5001, [5004, 5001], (1, False), "rows of the same number lie apart"),
        (5002, [10004, 5002], (2, False), "apart, but by pairs"),
        (7, [0], (8, True), "one row"),
    ],
)
def test_rows_go_by_vectors_where_they_lie_alike(n_cols, strides, wanted, why):
    assert row_vectors(n_cols, strides, tensor(), tensor()) == wanted, why


def test_wider_entries_make_shorter_vectors():
    assert row_vectors(64, [64], tensor(dtype=torch.float32)) == (4, False)
    # The widest of several counts: 16 bytes of it hold the fewest entries.
    assert row_vectors(63, [63, 63], tensor(), tensor(dtype=torch.float32)) == (4, True)


def test_a_misaligned_tensor_goes_by_what_its_address_allows():
    assert row_vectors(64, [64], tensor(1)) == (1, False)
    assert row_vectors(64, [64], tensor(4)) == (4, False)
    assert flat_vectors(tensor(), tensor()) == 8
    assert flat_vectors(tensor(), tensor(1)) == 1
    assert common_vector(64, 12, of=[tensor()]) == 4
    assert common_vector(64, 12, of=[tensor(2)]) == 2
