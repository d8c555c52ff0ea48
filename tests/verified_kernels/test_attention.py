"""The three forms of attention agree with PyTorch's and with each other, and refuse the rest."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

import verified_kernels as vk  # noqa: E402 - after the check that there is a PyTorch
from verified_kernels.errors import ArgumentError, DtypeError, UnsupportedError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def tensors(heads=2, kv_heads=2, n_queries=21, n_keys=21, head_dim=16, dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    shapes = [(1, heads, n_queries, head_dim)] + 2 * [(1, kv_heads, n_keys, head_dim)]
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"heads": 4},
        {"n_keys": 40},
        {"n_keys": 9},
        {"dtype": torch.float64},
        {"dtype": torch.float16},
    ],
    ids=["alike", "shared heads", "more keys", "fewer keys", "float64", "float16"],
)
def test_attention_is_pytorchs(sizes, causal):
    q, k, v = tensors(**sizes)
    wanted = scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)
    torch.testing.assert_close(vk.attention(q, k, v, causal), wanted, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_autocast_decides_the_dtype_as_for_pytorchs(dtype):
    # The interpreter does not compute bfloat16 rightly; float16 stands for it.
    q, k, v = tensors(dtype=torch.float32 if dtype is torch.float16 else dtype)
    with torch.autocast("cpu", dtype=torch.float16):
        assert vk.attention(q, k, v).dtype == scaled_dot_product_attention(q, k, v).dtype


def test_packed_sequences_do_not_see_each_other():
    q, k, v = tensors(n_queries=30, n_keys=30)
    begins = torch.tensor([0, 7, 7, 30], dtype=torch.int32)
    packed = [x[0].transpose(0, 1) for x in (q, k, v)]
    found = vk.attention_varlen(*packed, begins, begins, causal=True)
    parts = [
        vk.attention(*(x[:, :, a:b] for x in (q, k, v)), causal=True) for a, b in ((0, 7), (7, 30))
    ]
    torch.testing.assert_close(found.transpose(0, 1)[None], torch.cat(parts, 2))


@pytest.mark.parametrize("tokens", [1, 3])
def test_decoding_gives_the_last_rows_of_causal_attention(tokens):
    q, k, v = tensors(heads=4)
    whole = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    found = vk.decode_attention(q[:, :, -tokens:], k, v, torch.tensor([21]))
    torch.testing.assert_close(found, whole[:, :, -tokens:], atol=1e-5, rtol=1e-5)


def test_pages_in_any_order_are_the_same_cache():
    q, k, v = tensors(n_keys=24)
    order = torch.tensor([2, 0, 1])
    pages = [x.view(2, 3, 8, 16).transpose(0, 1)[order.argsort()] for x in (k, v)]
    lengths = torch.tensor([21])
    table = order.argsort().argsort()[None]
    found = vk.decode_attention(q[:, :, :1], *pages, lengths, block_table=table)
    assert torch.equal(found, vk.decode_attention(q[:, :, :1], k, v, lengths))


def of_shapes(*shapes):
    return [torch.zeros(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(2, 3, 4)] * 3, "batch, heads, seq, head_dim"),
        ([(1, 2, 3, 16), (1, 2, 4, 16), (1, 2, 3, 16)], "alike"),
        ([(1, 2, 3, 16), (1, 2, 3, 8), (1, 2, 3, 8)], "head_dim"),
        ([(1, 3, 3, 16), (1, 2, 3, 16), (1, 2, 3, 16)], "multiple"),
        ([(1, 1, 3, 257)] * 3, "1 to 256"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_a_sentence(shapes, words):
    with pytest.raises(ArgumentError, match=words):
        vk.attention(*of_shapes(*shapes))


def test_dtypes_that_do_not_fit_are_refused():
    q, k, v = tensors()
    with pytest.raises(DtypeError):
        vk.attention(q.long(), k.long(), v.long())
    with pytest.raises(DtypeError):
        vk.attention(q, k.half(), v)
    with pytest.raises(DtypeError, match="int32 or int64"):
        vk.decode_attention(q[:, :, :1], k, v, torch.tensor([21.0]))


def test_decoding_refuses_gradients_and_more_than_eight_tokens():
    q, k, v = tensors()
    with pytest.raises(ArgumentError, match="1 to 8"):
        vk.decode_attention(q, k, v, torch.tensor([21]))
    with pytest.raises(UnsupportedError):
        vk.decode_attention(q[:, :, :1].requires_grad_(), k, v, torch.tensor([21]))
